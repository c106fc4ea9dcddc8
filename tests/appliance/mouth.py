"""A model's voice whose model is a script, for tests of what the box says with it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from alerts.channels.speech import SpeechFault, Utterance
from analyzers.synthesis import Speaker, TalkerSettings
from appliance.talker_helper import Limits
from appliance.talker_voice import TalkerVoice
from tests.analyzers.husk import speaking

SCRIPTED = "tests.appliance.scripted_talker"
QUICK = Limits(loading=timedelta(seconds=20), line=timedelta(seconds=20))


@dataclass
class StandIn:
    """Says everything, as a file that is named after it."""

    prepared: list[str] = field(default_factory=list)
    fault: str = ""

    async def prepare(self, texts: object) -> None:
        self.prepared.extend(texts)  # type: ignore[call-overload]
        if self.fault:
            raise SpeechFault(self.fault)

    async def utter(self, text: str) -> Utterance:
        return Utterance(file=Path(text), length=timedelta(seconds=1))

    async def play(self, utterance: Utterance, name: str) -> str:
        return f"{name} of {utterance.length.total_seconds():g} s"


@dataclass
class Mouth:
    """A model's voice whose model is a script."""

    folder: Path
    speaker: Speaker = Speaker.ETHAN
    limits: Limits | None = QUICK
    stand_in: StandIn = field(default_factory=StandIn)

    def __post_init__(self) -> None:
        """Make the voice."""
        if not (self.folder / "model").exists():
            speaking(self.folder / "model")
        settings = TalkerSettings(model=str(self.folder / "model"), speaker=self.speaker)
        self.voice = TalkerVoice(settings, self.stand_in, self.folder / "omni", limits=self.limits, module=SCRIPTED)

    @property
    def starts(self) -> list[int]:
        """The helpers that there have been."""
        log = self.folder / "model" / "starts"
        return list(map(int, log.read_text().split())) if log.exists() else []

    async def says(self, *texts: str) -> list[bool]:
        """Which of these the model says."""
        return [(await self.voice.utter(text)).file.parent == self.folder / "omni" for text in texts]


def ran(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


def runs(pid: int) -> bool:
    """Whether it does anything: one that has ended may not have been asked yet how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
