"""What an owner writes of the box as a whole: where it stands, its judge, and whom it tells. The whole file is a `SiteForm`."""

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic.config import JsonDict

from alerts.flood import FloodRule
from appliance.config.evidence_form import EvidenceForm
from appliance.config.form import FilePath, Form, Id, Wait, between, read_duration
from appliance.config.judge_form import JudgeChoice, JudgeForm
from appliance.config.mqtt_form import MqttForm
from appliance.config.people_form import MAX_PEOPLE, PersonForm
from appliance.config.policy_form import MAX_MODES, MAX_POLICIES, Entry
from appliance.config.problems import HintedError, did_you_mean
from appliance.config.sensor_form import SensorForm
from appliance.config.speech_form import SpeechForm

MAX_SITE_SENSORS = 64
DISARMED = "disarmed"
FLOOD_SPAN = (timedelta(minutes=1), timedelta(days=1))


def read_timezone(name: str) -> str:
    """A time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise HintedError(f'"{name}" is no time zone', did_you_mean(name, available_timezones()) or "write one like Europe/Berlin") from None
    return name


def read_flood(value: object) -> FloodRule:
    """`10 in 10m`."""
    found = re.fullmatch(r"(\d{1,4}) in (\w+)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write how many alarms in what time are a flood, like 10 in 10m")
    if not 2 <= int(found[1]) <= 1000:
        raise ValueError("a flood is 2 to 1000 alarms")
    return FloodRule(count=int(found[1]), span=between(*FLOOD_SPAN)(read_duration(found[2])))


def read_listen(value: object) -> tuple[str, int]:
    """`127.0.0.1:9464`, `[::1]:9464` or `hostname:9464`."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})", value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[3]) < 65536:
        raise ValueError("write ADDRESS:PORT, like 127.0.0.1:9464; a port is 1 to 65535")
    return found[1] or found[2], int(found[3])


def read_self_test(value: object) -> object:
    """`off` is none."""
    if isinstance(value, str) and value != "off":
        raise HintedError(f'"{value}" says neither whether nor how often', "write off, or {every: 1h}")
    return None if value == "off" else value


def show_off(schema: JsonDict) -> None:
    """What editors are told: the word is `off`, which None stands for here."""
    if isinstance(choices := schema.get("anyOf"), list):
        choices[:] = [{"const": "off"} if choice == {"type": "null"} else choice for choice in choices]


def read_modes(modes: tuple[str, ...]) -> tuple[str, ...]:
    """Names of arm modes, each once."""
    if DISARMED in modes:
        raise ValueError(f'"{DISARMED}" is what the box is when it is not armed; call the mode something else')
    if len(set(modes)) < len(modes):
        raise ValueError("names a mode twice")
    return modes




MODEL_ALONE = {"second_look": "answers of a model", "skip_still": "what a model is shown", "describe": "a model that writes"}
"""Keys of the judge that nobody would read without a model, and what they are for."""


def check_judge(judge: JudgeForm) -> JudgeForm:
    """A judge with all that it needs."""
    if judge.kind is JudgeChoice.OMNI and judge.model is None:
        raise ValueError("`kind: omni` needs `model`, the folder of the model; without a model write `kind: cues`")
    for key, what in MODEL_ALONE.items():
        if judge.kind is not JudgeChoice.OMNI and getattr(judge, key):
            raise ValueError(f"`{key}` is for {what}, so it needs `kind: omni`")
    return judge


class NotifyForm(Form):
    """Whom alarms are told."""

    mqtt: MqttForm | None = None
    """An MQTT broker."""
    speech: SpeechForm | None = None
    """A loudspeaker at the box."""
    people: tuple[PersonForm, ...] = Field(default=(), max_length=MAX_PEOPLE)
    """People, each through a service of their own."""


class SelfTestForm(Form):
    """The box's test of itself."""

    every: Annotated[Wait, AfterValidator(between(timedelta(minutes=1), timedelta(days=7)))] = timedelta(hours=1)
    """How often, beside once after each start. One that has failed is made again sooner."""


class MetricsForm(Form):
    """What Prometheus reads."""

    listen: Annotated[tuple[str, int], BeforeValidator(read_listen), WithJsonSchema({"type": "string"})] = ("127.0.0.1", 9464)
    """ADDRESS:PORT. Anybody who reaches it can read the names of sensors and policies."""


class SiteForm(Form):
    """A box: its sensors, its judge, its policies, and whom it tells."""

    site: Id
    """The site's name: the second part of every topic."""
    box: Id
    """The box's name on the site: the third part of every topic."""
    timezone: Annotated[str, Field(max_length=64), AfterValidator(read_timezone)]
    """The site's time zone, for schedules: Europe/Berlin."""
    state: FilePath = "/var/lib/omniwatch"
    """The folder of the database."""
    evidence: EvidenceForm = EvidenceForm()
    """How much is kept of what sensors saw and heard around alarms."""
    flood: Annotated[FloodRule, BeforeValidator(read_flood), WithJsonSchema({"type": "string", "examples": ["10 in 10m"]})] = FloodRule()
    """So many alarms in so short a time are a flood: one alarm then says so, and only critical ones are still told singly."""
    metrics: MetricsForm = MetricsForm()
    """Where metrics are served."""
    sensors: dict[Id, SensorForm] = Field(min_length=1, max_length=MAX_SITE_SENSORS)
    """The cameras and microphones, by name."""
    judge: Annotated[JudgeForm, AfterValidator(check_judge)] = JudgeForm()
    """Who answers. Default: cues alone."""
    modes: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_MODES), AfterValidator(read_modes)] = ("home", "away", "night")
    """The modes in which the box can be armed. The first is that of a box that nobody has armed yet."""
    policies: tuple[Entry, ...] = Field(default=(), max_length=MAX_POLICIES)
    """The questions: policies of one's own, and policies of catalogues that are put to use."""
    self_test: Annotated[SelfTestForm | None, BeforeValidator(read_self_test), Field(json_schema_extra=show_off)] = SelfTestForm()
    """How the box tries itself out, or `off`: two clips whose answers are known go the whole way of an alarm, marked as a test."""
    notify: NotifyForm = NotifyForm()
    """Whom alarms are told. Default: nobody; they are in the database and the metrics."""
