"""What Home Assistant is told. Its own schemas need a newer Python, so what each platform takes is written down here, from its 2025.4."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from jinja2 import Environment

from alerts.channels.homeassistant import MAX_COMPONENTS, Described, components, left_out, payload, platforms
from alerts.channels.topics import Topics
from analyzers.policy import Acknowledge, Policy, PolicyId
from appliance.control.mqtt_orders import decode
from appliance.control.orders import Say
from sensors.window import SensorId, ViewId

TOPICS = Topics(site="plant-7", box="press-hall")
HALL = SensorId("hall")
OWN = Policy(id=PolicyId("entry"), title="Person in the press cell", ask="Is somebody there?", sensors=(HALL,), zone="cell")
BUILT_IN = Policy(id=PolicyId("picture-covered"), title="Picture covered", ask="?", sensors=(HALL,), acknowledge=Acknowledge.REQUIRED)
OF_THE_BOX = Policy(id=PolicyId("disk-low"), title="Disk low", ask="?", sensors=(SensorId("box"),))

EVERY = {"platform", "unique_id", "name", "entity_category", "json_attributes_topic", "json_attributes_template", "state_topic", "value_template"}
TAKES = {
    "binary_sensor": EVERY | {"device_class", "expire_after", "payload_on", "payload_off", "off_delay", "force_update"},
    "sensor": EVERY | {"device_class", "expire_after", "state_class", "unit_of_measurement", "options"},
    "select": EVERY | {"command_topic", "command_template", "options", "optimistic", "retain"},
    "button": {"platform", "unique_id", "name", "entity_category", "command_topic", "command_template", "payload_press", "retain", "device_class"},
    "image": {"platform", "unique_id", "name", "entity_category", "image_topic", "content_type", "availability", "availability_mode"},
    "notify": {"platform", "unique_id", "name", "entity_category", "command_topic", "command_template", "retain"},
}
MUST = {
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "select": {"command_topic", "options"},
    "button": {"command_topic"},
    "image": {"image_topic"},
    "notify": {"command_topic"},
}
CLASSES = {"binary_sensor": {"problem", "connectivity", "running"}, "sensor": {"enum"}}


def described(*policies: Policy, commands: bool = True, speaks: bool = True) -> Described:
    return Described(
        topics=TOPICS,
        version="1.2.3",
        sensors=(HALL,),
        pictures=(HALL,),
        policies={(policy.id, view): policy for policy in policies for view in policy.views()},
        owners=frozenset({OWN.id}),
        modes=("home", "night"),
        commands=commands,
        speaks=speaks,
        expiry_s=90,
        heartbeat_expiry_s=30,
    )


ALL = described(OWN, BUILT_IN, OF_THE_BOX)


def said(what: Described, gone: dict[str, str] | None = None) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(payload(what, components(what), gone or {}))
    return message


def test_the_message_is_one_device_with_what_its_schema_wants() -> None:
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", ALL.topic("homeassistant")), "Home Assistant takes no other characters"
    message = said(ALL)
    assert message.keys() == {"device", "origin", "availability", "qos", "components"}
    assert message["device"]["identifiers"] == ["omniwatch_plant-7_press-hall"]
    assert message["origin"] == {"name": "Omniwatch", "sw_version": "1.2.3"}


@pytest.mark.parametrize("commands", [True, False])
def test_every_entity_has_what_its_platform_needs_and_nothing_that_it_does_not_know(commands: bool) -> None:  # noqa: FBT001 - a case
    shown = components(described(OWN, BUILT_IN, OF_THE_BOX, commands=commands))
    assert len({each["unique_id"] for each in shown.values()}) == len(shown) > 6
    for name, each in shown.items():
        platform = str(each["platform"])
        assert each.keys() <= TAKES[platform], name
        assert each.keys() >= MUST[platform] | {"name", "unique_id"}, name
        assert each.get("device_class") in CLASSES.get(platform, set()) | {None}, name
        assert each.get("entity_category") in {None, "diagnostic", "config"}
        assert not (each.get("entity_category") == "config" and platform not in {"button", "select"}), "only what can be operated configures"


def test_every_topic_lies_in_the_boxs_own_tree_and_is_one_that_it_says_or_hears() -> None:
    topics = [value for each in components(ALL).values() for key, value in each.items() if key.endswith("topic")]
    assert set(topics) == {
        TOPICS.heartbeat,
        TOPICS.mode,
        TOPICS.sensor(HALL),
        TOPICS.picture(HALL),
        TOPICS.command("say"),
        TOPICS.state(OWN.id, ViewId("hall.cell")),
        TOPICS.state(BUILT_IN.id, ViewId("hall")),
        TOPICS.state(OF_THE_BOX.id, ViewId("box")),
        TOPICS.command("mode"),
        TOPICS.command("acknowledge"),
    }


def test_a_new_title_is_a_new_name_of_the_same_entity() -> None:
    before, after = components(ALL), components(described(replace(OWN, title="Who is there"), BUILT_IN, OF_THE_BOX))
    assert {name: each["unique_id"] for name, each in before.items()} == {name: each["unique_id"] for name, each in after.items()}
    assert before["alarm_entry_hall_cell"]["name"] == "Person in the press cell on hall.cell"
    assert after["alarm_entry_hall_cell"]["name"] == "Who is there on hall.cell"


def test_two_boxes_and_two_views_never_share_an_id() -> None:
    names = [("a", "b-c"), ("a-b", "c")]
    assert len({replace(ALL, topics=Topics(site=site, box=box)).device for site, box in names}) == 2
    zoned = replace(OWN, id=PolicyId("p"), sensors=(SensorId("hall"), SensorId("hall-cell")), zone="x")
    shown = components(described(zoned, replace(zoned, zone=None)))
    assert len({each["unique_id"] for name, each in shown.items() if name.startswith("alarm_")}) == 4


def test_without_orders_there_is_nothing_to_press_and_with_them_what_waits_for_somebody() -> None:
    assert {str(each["platform"]) for each in components(described(OWN, BUILT_IN, commands=False)).values()} == {"binary_sensor", "sensor", "image"}
    assert {name for name, each in components(ALL).items() if each["platform"] == "button"} == {
        "acknowledge_entry_hall_cell",
        "acknowledge_picture-covered_hall",
    }


@pytest.mark.parametrize(
    ("state", "blind", "shown"),
    [
        ("normal", None, "OFF"),
        ("pending", None, "OFF"),
        ("active", None, "ON"),
        ("acknowledged", None, "ON"),
        ("cleared_unacknowledged", None, "OFF"),
        ("normal", "2026-11-25T12:00:00Z", "None"),
        ("active", "2026-11-25T12:00:00Z", "ON"),
    ],
)
def test_what_cannot_be_watched_is_unknown_and_never_well(state: str, blind: str | None, shown: str) -> None:
    template = str(components(ALL)["alarm_entry_hall_cell"]["value_template"])
    assert Environment(autoescape=False).from_string(template).render(value_json={"state": state, "blind_since": blind}) == shown  # noqa: S701 - no page


@pytest.mark.parametrize(("status", "shown"), [("online", "online"), ("stopped", "offline"), ("offline", "offline")])
def test_nothing_is_available_while_the_box_is_not_there(status: str, shown: str) -> None:
    template = said(ALL)["availability"][0]["value_template"]
    assert Environment(autoescape=False).from_string(template).render(value_json={"status": status}) == shown  # noqa: S701 - no page


def test_what_the_select_and_the_buttons_send_are_orders() -> None:
    shown = components(ALL)
    sent = Environment(autoescape=False).from_string(str(shown["arm"]["command_template"])).render(value="disarmed")  # noqa: S701 - no page
    assert json.loads(sent) == {"mode": "disarmed", "who": "Home Assistant"}
    assert json.loads(str(shown["acknowledge_entry_hall_cell"]["payload_press"])) == {"what": "entry", "view": "hall.cell", "who": "Home Assistant"}


def test_the_last_picture_of_a_camera_that_gives_none_is_not_shown() -> None:
    of = said(ALL)["components"]["picture_hall"]
    box, camera = of["availability"]
    assert (of["availability_mode"], box) == ("all", said(ALL)["availability"][0]), "an entity with places of its own has no other"
    assert camera["topic"] == TOPICS.sensor(HALL)
    template = Environment(autoescape=False).from_string(camera["value_template"])  # noqa: S701 - no page
    assert [template.render(value_json={"online": online}) for online in (True, False)] == ["online", "offline"]
    assert "picture_hall" not in components(replace(ALL, pictures=()))


@pytest.mark.parametrize("text", ["Leave the hall.", 'He said "no" \\ {{ 7 * 6 }}', "Achtung: Türe\nzu!"])
def test_what_is_sent_to_be_said_is_an_order_whatever_its_text(text: str) -> None:
    say = components(ALL)["say"]
    sent = Environment(autoescape=False).from_string(str(say["command_template"])).render(value=text)  # noqa: S701 - no page
    assert json.loads(sent) == {"text": text, "who": "Home Assistant"}
    assert decode("say", sent.encode()).order == Say(text=text)


@pytest.mark.parametrize(("commands", "speaks"), [(False, True), (True, False)])
def test_a_box_that_takes_no_orders_or_has_no_voice_has_nobody_to_tell_what_to_say(*, commands: bool, speaks: bool) -> None:
    assert "say" not in components(described(OWN, commands=commands, speaks=speaks))


def test_what_is_gone_is_named_with_its_platform_alone_and_nothing_that_is_there_is() -> None:
    message = said(ALL, {"alarm_old_hall": "binary_sensor", "arm": "select"})
    assert message["components"]["alarm_old_hall"] == {"platform": "binary_sensor"}
    assert message["components"]["arm"]["options"] == ["disarmed", "home", "night"]
    assert platforms({"arm": {"platform": "select", "x": 1}}) == {"arm": "select"}


def test_of_too_many_alarms_the_owners_come_first_and_the_rest_is_counted() -> None:
    many = [replace(OWN, id=PolicyId(f"p{number}"), zone=None) for number in range(MAX_COMPONENTS)]
    what = described(*many, OWN)
    shown = components(what)
    assert len(shown) == MAX_COMPONENTS
    assert "alarm_entry_hall_cell" in shown
    assert left_out(what, shown) == MAX_COMPONENTS + 1 - sum(name.startswith("alarm_") for name in shown) > 0
