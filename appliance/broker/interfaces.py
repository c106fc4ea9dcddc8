"""What travels over MQTT, as JSON Schemas and an AsyncAPI file, made from the types that the box encodes. It sends nothing.

`python -m appliance.broker.interfaces docs` writes both into `docs/`, as they are committed.
"""

import ast
import inspect
import json
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from alerts.channels.cloudevents import AlertData, AlertEvent, ClipData
from alerts.channels.current import HeartbeatData, ModeData, SensorData, StateData, StatusData
from alerts.channels.onvif import OnvifData, OnvifEvent, OnvifSource
from alerts.channels.probe import PATIENCE_S, ProbeData
from alerts.channels.topics import Topics, onvif
from analyzers.policy import PolicyId
from appliance import __version__
from appliance.broker.pictures import CONTENT_TYPE
from appliance.broker.presence import EXPIRY, HEARTBEAT_EXPIRY
from appliance.config.schema import REFERENCE, draft_7
from appliance.control.mqtt_orders import ANSWER_S, VERBS, AnswerData, Sender
from sensors.window import SensorId, ViewId

TOPICS = Topics(site="{site}", box="{box}")
PLACES = {
    "site": "The site's name in the configuration.",
    "box": "The box's name in the configuration.",
    "policy": "The id of a policy: the owner's, or a built-in one like `sensor-lost`.",
    "view": "A sensor, `<sensor>.<zone>`, or `box` for what concerns the box as a whole.",
    "sensor": "The name of a sensor.",
    "client": "Any topic of the client's own choice, at most 200 characters.",
}
PICTURE = TOPICS.picture(SensorId("{sensor}"))
SHOWN = "What a camera shows: the bytes of a JPEG, with the owner's masks burnt in. Off unless configured. Nothing is said where the camera is lost."
CAMERA_TOPIC = "A topic that a sensor's `gate` names: the camera's own."

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A kind of message that the box sends."""

    name: str
    address: str
    kind: type[Any]
    retained: bool = False
    expiry_s: float | None = None
    note: str = ""
    content_type: str = "application/json"


_POLICY, _VIEW = PolicyId("{policy}"), ViewId("{view}")
TOLD = (
    Told(name="status", address=TOPICS.status, kind=StatusData, retained=True, note="Also the last will: the broker says `offline`."),
    Told(name="alert", address=TOPICS.alert(_POLICY, _VIEW), kind=AlertEvent, content_type="application/cloudevents+json"),
    Told(name="state", address=TOPICS.state(_POLICY, _VIEW), kind=StateData, retained=True, expiry_s=EXPIRY.total_seconds()),
    Told(name="sensor", address=TOPICS.sensor(SensorId("{sensor}")), kind=SensorData, retained=True, expiry_s=EXPIRY.total_seconds()),
    Told(name="mode", address=TOPICS.mode, kind=ModeData, retained=True, expiry_s=EXPIRY.total_seconds()),
    Told(name="heartbeat", address=TOPICS.heartbeat, kind=HeartbeatData, retained=True, expiry_s=HEARTBEAT_EXPIRY.total_seconds()),
    Told(name="onvif", address=onvif(TOPICS.root, _POLICY, _VIEW), kind=OnvifEvent, retained=True, note="Off unless configured."),
    Told(name="probe", address=TOPICS.probe, kind=ProbeData, expiry_s=PATIENCE_S, note="Nothing for anybody else to act upon."),
    Told(name="answer", address=f"{TOPICS.responses}{{client}}", kind=AnswerData, expiry_s=ANSWER_S),
)


ORDERS = {verb: f"command-{verb}" for verb in VERBS}
INNER = (AlertData, ClipData, OnvifSource, OnvifData)
"""What lies in others."""


def schemas() -> dict[str, Schema]:
    """Every schema, by the name of its file."""
    return {**{each.name: _told(each) for each in TOLD}, **{name: _order(verb) for verb, name in ORDERS.items()}}


def _told(told: Told) -> Schema:
    schema = draft_7(TypeAdapter(told.kind).json_schema(mode="serialization", ref_template=REFERENCE), told.name)
    for kind in INNER:
        if kind.__name__ in schema.get("definitions", {}):
            _document(schema["definitions"][kind.__name__], kind)
    return _document(schema, told.kind)


def _order(verb: str) -> Schema:
    """An order and what it says of its sender, as one object."""
    kind, example = VERBS[verb]
    order, sender = (_document(draft_7(TypeAdapter(each).json_schema(ref_template=REFERENCE), ORDERS[verb]), each) for each in (kind, Sender))
    properties = {name: value for name, value in {**order["properties"], **sender["properties"]}.items() if name != "verb"}
    return {**order, "properties": properties, "additionalProperties": False, "examples": [json.loads(example)]}


def _document(schema: Schema, kind: type[Any]) -> Schema:
    """With what the type says of its fields."""
    for field, text in _texts(kind).items():
        schema["properties"][field]["description"] = text.replace("None", "null")
    return schema


def _texts(kind: type[Any]) -> dict[str, str]:
    """The text under each field of a dataclass."""
    body = ast.parse(dedent(inspect.getsource(kind))).body[0]
    lines = body.body if isinstance(body, ast.ClassDef) else []
    found = {}
    for field, text in pairwise(lines):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
            case _:
                pass
    return found


def asyncapi() -> Schema:
    """The AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Omniwatch",
            "version": __version__,
            "description": "What a box says over MQTT, and what it can be told. mqtt.md beside this file says how to use it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "broker.example:8883", "protocol": "secure-mqtt", "protocolVersion": "5"}},
        "channels": {
            **{each.name: _channel(each.name, each.address) for each in TOLD},
            "picture": {**_place(PICTURE), "messages": {"picture": {"name": "picture", "contentType": CONTENT_TYPE, "summary": SHOWN}}},
            "camera": {"address": "{topic}", "parameters": {"topic": {"description": CAMERA_TOPIC}}, "messages": {"camera": _camera()}},
            **{name: _command(verb) for verb, name in ORDERS.items()},
        },
        "operations": {
            "hear-camera": {"action": "receive", "channel": {"$ref": "#/channels/camera"}, "bindings": {"mqtt": {"qos": 1}}},
            "tell-picture": {"action": "send", "channel": {"$ref": "#/channels/picture"}, "bindings": {"mqtt": {"qos": 0, "retain": False}}},
            **{f"tell-{each.name}": _tells(each) for each in TOLD if each.kind is not AnswerData},
            **{f"take-{verb}": _takes(verb) for verb in ORDERS},
        },
        "components": {"messages": {**{each.name: _message(each) for each in TOLD}, **{name: _asked(verb) for verb, name in ORDERS.items()}}},
    }


