"""What travels over MQTT is what the committed schemas say, and what the documentation shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from alerts.builtin import builtin
from alerts.channels.mqtt import MAX_RETAINED
from alerts.channels.mqtt_settings import MqttSettings
from alerts.channels.topics import Topics
from appliance.broker.interfaces import TOLD, TOPICS, asyncapi, schemas
from appliance.config.policy_form import MAX_POLICIES, MAX_SENSORS
from appliance.config.site_form import MAX_SITE_SENSORS
from appliance.control.mqtt_orders import VERBS, decode
from appliance.doctor.broker import try_broker
from appliance.doctor.finding import Health
from sensors.window import SensorId
from tests.appliance.conftest import Appliance, Listener, eventually

DOCS = Path(__file__).parents[3] / "docs"
KINDS = {each.name: TypeAdapter[Any](each.kind) for each in TOLD}
ADDRESSES = {each.name: re.compile(re.sub(r"\\{client\\}", ".+", re.sub(r"\\{(?!client)\w+\\}", "[^/]+", re.escape(each.address)))) for each in TOLD}


def kind_of(topic: str) -> str:
    """The kind of message of a topic."""
    return next(name for name, address in ADDRESSES.items() if address.fullmatch(topic))


def assert_fits(name: str, body: object) -> None:
    """A message is what its type says, no more and no less."""
    adapter = KINDS[name]
    assert json.loads(adapter.dump_json(adapter.validate_python(json.loads(json.dumps(body))))) == body


def test_there_is_room_for_every_value_of_the_largest_configuration() -> None:
    cameras = [SensorId(f"c{number}") for number in range(MAX_SITE_SENSORS)]
    built_in = sum(len(policy.views()) for policy in builtin(sight=cameras, sound=cameras))
    assert built_in + MAX_POLICIES * MAX_SENSORS + MAX_SITE_SENSORS + len(("status", "mode", "heartbeat", "description")) <= MAX_RETAINED


def test_the_committed_schemas_and_asyncapi_file_are_those_that_the_types_make() -> None:
    stale = "stale: python -m appliance.broker.interfaces docs"
    made = schemas()
    assert {path.name.removesuffix(".schema.json") for path in (DOCS / "schemas").iterdir()} == made.keys(), stale
    for name, schema in made.items():
        assert json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text()) == schema, stale
    assert YAML(typ="safe").load(DOCS / "asyncapi.yaml") == asyncapi(), stale


def test_the_asyncapi_file_refers_to_nothing_that_is_not_there() -> None:
    document = asyncapi()
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert len(references) > 50
    for reference in references:
        if reference.startswith("./"):
            assert (DOCS / reference).is_file()
            continue
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


@pytest.mark.broker
def test_all_that_a_running_box_says_fits_its_type_and_topic(appliance: Appliance, listener: Listener) -> None:
    appliance.login = ", commands: true, onvif: true"
    appliance.start()
    eventually(lambda: listener.events("something-there", "opened"), 25, "an alarm opens")
    listener.publish("omniwatch/plant/test/command/arm", {"mode": "night", "who": "anna"})
    eventually(lambda: listener.of("/response/"), 10, "the order is answered")
    eventually(lambda: any(each["mode"] == "night" for each in listener.of("/mode")), 10, "the mode is told")
    assert try_broker(MqttSettings(host="127.0.0.1", port=appliance.broker.port), Topics(site="plant", box="test")).health is Health.OK
    assert appliance.stop() == 0
    said = [(topic, body) for topic, body in listener.messages if "/command/" not in topic]
    for topic, body in said:
        assert_fits(kind_of(topic), body)
    assert {kind_of(topic) for topic, _ in said} == KINDS.keys(), "one of each was said"


def examples() -> list[tuple[str, str]]:
    """Every example of a message in the documentation: its kind, and what it holds."""
    return re.findall(r"```json (\S+)\n(.*?)```", (DOCS / "mqtt.md").read_text(), re.DOTALL)


def test_the_documentation_shows_an_example_of_each_message_and_each_is_one() -> None:
    shown = {name for name, _ in examples()}
    assert KINDS.keys() <= shown
    for name, text in examples():
        if name in KINDS:
            assert_fits(name, json.loads(text))
        elif name.startswith("command-"):
            decode(name.removeprefix("command-"), text.encode())


def test_the_documentation_names_every_topic_and_every_order() -> None:
    text = (DOCS / "mqtt.md").read_text()
    for each in TOLD:
        part = each.address.removeprefix(TOPICS.root + "/").replace("{", "<").replace("}", ">")
        assert f"`{part}`" in text, part
    assert "`picture/<sensor>`" in text
    for verb, (_, example) in VERBS.items():
        assert f"`command/{verb}`" in text
        decode(verb, example.encode())
