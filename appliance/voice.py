"""The programs that speak and play: espeak-ng makes WAV files of texts, kept for the next time, and aplay plays them.

Each is a child of its own with a time limit. Texts go in by standard input, never as a part of a command. Where there is no sound
card, announcements are kept as files. It knows no alert.
"""

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import wave
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alerts.channels.speech import DEVICE_LATE, Engine, SpeechFault, SpeechSettings, Utterance
from analyzers.synthesis import LONGEST
from appliance.children.child import KEPT_ENVIRONMENT

ESPEAK = Engine.ESPEAK.value
PLAYER = "aplay"
SPEAKING_S = 10.0
"""A sentence takes well under a tenth of a second."""
MAX_CACHED = 400
MAX_CACHED_BYTES = 50 << 20
MAX_KEPT = 100
"""Announcements that are kept as files; the oldest goes."""
MAX_PROBLEM = 160

log = logging.getLogger("omniwatch.speech")


class ProgramVoice:
    """The voice of this machine."""

    def __init__(self, settings: SpeechSettings, cache: Path) -> None:
        """`cache`: a folder for what has been spoken; it need not be there."""
        self._settings = settings
        self._cache = cache
        self._is_cardless = False
        self._rendering = asyncio.Lock()

    async def prepare(self, texts: Sequence[str]) -> None:
        """Speak them into the cache, up to the first that cannot be."""
        for text in texts:
            await self.utter(text)

    async def utter(self, text: str) -> Utterance:
        """The text as sound, from the cache or from the engine."""
        settings = self._settings
        key = "\0".join((ESPEAK, settings.language, str(settings.rate), text))
        file = self._cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav"
        try:
            async with self._rendering:  # two that want the same words would write one file
                length = await asyncio.to_thread(measured, file)
                if length is None:
                    length = await self._rendered(text, file)
        except OSError as error:
            raise SpeechFault(f"{self._cache}: {error.strerror or error}") from None
        return Utterance(file=file, length=min(length, LONGEST))

    async def _rendered(self, text: str, file: Path) -> timedelta:
        """Have it spoken into a file, which is there as a whole or not at all."""
        settings, part = self._settings, file.with_suffix(".part")
        await asyncio.to_thread(self._cache.mkdir, parents=True, exist_ok=True)
        arguments = ("-v", settings.language, "-s", str(settings.rate), "-b", "1", "--stdin", "-w", str(part))
        ended = await _run(ESPEAK, arguments, SPEAKING_S, text.encode())
        if ended is None:
            raise SpeechFault(f"{ESPEAK} is not installed: apt-get install {ESPEAK}")
        if ended.code:
            raise SpeechFault(f"{ESPEAK} with the voice {settings.language} {ended}; `{ESPEAK} --voices` lists those there are")
        length = await asyncio.to_thread(measured, part)
        if length is None:
            raise SpeechFault(f"{ESPEAK} made nothing of a text")
        await asyncio.to_thread(part.replace, file)
        await asyncio.to_thread(pruned, self._cache, MAX_CACHED, MAX_CACHED_BYTES)
        return length

    async def play(self, utterance: Utterance, name: str) -> str:
        """Play it; where there is nothing to play it on, keep it as a file of this name and say where."""
        arguments = ("-q", "-D", self._settings.device, "-d", str(round(LONGEST.total_seconds())), str(utterance.file))
        ended = await _run(PLAYER, arguments, (utterance.length + DEVICE_LATE).total_seconds())
        if ended is not None and not ended.code:
            self._is_cardless = False
            return ""
        if ended is not None and (not ended.cannot_open or "busy" in ended.says):
            raise SpeechFault(f"{PLAYER} on {self._settings.device} {ended}")
        why = f"{PLAYER} is not installed: apt-get install alsa-utils" if ended is None else f"no sound card {self._settings.device}: {ended.says}"
        return await self._kept(utterance, name, why)

    async def _kept(self, utterance: Utterance, name: str, why: str) -> str:
        folder = self._settings.folder
        if not self._is_cardless:
            log.warning("%s; announcements are kept as WAV files in %s", why, folder)
        self._is_cardless = True
        try:
            await asyncio.to_thread(_copied, utterance.file, folder / name)
        except OSError as error:
            raise SpeechFault(f"{why}; and they cannot be kept: {folder}: {error.strerror or error}") from None
        log.info("announcement kept: %s", folder / name)
        return str(folder / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How a program ended."""

    code: int
    says: str
    """The last line of its standard error: what went wrong in the end."""

    @property
    def cannot_open(self) -> bool:
        """What aplay says of a device that is not there, or is in use."""
        return "audio open error" in self.says

    def __str__(self) -> str:
        return f"ended with {self.code}: {self.says}" if self.code != TOO_LONG else "did not end in time"


TOO_LONG = -1000
"""The code of a program that was ended at its time limit."""


async def _run(program: str, arguments: Sequence[str], limit_s: float, text: bytes = b"") -> _Ended | None:
    """Run it to its end, which comes at the latest with the limit. None where it is not installed."""
    environment = {**{name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}, "LC_ALL": "C"}
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=nothing, stderr=pipe, env=environment)
    except (FileNotFoundError, PermissionError):
        return None
    except OSError as error:  # no memory or descriptors for one more
        raise SpeechFault(f"{program} cannot be started: {error.strerror}") from None
    says = b""
    try:
        async with asyncio.timeout(limit_s):
            _, says = await process.communicate(text)
    except TimeoutError:
        return _Ended(code=TOO_LONG, says="")
    finally:
        if process.returncode is None:
            await _killed(process)
    last = says.decode(errors="replace").strip().rpartition("\n")[2]
    return _Ended(code=process.returncode or 0, says=last[:MAX_PROBLEM])


async def _killed(process: asyncio.subprocess.Process) -> None:
    """End it, and do not wait long for one that a driver holds. By its pid, as `child.py` says."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.wait()


def measured(file: Path, rate_hz: int | None = None) -> timedelta | None:
    """How long a WAV file lasts, and a sign that it is used; None where there is none that is whole, or of `rate_hz` in 16 bits and one channel."""
    try:
        with wave.open(str(file)) as sound:
            if rate_hz is not None and sound.getparams()[:3] != (1, 2, rate_hz):
                return None
            length = timedelta(seconds=sound.getnframes() / sound.getframerate())
        os.utime(file)
    except (FileNotFoundError, EOFError, wave.Error):
        return None
    return length or None


def _copied(file: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(".part")
    shutil.copyfile(file, part)
    part.replace(kept)
    pruned(kept.parent, MAX_KEPT, MAX_CACHED_BYTES)


def pruned(folder: Path, count: int, most_bytes: int) -> None:
    """Delete the WAV files that were used longest ago, until no more are left than may be."""
    found = sorted(((file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob("*.wav")), reverse=True)
    total = 0
    for place, (_, size, file) in enumerate(found):
        total += size
        if place >= count or (total > most_bytes and place):
            file.unlink(missing_ok=True)
