"""Opens each configured sensor as the box would, in the sensor's own process and with its credentials, until it is online or will not be.

It keeps nothing of what it sees. A source that only one program may have open at a time is busy while the box runs.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from appliance.children.child import ChildLost
from appliance.children.sensor_link import SensorLink
from appliance.config.configuration import Configuration, SensorConfig
from appliance.doctor.finding import Finding, Health
from sensors.fault import FaultReason
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.settings import SensorSettings, SoundUse
from sensors.slots import SlotLayout
from sensors.sources import scheme_of
from sensors.window import Sense, SensorId, Window
from sensors.wire import WireError

PATIENCE_S = 12.0
"""From a process's first word to its source being open: a little more than FFmpeg takes for a camera that does not answer."""
LISTEN_S = 3.0
"""From its opening, to hear something."""
AT_ONCE = 16
"""Processes that are up at a time: each loads FFmpeg first, and more would only wait for each other."""
SILENT_DBFS = -100.0
"""Below every real microphone's own noise: it is switched off, or sends zeros."""

Faults = Mapping[FaultReason, str]

CAMERA: Faults = {
    FaultReason.REFUSED: "something is at this address, but nothing takes connections at this port: is it the camera, and RTSP switched on in it?",
    FaultReason.TIMEOUT: "is the camera on, is the address right, and does `ping` reach it from here? A firewall may be in between",
    FaultReason.STALLED: "restart the camera; if it stays so, take another of its streams",
    FaultReason.UNAUTHORIZED: "compare name and password (`username`; the file of `password: !secret`) with the camera's own user for RTSP or ONVIF",
    FaultReason.NOT_FOUND: "the camera has no such stream: its manual or its web page names the path for `source`",
    FaultReason.UNSUPPORTED: "change it in the camera's own settings, or take another of its streams",
    FaultReason.ENDED: "the camera hung up: too many viewers, perhaps; a running omniwatch is one",
    FaultReason.BROKEN: "try `source` in a player on this machine, then restart the camera",
}
DEVICE: Faults = {
    FaultReason.UNAUTHORIZED: "`usermod -aG video,audio USER` for the user that runs omniwatch, who then logs in anew",
    FaultReason.NOT_FOUND: "plug it in, or take what is listed above under camera or microphone",
    FaultReason.BUSY: "only one program at a time may have it: end the other one; a running omniwatch is one",
}
FILE: Faults = {
    FaultReason.NOT_FOUND: "a path in `source` is relative to the configuration's folder",
    FaultReason.UNAUTHORIZED: "let the user that runs omniwatch read it",
    FaultReason.UNSUPPORTED: "is it a recording? `ffprobe FILE` says what is in it",
}
DEAF = "a policy needs its sound: switch the camera's microphone on or take a stream that has it, then make a noise there and look again"
REMEDIES: Mapping[str, Faults] = {"rtsp": CAMERA, "rtsps": CAMERA, "v4l2": DEVICE, "mic": DEVICE, "file": FILE}


class Trial:
    """Hears what a sensor process says until it is known how the source is. It is the receiver of a link."""

    def __init__(self, settings: SensorSettings) -> None:
        """Nothing is known yet."""
        self.over = asyncio.Event()
        self.last: SensorNews | None = None
        self.level_dbfs: float | None = None
        """Of the loudest second so far; None where there was no sound."""
        self._settings = settings
        self._until_s: float | None = None

    async def window(self, window: Window) -> None:
        """What is in it is not looked at."""

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """Nobody reads them."""

    def news(self, news: SensorNews) -> None:
        """It is open, or why not. A recording that is over at once was open."""
        is_played = news.reason is FaultReason.ENDED and scheme_of(self._settings.source) == "file" and self.last is not None
        if not is_played:
            self.last = news
        if is_played or news.condition is SensorCondition.LOST or not news.sound_codec or self._settings.sound is SoundUse.OFF:
            self.over.set()
        self._until_s = _now_s() + LISTEN_S

    def figures(self, figures: SensorFigures) -> None:
        """Comes every second while the process lives, so that no other clock is needed."""
        self._until_s = self._until_s or _now_s() + PATIENCE_S
        if figures.last_sound_boot_ns:
            self.level_dbfs = max(figures.level_dbfs, self.level_dbfs or figures.level_dbfs)
        if _now_s() >= self._until_s or (self.level_dbfs or SILENT_DBFS) > SILENT_DBFS:
            self.over.set()


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def try_sensors(sensors: Iterable[SensorConfig], hearing: frozenset[SensorId]) -> list[Finding]:
    """How each of them is, and its second stream, all tried beside each other. `hearing`: those of which a policy needs the sound."""
    streams = [stream for sensor in sensors for stream in _streams(sensor)]

    async def all_of_them() -> list[Finding]:
        some = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(_finding(stream, some, needs_sound=stream.settings.sensor in hearing) for stream in streams))

    return asyncio.run(all_of_them())


