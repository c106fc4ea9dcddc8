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
from analyzers.synthesis import Speaker
from appliance.config.form import Duration, FilePath, Form, Id, Wait, Whole, between
from appliance.config.judge_form import JudgeChoice, JudgeForm
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
    """Who speaks: `espeak-ng`, a program that the system installs; or `omni`, the talker of a Qwen3-Omni Instruct model: it renders each
    `say` ahead, at a start or reload, and espeak-ng says all that is not rendered."""
    model: FilePath | None = None
    """The folder of the model that speaks, relative to this file, with `engine: omni`. Default: the judge's. What `omniwatch quantize` makes
    does not speak: then name the folder that it was made from."""
    voice: Speaker | None = None
    """Whose, with `engine: omni`: `ethan`, `chelsie` or `aiden`. Default: `ethan`."""
    language: Annotated[str, AfterValidator(read_voice)] = "en"
    """The voice of espeak-ng: `en`, `en-us`, `de`, or with a variant `de+f3`. Texts are not translated."""
    rate: Annotated[Whole, Field(ge=80, le=400)] = 160
    """Words a minute of espeak-ng. In a loud hall slow speech is understood better."""
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

    def settings(self, timezone: str, beside: Path, state: Path, judges: Path | None) -> SpeechSettings:
        """The settings that this form asks for. `beside`: the folder of the configuration; `judges`: that of the judge's model."""
        model = (beside / self.model).absolute() if self.model else judges
        return SpeechSettings(
            engine=self.engine,
            model=model if self.engine is Engine.OMNI else None,
            speaker=self.voice or Speaker.ETHAN,
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


def engine_problems(document: Document, form: SpeechForm | None, judge: JudgeForm) -> Iterator[Problem]:
    """What does not fit between who speaks and the models that there are."""
    if form is None:
        return
    place = ("notify", "speech")
    if form.engine is not Engine.OMNI:
        for name in ("model", "voice"):
            if getattr(form, name) is not None:
                yield document.problem((*place, name), f"`{name}` is of a model that speaks", hint="write `engine: omni` beside it, or leave it out")
    elif form.model is None and (judge.kind is not JudgeChoice.OMNI or judge.model is None):
        yield document.problem((*place, "engine"), "no model is named that could speak", hint="name its folder as `model`; the judge has none")


def speech_problems(document: Document, form: SpeechForm | None, sensors: Mapping[str, SensorForm | None]) -> Iterator[Problem]:
    """What does not fit between announcements and the sensors that hear them."""
    for number, name in enumerate(form.heard_by if form else ()):
        place = ("notify", "speech", "heard_by", number)
        if name not in sensors:
            hint = did_you_mean(name, sensors) or f"there is {', '.join(sensors)}"
            yield document.problem(place, f'there is no sensor "{name}"', hint=hint)
        elif (sensor := sensors[name]) and Sense.SOUND not in senses_of(sensor.source, sensor.sound):
            yield document.problem(place, f'"{name}" hears nothing', hint="leave it out: only sensors with sound can hear the box")
