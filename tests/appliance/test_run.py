"""The whole appliance, as its owner meets it: over MQTT, in its log and by its signals. A real broker, a film as the camera."""

import os
import signal

import pytest

from tests.appliance.conftest import Appliance, Broker, Listener, eventually

pytestmark = pytest.mark.broker
OPENING_S = 25
"""The film opens its alarm at 5 to 6 s; the rest is a slow machine's."""


def test_an_alarm_reaches_a_subscriber_and_clears_and_the_box_stops_cleanly(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: listener.events("something-there", "opened"), OPENING_S, "the alarm opens")
    opened = listener.events("something-there", "opened")[0]
    assert opened["specversion"] == "1.0"
    assert opened["id"] == f"{opened['data']['alert']}-1"
    assert opened["data"]["by"] == "cues"
    assert opened["data"]["durable"]
    eventually(lambda: listener.events("something-there", "cleared"), 20, "the alarm clears")
    assert listener.events("something-there", "cleared")[0]["data"]["alert"] == opened["data"]["alert"]
    assert appliance.figure('omniwatch_alarm_changes_total{change="opened",policy="something-there",severity="medium"}') == 1
    assert appliance.stop() == 0
    assert listener.of("/status")[-1]["status"] == "stopped"
    assert "Traceback" not in appliance.log()


@pytest.mark.drill(
    5, "broker-down-and-restart", done="The broker is gone while an alarm opens, the box is killed (SIGKILL), both come back",
    sees="the alarm arrives once the broker is there, under the id it was written with, and clears; the journal says for how long nobody watched",
)  # fmt: skip
def test_what_was_raised_without_a_broker_arrives_after_a_kill_under_the_same_id(appliance: Appliance, broker: Broker) -> None:
    broker.stop()
    appliance.start()
    eventually(lambda: "opened: something-there" in appliance.log(), OPENING_S, "the alarm opens")
    appliance.kill()
    appliance.start()
    broker.start()
    late = Listener(broker.port)
    try:
        eventually(lambda: late.events("something-there", "opened"), 30, "the alarm arrives")
        assert len({event["id"] for event in late.events("something-there", "opened")}) >= 1
        first = late.events("something-there", "opened")[0]
        eventually(lambda: late.events("something-there", "cleared"), 30, "the alarm that outlived the kill clears")
        assert late.events("something-there", "cleared")[0]["data"]["alert"] == first["data"]["alert"]
        assert "restarted, nobody watched for" in appliance.log()
        assert appliance.figure('omniwatch_deliveries_total{channel="mqtt",outcome="delivered"}') >= 1
    finally:
        late.close()


@pytest.mark.drill(
    10, "bad-reload", done="SIGHUP with a file that holds a mistake, then with a right one",
    sees="`config-reload-failed` opens and the old file goes on; the journal names line and remedy; it clears with the right file",
)  # fmt: skip
def test_a_bad_file_on_reload_keeps_the_old_one_and_raises_an_alarm(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: listener.of("/sensor/wall"), OPENING_S, "the sensor is known")
    good = appliance.config.read_text()
    appliance.config.write_text(good.replace("trigger:", "triger:"))
    appliance.signal(signal.SIGHUP)
    eventually(lambda: listener.events("config-reload-failed", "opened"), 15, "the alarm about the file opens")
    assert "did you mean" in appliance.log().lower()
    eventually(lambda: appliance.figure("omniwatch_config_last_reload_successful") == 0, 5, "the metrics show it")
    assert appliance.process
    assert appliance.process.poll() is None
    appliance.config.write_text(good.replace("something-there", "something-else"))
    appliance.signal(signal.SIGHUP)
    eventually(lambda: listener.events("config-reload-failed", "cleared"), 15, "the alarm about the file clears")
    eventually(lambda: listener.of("/state/something-else/"), 15, "the new policy is watched")
    eventually(lambda: appliance.figure("omniwatch_config_last_reload_successful") == 1, 5, "the metrics show it")


