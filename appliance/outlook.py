"""What a configuration lets one expect: when alarms can open, what sensors cost the judge, and what its owner should know. Pure.

Cameras are taken to be 16:9 and at least as large as `longest_side`; nobody knows before they are opened. What is called tokens
at most takes every window as asked by every policy; at rest, only patrols ask.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from types import MappingProxyType

from alerts.timing import Timing, timing
from analyzers.judgement import JudgeKind
from analyzers.omni.family import QWEN3_OMNI, Family
from analyzers.omni.plan import window_tokens
from analyzers.policy import Policy, Severity
from appliance.config.configuration import Configuration, SensorConfig, slots
from appliance.config.evidence_form import EvidenceUse
from appliance.config.form import show_duration
from sensors.settings import SoundUse, WindowShape, Zone, size_of
from sensors.window import Sense, ViewId

ASPECT = 16 / 9
BYTES_A_TOKEN = 4
"""Of a question, roughly, in English; other languages need more."""
QUESTION_FRAME = 12
"""Tokens around a question."""

LONGEST_PATROL: Mapping[Severity, timedelta] = MappingProxyType(
    {
        Severity.CRITICAL: timedelta(minutes=5),
        Severity.HIGH: timedelta(minutes=15),
        Severity.MEDIUM: timedelta(hours=1),
        Severity.LOW: timedelta(hours=6),
    }
)
"""A patrol that comes less often than this finds what does not move too late for its severity: a matter of judgement, not of measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLine:
    """A policy on views whose windows are alike."""

    policy: Policy
    views: tuple[ViewId, ...]
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorLine:
    """A sensor, and what asking about it costs."""

    sensor: SensorConfig
    size: tuple[int, int]
    """Width and height of a frame of the whole picture; zeros without one."""
    media_tokens: int
    """Of a window with all of its views, the sound once."""
    views: int
    questions: int
    """Views times policies: what is asked about a window at most."""
    tokens_s_most: float
    tokens_s_rest: float
    share: float
    """0..1: of the windows of all sensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """All of it."""

    policies: tuple[PolicyLine, ...]
    sensors: tuple[SensorLine, ...]
    warnings: tuple[str, ...]


def outlook(configuration: Configuration, family: Family = QWEN3_OMNI) -> Outlook:
    """What `configuration` lets one expect of a model of this family."""
    policies = tuple(line for policy in configuration.policies for line in _policy_lines(configuration, policy))
    return Outlook(
        policies=policies,
        sensors=tuple(_sensor_line(configuration, sensor, family) for sensor in configuration.sensors),
        warnings=(*_policy_warnings(configuration, policies), *_sensor_warnings(configuration), *_box_warnings(configuration)),
    )


def _policy_lines(configuration: Configuration, policy: Policy) -> Iterator[PolicyLine]:
    """One line for all sensors whose windows are alike."""
    shapes = {sensor.settings.sensor: sensor.settings.window for sensor in configuration.sensors}
    max_age = timedelta(0) if configuration.judge.kind is JudgeKind.CUES else configuration.judge.max_age
    groups: dict[tuple[float, float], list[ViewId]] = {}
    for sensor, view in zip(policy.sensors, policy.views(), strict=True):
        groups.setdefault((shapes[sensor].length_s, shapes[sensor].every_s), []).append(view)
    for views in groups.values():
        sensor = policy.sensors[policy.views().index(views[0])]
        yield PolicyLine(policy=policy, views=tuple(views), timing=timing(policy, shapes[sensor], max_age))


def _sensor_line(configuration: Configuration, sensor: SensorConfig, family: Family) -> SensorLine:
    settings, shape = sensor.settings, sensor.settings.window
    asked = {view: [policy for policy in configuration.policies if view in policy.views()] for view in settings.views}
    asked = {view: policies for view, policies in asked.items() if policies}
    sizes = {ViewId(settings.sensor): view_size(shape, None), **{zone.view: view_size(shape, zone) for zone in settings.zones}}
    has_sight, has_sound = Sense.SIGHT in sensor.senses, Sense.SOUND in sensor.senses
    pairs = shape.pairs if has_sight else 0
    sight = {view: window_tokens(height, width, pairs, None, family=family) for view, (width, height) in sizes.items() if view in asked}
    sound = window_tokens(0, 0, 0, shape.length_s, family=family) if has_sound else 0
    text = sum(question_tokens(policy) for policies in asked.values() for policy in policies)
    windows_s = sum(1 / each.settings.window.every_s for each in configuration.sensors)
    rest = sum(_rest(policies, shape, sight[view] + sound) for view, policies in asked.items())
    media = sum(sight.values()) + (sound if asked else 0)
    return SensorLine(
        sensor=sensor,
        size=sizes[ViewId(settings.sensor)] if has_sight else (0, 0),
        media_tokens=media,
        views=len(asked),
        questions=sum(map(len, asked.values())),
        tokens_s_most=(media + text) / shape.every_s,
        tokens_s_rest=rest,
        share=1 / shape.every_s / windows_s,
    )


def _rest(policies: list[Policy], shape: WindowShape, media: int) -> float:
    """Tokens a second of a view where nothing stirs: each patrol asks in the first window that ends after its time."""
    periods = {policy.id: ceil(policy.patrol.total_seconds() / shape.every_s) * shape.every_s for policy in policies if policy.patrol}
    texts = sum(question_tokens(policy) / periods[policy.id] for policy in policies if policy.id in periods)
    return texts + (media / min(periods.values()) if periods else 0.0)


def view_size(shape: WindowShape, zone: Zone | None) -> tuple[int, int]:
    """Width and height of a view's frames, where the camera is as is taken here."""
    width, height = ASPECT, 1.0
    if zone:
        xs, ys = zip(*zone.polygon, strict=True)
        width, height = ASPECT * (max(xs) - min(xs)), max(ys) - min(ys)
    scale = shape.longest_side / max(width, height)
    height, width = size_of(height * scale, width * scale, shape.longest_side)
    return width, height


