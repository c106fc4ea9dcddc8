"""The speech channel: says alerts aloud, one at a time, and tells those who will hear it when the box itself speaks.

An announcement is delivered when the player has ended well. It knows no program that speaks and none that plays: those are a
`Voice`. What waits, in which order and for how long, is the outbox's.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from alerts.announcement import Said, spoken, text_of, texts_of
from alerts.notification import Delivery, Notification, Outcome
from analyzers.policy import PolicyId, Severity
from analyzers.schedule import Schedule
from analyzers.synthesis import Speaker
from sensors.moment import NANOSECONDS, Moment
from sensors.news import Mute
from sensors.window import SensorId

EARLY = timedelta(milliseconds=200)
"""Muted before the player is started: those who listen must know of it by then, and their clocks are not ours to the millisecond."""
DEVICE_LATE = timedelta(seconds=2)
"""A device may begin so late. The end is put right when the player has ended."""

log = logging.getLogger("omniwatch.speech")


class Engine(StrEnum):
    """Who speaks."""

    ESPEAK = "espeak-ng"
    """The program of this name."""
    OMNI = "omni"
    """The talker of a Qwen3-Omni speaks what is known beforehand, and espeak-ng the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSettings:
    """What the owner says of announcements."""

    engine: Engine = Engine.ESPEAK
    model: Path | None = None
    """The folder of the model that speaks; it need not be there. None: espeak-ng alone speaks."""
    speaker: Speaker = Speaker.ETHAN
    """The model's voice."""
    language: str = "en"
    """A voice of espeak-ng, like `en-us` or `de+f3`."""
    rate: int = 160
    """Words a minute."""
    device: str = "default"
    """What ALSA calls the loudspeaker: `plughw:0,0`."""
    least: Severity = Severity.HIGH
    quiet: Schedule | None = None
    max_age: timedelta = timedelta(seconds=30)
    again_after: timedelta = timedelta(minutes=1)
    tail: timedelta = timedelta(seconds=1.5)
    """For how long after the end of an announcement what is heard may still be it."""
    heard_by: tuple[SensorId, ...] = ()
    folder: Path = field(default=Path("announcements"))
    """Where announcements are kept as WAV files while there is no sound card."""


class SpeechFault(Exception):  # noqa: N818 - the world's fault, like a sensor's
    """It could not be said now; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A text as sound."""

    file: Path
    length: timedelta


class Voice(Protocol):
    """Speaks and plays."""

    async def prepare(self, texts: Sequence[str]) -> None:
        """Make sound of what will be said, so that it is there at once. SpeechFault where that cannot be; what could be made is there."""
        ...

    async def utter(self, text: str) -> Utterance:
        """The text as sound, at once if it is known. SpeechFault where that cannot be."""
        ...

    async def play(self, utterance: Utterance, name: str) -> str:
        """Play it to its end, and return ''; or where it was kept under `name`, since nothing here can play. SpeechFault where neither could be."""
        ...


class SpeechChannel:
    """The box's voice as a way out."""

    def __init__(
        self, settings: SpeechSettings, voice: Voice, *, now: Callable[[], Moment], mute: Callable[[Iterable[SensorId], Mute], None]
    ) -> None:
        """`mute` tells sensors that what they hear is us."""
        self._settings = settings
        self._voice = voice
        self._now = now
        self._mute = mute
        self._phrases: Mapping[PolicyId, str] = {}
        self._said = Said(again_after=settings.again_after)
        self._speaking = asyncio.Lock()
        self._is_told = False
        """Somebody has something of their own said."""
        self._news = asyncio.Event()
        self._numbers = 0
        self._problem = ""

    def phrases(self, phrases: Mapping[PolicyId, str]) -> None:
        """From now on these are said of these policies' alerts. They are made into sound as soon as that can be."""
        self._phrases = phrases
        self._news.set()

    async def run(self) -> None:
        """Make sound of every phrase, for ever: what is said must not wait for it. Other phrases are begun with at once."""
        while True:
            await self._news.wait()
            self._news.clear()
            async with asyncio.TaskGroup() as group:  # it waits for both, and a stop that comes meanwhile is not taken for one of its own
                preparing = group.create_task(self._prepare(), name="phrases")
                news = group.create_task(self._news.wait(), name="other phrases")
                await asyncio.wait({preparing, news}, return_when=asyncio.FIRST_COMPLETED)
                preparing.cancel()
                news.cancel()

    async def _prepare(self) -> None:
        try:
            await self._voice.prepare(texts_of(self._phrases))
        except SpeechFault as fault:
            self._has_failed(str(fault))

    async def send(self, notification: Notification) -> Delivery:
        """Say an alert, after whatever is being said."""
        alert = notification.alert
        text = text_of(alert, self._phrases)
        async with self._speaking:
            if self._said.repeats(text, self._now()):
                return self._delivery(notification, Outcome.REPEATED, "the same was said a moment ago")
            try:
                utterance = await self._voice.utter(text)
                kept = await self._aloud(utterance, f"{alert.opened.utc:%Y%m%dT%H%M%S}-{alert.policy}-{alert.transition}.wav")
            except SpeechFault as fault:
                self._has_failed(str(fault))
                return self._delivery(notification, Outcome.RETRY, str(fault))
            self._said = self._said.after(text, self._now())
        self._works()
        return self._delivery(notification, Outcome.UNHEARD if kept else Outcome.DELIVERED, f"kept as {kept}" if kept else "")

    async def say(self, text: str) -> str:
        """Say what somebody wants said, after whatever is being said, at any hour; where it was kept, if nothing here can play it.

        SpeechFault where it cannot be said, there is nothing in it to say, or somebody else has something said: one at a time, so that
        announcements of alarms wait for one of them at most.
        """
        if self._is_told:
            raise SpeechFault("something else that somebody wants said is not over yet: try again in a moment")
        if not (words := spoken(text)):
            raise SpeechFault("there is nothing in it that can be said")
        self._is_told = True
        try:
            async with self._speaking:
                kept = await self._aloud(await self._voice.utter(words), f"{self._now().utc:%Y%m%dT%H%M%S}-said.wav")
        except SpeechFault as fault:
            self._has_failed(str(fault))
            raise
        finally:
            self._is_told = False
        self._works()
        return kept

    async def _aloud(self, utterance: Utterance, name: str) -> str:
        """Play it; whoever hears it knows from when to when. However it ends, the span ends with it."""
        self._numbers += 1
        start = self._now().plus(-EARLY)
        self._mute_span(start, start.plus(EARLY + DEVICE_LATE + utterance.length))
        try:
            return await self._voice.play(utterance, name)
        finally:
            self._mute_span(start, self._now())

    def _mute_span(self, start: Moment, end: Moment) -> None:
        tail_ns = round(self._settings.tail.total_seconds() * NANOSECONDS)
        self._mute(self._settings.heard_by, Mute(number=self._numbers, start_boot_ns=start.boot_ns, end_boot_ns=end.boot_ns + tail_ns))

    def _has_failed(self, problem: str) -> None:
        if problem != self._problem:  # once an outage
            log.error("nothing can be said aloud: %s", problem)
        self._problem = problem

    def _works(self) -> None:
        if self._problem:
            log.warning("announcements are spoken again")
        self._problem = ""

    def _delivery(self, notification: Notification, outcome: Outcome, reason: str) -> Delivery:
        return Delivery(notification=notification.id, channel=notification.channel, outcome=outcome, reason=reason, at=self._now())