def _streams(sensor: SensorConfig) -> Iterator[SensorConfig]:
    """What of a sensor is opened; without the ring that its evidence would be cut from, so that nothing is kept."""
    settings = replace(sensor.settings, segments=None)
    yield replace(sensor, settings=settings)
    if sensor.record:
        yield replace(sensor, settings=replace(settings, sensor=SensorId(f"{settings.sensor}.record"), source=sensor.record, zones=()))


async def _finding(sensor: SensorConfig, some: asyncio.Semaphore, *, needs_sound: bool) -> Finding:
    trial = Trial(sensor.settings)
    async with some:
        broke = await _open(sensor, trial)
    what = sensor.settings.sensor
    if trial.last is None:
        says = broke or f"did not open within {PATIENCE_S:g} s"
        return Finding(what=what, health=Health.FAILURE, says=says, do=_remedy(sensor.settings.source, FaultReason.TIMEOUT))
    if trial.last.condition is SensorCondition.LOST:
        return _lost(sensor, trial.last)
    return _online(sensor, trial, trial.last, needs_sound=needs_sound)


async def _open(sensor: SensorConfig, trial: Trial) -> str:
    """Run the process until the trial is over; how the process itself broke, where it did."""
    running = asyncio.create_task(SensorLink(sensor.settings, sensor.credentials, trial).run_once())
    over = asyncio.create_task(trial.over.wait())
    await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, over):
        task.cancel()
    _, broke = (await asyncio.gather(over, running, return_exceptions=True))
    if isinstance(broke, ChildLost | WireError):
        return str(broke)
    if broke is not None and not isinstance(broke, asyncio.CancelledError):
        raise broke
    return ""


def _lost(sensor: SensorConfig, news: SensorNews) -> Finding:
    reason = news.reason or FaultReason.BROKEN
    word = reason.replace("_", " ")
    # What FFmpeg calls it when a camera never answers is "invalid data".
    says = f"did not answer ({word})" if reason is FaultReason.TIMEOUT else f"{word}: {news.detail}" if news.detail else word
    return Finding(what=news.sensor, health=Health.FAILURE, says=says, do=_remedy(sensor.settings.source, reason))


def _online(sensor: SensorConfig, trial: Trial, news: SensorNews, *, needs_sound: bool) -> Finding:
    sight = f"{news.width}x{news.height} {news.codec}, {news.fps:.3g} pictures a second" if news.width else "no picture"
    is_deaf = trial.level_dbfs is None or trial.level_dbfs <= SILENT_DBFS
    do = DEAF if needs_sound and is_deaf else ""
    says = f"{sight}; {_sound(sensor, trial, news)}"
    return Finding(what=news.sensor, health=Health.WARNING if do or news.detail else Health.OK, says=says, do=do)


def _sound(sensor: SensorConfig, trial: Trial, news: SensorNews) -> str:
    if sensor.settings.sound is SoundUse.OFF:
        return "its sound is not listened to"
    if not news.sound_codec:
        return news.detail or "no sound"
    codec = f"{news.sound_codec} {news.sound_rate_hz / 1000:g} kHz"
    if trial.level_dbfs is None:
        return f"{codec}, but none came within {LISTEN_S:g} s"
    return f"{codec}, digital silence for {LISTEN_S:g} s" if trial.level_dbfs <= SILENT_DBFS else f"{codec}, now at {trial.level_dbfs:.0f} dBFS"


def _remedy(source: str, reason: FaultReason) -> str:
    return REMEDIES.get(scheme_of(source), {}).get(reason, "see what is said of it; `omniwatch run CONFIG` tries it again for ever")


def hearing(configuration: Configuration) -> frozenset[SensorId]:
    """The sensors of which a policy needs the sound."""
    return frozenset(sensor for policy in configuration.policies if Sense.SOUND in policy.senses for sensor in policy.sensors)
