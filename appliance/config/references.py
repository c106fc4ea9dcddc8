"""Whether the parts of a configuration fit together: sensors, zones, senses and policies that name each other. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerts import names
from analyzers.gate import SENSE_OF
from appliance.config.catalogue import Draft
from appliance.config.form import show_duration
from appliance.config.problems import Problem, did_you_mean
from appliance.config.sensor_form import SensorForm, senses_of
from appliance.config.yaml_marks import Document
from sensors.settings import SoundUse
from sensors.window import Sense

NO_POLICIES = {"BOX", "BOX_SENSOR", "BLANK_SENSOR", "SELF_TEST_SENSOR"}
BUILT_IN = frozenset(value for name, value in vars(names).items() if name.isupper() and name not in NO_POLICIES)
"""Names of the policies that watch the watcher: an owner's may not take them, and may be inhibited by them."""

RESERVED: Mapping[str, str] = {
    names.BOX_SENSOR: "the box itself",
    names.BLANK_SENSOR: "windows that hold nothing",
    names.SELF_TEST_SENSOR: "the box's test of itself",
}
NOUNS = {Sense.SIGHT: "picture", Sense.SOUND: "sound"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is: also what has mistakes of its own, so that nobody is told that it does not exist."""

    sensors: Mapping[str, SensorForm | None]
    """None: there is one of this name, and it could not be read."""
    policies: frozenset[str]
    """The names of the owner's policies, whole or not."""
    modes: tuple[str, ...]
    """The arm modes."""
    describes: bool
    """Whether the judge describes alarms."""


def sensor_problems(document: Document, sensors: Mapping[str, SensorForm], *, brokered: bool) -> Iterator[Problem]:
    """What does not fit within a sensor. `brokered`: there is a broker to hear cameras at."""
    for name, sensor in sensors.items():
        for path, message in (*_within(sensor), *_gate(sensor, brokered=brokered)):
            yield document.problem(("sensors", name, path), message)
        if name in RESERVED:
            yield document.problem(("sensors", name), f'"{name}" stands for {RESERVED[name]}; call the sensor something else', at_key=True)


def _within(sensor: SensorForm) -> Iterator[tuple[str, str]]:
    scheme = sensor.source.partition(":")[0]
    if scheme == "mic":
        yield from ((key, "a microphone has no picture") for key in ("masks", "zones", "record") if getattr(sensor, key))
    if scheme == "mic" and sensor.sound is SoundUse.OFF:
        yield "sound", "a microphone with its sound off has nothing to say: leave the sensor out"
    if (sensor.username is None) != (sensor.password is None):
        yield ("username" if sensor.username else "password"), "username and password come together"
    if sensor.username and scheme not in {"rtsp", "rtsps"}:
        yield "username", f"{scheme}: asks for no name; leave username and password out"
    if sensor.record and not sensor.record.startswith(("rtsp:", "rtsps:")):
        yield "record", "must be rtsp:// or rtsps://: a second stream of the same camera"


def _gate(sensor: SensorForm, *, brokered: bool) -> Iterator[tuple[str, str]]:
    if sensor.gate and sensor.source.startswith("mic:"):
        yield "gate", "a microphone has no picture in which something could move"
    elif sensor.gate and not brokered:
        yield "gate", "there is no broker at which the camera could be heard: name it under notify: mqtt:"


def policy_problems(drafts: tuple[Draft, ...], known: Known) -> Iterator[Problem]:
    """What does not fit within a policy, or between policies and the rest."""
    seen: dict[str, Draft] = {}
    for draft in drafts:
        yield from _name(draft, seen)
        yield from _levels(draft)
        for number, sensor in enumerate(draft.form.sensors):
            yield from _sensor(draft, number, sensor, known)
        yield from _transcript(draft, known)
        yield from _inhibitors(draft, known.policies)
        yield from _modes(draft, known.modes)
    yield from _cycles(drafts)


def _name(draft: Draft, seen: dict[str, Draft]) -> Iterator[Problem]:
    name = draft.form.id
    key = "id" if "id" in _written(draft) else "use"
    if name in BUILT_IN:
        yield draft.at(key).problem(f'"{name}" is a policy that every box has; give this one another id')
    elif name in seen:
        first = seen[name].place.problem("").line
        hint = "give this one an id of its own" if key == "use" else "give one of them another id"
        yield draft.at(key).problem(f'there is another policy "{name}", in line {first}', hint)
    else:
        seen[name] = draft


def _written(draft: Draft) -> Mapping[str, Any]:
    entry: Mapping[str, Any] = draft.place.document.data["policies"][draft.place.path[1]]
    return entry


def _levels(draft: Draft) -> Iterator[Problem]:
    form = draft.form
    if form.clear_below is not None and form.clear_below >= form.threshold:
        key = "clear_below" if "clear_below" in draft.own & _written(draft).keys() else "threshold"
        than = f"below threshold ({form.threshold:g})" if key == "clear_below" else f"above clear_below ({form.clear_below:g})"
        yield draft.at(key).problem(f"must be {than}")
    if form.zone is not None and form.senses == (Sense.SOUND,):
        yield draft.at("zone").problem("a zone is a part of the picture, and this policy needs sound alone")
    if form.fallback is not None and form.fallback.rule() is None:
        yield draft.at("fallback").problem("names no cue")


def _sensor(draft: Draft, number: int, name: str, known: Known) -> Iterator[Problem]:
    place = draft.at("sensors").at(number)
    if name not in known.sensors:
        yield place.problem(f'there is no sensor "{name}"', did_you_mean(name, known.sensors) or f"there is {', '.join(known.sensors)}")
        return
    if name in draft.form.sensors[:number]:
        yield place.problem(f'"{name}" is named twice')
    sensor = known.sensors[name]
    if sensor is not None:
        yield from _zone(draft, name, sensor)
        yield from _senses(draft, name, senses_of(sensor.source, sensor.sound))
        yield from _span(draft, name, sensor)


def _zone(draft: Draft, name: str, sensor: SensorForm) -> Iterator[Problem]:
    zone = draft.form.zone
    if zone is not None and zone not in sensor.zones:
        hint = did_you_mean(zone, sensor.zones) or (f"it has {', '.join(sensor.zones)}" if sensor.zones else "draw it under the sensor's zones")
        yield draft.at("zone").problem(f'{name} has no zone "{zone}"', hint)


def _senses(draft: Draft, name: str, senses: frozenset[Sense]) -> Iterator[Problem]:
    form = draft.form
    for sense in form.senses:
        if sense not in senses:
            yield draft.at("senses").problem(f"{name} has no {NOUNS[sense]}")
    if form.wake and not any(SENSE_OF[cue] in senses for cue in form.wake):
        yield draft.at("wake").problem(f"nothing of this can be measured at {name}: {_only(senses)}")
    rule = form.fallback.rule() if form.fallback else None
    for cue in rule.at_least if rule else ():
        if SENSE_OF[cue] not in senses:
            yield draft.at("fallback").at(cue.value).problem(f"{cue.value} cannot be measured at {name}: {_only(senses)}")


def _only(senses: frozenset[Sense]) -> str:
    return f"it has only {' and '.join(NOUNS[sense] for sense in sorted(senses))}"


def _span(draft: Draft, name: str, sensor: SensorForm) -> Iterator[Problem]:
    form = draft.form
    needed = (form.trigger.count - 1) * sensor.window.every
    if form.trigger_span is not None and form.trigger_span < needed:
        yield draft.at("trigger_span").problem(
            f"no alarm can ever open: {form.trigger.count} windows of {name} lie {show_duration(needed)} apart"
        )


def _transcript(draft: Draft, known: Known) -> Iterator[Problem]:
    """What was said is written down only where the owner has said that sound is kept, and only by a model that writes."""
    form = draft.form
    if not form.transcript:
        return
    if not known.describes:
        hint = "write `describe: true` there, beside `kind: omni`, or leave `transcript` out"
        yield draft.at("transcript").problem("what was said is written down by a model that describes its alarms, and `judge` has none", hint)
    if Sense.SOUND not in form.senses:
        hint = "write `senses: [sound]`, or `[sight, sound]`"
        yield draft.at("transcript").problem("what was said is written down of policies that need sound: this one's `senses` do not name it", hint)
    for name in form.sensors:
        sensor = known.sensors.get(name)
        if sensor is not None and sensor.sound is SoundUse.JUDGE:
            hint = "write `sound: keep` at the sensor, if what people say there may be kept, or leave `transcript` out"
            yield draft.at("transcript").problem(f"{name} keeps no sound (`sound: judge`), and what was said would be kept in words", hint)


def _inhibitors(draft: Draft, policies: frozenset[str]) -> Iterator[Problem]:
    for number, other in enumerate(draft.form.inhibited_by):
        place = draft.at("inhibited_by").at(number)
        if other == draft.form.id:
            yield place.problem("a policy cannot be inhibited by itself")
        elif other not in policies and other not in BUILT_IN:
            hint = did_you_mean(other, {*policies, *BUILT_IN}) or "a policy of a catalogue has to be used first"
            yield place.problem(f'no policy "{other}" is in force', hint)


def _modes(draft: Draft, modes: tuple[str, ...]) -> Iterator[Problem]:
    for number, mode in enumerate(draft.form.modes):
        if mode not in modes:
            hint = did_you_mean(mode, modes) or f"there is {', '.join(modes)}; modes of your own are named under `modes` of the box"
            yield draft.at("modes").at(number).problem(f'there is no arm mode "{mode}"', hint)


def _cycles(drafts: tuple[Draft, ...]) -> Iterator[Problem]:
    """Policies that inhibit each other in a ring: the first to alarm would silence all, itself explained by none."""
    by_name = {draft.form.id: draft for draft in drafts}
    told: set[frozenset[str]] = set()
    for name, draft in by_name.items():
        ring = _ring(name, by_name)
        if len(ring) > 1 and frozenset(ring) not in told:
            told.add(frozenset(ring))
            yield draft.at("inhibited_by").problem(f"these policies inhibit each other in a ring: {' < '.join((*ring, name))}")


def _ring(name: str, by_name: Mapping[str, Draft]) -> tuple[str, ...]:
    """The shortest way from `name` back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    for way in ways:
        for other in by_name[way[-1]].form.inhibited_by:
            if other == name:
                return way
            if other in by_name and other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()
