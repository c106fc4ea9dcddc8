"""The box as Home Assistant sees it: one message that describes the device with all of its entities. Pure; it publishes nothing.

Names are for people. Ids are made of the configuration's own ids and of nothing else, so that an entity and its history survive a
new title. What Home Assistant shows it reads from the box's ordinary topics.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from alerts.channels.cloudevents import plain
from alerts.channels.topics import Topics
from analyzers.policy import Acknowledge, Policy, PolicyId
from sensors.window import SensorId, ViewId

MAX_COMPONENTS = 1000
MAX_TITLE = 100
NAME = "Omniwatch"
BIRTH = b"online"
WHO = "Home Assistant"

Key = tuple[PolicyId, ViewId]
Component = dict[str, object]

STATE = "{{ 'ON' if value_json.state in ('active', 'acknowledged') else 'None' if value_json.blind_since else 'OFF' }}"
"""Of an alarm: `None` is Home Assistant's word for `unknown`. What cannot be watched must not look like what is well."""
ONLINE = "{{ 'ON' if value_json.online else 'OFF' }}"
THERE = "{{ 'online' if value_json.status == 'online' else 'offline' }}"
DELIVERS = "{{ 'online' if value_json.online else 'offline' }}"
ABOUT_A_SENSOR = (
    "{{ {'condition': value_json.condition, 'reason': value_json.reason, 'since': value_json.since, 'width': value_json.width,"
    " 'height': value_json.height, 'fps': value_json.fps, 'sound': value_json.sound, 'restarts': value_json.restarts} | tojson }}"
)
"""Without what moves all the time: Home Assistant records every change of an attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What there is to show."""

    topics: Topics
    version: str
    sensors: tuple[SensorId, ...]
    pictures: tuple[SensorId, ...]
    """Those of them whose pictures the broker gets."""
    policies: Mapping[Key, Policy]
    owners: frozenset[PolicyId]
    """Those of the policies that are the owner's; the others watch the watcher."""
    modes: tuple[str, ...]
    commands: bool
    """Whether the box takes orders, so that there is something to press."""
    speaks: bool
    """Whether it also says aloud what it is told to."""
    expiry_s: int
    """What is not said again within this time does not hold any more."""
    heartbeat_expiry_s: int

    @property
    def device(self) -> str:
        """The device's id. No id of the configuration holds a `_`, so that two boxes never share one."""
        return f"omniwatch_{self.topics.site}_{self.topics.box}"

    def topic(self, prefix: str) -> str:
        """Where Home Assistant looks for it."""
        return f"{prefix}/device/{self.device}/config"


def components(what: Described) -> dict[str, Component]:
    """All entities by their ids, the most important first; at most MAX_COMPONENTS."""
    owners = {key: policy for key, policy in what.policies.items() if policy.id in what.owners}
    others = {key: policy for key, policy in what.policies.items() if policy.id not in what.owners}
    rows = (*_box(what), *_sensors(what), *_alarms(what, owners), *_buttons(what), *_pictures(what), *_alarms(what, others))
    return {name: {**component, "unique_id": f"{what.device}_{name}"} for name, component in islice(rows, MAX_COMPONENTS)}