def question_tokens(policy: Policy) -> int:
    """About how many tokens a question has. The harmless twin is named twice in it."""
    return QUESTION_FRAME + len(policy.ask.encode()) // BYTES_A_TOKEN + 2 * len((policy.unless or "").encode()) // BYTES_A_TOKEN


def _policy_warnings(configuration: Configuration, lines: tuple[PolicyLine, ...]) -> Iterator[str]:
    for line in lines:
        yield from _timing_warnings(line)
    without = ", ".join(policy.id for policy in configuration.policies if policy.fallback is None)
    if without and configuration.judge.kind is JudgeKind.CUES:
        yield f"without a `fallback`, and cues alone judge here, so they are never answered: {without}"
    elif without and configuration.judge.fallback:
        yield f"without a `fallback`, so nobody answers them while the model is away: {without}"
    yield from _speech_warnings(configuration)
    yield from _transcript_warnings(configuration)
    for policy in configuration.policies:
        if policy.patrol and policy.patrol > LONGEST_PATROL[policy.severity]:
            most = show_duration(LONGEST_PATROL[policy.severity])
            yield f"{policy.id}: patrols every {show_duration(policy.patrol)}; for a {policy.severity} alarm about what does not move, {most} is long"


def _speech_warnings(configuration: Configuration) -> Iterator[str]:
    speech, spoken = configuration.speech, [policy for policy in configuration.policies if policy.say]
    if speech is None:
        if spoken:
            yield f"`say` is not spoken without `notify: speech:`: {', '.join(policy.id for policy in spoken)}"
        return
    faint = ", ".join(policy.id for policy in spoken if policy.severity.urgency > speech.least.urgency)
    if faint:
        yield f"`say` is not spoken of alarms below `notify.speech.least`, which is {speech.least}: {faint}"
    listening = [sensor.settings.sensor for sensor in configuration.sensors if Sense.SOUND in sensor.senses]
    if listening and not speech.heard_by:
        yield f"`notify.speech.heard_by` names no sensor: those that hear the loudspeaker judge it like any other sound ({', '.join(listening[:8])})"


def _transcript_warnings(configuration: Configuration) -> Iterator[str]:
    keeping = [policy for policy in configuration.policies if policy.transcript]
    if keeping:
        where = ", ".join(sorted({sensor for policy in keeping for sensor in policy.sensors}))
        asked = ", ".join(policy.id for policy in keeping)
        yield f"what people say near {where} is written down and told over MQTT behind alarms of {asked} (`transcript`): read docs/privacy.md first"


