"""The access rules that are shipped, at a real mosquitto: everybody can do what they have to, and nobody else's."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from alerts.channels.homeassistant import Described
from alerts.channels.topics import Topics
from analyzers.policy import PolicyId
from sensors.window import SensorId, ViewId
from tests.alerts.mosquitto import TOPICS, Broker

pytestmark = pytest.mark.broker
SHIPPED = Path(__file__).parents[2] / "configs" / "mosquitto.acl"
ACCOUNTS = ("omniwatch", "homeassistant", "node-red", "plc-gateway", "everything")
OTHER = Topics(site="plant-7", box="paint-shop")
STATE = TOPICS.state(PolicyId("fire"), ViewId("hall.door"))
ALERT = TOPICS.alert(PolicyId("fire"), ViewId("hall.door"))
DEVICE = Described(
    topics=TOPICS,
    version="",
    sensors=(),
    pictures=(),
    policies={},
    owners=frozenset(),
    modes=(),
    commands=True,
    speaks=True,
    expiry_s=0,
    heartbeat_expiry_s=0,
).topic("homeassistant")
BIRTH = "homeassistant/status"
PICTURE, ANOTHER = TOPICS.picture(SensorId("hall")), OTHER.picture(SensorId("hall"))
ANSWERS = (TOPICS.response("arm"), f"{TOPICS.responses}x/1")
SAID = (TOPICS.status, TOPICS.heartbeat, TOPICS.mode, ALERT, STATE, TOPICS.sensor(SensorId("hall")), TOPICS.probe, *ANSWERS)
ORDERS = tuple(TOPICS.command(verb) for verb in ("acknowledge", "shelve", "unshelve", "clear", "arm", "disarm", "mode", "say", "test-alarm"))

MAY_WRITE = {
    "omniwatch": {*SAID, DEVICE, PICTURE},
    "homeassistant": {*(TOPICS.command(verb) for verb in ("acknowledge", "mode", "say")), BIRTH, DEVICE, "homeassistant/light/lamp/config"},
    "node-red": {TOPICS.command(verb) for verb in ("acknowledge", "shelve", "unshelve", "test-alarm")} | {OTHER.command("shelve")},
    "plc-gateway": {TOPICS.command("acknowledge")},
}
MAY_READ = {
    "omniwatch": {TOPICS.probe, *ORDERS, BIRTH},
    "homeassistant": {*SAID, PICTURE, ANOTHER, *ORDERS, OTHER.status, OTHER.command("shelve"), BIRTH, DEVICE, "homeassistant/light/lamp/config"},
    "node-red": {*SAID, *ORDERS, OTHER.status, OTHER.command("shelve")},
    "plc-gateway": {TOPICS.status, TOPICS.heartbeat, STATE},
}
EVERY = {*SAID, PICTURE, ANOTHER, *ORDERS, OTHER.status, OTHER.command("shelve"), DEVICE, BIRTH, "homeassistant/light/lamp/config", "something/else"}
"""All topics that are tried."""
assert set().union(*MAY_WRITE.values(), *MAY_READ.values()) <= EVERY


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{name}:{name}\n" for name in ACCOUNTS))
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    rules = shutil.copy(SHIPPED, folder / "acl")
    with Path(rules).open("a") as file:
        file.write("\nuser everything\ntopic readwrite #\n")
    broker = Broker(folder, "allow_anonymous false", f"password_file {passwords}", f"acl_file {rules}")
    broker.start()
    yield broker
    broker.kill()


class Client:
    """Somebody with an account."""

    def __init__(self, port: int, name: str) -> None:
        """Connected and subscribed to all that it is given when this returns."""
        self.heard: set[str] = set()
        self._ready = threading.Event()
        self._codes: dict[int, ReasonCode] = {}
        self._news = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.username_pw_set(name, name)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._message
        self._client.on_publish = self._published
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(5)

    def _message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._news:
            self.heard.add(message.topic)
            self._news.notify_all()

    def wait_for(self, topic: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: topic in self.heard, 5)

    def _published(self, _client: paho.Client, _data: object, mid: int, code: ReasonCode, _properties: object) -> None:
        with self._news:
            self._codes[mid] = code
            self._news.notify_all()

    def may_write(self, topic: str) -> bool:
        mid = self._client.publish(topic, b"{}", 1).mid
        with self._news:
            assert self._news.wait_for(lambda: mid in self._codes, 5)
        assert self._codes[mid].value in (0x00, 0x10, 0x87), self._codes[mid]
        return not self._codes[mid].is_failure

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize("name", MAY_WRITE)
def test_an_account_may_write_what_it_has_to_and_nothing_else(broker: Broker, name: str) -> None:
    client = Client(broker.port, name)
    assert {topic for topic in EVERY if client.may_write(topic)} == MAY_WRITE[name]
    client.close()


@pytest.mark.parametrize("name", MAY_READ)
def test_an_account_may_read_what_it_has_to_and_nothing_else(broker: Broker, name: str) -> None:
    client, everything = Client(broker.port, name), Client(broker.port, "everything")
    last = next(iter(MAY_READ[name]))
    for topic in [*(EVERY - {last}), last]:  # messages come in order: with the last one all are there
        assert everything.may_write(topic)
    client.wait_for(last)
    assert client.heard == MAY_READ[name]
    client.close()
    everything.close()


def test_who_has_no_account_is_not_let_in(broker: Broker) -> None:
    refused = subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", ORDERS[0], "-m", "{}"], capture_output=True, check=False, timeout=10)
    assert refused.returncode != 0
    assert b"ot authori" in refused.stderr