def _camera() -> Schema:
    """What is heard of cameras is theirs to define, so it has no schema of ours."""
    return {"name": "camera", "summary": "Whether something moves: an ONVIF event in JSON, Axis's form of it, or a single word such as ON."}


def _channel(name: str, address: str) -> Schema:
    return {**_place(address), "messages": {name: {"$ref": f"#/components/messages/{name}"}}}


def _place(address: str) -> Schema:
    return {"address": address, "parameters": {place: {"description": text} for place, text in PLACES.items() if f"{{{place}}}" in address}}


def _command(verb: str) -> Schema:
    return _channel(ORDERS[verb], TOPICS.command(verb))


def _tells(told: Told) -> Schema:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{told.name}"},
        "bindings": {"mqtt": {"qos": 1, "retain": told.retained, **({"messageExpiryInterval": round(told.expiry_s)} if told.expiry_s else {})}},
    }


def _takes(verb: str) -> Schema:
    return {
        "action": "receive",
        "summary": summary(verb),
        "channel": {"$ref": f"#/channels/{ORDERS[verb]}"},
        "bindings": {"mqtt": {"qos": 1, "retain": False}},
        "reply": {"channel": {"$ref": "#/channels/answer"}},
    }


def _message(told: Told) -> Schema:
    text = " ".join(each for each in (inspect.getdoc(told.kind), told.note) if each)
    return {"name": told.name, "contentType": told.content_type, "summary": text, "payload": {"$ref": f"./schemas/{told.name}.schema.json"}}


def _asked(verb: str) -> Schema:
    return {
        "name": ORDERS[verb],
        "summary": summary(verb),
        "payload": {"$ref": f"./schemas/{ORDERS[verb]}.schema.json"},
        "examples": [{"payload": json.loads(VERBS[verb][1])}],
    }


def summary(verb: str) -> str:
    """What an order is for."""
    return "Watch in this mode; `disarmed` disarms." if verb == "mode" else inspect.getdoc(VERBS[verb][0]) or ""


def write(folder: Path) -> None:
    """Write all of it into `folder`."""
    (folder / "schemas").mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (folder / "schemas" / f"{name}.schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    yaml = YAML()
    yaml.width = 120
    with (folder / "asyncapi.yaml").open("w", encoding="utf-8") as file:
        file.write("# Made by `python -m appliance.broker.interfaces docs`; a test fails where it is stale.\n")
        yaml.dump(asyncapi(), file)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
