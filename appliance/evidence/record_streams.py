"""The second streams: where a sensor names one for evidence, a process of its own keeps segments of it, and judging hears nothing of that.

It is the sensor program, told to decode nothing. Its failure costs clips and no window.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from appliance.children.sensor_link import SensorLink
from appliance.children.supervisor import keep
from appliance.config.configuration import SensorConfig
from sensors.backoff import Backoff
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.settings import SensorSettings
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window

log = logging.getLogger("omniwatch.sensor")

BACKOFF = Backoff()


def recording(config: SensorConfig) -> SensorSettings | None:
    """What the process of a sensor's second stream is told; None where there is none."""
    if config.record is None or config.segments is None:
        return None
    return replace(config.settings, source=config.record, masks=(), segments=replace(config.segments, only=True))


class RecordStreams:
    """The processes of second streams. It is what their links report to."""

    def __init__(self, figures: Callable[[SensorFigures], None]) -> None:
        """Nothing runs until `apply`; `figures` are told on."""
        self._figures = figures
        self._running: dict[SensorId, tuple[SensorConfig, asyncio.Task[None]]] = {}
        self._news: dict[SensorId, SensorNews] = {}

    async def apply(self, wanted: Iterable[SensorConfig]) -> None:
        """Run exactly these. One whose settings are as they were goes on undisturbed."""
        by_name = {config.settings.sensor: config for config in wanted if recording(config)}
        for name, (config, _) in list(self._running.items()):
            if by_name.get(name) != config:
                await self._stop(name)
        for name, config in by_name.items():
            settings = recording(config)
            if settings and name not in self._running:
                link = SensorLink(settings, config.credentials, self)
                task = asyncio.create_task(keep(f"record of {name}", link.run_once, BACKOFF, partial(self._lost, name)), name=f"record {name}")
                self._running[name] = config, task

    async def _stop(self, name: SensorId) -> None:
        _, task = self._running.pop(name)
        self._news.pop(name, None)
        task.cancel()
        await asyncio.wait({task})

    async def close(self) -> None:
        """Stop all of them, at once."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()

    def is_lost(self, sensor: SensorId) -> bool | None:
        """Whether nothing comes of a sensor's second stream; None where it has none."""
        if sensor not in self._running:
            return None
        news = self._news.get(sensor)
        return news is not None and news.condition is SensorCondition.LOST

    def _lost(self, name: SensorId, _problem: str) -> None:
        self._news[name] = SensorNews(sensor=name, condition=SensorCondition.LOST)

    async def window(self, _window: Window) -> None:
        """None comes of it."""

    def news(self, news: SensorNews) -> None:
        """Note a change of condition; an outage is logged once, and its end once."""
        before = self._news.get(news.sensor)
        self._news[news.sensor] = news
        was_lost = before is not None and before.condition is SensorCondition.LOST
        if news.condition is SensorCondition.LOST and not was_lost:
            log.warning("the second stream of %s is lost (%s): %s; there is no evidence of it meanwhile", news.sensor, news.reason, news.detail)
        elif news.condition is SensorCondition.ONLINE:
            log.info("the second stream of %s is there: %dx%d %s", news.sensor, news.width, news.height, news.codec)

    def figures(self, figures: SensorFigures) -> None:
        """A second's figures: of segments, and nothing else."""
        self._figures(figures)

    async def slots(self, _layout: SlotLayout, _descriptor: int) -> None:
        """Nobody reads its memory; it is never written."""
