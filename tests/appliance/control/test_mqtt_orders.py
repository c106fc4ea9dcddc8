"""Orders over MQTT: what is one and what is not, and what a running box does with them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alerts.channels.listening import MAX_PAYLOAD
from appliance.control.mqtt_orders import BURST, NOBODY, VERBS, NoOrderError, decode
from appliance.control.orders import Acknowledge, Arm, Disarm, Shelve
from tests.appliance.conftest import Appliance, Broker, eventually

ROOT = "omniwatch/plant/test"


@pytest.mark.parametrize(
    ("verb", "body", "order", "who"),
    [
        ("acknowledge", {"what": "fire", "view": "hall", "who": "anna"}, Acknowledge(what="fire", view="hall"), "anna"),
        ("acknowledge", {"what": "fire"}, Acknowledge(what="fire"), NOBODY),
        ("acknowledge", {"what": "fire", "who": "\u202e\n"}, Acknowledge(what="fire"), NOBODY),
        ("shelve", {"what": "fire", "span_s": 60, "why": "paint"}, Shelve(what="fire", span_s=60.0, why="paint"), NOBODY),
        ("arm", {}, Arm(), NOBODY),
        ("mode", {"mode": "night"}, Arm(mode="night"), NOBODY),
        ("mode", {"mode": "disarmed", "why": "party"}, Disarm(why="party"), NOBODY),
    ],
)
def test_a_message_is_the_order_of_its_topic(verb: str, body: dict[str, Any], order: object, who: str) -> None:
    given = decode(verb, json.dumps(body).encode())
    assert (given.order, given.sender.who) == (order, who)


def test_only_one_topic_disarms_besides_that_of_disarming() -> None:
    assert decode("arm", b'{"mode": "disarmed"}').order == Arm(mode="disarmed"), "which the box refuses: there is no such mode"


@pytest.mark.parametrize(
    ("verb", "payload", "says"),
    [
        ("acknowlege", b'{"what": "fire"}', 'did you mean "acknowledge"'),
        ("forget", b"{}", "there is no order"),
        ("acknowledge", b"", "JSON"),
        ("disarm", b"", "JSON"),
        ("disarm", b"disarm", "JSON"),
        ("disarm", b"[]", "JSON like"),
        ("acknowledge", b"{}", "what"),
        ("acknowledge", b'{"what": 7}', "what"),
        ("acknowledge", b'{"what": ""}', "what"),
        ("acknowledge", b'{"what": "fire", "verb": "disarm"}', "means nothing"),
        ("shelve", b'{"what": "fire", "span": 60, "why": "paint"}', 'did you mean "span_s"'),
        ("shelve", b'{"what": "fire", "span_s": 86401, "why": "paint"}', "span_s"),
        ("shelve", b'{"what": "fire", "span_s": NaN, "why": "paint"}', "span_s"),
        ("shelve", b'{"what": "fire", "span_s": 60}', "why"),
        ("disarm", json.dumps({"who": "x" * 65}).encode(), "who"),
        ("disarm", b'{"who": "' + b"x" * MAX_PAYLOAD + b'"}', "at most"),
        ("disarm", b'{"why": ' + b"[" * 2000 + b"]" * 2000 + b"}", "recursion limit"),
        ("disarm", b'{"who": "\xff"}', "JSON"),
    ],
)
def test_what_is_no_order_says_why_in_a_line(verb: str, payload: bytes, says: str) -> None:
    with pytest.raises(NoOrderError, match=says) as told:
        decode(verb, payload)
    assert len(str(told.value)) < 400
    assert str(told.value).isprintable()


def test_no_order_over_mqtt_removes_evidence_or_asks_who_said_what() -> None:
    assert VERBS.keys() == {"acknowledge", "shelve", "unshelve", "clear", "arm", "disarm", "mode", "say", "test-alarm"}


class Person:
    """Somebody who gives orders and hears the answers."""

    def __init__(self, port: int, version: int = paho.MQTTv5) -> None:
        self.answers: list[paho.MQTTMessage] = []
        self._v5 = version == paho.MQTTv5
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/response/#", 1)
        self._client.on_message = lambda _client, _data, message: self.answers.append(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def order(self, verb: str, payload: object, *, retain: bool = False, **more: Any) -> None:  # noqa: ANN401 - properties
        properties = Properties(PacketTypes.PUBLISH) if self._v5 else None  # type: ignore[no-untyped-call]  # paho has no types here
        for name, value in more.items():
            setattr(properties, name, value)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"{ROOT}/command/{verb}", body, 1, retain, properties).wait_for_publish(5)

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in list(self.answers)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def person(broker: Broker) -> Iterator[Callable[..., Person]]:
    there: list[Person] = []

    def new(version: int = paho.MQTTv5) -> Person:
        there.append(Person(broker.port, version))
        return there[-1]

    yield new
    for each in there:
        each.close()


def ready(appliance: Appliance, login: str = ", commands: true") -> None:
    appliance.login = login
    appliance.start()
    eventually(lambda: "mqtt: connected" in appliance.log(), 25, "the box is connected")


@pytest.mark.broker
def test_orders_are_done_answered_where_asked_and_on_record(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance)
    anna = person()
    anna.order("arm", {"mode": "night", "who": "anna", "id": "7"}, ResponseTopic=f"{ROOT}/response/anna/1", CorrelationData=b"\x01\x02")
    eventually(lambda: anna.answers, 10, "an answer")
    answer = anna.answers[0]
    assert (answer.topic, answer.retain, json.loads(answer.payload)["id"]) == (f"{ROOT}/response/anna/1", False, "7")
    assert answer.properties is not None
    assert answer.properties.CorrelationData == b"\x01\x02"
    assert json.loads(answer.payload)["says"] == ["armed: night"]
    old = person(paho.MQTTv311)
    old.order("shelve", {"what": "something-there", "span_s": 60, "why": "paint", "who": "old gateway", "id": "8"})
    eventually(lambda: old.answers and old.answers[-1].topic == f"{ROOT}/response/shelve", 10, "an answer without a response topic")
    assert old.said()[-1]["done"]
    anna.order("arm", {"mode": "disarmed", "who": "anna"})
    eventually(lambda: any("no arm mode" in str(each["says"]) for each in anna.said()), 10, "a refusal")
    shown = subprocess.run(
        [sys.executable, "-m", "appliance", "audit", "--config", str(appliance.config)], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert shown.count("mqtt") >= 3, shown
    assert "old gateway" in shown
    assert appliance.figure('omniwatch_mqtt_orders_total{outcome="done"}') == 2
    assert appliance.figure('omniwatch_mqtt_orders_total{outcome="refused"}') == 1
    assert "Traceback" not in appliance.log()


@pytest.mark.broker
def test_a_retained_order_is_never_done_and_said_once_however_often_it_comes(appliance: Appliance, person: Callable[..., Person]) -> None:
    anna = person()
    anna.order("arm", {"mode": "night", "who": "anna"}, retain=True)
    ready(appliance)
    eventually(lambda: any("retain" in str(each["says"]) and not each["done"] for each in anna.said()), 10, "it is answered")
    anna.order("disarm", {"who": "anna"}, retain=True)
    eventually(lambda: len(anna.answers) >= 2, 10, "while the box is connected it is seen to be retained as well")
    assert not any(each["done"] for each in anna.said())
    eventually(lambda: appliance.figure('omniwatch_mqtt_orders_total{outcome="retained"}') == 2, 10, "both are counted")
    assert appliance.log().count(f"refused what came on {ROOT}/command/arm") == 1
    anna.order("arm", {"mode": "night", "who": "anna"}, retain=True)
    eventually(lambda: appliance.figure('omniwatch_mqtt_orders_total{outcome="retained"}') == 3, 10, "the same again is counted")
    assert appliance.log().count(f"refused what came on {ROOT}/command/arm") == 1, "and not said again"
    eventually(lambda: len(anna.answers) == 3, 10, "but answered")
    anna.order("arm", b"", retain=True)
    anna.order("arm", {"mode": "away"})
    eventually(lambda: any(each["done"] for each in anna.said()), 10, "an order that is not retained is done")
    assert len(anna.answers) == 4, "clearing the topic is no order"


@pytest.mark.broker
def test_the_box_answers_nowhere_where_its_sender_may_not_write_itself(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance)
    anna = person()
    for where in (f"{ROOT}/status", "homeassistant/light/x/config", f"{ROOT}/response/", f"{ROOT}/responses/x"):
        anna.order("disarm", {"who": "mallory"}, ResponseTopic=where)
    eventually(lambda: len(anna.answers) == 4, 10, "four refusals where answers belong")
    assert {message.topic for message in anna.answers} == {f"{ROOT}/response/disarm"}
    assert not any(each["done"] for each in anna.said())
    assert "disarmed" not in appliance.log()


@pytest.mark.broker
def test_a_flood_of_orders_is_dropped_and_said_once_and_the_box_goes_on(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance)
    anna = person()
    for _ in range(100):
        anna.order("arm", {"mode": "night"})
    eventually(lambda: anna.order("arm", {"mode": "night"}) or len(anna.answers) >= BURST + 3, 10, "the first are done, and later some now and then")
    assert len(anna.answers) < BURST + 6
    assert appliance.figure('omniwatch_mqtt_orders_total{outcome="too_many"}') >= 80
    assert appliance.log().count("the rest are dropped") == 1
    eventually(lambda: anna.order("disarm", {}) or any(each["verb"] == "disarm" for each in anna.said()), 15, "later orders are done")


@pytest.mark.broker
def test_without_the_owners_word_no_order_is_taken(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance, login="")
    anna = person()
    anna.order("disarm", {"who": "mallory"})
    eventually(lambda: "opened: something-there" in appliance.log(), 25, "the box works")
    assert not anna.answers
    assert "mallory" not in appliance.log()


@pytest.mark.broker
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="apt-get install espeak-ng")
def test_what_people_want_said_is_said_and_on_record_whichever_way_it_came(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance, ", commands: true}\n  speech: {device: nosuch, least: critical")
    anna = person()
    anna.order("say", {"text": "The gate will be closed.", "who": "anna"})
    eventually(anna.said, 20, "it was said")
    (kept,) = (appliance.folder / "state" / "announcements").glob("*-said.wav")
    assert (anna.said()[0]["verb"], anna.said()[0]["done"]) == ("say", True)
    assert kept.name in anna.said()[0]["says"][0]
    command = [sys.executable, "-m", "appliance"]
    typed = subprocess.run([*command, "say", "Lunch.", "--config", str(appliance.config)], capture_output=True, text=True, check=False, timeout=30)
    assert (typed.returncode, "kept as" in typed.stdout) == (0, True)
    shown = subprocess.run([*command, "audit", "--config", str(appliance.config)], capture_output=True, text=True, check=True, timeout=30)
    assert "The gate will be closed." in shown.stdout
    assert "Lunch." in shown.stdout


@pytest.mark.broker
def test_a_box_without_a_loudspeaker_says_so(appliance: Appliance, person: Callable[..., Person]) -> None:
    ready(appliance)
    anna = person()
    anna.order("say", {"text": "The gate will be closed."})
    eventually(anna.said, 10, "an answer")
    assert not anna.said()[0]["done"]
    assert "`notify.speech`" in anna.said()[0]["says"][0]
