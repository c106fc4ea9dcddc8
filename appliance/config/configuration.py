"""The configuration: everything the owner has said, checked, as frozen values. `load` reads it, or says all that is wrong at once.

It opens no sensor, no model and no connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil
from pathlib import Path

from alerts.channels.mqtt_settings import MqttSettings
from alerts.channels.people import PersonSettings
from alerts.channels.speech import SpeechSettings
from alerts.channels.topics import Topics
from alerts.flood import FloodRule
from analyzers.judgement import JudgeKind
from analyzers.policy import Policy
from appliance.config.catalogue import Draft, drafts
from appliance.config.evidence_form import EvidenceConfig, EvidenceUse, evidence_config
from appliance.config.filling import fill
from appliance.config.gate_form import GateConfig
from appliance.config.judge_form import JudgeConfig, judge_config
from appliance.config.keyring import Keyring
from appliance.config.mqtt_form import broker
from appliance.config.people_form import people
from appliance.config.pictures_form import PicturesForm, picture_problems
from appliance.config.problems import ConfigError, HintedError, Problem
from appliance.config.references import policy_problems, sensor_problems
from appliance.config.sensor_form import absolute, senses_of
from appliance.config.site_form import SiteForm
from appliance.config.speech_form import engine_problems, speech_problems
from appliance.config.yaml_marks import Document, Path_, SecretName, read
from sensors.preview import PreviewShape
from sensors.secret import Secret
from sensors.settings import FRAMES_A_PAIR, SAMPLE_RATE_HZ, SegmentSettings, SensorSettings, SoundUse, WindowShape, Zone
from sensors.window import Sense, SensorId, ViewId

__all__ = ["ConfigError", "Configuration", "Credentials", "JudgeConfig", "MetricsConfig", "MqttSettings", "Problem", "SensorConfig", "load", "survey"]

SPARE_PAIRS = 2
"""Slots for a pair that is being written and one on its way."""
MAX_SLOT_BYTES = 512 * 1024 * 1024
"""Shared memory of one sensor. Where more would be needed, windows wait less long: pairs without a slot are dropped and counted. A
window in the making must fit, and the next one beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a camera asks for."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorConfig:
    """A sensor: what its process is told, and what only the supervisor knows."""

    settings: SensorSettings
    senses: frozenset[Sense]
    """What its source may perceive. A stream or file may lack one of them."""
    idle_zones: tuple[str, ...] = field(default=(), compare=False)
    """Zones that are drawn and that no policy asks about: they are not looked at, and no difference to a sensor that runs."""
    record: str | None = None
    """The stream for evidence; None: the same."""
    evidence: EvidenceUse = EvidenceUse.OFF
    segments: SegmentSettings | None = None
    """The ring that its clips are cut from; None: there are none."""
    credentials: Credentials | None = None
    gate: GateConfig | None = field(default=None, compare=False)
    """Where the camera says whether something stirs: the box hears it, not the sensor's process."""
    preview: PreviewShape | None = field(default=None, compare=False)
    """The pictures of it that the broker gets; None: none. A process that runs is told of a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where metrics are served."""

    host: str = "127.0.0.1"
    port: int = 9464


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A box as its owner wants it."""

    file: Path
    site: str
    box: str
    timezone: str
    sensors: tuple[SensorConfig, ...]
    judge: JudgeConfig = field(default=JudgeConfig())
    policies: tuple[Policy, ...] = ()
    """The owner's. Those that watch the watcher are not among them."""
    modes: tuple[str, ...] = ("home",)
    """In which the box can be armed; the first is that of a box that nobody has armed yet."""
    mqtt: MqttSettings | None = None
    speech: SpeechSettings | None = None
    people: tuple[PersonSettings, ...] = ()
    metrics: MetricsConfig = MetricsConfig()
    state: Path = Path("/var/lib/omniwatch")
    evidence: EvidenceConfig = field(default=EvidenceConfig())
    flood: FloodRule = field(default=FloodRule())
    self_test: timedelta | None = None
    """How often the box tries itself out; None: never."""

    @property
    def gates(self) -> Mapping[SensorId, GateConfig]:
        """Where cameras say whether something stirs, by sensor."""
        return {sensor.settings.sensor: sensor.gate for sensor in self.sensors if sensor.gate}


