"""What a real Home Assistant and a box said to each other, as `record.py` recorded it, and that the box still says the like."""

import json
from pathlib import Path
from typing import Any

from alerts.channels.homeassistant import components
from alerts.channels.topics import Topics
from appliance.broker.discovery import described
from appliance.config.configuration import load
from appliance.control.mqtt_orders import decode
from appliance.watch import watch
from tests.appliance.broker.test_interfaces import assert_fits, kind_of
from tests.appliance.conftest import Appliance, Broker
from tests.homeassistant.record import DESCRIPTION, LOGIN, MASKS, RECORDING, SERVED

EXCHANGE: list[dict[str, Any]] = [json.loads(line) for line in RECORDING.read_text().splitlines()]
ROOT = "omniwatch/plant/test"


def places(topic: str) -> list[int]:
    """Where in the exchange something was said on a topic."""
    return [number for number, message in enumerate(EXCHANGE) if message["topic"] == topic]


def said(topic: str) -> list[Any]:
    return [EXCHANGE[number]["payload"] for number in places(topic)]


def test_home_assistant_was_told_of_the_box_and_again_at_its_birth() -> None:
    first, second = places(DESCRIPTION)
    birth = said("homeassistant/status").index("online")
    assert first < places("homeassistant/status")[birth] < second
    assert EXCHANGE[first] == EXCHANGE[second]
    assert EXCHANGE[first]["retain"]


def test_an_alarm_was_acknowledged_and_the_box_armed_and_disarmed_by_it() -> None:
    assert said(f"{ROOT}/command/acknowledge") == [{"what": "something-there", "view": "wall", "who": "Home Assistant"}]
    states = said(f"{ROOT}/state/something-there/wall")
    assert list(dict.fromkeys(each["state"] for each in states))[-2:] == ["active", "acknowledged"]
    assert states[-1]["acknowledged_by"] == "Home Assistant"
    assert [each["data"]["change"] for each in said(f"{ROOT}/alert/something-there/wall")][:2] == ["opened", "acknowledged"]
    assert [each["mode"] for each in said(f"{ROOT}/command/mode")] == ["night", "disarmed"]
    assert [each["mode"] for each in said(f"{ROOT}/mode")] == ["home", "night", "disarmed"]


def test_its_image_entity_showed_a_browser_a_picture_that_the_box_had_sent() -> None:
    sent = said(f"{ROOT}/picture/wall")
    (shown,) = said(SERVED)
    assert shown in sent
    assert len({each["sha256"] for each in sent}) > 1, "they follow the film"
    assert all(each["bytes"] <= 6000 and each["sides"] == [240, 144] for each in sent)
    assert not any(EXCHANGE[number]["retain"] for number in places(f"{ROOT}/picture/wall"))


def test_its_camera_was_lost_and_came_back_while_it_looked_on() -> None:
    online = [each["online"] for each in said(f"{ROOT}/sensor/wall")]
    assert online[-2:] == [False, True], "between the two its image entity was unavailable, or there would be no recording"


def test_its_notify_entity_had_something_said() -> None:
    assert said(f"{ROOT}/command/say") == [{"text": 'Leave the "hall".', "who": "Home Assistant"}]
    (answer,) = said(f"{ROOT}/response/say")
    assert answer["done"]


def test_every_message_of_it_is_what_its_type_says_today() -> None:
    for message in EXCHANGE:
        topic, body = message["topic"], message["payload"]
        if "/command/" in topic:
            assert decode(topic.rpartition("/")[2], json.dumps(body).encode()).sender.who == "Home Assistant"
            assert not message["retain"]
        elif topic.startswith(ROOT) and "/picture/" not in topic:
            assert_fits(kind_of(topic), body)


def shape(component: dict[str, Any]) -> str:
    """An entity without what differs from one policy to the next."""
    own = {"name", "unique_id", "payload_press"}
    return json.dumps(
        {key: "…" if key in own or (key.endswith("_topic") and "/state/" in value) else value for key, value in component.items()}, sort_keys=True
    )


def test_the_box_says_nothing_today_that_home_assistant_has_not_taken(tmp_path: Path) -> None:
    box = Appliance(tmp_path, tmp_path / "film.mp4", Broker(tmp_path), sensors=MASKS, login=LOGIN)
    box.film.touch()
    box.write()
    configuration = load(box.config)
    today = components(described(Topics(site="plant", box="test"), configuration, watch(configuration)))
    taken = {shape(each) for each in said(DESCRIPTION)[0]["components"].values()}
    for name, each in today.items():
        assert shape(each) in taken, f"{name}: show it to a Home Assistant again, with tests/homeassistant/record.py"