def test_a_killed_sensor_process_comes_back_by_itself(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: any(body["online"] for body in listener.of("/sensor/wall")), OPENING_S, "the sensor is online")
    os.kill(appliance.children()["sensors.main"], signal.SIGKILL)
    eventually(lambda: any(body["restarts"] == 1 for body in listener.of("/sensor/wall")), 15, "the restart is counted")
    eventually(lambda: listener.of("/sensor/wall")[-1]["online"], 15, "the sensor is online again")


@pytest.mark.drill(
    22, "sensor-process-hangs", done="A sensor's process is stopped (SIGSTOP) and never goes on",
    sees="`sensor-lost` opens before the process is given up, it is replaced, the heartbeat never stops, the alarm clears",
)  # fmt: skip
def test_a_stopped_sensor_process_is_replaced_and_the_box_goes_on(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: any(body["online"] for body in listener.of("/sensor/wall")), OPENING_S, "the sensor is online")
    os.kill(appliance.children()["sensors.main"], signal.SIGSTOP)
    beats = len(listener.of("/heartbeat"))
    eventually(lambda: listener.events("sensor-lost", "opened"), 17, "what hangs is told before the process is given up")
    assert listener.of("/sensor/wall")[-1]["restarts"] == 0
    eventually(lambda: appliance.is_active("sensor-lost"), 5, "the metrics show it")
    eventually(lambda: listener.of("/sensor/wall")[-1]["restarts"] == 1, 30, "the stopped process is replaced")
    assert len(listener.of("/heartbeat")) > beats
    eventually(lambda: listener.events("sensor-lost", "cleared"), 20, "it is back")
    assert "silent for 20 s" in appliance.log()


@pytest.mark.drill(
    6, "publish-refused", done="The broker's access rules forbid the alarm topics",
    sees="`publish-refused` becomes active (its retained state may be written); `omniwatch_mqtt_puback_failures_total` by reason; the journal",
)  # fmt: skip
def test_a_publish_that_the_broker_refuses_is_reported_and_not_swallowed(appliance: Appliance, broker: Broker) -> None:
    broker.stop()
    may = "user box\ntopic write omniwatch/plant/test/status\ntopic write omniwatch/plant/test/state/#\nuser ear\ntopic read omniwatch/#\n"
    (broker.folder / "acl").write_text(may)
    (broker.folder / "users").write_text("")
    os.system(f"mosquitto_passwd -b {broker.folder}/users box hunter2; mosquitto_passwd -b {broker.folder}/users ear ear")  # noqa: S605 - a test's own
    broker.extra = f"allow_anonymous false\npassword_file {broker.folder}/users\nacl_file {broker.folder}/acl"
    broker.start()
    (appliance.folder / "secrets").mkdir()
    (appliance.folder / "secrets" / "mqtt").write_text("hunter2")
    appliance.login = ", username: box, password: !secret mqtt"
    ear = Listener(broker.port, "ear", "ear")
    try:
        appliance.start()
        eventually(lambda: "opened: publish-refused" in appliance.log(), OPENING_S + 10, "the refusal is an alarm of its own")
        eventually(lambda: any(body["state"] == "active" for body in ear.of("/state/publish-refused/")), 10, "and is seen where writing is allowed")
        assert 'omniwatch_mqtt_puback_failures_total{reason="Not authorized"}' in appliance.metrics_text()
        assert "hunter2" not in appliance.log()
    finally:
        ear.close()


def test_a_configuration_that_cannot_be_used_ends_with_every_problem(appliance: Appliance) -> None:
    appliance.more = "  - id: another\n    ask: x\n    sensors: [nowhere]\n    severty: high"
    appliance.start()
    assert appliance.process
    assert appliance.process.wait(timeout=20) == 2
    assert "appliance.yaml:" in appliance.log()
    assert "nowhere" in appliance.log()
    assert 'did you mean "severity"' in appliance.log()


def test_a_second_box_on_the_same_state_does_not_start_and_says_why(appliance: Appliance, broker: Broker) -> None:
    appliance.start()
    eventually(lambda: "watches test" in appliance.log(), OPENING_S, "the first one runs")
    second = Appliance(appliance.folder, appliance.film, broker)
    second.start()
    try:
        assert second.process
        assert second.process.wait(timeout=20) == 1
        assert "another omniwatch uses" in appliance.log()
        assert appliance.stop() == 0
    finally:
        second.kill()
