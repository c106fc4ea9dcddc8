"""What would have been said of a recording? The same path as the appliance's, without loss, on the recording's time.

The recording is the sensor, ticks come from its own time, the store is in memory and nobody is told.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from alerts.decision import Decision
from analyzers.judgement import Judgement
from appliance.children.child import ChildLost
from appliance.children.judge_link import JudgeLink
from appliance.children.sensor_link import SensorLink
from appliance.clock import RecordedClock
from appliance.config.configuration import Configuration, SensorConfig
from appliance.pipeline import Pipeline
from appliance.store.store import MEMORY, Store
from appliance.watch import Watch, watch
from appliance.wiring import new_pipeline
from sensors.fault import FaultReason
from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.settings import Replay as Timed
from sensors.settings import SensorSettings
from sensors.slots import SlotLayout
from sensors.window import Window
from sensors.wire import WireError

RECORDING = BootId("recording")


class ReplayFailed(Exception):  # noqa: N818 - the recording's fault, or the judge's
    """The recording cannot be judged: its text says why, and what to do. `for_all`: neither can any other."""

    def __init__(self, problem: str, *, for_all: bool = False) -> None:
        """`problem` in a line."""
        super().__init__(problem)
        self.for_all = for_all


UNREADABLE: Mapping[str, str] = {
    FaultReason.UNSUPPORTED: "is no recording that can be judged",
    FaultReason.NOT_FOUND: "is not there",
    FaultReason.UNAUTHORIZED: "may not be read by this user",
}


class Replayed:
    """Receives what the sensor process says of a recording, and takes every window through the pipeline before the next."""

    def __init__(self, pipeline: Pipeline, clock: RecordedClock, judge: JudgeLink | None, seen: Callable[[float], None]) -> None:
        """`seen` is told how many seconds of the recording have been judged."""
        self._pipeline = pipeline
        self._clock = clock
        self._judge = judge
        self._seen = seen
        self.over = asyncio.Event()
        self.problem = ""

    async def window(self, window: Window) -> None:
        """Let the time up to the window's end pass, then judge it to its end. ReplayFailed where the judge has gone: nobody stands in here."""
        for moment in self._clock.ticks_until(window.end):
            await self._pipeline.tick(moment)
        await self._pipeline.window(window)
        while await self._pipeline.judge_once():
            pass
        if self._judge and not self._judge.ready:
            raise without_judge(self._judge.news.detail or "ended")
        self._seen(window.end.boot_ns / NANOSECONDS)

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """The judge, if there is one, reads the recording's slots."""
        if self._judge:
            self._judge.slots(layout, descriptor)

    def news(self, news: SensorNews) -> None:
        """The recording is over, or cannot be read."""
        if news.condition is SensorCondition.LOST:
            how = UNREADABLE.get(news.reason, news.reason.replace("_", " "))
            self.problem = f"{how} ({news.detail})" if news.detail else how
        if news.condition in (SensorCondition.LOST, SensorCondition.ENDED):
            self.over.set()

    def figures(self, figures: SensorFigures) -> None:
        """Nothing of these matters to a recording."""


def of_sensor(configuration: Configuration, sensor: SensorConfig) -> Watch:
    """What is watched in a recording that stands for a sensor: its views, and not what the supervisor knows of the box."""
    everything, views = watch(configuration), set(sensor.settings.views)
    return replace(everything, by_view={view: policies for view, policies in everything.by_view.items() if view in views}, by_facts={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One recording (an absolute path) that stands for a sensor, and when it begins."""

    recording: Path
    sensor: SensorConfig
    start: datetime
    observer: Callable[[Judgement | Decision, Moment], None]
    """Is shown everything that was decided, and the recording's first instant."""
    seen: Callable[[float], None]
    """Is told how many seconds have been judged."""


async def replay(what: Replay, configuration: Configuration, judge: JudgeLink | None) -> None:
    """Judge one recording, armed in the first mode. ReplayFailed where it cannot be read, or the judge goes. `judge` None: cues."""
    begin = Moment(utc=what.start, boot_ns=0, boot_id=RECORDING)
    clock = RecordedClock(begin)
    store = await Store.open(MEMORY, begin)
    try:
        pipeline = new_pipeline(configuration, clock=clock, judge=judge, store=store, teller=None, lossless=True)
        pipeline.mode = configuration.modes[0]
        pipeline.observers.append(lambda decided: what.observer(decided, begin))
        await pipeline.configure(of_sensor(configuration, what.sensor))
        timed = Timed(start_utc_s=what.start.timestamp(), boot_id=RECORDING)
        settings = replace(what.sensor.settings, source=f"file:{what.recording}", replay=timed, segments=None)
        await _play(settings, pipeline, Replayed(pipeline, clock, judge, what.seen))
    finally:
        await store.close(clock.now())


async def _play(settings: SensorSettings, pipeline: Pipeline, receiver: Replayed) -> None:
    """Run the sensor process over the recording until it says that it has read it to its end."""
    link = SensorLink(settings, None, receiver)
    pipeline.holding.release = lambda _sensor, window: link.release(window)
    playing = asyncio.create_task(link.run_once(), name="recording")
    over = asyncio.create_task(receiver.over.wait(), name="end of the recording")
    try:
        await asyncio.wait({playing, over}, return_when=asyncio.FIRST_COMPLETED)
        if not receiver.over.is_set():
            await playing
    except WireError as error:
        raise ReplayFailed(str(error)) from None
    except ChildLost as lost:
        raise ReplayFailed(f"its sensor process {lost.problem}") from None
    finally:
        over.cancel()
        playing.cancel()
        await asyncio.gather(playing, over, return_exceptions=True)
    if receiver.problem:
        raise ReplayFailed(receiver.problem)


def without_judge(problem: str) -> ReplayFailed:
    """That no recording can be judged, and what may be done."""
    return ReplayFailed(f"the judge: {problem}. `kind: cues` under `judge` tries the policies' `fallback` instead", for_all=True)