def _timing_warnings(line: PolicyLine) -> Iterator[str]:
    policy, where = line.policy, ", ".join(line.views)
    if line.timing.confirms_itself:
        yield (
            f"{policy.id}: {policy.trigger.count} of {policy.trigger.of} windows on {where} may hold the same instant, "
            "which then confirms itself: ask for more windows, or let them overlap less (`every`)"
        )


def _sensor_warnings(configuration: Configuration) -> Iterator[str]:
    watched = {sensor for policy in configuration.policies for sensor in policy.sensors}
    transcribed = {sensor for policy in configuration.policies if policy.transcript for sensor in policy.sensors}
    for sensor in configuration.sensors:
        settings = sensor.settings
        if settings.sensor not in watched:
            yield f"{settings.sensor}: no policy asks about it; only its own health is watched"
        for zone in sensor.idle_zones:
            yield f"{settings.sensor}: no policy asks about its zone {zone}"
        yield from _evidence_warnings(sensor, transcribed=settings.sensor in transcribed)
        yield from _gate_warnings(configuration, sensor)
        if settings.slots < slots(settings.window, 0, configuration.judge):
            yield (
                f"{settings.sensor}: {settings.slots} pairs of frames fill the memory that a sensor may have: "
                "windows that wait long for the judge are dropped; a smaller `longest_side` or fewer zones help"
            )


def _evidence_warnings(sensor: SensorConfig, *, transcribed: bool) -> Iterator[str]:
    name, use = sensor.settings.sensor, sensor.evidence
    if use is EvidenceUse.ORIGINAL and sensor.settings.masks:
        yield f"{name}: `evidence: original` keeps what is under its masks; only the posters are masked"
    if sensor.segments is None and sensor.record:
        yield f"{name}: `record` is a stream for evidence, and none is kept of it (`evidence: off`)"
    if sensor.segments is None and sensor.settings.sound is SoundUse.KEEP and not transcribed:
        yield f"{name}: `sound: keep` keeps nothing with `evidence: off`"


def _gate_warnings(configuration: Configuration, sensor: SensorConfig) -> Iterator[str]:
    """A camera that decides when the judge is asked can also keep silent, or be spoken for."""
    if sensor.gate is None:
        return
    name = sensor.settings.sensor
    if configuration.judge.kind is JudgeKind.CUES:
        yield f"{name}: its `gate` saves nothing where cues alone judge; they are asked about every window"
    unseen = [policy.id for policy in configuration.policies if name in policy.sensors and policy.patrol is None and policy.senses != {Sense.SOUND}]
    if unseen:
        yield f"{name}: what its camera does not report is never asked of these, as they have no `patrol`: {', '.join(unseen)}"


LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


def _box_warnings(configuration: Configuration) -> Iterator[str]:
    mqtt = configuration.mqtt
    if mqtt is None and configuration.speech is None and not configuration.people:
        yield "nobody is told: name a broker under `notify: mqtt:`"
    if mqtt and mqtt.password and not mqtt.tls and mqtt.host not in LOCAL:
        yield f"the password for {mqtt.host} goes over the network in the clear: `tls: true`"
    if mqtt and mqtt.commands and mqtt.username is None and mqtt.certificate is None:
        yield f"{mqtt.host} asks for no login: whoever reaches it can give orders, and disarm the box"
    shown = [sensor.settings.sensor for sensor in configuration.sensors if sensor.preview]
    if mqtt and shown and mqtt.host not in LOCAL and not mqtt.tls:
        yield f"pictures of {', '.join(shown)} go over the network to {mqtt.host} in the clear: `tls: true`"
    if mqtt and shown and mqtt.username is None and mqtt.certificate is None:
        yield f"{mqtt.host} asks for no login: whoever reaches it sees {', '.join(shown)}"
    if configuration.metrics.host not in LOCAL:
        yield f"metrics are open to whoever reaches {configuration.metrics.host}:{configuration.metrics.port}"
    if not configuration.policies:
        yield "there is no policy: only the sensors' own health is watched"
