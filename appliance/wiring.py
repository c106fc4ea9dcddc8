"""The one place that names concrete classes: which judge, which channel, which store a configuration means."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from alerts.channels.mqtt import MqttChannel
from alerts.channels.onvif import OnvifChannel
from alerts.channels.people import PeopleChannel, Place
from alerts.channels.speech import SpeechChannel, SpeechSettings, Voice
from alerts.channels.topics import Topics
from analyzers.cue_judge import CueJudge
from analyzers.interview import JudgeSettings
from analyzers.judge import Judge
from analyzers.judgement import JudgeKind
from analyzers.omni.plan import ModelError
from analyzers.queue import Queue
from analyzers.synthesis import TalkerSettings
from appliance import __version__
from appliance.children.judge_link import AsyncJudge, Budget
from appliance.clock import Clock
from appliance.config.configuration import Configuration
from appliance.config.judge_form import JudgeConfig
from appliance.pipeline import Pipeline
from appliance.seams import Ledger, Teller
from appliance.talker_voice import TalkerVoice
from appliance.telling import Telling, audiences
from appliance.voice import ProgramVoice
from sensors.moment import Moment
from sensors.news import Mute
from sensors.window import SensorId

QUEUE_CAPACITY = 1024
"""Questions that may wait, over all views: one a view is the rule, so this is a bound and not a size."""


def cue_judge() -> Judge:
    """The judge that is always there."""
    return CueJudge()


def judge_settings(judge: JudgeConfig) -> JudgeSettings | None:
    """What the judge process is told; None where cues alone judge."""
    if judge.kind is not JudgeKind.OMNI or judge.model is None:
        return None
    return JudgeSettings(
        model=str(judge.model),
        quantization=judge.quantization,
        device=judge.device,
        threads=judge.threads,
        second_look=judge.second_look,
        still=judge.still,
        describes=judge.describes,
        captioner=judge.captioner,
    )


def judge_budget(judge: JudgeConfig) -> Budget:
    """How long the judge may take, and how much memory. Reads the head of the model's files."""
    return Budget(loading=judge.loading, batch=judge.deadline, memory_bytes=judge.memory_bytes or _memory_bytes(judge))


def _memory_bytes(judge: JudgeConfig) -> int | None:
    """Well above what the model should need: it is for one that leaks, not for one that was reckoned a little low."""
    try:
        planned = judge.plans()
        return planned.peak_bytes * 3 // 2 + 2_000_000_000 if planned else None
    except ModelError:
        return None  # the judge will say the same, and why


def new_pipeline(
    configuration: Configuration, *, clock: Clock, judge: AsyncJudge | None, store: Ledger, teller: Teller | None, lossless: bool = False
) -> Pipeline:
    """The data path of a configuration. `lossless`: a replay."""
    queue = Queue(capacity=QUEUE_CAPACITY, max_age=configuration.judge.max_age, lossless=lossless)
    pipeline = Pipeline(clock=clock, cues=cue_judge(), judge=judge, ledger=store, teller=teller, queue=queue)
    wait_as_configured(pipeline, configuration.judge)
    return pipeline


def wait_as_configured(pipeline: Pipeline, judge: JudgeConfig) -> None:
    """From now on questions wait for a judge that is busy or away as `judge` says."""
    pipeline.waits_for_judge = not judge.fallback
    pipeline.queue.configure(judge.max_age)


def mqtt_channel(configuration: Configuration, now: Callable[[], Moment], linked: Callable[[bool], None]) -> MqttChannel | None:
    """The way to the broker, if there is one. `linked` hears of every connection and of its end."""
    if configuration.mqtt is None:
        return None
    return MqttChannel(configuration.mqtt, Topics(site=configuration.site, box=configuration.box), version=__version__, now=now, linked=linked)


def new_telling(
    configuration: Configuration,
    now: Callable[[], Moment],
    *,
    linked: Callable[[bool], None],
    mute: Callable[[Iterable[SensorId], Mute], None],
) -> Telling:
    """The ways out of a box. `mute` tells sensors of an announcement that they hear."""
    speech = configuration.speech
    voice = ProgramVoice(speech, configuration.state / "speech") if speech else None
    talker = _talker(speech, voice, configuration.state / "speech" / "omni") if speech and voice else None
    box = f"{configuration.site}/{configuration.box}"
    place = Place(box=box, timezone=ZoneInfo(configuration.timezone), evidence=configuration.state / "evidence")
    mqtt = mqtt_channel(configuration, now, linked)
    prefix = configuration.mqtt.onvif if configuration.mqtt else None
    return Telling(
        mqtt=mqtt,
        onvif=OnvifChannel(mqtt, prefix) if mqtt and prefix is not None else None,
        speech=SpeechChannel(speech, talker or voice, now=now, mute=mute) if speech and voice else None,
        talker=talker,
        people={person.name: PeopleChannel(person, place, now) for person in configuration.people},
        audiences=audiences(configuration),
    )


def _talker(speech: SpeechSettings, stand_in: Voice, cache: Path) -> TalkerVoice | None:
    """The voice of a model, where one speaks."""
    if speech.model is None:
        return None
    threads = max(1, (os.cpu_count() or 1) // 2)  # the other half is for cameras and judge
    return TalkerVoice(TalkerSettings(model=str(speech.model), speaker=speech.speaker, threads=threads), stand_in, cache)