def payload(what: Described, shown: Mapping[str, Component], gone: Mapping[str, str]) -> bytes:
    """The message. `gone`: the platforms of entities that were there and are not any more, by their ids; Home Assistant removes them."""
    body = {
        "device": {
            "identifiers": [what.device],
            "name": what.topics.box,
            "manufacturer": NAME,
            "model": f"box at {what.topics.site}",
            "sw_version": what.version,
        },
        "origin": {"name": NAME, "sw_version": what.version},
        "availability": [_there(what)],
        "qos": 1,
        "components": {**shown, **{name: {"platform": platform} for name, platform in gone.items() if name not in shown}},
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _box(what: Described) -> Iterator[tuple[str, Component]]:
    beat: Component = {"state_topic": what.topics.heartbeat, "expire_after": what.heartbeat_expiry_s, "entity_category": "diagnostic"}
    yield "running", {**beat, "platform": "binary_sensor", "name": "Running", "device_class": "running", "value_template": "ON"}
    alarms = "{{ value_json.alarms }}"
    yield "alarms", {**beat, "platform": "sensor", "name": "Open alarms", "state_class": "measurement", "value_template": alarms}
    mode: Component = {"name": "Arm mode", "state_topic": what.topics.mode, "value_template": "{{ value_json.mode }}"}
    options = ["disarmed", *what.modes]
    if what.commands:
        template = f'{{"mode": "{{{{ value }}}}", "who": "{WHO}"}}'
        yield "arm", {**mode, "platform": "select", "options": options, "command_topic": what.topics.command("mode"), "command_template": template}
    else:
        yield "mode", {**mode, "platform": "sensor", "device_class": "enum", "options": options, "expire_after": what.expiry_s}
    if what.speaks and what.commands:
        template = f'{{"text": {{{{ value | tojson }}}}, "who": "{WHO}"}}'
        yield "say", {"platform": "notify", "name": "Say", "command_topic": what.topics.command("say"), "command_template": template}


def _sensors(what: Described) -> Iterator[tuple[str, Component]]:
    for sensor in what.sensors:
        topic = what.topics.sensor(sensor)
        yield f"sensor_{sensor}", {
            "platform": "binary_sensor",
            "name": f"{sensor} delivers",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topic,
            "value_template": ONLINE,
            "json_attributes_topic": topic,
            "json_attributes_template": ABOUT_A_SENSOR,
            "expire_after": what.expiry_s,
        }


def _alarms(what: Described, policies: Mapping[Key, Policy]) -> Iterator[tuple[str, Component]]:
    for (name, view), policy in policies.items():
        topic = what.topics.state(name, view)
        yield f"alarm_{_id(name, view)}", {
            "platform": "binary_sensor",
            "name": _title(policy, view),
            "device_class": "problem",
            "state_topic": topic,
            "value_template": STATE,
            "json_attributes_topic": topic,
            "expire_after": what.expiry_s,
            **({} if name in what.owners else {"entity_category": "diagnostic"}),
        }


def _buttons(what: Described) -> Iterator[tuple[str, Component]]:
    """To acknowledge: the owner's alarms, and others that wait for it."""
    for (name, view), policy in what.policies.items() if what.commands else ():
        if name in what.owners or policy.acknowledge is Acknowledge.REQUIRED:
            yield f"acknowledge_{_id(name, view)}", {
                "platform": "button",
                "name": f"Acknowledge {_title(policy, view)}",
                "command_topic": what.topics.command("acknowledge"),
                "payload_press": json.dumps({"what": name, "view": view, "who": WHO}),
                "entity_category": "config",
            }


def _pictures(what: Described) -> Iterator[tuple[str, Component]]:
    """What cameras show. A picture does not expire there, so it is not available where its camera gives none: the last one is none of now."""
    for sensor in what.pictures:
        yield f"picture_{sensor}", {
            "platform": "image",
            "name": f"{sensor} picture",
            "image_topic": what.topics.picture(sensor),
            "content_type": "image/jpeg",
            "availability": [_there(what), {"topic": what.topics.sensor(sensor), "value_template": DELIVERS}],
            "availability_mode": "all",
        }


def _there(what: Described) -> Component:
    return {"topic": what.topics.status, "value_template": THERE}


def _id(policy: PolicyId, view: ViewId) -> str:
    return f"{policy}_{view.replace('.', '_')}"


def _title(policy: Policy, view: ViewId) -> str:
    title = plain(policy.title, MAX_TITLE)
    return title if view == "box" else f"{title} on {view}"


def platforms(shown: Mapping[str, Component]) -> dict[str, str]:
    """The platform of each entity: all that is needed to have it removed."""
    return {name: str(component["platform"]) for name, component in shown.items()}


def left_out(what: Described, shown: Iterable[str]) -> int:
    """How many alarms there was no room for."""
    names = set(shown)
    return sum(f"alarm_{_id(*key)}" not in names for key in what.policies)
