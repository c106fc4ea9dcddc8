"""What an owner writes of announcements: who speaks, over which loudspeaker, of what, and which microphones hear it."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from alerts.channels.speech import Engine, SpeechSettings
from analyzers.policy import Severity
from analyzers.schedule import parse
from appliance.config.form import Duration, Form, Id, Wait, Whole, between
from appliance.config.policy_form import Active
from appliance.config.problems import Problem, did_you_mean
from appliance.config.sensor_form import SensorForm, senses_of
from appliance.config.yaml_marks import Document
from sensors.window import Sense, SensorId

MAX_HEARERS = 64


def read_voice(text: str) -> str:
    """A voice as the engine calls it, and nothing else: it becomes an argument of a program."""
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*(\+[A-Za-z0-9]+)?", text) or len(text) > 40:
        raise ValueError("write a voice like en, en-us, de or de+f3; `espeak-ng --voices` lists them")
    return text


def read_device(text: str) -> str:
    """A name of ALSA's; it becomes an argument of a program. Those that write to files, or start something, are none."""
    if not re.fullmatch(r"(?!(?:file|tee)\b)[A-Za-z0-9_][A-Za-z0-9_:,.=-]{0,99}", text):
        raise ValueError("write a device like plughw:0,0 or default; `aplay -L` lists them")
    return text


class SpeechForm(Form):
    """Announcements over a loudspeaker at the box: of a policy's alarm its `say`, or else the alarm's summary."""

    engine: Engine = Engine.ESPEAK
    """Who speaks: `espeak-ng`, a program that the system installs."""
    language: Annotated[str, AfterValidator(read_voice)] = "en"
    """The voice: `en`, `en-us`, `de`, or with a variant `de+f3`. Texts are not translated."""
    rate: Annotated[Whole, Field(ge=80, le=400)] = 160
    """Words a minute. In a loud hall slow speech is understood better."""
    device: Annotated[str, AfterValidator(read_device), WithJsonSchema({"type": "string", "examples": ["plughw:0,0"]})] = "default"
    """The loudspeaker, as ALSA calls it: `aplay -L` lists them."""
    least: Severity = Severity.HIGH
    """Nothing less urgent is spoken."""
    quiet: Active | None = None
    """Hours in which only critical alarms are spoken, in the site's time zone: `22:00-06:00`. Default: none."""
    max_age: Wait = timedelta(seconds=30)
    """An announcement that has waited longer is not made any more, and counted."""
    again_after: Duration = timedelta(minutes=1)
    """The same words are not spoken again within this time; that is counted as well."""
    tail: Annotated[Duration, AfterValidator(between(timedelta(0), timedelta(seconds=10)))] = timedelta(seconds=1.5)
    """For how long after an announcement the microphones may still hear it: the hall's echo, and a camera's delay."""
    heard_by: tuple[Id, ...] = Field(default=(), max_length=MAX_HEARERS)
    """The sensors that hear the loudspeaker: while it speaks they are deaf, for at most a tenth of any hour, so that it raises no alarm."""
    folder: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """Where announcements are kept as WAV files while there is no sound card. Default: `announcements` in the state's folder."""

    def settings(self, timezone: str, beside: Path, state: Path) -> SpeechSettings:
        """The settings that this form asks for. `beside`: the folder of the configuration."""
        return SpeechSettings(
            engine=self.engine,
            language=self.language,
            rate=self.rate,
            device=self.device,
            least=self.least,
            quiet=parse(self.quiet, timezone) if self.quiet else None,
            max_age=self.max_age,
            again_after=self.again_after,
            tail=self.tail,
            heard_by=tuple(SensorId(sensor) for sensor in self.heard_by),
            folder=(beside / self.folder).absolute() if self.folder else state / "announcements",
        )


def speech_problems(document: Document, form: SpeechForm | None, sensors: Mapping[str, SensorForm | None]) -> Iterator[Problem]:
    """What does not fit between announcements and the sensors that hear them."""
    for number, name in enumerate(form.heard_by if form else ()):
        place = ("notify", "speech", "heard_by", number)
        if name not in sensors:
            hint = did_you_mean(name, sensors) or f"there is {', '.join(sensors)}"
            yield document.problem(place, f'there is no sensor "{name}"', hint=hint)
        elif (sensor := sensors[name]) and Sense.SOUND not in senses_of(sensor.source, sensor.sound):
            yield document.problem(place, f'"{name}" hears nothing', hint="leave it out: only sensors with sound can hear the box")
