"""A model's voice: speaks what is known beforehand, kept for the next time, while espeak-ng says all that is not rendered.

Rendering takes ten times as long as the speech and all of the model's voice in memory (measured), so nobody who has an alarm to tell waits
for it: it is done at a start and at a reload, in one helper that ends with the last sentence. What a summary or an operator says is never
rendered. It knows no alert.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from alerts.channels.speech import SpeechFault, Utterance, Voice
from analyzers.omni.beside import Plans
from analyzers.omni.folder import ModelError
from analyzers.omni.talker_folder import read_talker
from analyzers.omni.talker_plan import plan_beside
from analyzers.synthesis import LONGEST, RATE_HZ, TalkerSettings
from appliance.talker_helper import HELPER, HelperLost, Limits, TalkerHelper, talker_helper
from appliance.voice import measured, pruned

RENDERING_VERSION = 1
"""To be raised whenever the same sentence would sound otherwise: renderings of another are not used."""
MAX_RENDERED = 200
"""Sentences; espeak-ng says the others."""
MAX_KEPT = 2 * MAX_RENDERED
MAX_KEPT_BYTES = 300 << 20
"""Above 200 of the longest, which have 1.44 MB."""
MAX_HELPERS = 3
"""That may be lost before it is given up, until the next reload. What was spoken as one was lost is not tried again."""

log = logging.getLogger("omniwatch.speech")


class TalkerVoice:
    """The voice of a model, with another that stands in for it."""

    def __init__(self, settings: TalkerSettings, stand_in: Voice, cache: Path, *, limits: Limits | None = None, module: str = HELPER) -> None:
        """`cache`: a folder for what has been rendered; it need not be there. `limits`: of a helper; None: as its plan says."""
        self._settings = settings
        self._stand_in = stand_in
        self._cache = cache
        self._limits = limits
        self._module = module
        self._digest = ""
        """Of the model; empty until it was read, and where there is none."""
        self._problem = ""
        self._unrendered = 0
        self._judge: Callable[[], Plans | None] = lambda: None

    def beside(self, judge: Callable[[], Plans | None]) -> None:
        """From now on `judge` says what the judge takes of this machine: it comes first. ModelError of it: its model cannot be planned."""
        self._judge = judge

    @property
    def unrendered(self) -> int:
        """Sentences that will be said and that the stand-in says."""
        return self._unrendered

    async def prepare(self, texts: Sequence[str]) -> None:
        """Have the stand-in speak them, which takes a moment; then the model, where it has not yet."""
        missing: SpeechFault | None = None
        try:
            await self._stand_in.prepare(texts)
        except SpeechFault as fault:
            missing = fault
        await self._render(texts)
        if missing:
            raise missing

    async def utter(self, text: str) -> Utterance:
        """The text as the model speaks it where that is rendered, else as the stand-in does."""
        with suppress(OSError):  # the stand-in's folder is as broken then, and it says so
            length = await asyncio.to_thread(measured, self._file(text)) if self._digest else None
            if length is not None:
                return Utterance(file=self._file(text), length=min(length, LONGEST))
        return await self._stand_in.utter(text)

    async def play(self, utterance: Utterance, name: str) -> str:
        """As the stand-in plays its own."""
        return await self._stand_in.play(utterance, name)

    def _file(self, text: str) -> Path:
        """Where a text's rendering lies, or would."""
        key = "\0".join((str(RENDERING_VERSION), self._digest, self._settings.speaker.value, text))
        return self._cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav"

    async def _render(self, texts: Sequence[str]) -> None:
        """Those that are not there yet. Whatever goes wrong is said, and costs the model's voice and no announcement."""
        self._unrendered = len(texts)
        if not texts:
            return
        try:
            self._digest = await self._read_digest()
            absent = await asyncio.to_thread(self._absent, texts[:MAX_RENDERED])
            self._unrendered = len(absent) + len(texts[MAX_RENDERED:])
            problems = await self._speak_all(absent) if absent else ()
        except (ModelError, HelperLost, OSError) as error:
            problems = (str(error),)
        if len(texts) > MAX_RENDERED:
            problems = (*problems, f"there are {len(texts)} sentences, and {MAX_RENDERED} are rendered at most")
        self._ended(texts, problems)

    async def _read_digest(self) -> str:
        """Of the model. Where that cannot be read, what it has rendered is no longer used either: so it would be after a start."""
        try:
            return await asyncio.to_thread(lambda: read_talker(Path(self._settings.model), self._settings.speaker).digest())
        except (ModelError, OSError):
            self._digest = ""
            raise

    def _absent(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Which are not there. Those that are have been used by this, so they are the last to leave the cache."""
        self._cache.mkdir(parents=True, exist_ok=True)
        for half in self._cache.glob("*.part"):
            half.unlink(missing_ok=True)
        return tuple(text for text in texts if measured(self._file(text)) is None)

    async def _speak_all(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Speak them in one helper, or another where one is lost; why it could not be done with some. HelperLost, ModelError."""
        limits = self._limits
        if limits is None:
            limits = await asyncio.to_thread(self._planned)
        log.info("%s of %s renders %d sentences; espeak-ng says them meanwhile", self._settings.speaker, self._settings.model, len(texts))
        waiting = deque(texts)
        problems: list[str] = []
        for _ in range(MAX_HELPERS):
            before = len(waiting)
            try:
                async with talker_helper(self._settings, limits, self._module) as helper:
                    while waiting:
                        problems += filter(None, [await self._spoken(helper, waiting.popleft())])
            except HelperLost as lost:
                if len(waiting) == before:
                    raise
                problems.append(str(lost))
            if not waiting:
                break
        return (*problems, *(f"{MAX_HELPERS} helpers were lost" for _ in waiting))

    async def _spoken(self, helper: TalkerHelper, text: str) -> str:
        """Have one spoken; why that was not done. The file is there as a whole, or not at all."""
        file = self._file(text)
        part = file.with_suffix(".part")
        problem = await helper.speak(text, part)
        if not problem and await asyncio.to_thread(measured, part, RATE_HZ) is None:
            problem = "the synthesis helper left no sound of this kind"
        if problem:
            await asyncio.to_thread(part.unlink, missing_ok=True)
            return problem
        await asyncio.to_thread(part.replace, file)
        self._unrendered -= 1
        await asyncio.to_thread(pruned, self._cache, MAX_KEPT, MAX_KEPT_BYTES)
        return ""

    def _planned(self) -> Limits:
        """What a helper may have. ModelError where there is no room for it beside the judge."""
        planned = plan_beside(Path(self._settings.model), self._settings.speaker, self._judge)
        return Limits(memory_bytes=planned.peak_bytes * 3 // 2 + 2_000_000_000)  # for one that leaks, not one that was reckoned a little low

    def _ended(self, texts: Sequence[str], problems: Sequence[str]) -> None:
        """Say once what the model does not speak and why, and once that it speaks all."""
        problem = problems[0] if problems else ""
        if problem and problem != self._problem:
            log.warning("espeak-ng says %d of %d sentences for the model: %s", self._unrendered, len(texts), problem)
        elif not problem:
            log.info("all %d sentences are spoken by %s of %s", len(texts), self._settings.speaker, self._settings.model)
        self._problem = problem
