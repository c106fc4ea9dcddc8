"""The broker is not there when the box starts; somebody sends rubbish to every topic of the box."""

import os

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.appliance.conftest import Appliance, Broker, Listener, eventually
from tests.drills.conftest import OPENING_S

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
TOPICS = ("status", "heartbeat", "command/ack", "command/arm", "command/nothing", "state/something-there/wall")


@pytest.mark.drill(
    4, "broker-down-at-boot",
    done="The broker is not there when the box starts; it comes after more than a minute",
    sees="`broker-unreachable` is active in the metrics and the journal, `omniwatch_mqtt_connected` is 0; all alarms arrive later, in order",
)  # fmt: skip
def test_a_broker_that_is_not_there_at_boot(appliance: Appliance, broker: Broker, measured: dict[str, int]) -> None:
    broker.stop()
    appliance.start()
    eventually(lambda: "opened: broker-unreachable" in appliance.log(), 90, "the absence is an alarm")
    eventually(lambda: appliance.is_active("broker-unreachable"), 5, "the metrics show it")
    eventually(lambda: appliance.figure("omniwatch_mqtt_connected") == 0, 5, "the metrics show it")
    waiting = appliance.figure('omniwatch_outbox_depth{channel="mqtt"}')
    broker.start()
    ear = Listener(broker.port, patience_s=0.1)
    try:
        eventually(lambda: ear.events("broker-unreachable", "cleared"), 60, "what waited arrives")
        mine = [event["data"]["change"] for event in ear.of("/alert/something-there/")]
        assert mine[:4] == ["opened", "cleared", "opened", "cleared"]
        eventually(lambda: appliance.figure("omniwatch_mqtt_connected") == 1, 5, "the metrics show it")
        measured["alarm events that waited"] = round(waiting)
        assert appliance.stop() == 0
    finally:
        ear.close()


@pytest.mark.drill(
    7, "rubbish-on-every-topic",
    done="A client of the broker sends rubbish to every topic of the box, command topics too, several hundred times, some of it retained",
    sees="alarms go on being delivered, the connection stays, the journal holds no trace",
)  # fmt: skip
def test_rubbish_on_every_topic(appliance: Appliance, broker: Broker, listener: Listener) -> None:
    appliance.login = ", commands: true"
    appliance.start()
    eventually(lambda: listener.events("something-there", "opened"), OPENING_S, "an alarm opens")
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    rubbish = (b"{", b"\xff\xfe", b"null", b"[" * 20_000, b'{"what": 7}', os.urandom(1000))
    for number in range(300):
        topic = f"omniwatch/plant/test/{TOPICS[number % len(TOPICS)]}"
        client.publish(topic, rubbish[number % len(rubbish)], qos=1, retain=number % 5 == 0).wait_for_publish(10)
    client.loop_stop()
    before = appliance.figure('omniwatch_deliveries_total{channel="mqtt",outcome="delivered"}')
    eventually(lambda: appliance.figure('omniwatch_deliveries_total{channel="mqtt",outcome="delivered"}') > before + 2, OPENING_S, "alarms go on")
    eventually(lambda: appliance.figure("omniwatch_mqtt_connected") == 1, 5, "the metrics show it")
    assert "Traceback" not in appliance.log()
    assert appliance.stop() == 0