def load(path: Path, *, secrets: Path | None = None) -> Configuration:
    """Read the configuration at `path`. `secrets`: their folder, where it is not the usual one. ConfigError with all problems at once."""
    configuration, wrong = survey(path, secrets=secrets)
    if wrong:
        raise wrong
    return configuration


def survey(path: Path, *, secrets: Path | None = None) -> tuple[Configuration, ConfigError | None]:
    """What can be made of the file, and what is wrong with it: nothing to run then, as something else stands where a problem is.

    ConfigError is raised only where nothing can be made of the file at all.
    """
    document = read(path)
    keyring = Keyring(folder=secrets, why="as given") if secrets else Keyring.beside(path)
    filled = fill(document)
    drafted, found = drafts(document, filled.entries)
    reader = _Reader(document=document, keyring=keyring, problems=[*document.problems, *filled.problems, *found])
    reader.problems.extend(sensor_problems(document, filled.form.sensors, brokered=filled.form.notify.mqtt is not None))
    if filled.known.sensors:
        reader.problems.extend(policy_problems(drafted, filled.known))
        reader.problems.extend(speech_problems(document, filled.form.notify.speech, filled.known.sensors))
        reader.problems.extend(picture_problems(document, _pictures(filled.form), filled.known.sensors))
    configuration = reader.configuration(filled.form, drafted)
    return configuration, ConfigError(reader.problems) if reader.problems else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Makes values of forms, and collects what cannot be made."""

    document: Document
    keyring: Keyring
    problems: list[Problem]

    def configuration(self, form: SiteForm, drafted: tuple[Draft, ...]) -> Configuration:
        judge = judge_config(form.judge, self.document.file.parent)
        asked = {(sensor, draft.form.zone) for draft in drafted for sensor in draft.form.sensors}
        host, port = form.metrics.listen
        sensors, evidence = form.sensors.items(), evidence_config(form.evidence, self.document.file.parent, self._path(form.state))
        told, wrong = people(form.notify.people, form.timezone, self.document, self._secret)
        self.problems.extend(wrong)
        return Configuration(
            file=self.document.file,
            site=form.site,
            box=form.box,
            timezone=form.timezone,
            sensors=tuple(_with_evidence(self._sensor(name, form, judge, asked), sensor.evidence, evidence, judge) for name, sensor in sensors),
            evidence=evidence,
            judge=judge,
            policies=tuple(draft.form.policy(form.timezone) for draft in drafted),
            modes=form.modes,
            mqtt=self._broker(form),
            speech=self._speech(form, judge),
            people=told,
            metrics=MetricsConfig(host=host, port=port),
            state=self._path(form.state),
            flood=form.flood,
            self_test=form.self_test.every if form.self_test else None,
        )

    def _speech(self, form: SiteForm, judge: JudgeConfig) -> SpeechSettings | None:
        speech = form.notify.speech
        self.problems.extend(engine_problems(self.document, speech, form.judge))
        return speech.settings(form.timezone, self.document.file.parent, self._path(form.state), judge.model) if speech else None

    def _sensor(self, name: str, site: SiteForm, judge: JudgeConfig, asked: set[tuple[str, str | None]]) -> SensorConfig:
        form, shown = site.sensors[name], _pictures(site)
        shape = form.window.shape()
        zones = tuple(
            Zone(view=ViewId(f"{name}.{zone}"), polygon=polygon) for zone, polygon in form.zones.items() if (name, zone) in asked
        )
        senses = senses_of(form.source, form.sound)
        pictures = 1 + len(zones) if Sense.SIGHT in senses else 0
        settings = SensorSettings(
            sensor=SensorId(name),
            source=absolute(form.source, self.document.file.parent),
            window=shape,
            zones=zones,
            masks=form.masks,
            sound=form.sound,
            stall_after_s=form.stall_after.total_seconds(),
            slots=slots(shape, pictures, judge),
        )
        if settings.slots < least_slots(shape):
            views = f"{shape.pairs * FRAMES_A_PAIR} frames of each of {pictures} views"
            message = f"{views} take more memory than a sensor may have ({MAX_SLOT_BYTES >> 20} MiB)"
            hint = "take a smaller longest_side, a shorter length or fewer zones"
            self.problems.append(self.document.problem(("sensors", name, "window"), message, hint=hint))
        credentials = None
        if form.username and form.password:
            password = self._secret(form.password, ("sensors", name, "password"))
            credentials = Credentials(username=form.username, password=password) if password else None
        return SensorConfig(
            settings=settings,
            senses=senses,
            idle_zones=tuple(zone for zone in form.zones if (name, zone) not in asked),
            record=absolute(form.record, self.document.file.parent) if form.record else None,
            credentials=credentials,
            gate=form.gate.config() if form.gate else None,
            preview=shown.shape_of(name) if shown and Sense.SIGHT in senses else None,
        )

    def _broker(self, form: SiteForm) -> MqttSettings | None:
        if form.notify.mqtt is None:
            return None
        root = Topics(site=form.site, box=form.box).root
        settings, wrong = broker(form.notify.mqtt, root, self.document, self._secret)
        self.problems.extend(wrong)
        return settings

    def _secret(self, name: SecretName, path: Path_) -> Secret | None:
        try:
            return self.keyring.find(name.name)
        except HintedError as error:
            self.problems.append(self.document.problem(path, str(error), hint=error.hint))
            return None

    def _path(self, written: str) -> Path:
        """A path in the configuration is relative to its folder."""
        return (self.document.file.parent / written).absolute()


def _pictures(form: SiteForm) -> PicturesForm | None:
    return form.notify.mqtt.pictures if form.notify.mqtt else None


def _with_evidence(sensor: SensorConfig, use: EvidenceUse, evidence: EvidenceConfig, judge: JudgeConfig) -> SensorConfig:
    """The sensor with the ring that its evidence is cut from, filled by its own process or, where it has a second stream, by another."""
    settings = sensor.settings
    if use is EvidenceUse.OFF or (Sense.SIGHT not in sensor.senses and settings.sound is not SoundUse.KEEP):
        return sensor
    segments = evidence.segments(settings.window, timedelta(0) if judge.kind is JudgeKind.CUES else judge.max_age + judge.deadline)
    return replace(sensor, settings=settings if sensor.record else replace(settings, segments=segments), evidence=use, segments=segments)


def least_slots(shape: WindowShape) -> int:
    """A window that is with its judge, the next one in the making, and what is on its way."""
    return shape.pairs + shape.stride_pairs + SPARE_PAIRS


def slots(shape: WindowShape, pictures: int, judge: JudgeConfig) -> int:
    """How many pairs a sensor's memory holds: a window in the making, and those that wait for a judge or are with it, within bounds.

    A microphone has no pictures: the room for them is never written and costs nothing.
    Cues answer at once; a model's windows wait for up to `max_age`, and while a batch runs, for its `deadline` more.
    """
    waiting_s = 0.0 if judge.kind is JudgeKind.CUES else (judge.max_age + judge.deadline).total_seconds()
    pair_bytes = pictures * FRAMES_A_PAIR * shape.longest_side**2 * 3 + 4 * round(SAMPLE_RATE_HZ * shape.pair_s)
    return min(least_slots(shape) + ceil(waiting_s / shape.pair_s), MAX_SLOT_BYTES // pair_bytes)
