"""What a configured source sends, in a file that any number of processes can decode: a recording is itself, a camera is recorded for a while.

A camera's packets are copied as they come, by the sensor's own process and the clip helper, as evidence is. Whoever asked deletes the folder.
"""

import asyncio
import random
import shutil
import wave
from array import array
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

from appliance.children.child import ChildLost
from appliance.children.sensor_link import SensorLink
from appliance.clock import BoxClock
from appliance.config.configuration import SensorConfig
from appliance.evidence.clip_helper import helped
from sensors.cut import PART, Cut, CutOrder
from sensors.moment import Moment
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.segment import folder_of
from sensors.settings import SegmentSettings, SoundUse
from sensors.slots import SlotLayout
from sensors.sources import SCHEMES, scheme_of
from sensors.window import Window
from sensors.wire import WireError

SHORTEST_S, LONGEST_S = 20.0, 60.0
"""Of a recording, so that whole windows are in it."""
LASTS_S = 300.0
"""It is repeated in its file: where a file begins anew it is opened again, all copies at the same time, and no camera does that."""
PATIENCE_S = 20.0
"""From a process's first word to its camera being open."""
MAX_BYTES = 256 << 20
AT_ONCE = 16
RATE_HZ, LOUDEST = 48_000, 3000


class NotFilmed(Exception):  # noqa: N818 - the world's fault
    """A camera cannot be recorded. Its text says why, and what to do."""


async def filmed(sensors: tuple[SensorConfig, ...], folder: Path) -> tuple[str | None, ...]:
    """For each a source that any number of processes can open at a time; None for a device that only one can. NotFilmed where a camera is away."""
    some = asyncio.Semaphore(AT_ONCE)

    async def one(sensor: SensorConfig) -> str | None:
        async with some:
            return await _filmed(sensor, folder)

    return tuple(await asyncio.gather(*map(one, sensors)))


def seconds_of(sensor: SensorConfig) -> float:
    """How long a recording of it is: so that whole windows are in it."""
    return min(LONGEST_S, max(SHORTEST_S, 2 * sensor.settings.window.length_s))


def is_live(sensor: SensorConfig) -> bool:
    """Whether it is a camera in the network, which has to be recorded."""
    scheme = SCHEMES.get(scheme_of(sensor.settings.source))
    return scheme is not None and scheme.live


async def _filmed(sensor: SensorConfig, folder: Path) -> str | None:
    return await _recorded(sensor, folder) if is_live(sensor) else _at_hand(sensor, folder)


def _at_hand(sensor: SensorConfig, folder: Path) -> str | None:
    """What need not be recorded."""
    match scheme_of(sensor.settings.source):
        case "file" if not Path(sensor.settings.source.removeprefix("file:")).is_file():
            raise NotFilmed(_away(sensor, "there is no such recording"))
        case "file":
            return sensor.settings.source
        case "mic":
            return _noise(sensor, folder)
        case _:
            return None  # what is kept of a V4L2 camera is no more than five pictures a second: to decode that would cost too little


def _noise(sensor: SensorConfig, folder: Path) -> str:
    """A microphone's sound costs the same whatever it is."""
    path = folder / f"{sensor.settings.sensor}.wav"
    draw = random.Random(0)  # noqa: S311 - noise
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        second = array("h", (draw.randint(-LOUDEST, LOUDEST) for _ in range(RATE_HZ)))
        for _ in range(round(LASTS_S)):
            file.writeframes(second.tobytes())
    return f"file:{path}"


class _Crew:
    """Waits until a camera is open, or will not be. It is the receiver of a link."""

    def __init__(self) -> None:
        self.settled = asyncio.Event()
        self.problem = f"did not open within {PATIENCE_S:g} s"
        self._until_s: float | None = None

    async def window(self, window: Window) -> None:
        """There are none: nothing is decoded."""

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """Nobody reads them."""

    def figures(self, figures: SensorFigures) -> None:  # noqa: ARG002 - a receiver takes them
        """Comes every second while the process lives, so that no other clock is needed."""
        now_s = asyncio.get_running_loop().time()
        self._until_s = self._until_s or now_s + PATIENCE_S
        if now_s >= self._until_s:
            self.settled.set()

    def news(self, news: SensorNews) -> None:
        """It is open, or why not."""
        self.problem = "" if news.condition is SensorCondition.ONLINE else f"{news.reason or news.condition}: {news.detail}".replace("_", " ")
        self.settled.set()


async def _recorded(sensor: SensorConfig, folder: Path) -> str:
    """Have the camera's packets kept for a while, and make one file of them."""
    begin, end = await _kept(sensor, folder)
    kept, target = folder_of(folder, begin.boot_id, sensor.settings.sensor), folder / sensor.settings.sensor
    first_ns = begin.boot_ns
    repeats = ceil(LASTS_S / seconds_of(sensor))
    order = CutOrder(
        segments=str(kept), start_ns=first_ns, end_ns=end.boot_ns, moment_ns=first_ns, original=True, repeats=repeats, target=str(target)
    )
    made = await helped(order)
    if not isinstance(made, Cut):
        raise NotFilmed(_away(sensor, made.problem))
    return f"file:{_whole(target, made, kept)}"


def _whole(target: Path, made: Cut, kept: Path) -> Path:
    """The recording, under its name; what it was made of, and the poster, go."""
    shutil.rmtree(kept, ignore_errors=True)
    target.with_name(f"{target.name}.jpg{PART}").unlink(missing_ok=True)
    path = target.with_name(f"{target.name}{made.suffix}")
    return path.with_name(f"{path.name}{PART}").rename(path)


async def _kept(sensor: SensorConfig, folder: Path) -> tuple[Moment, Moment]:
    """From when to when segments of a camera were kept. NotFilmed where it does not open."""
    settings, seconds, clock, crew = sensor.settings, seconds_of(sensor), BoxClock(), _Crew()
    segments = SegmentSettings(folder=str(folder), seconds=2 * seconds, bytes=MAX_BYTES, only=True)
    sound = SoundUse.OFF if settings.sound is SoundUse.OFF else SoundUse.KEEP
    link = SensorLink(replace(settings, segments=segments, sound=sound, masks=(), zones=()), sensor.credentials, crew)
    running, opening = asyncio.create_task(link.run_once()), asyncio.create_task(crew.settled.wait())
    try:
        await asyncio.wait({running, opening}, return_when=asyncio.FIRST_COMPLETED)
        begin = clock.now()
        if not crew.problem:
            await asyncio.wait({running}, timeout=seconds)
    finally:
        opening.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError, ChildLost, WireError):
            await running
    if crew.problem:
        raise NotFilmed(_away(sensor, crew.problem))
    return begin, clock.now()


def _away(sensor: SensorConfig, problem: str) -> str:
    return f"{sensor.settings.sensor}: {problem}. What decoding it takes has to be measured with the rest: `omniwatch doctor CONFIG` says what to do"
