"""The sensors that run at present: one supervised process each, started and stopped as the configuration says.

It hands windows on and keeps what each sensor last said of itself. It judges nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from appliance.children.previews import Previews
from appliance.children.sensor_link import SensorLink
from appliance.children.supervisor import keep
from appliance.clock import Clock
from appliance.config.configuration import SensorConfig
from appliance.metrics import Metrics
from sensors.backoff import Backoff
from sensors.fault import FaultReason
from sensors.moment import NANOSECONDS, Moment
from sensors.news import Mute, SensorCondition, SensorFigures, SensorNews
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window, WindowId
from sensors.wire import WireError

log = logging.getLogger("omniwatch.sensor")

BACKOFF = Backoff()
LATE = timedelta(seconds=2)
"""A process that lives tells of a stall itself; by then it would have."""
AHEAD = timedelta(minutes=1)
"""No window ends further ahead: files are played up to five seconds early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatus:
    """What a sensor last said of itself, and since when its condition is what it is."""

    news: SensorNews
    since: Moment
    figures: SensorFigures | None = None
    restarts: int = 0
    stall_after: timedelta
    waits_since: Moment
    """Something fresh may be wanted from here on: since it opened, or since the box itself stood still."""

    def delivers(self, at: Moment) -> bool:
        """Whether something fresh has come. A process that hangs says nothing of it: what it last said grows old."""
        if self.news.condition is not SensorCondition.ONLINE:
            return False
        newest_ns = max(self.since.boot_ns, self.waits_since.boot_ns)
        if figures := self.figures:
            newest_ns = max(newest_ns, figures.last_frame_boot_ns, figures.last_sound_boot_ns)
        return at.boot_ns - newest_ns <= (self.stall_after + LATE).total_seconds() * NANOSECONDS

    def is_lost(self, at: Moment) -> bool:
        """Whether it has given out. One that opens for the first time has not."""
        return self.news.condition is SensorCondition.LOST or (self.news.condition is SensorCondition.ONLINE and not self.delivers(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Where a fleet's windows and slots go."""

    window: Callable[[Window], Awaitable[None]]
    slots: Callable[[SlotLayout, int], None]
    """A process starts with this memory."""
    void: Callable[[SensorId], Awaitable[None]]
    """The slots of earlier windows of this sensor are gone."""
    detach: Callable[[SensorId], None]
    """The sensor is gone from the configuration."""


class Fleet:
    """All sensors of the box. It is what sensor links report to."""

    def __init__(self, uses: Uses, clock: Clock, metrics: Metrics) -> None:
        """Nothing runs until `apply`."""
        self._uses = uses
        self._clock = clock
        self._metrics = metrics
        self._links: dict[SensorId, tuple[SensorConfig, SensorLink, asyncio.Task[None]]] = {}
        self._status: dict[SensorId, SensorStatus] = {}
        self.previews = Previews(metrics.picture, self._show_again)

    async def apply(self, wanted: tuple[SensorConfig, ...]) -> None:
        """Run exactly these. A sensor whose settings are as they were goes on undisturbed."""
        by_name = {config.settings.sensor: config for config in wanted}
        for name, (config, _, _) in list(self._links.items()):
            if by_name.get(name) != config:
                await self._stop(name)
        for name, config in by_name.items():
            if name not in self._links:
                self._start(name, config)
            self._links[name][1].show(config.preview, self.previews.put)
            if config.preview is None:
                self.previews.drop(name)

    def _start(self, name: SensorId, config: SensorConfig) -> None:
        link = SensorLink(config.settings, config.credentials, self)
        news, stall_after = SensorNews(sensor=name, condition=SensorCondition.OPENING), timedelta(seconds=config.settings.stall_after_s)
        now = self._clock.now()
        self._status[name] = SensorStatus(news=news, since=now, stall_after=stall_after, waits_since=now)
        task = asyncio.create_task(keep(f"sensor {name}", link.run_once, BACKOFF, partial(self._lost, name)), name=f"sensor {name}")
        self._links[name] = (config, link, task)

    async def _stop(self, name: SensorId) -> None:
        _, _, task = self._links.pop(name)
        task.cancel()
        await asyncio.wait({task})  # not `await task` with its end suppressed: that would swallow our own end as well
        self._status.pop(name, None)
        self._metrics.sensor_gone(name)
        self.previews.drop(name)
        await self._uses.void(name)
        self._uses.detach(name)

    async def close(self) -> None:
        """Stop all of them, at once."""
        tasks = [task for _, _, task in self._links.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._links.clear()

    def status(self) -> Mapping[SensorId, SensorStatus]:
        """Every sensor as it stands."""
        return dict(self._status)

    def resumed(self, at: Moment) -> None:
        """The box itself stood still until now: that nothing fresh has come is no sensor's fault yet."""
        self._status = {name: replace(status, waits_since=at) for name, status in self._status.items()}

    def release(self, sensor: SensorId, window: WindowId) -> None:
        """A window's slots are free, if the process that they belong to is still there."""
        if known := self._links.get(sensor):
            known[1].release(window)

    def mute(self, sensors: Iterable[SensorId], mute: Mute) -> None:
        """The box speaks, and these hear it."""
        for name in sensors:
            if known := self._links.get(name):
                known[1].mute(mute)

    async def window(self, window: Window) -> None:
        """Hand a window on."""
        now = self._clock.now()
        if window.end.boot_id != now.boot_id or window.end.since(now) > AHEAD:
            raise WireError("a window of another time")  # answers up to its end would be taken for old ones, until then
        self._metrics.windows.labels(window.sensor).inc()
        self._metrics.stage("arrived", window.end, now)
        await self._uses.window(window)

    def news(self, news: SensorNews) -> None:
        """Note a change of condition; an outage is logged once, and its end once."""
        before = self._status.get(news.sensor)
        if before is None:
            return
        if news.condition is SensorCondition.ONLINE and before.news.condition is not SensorCondition.ONLINE:
            picture, sound = news.codec or "no picture", news.sound_codec or "no sound"
            log.info("%s is online: %dx%d %s %s", news.sensor, news.width, news.height, picture, sound, extra=_facts(news))
        elif news.condition is SensorCondition.LOST and before.news.condition is not SensorCondition.LOST:
            log.warning("%s is lost (%s): %s", news.sensor, news.reason, news.detail, extra=_facts(news))
        since = before.since if before.news.condition is news.condition else self._clock.now()
        self._status[news.sensor] = replace(before, news=news, since=since)
        self._metrics.news(news)

    def figures(self, figures: SensorFigures) -> None:
        """Note a second's figures."""
        if before := self._status.get(figures.sensor):
            if figures.unmuted_s and not (before.figures and before.figures.unmuted_s):
                log.warning("%s: the box spoke for over a tenth of an hour; more of it is judged like any other sound", figures.sensor)
            self._status[figures.sensor] = replace(before, figures=figures)
            self._metrics.figures(figures, self._clock.now())

    def _show_again(self) -> None:
        for _, link, _ in self._links.values():
            link.show_again()

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """A process starts: what waited of the one before is void."""
        await self._uses.void(layout.sensor)
        self._uses.slots(layout, descriptor)

    def _lost(self, name: SensorId, problem: str) -> None:
        """The process ended. It is a lost sensor until the next one delivers."""
        self.news(SensorNews(sensor=name, condition=SensorCondition.LOST, reason=FaultReason.BROKEN, detail=problem[:300]))
        if before := self._status.get(name):
            self._status[name] = replace(before, restarts=before.restarts + 1)
            self._metrics.sensor_restarts.labels(name).inc()


def _facts(news: SensorNews) -> dict[str, dict[str, object]]:
    """A change of condition for programs that read the journal."""
    return {"facts": {"event": "sensor", "sensor": news.sensor, "condition": news.condition, "reason": news.reason or None}}
