"""`omniwatch judge`: what would have been said of a recording? The same path as the appliance's, without loss, on the recording's time.

The recording is the sensor, ticks come from its own time, the store is in memory and nobody is told.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from alerts.alert import Change
from alerts.decision import Decision
from analyzers.interview import JudgeCondition
from analyzers.judgement import Judgement
from appliance.child import ChildLost
from appliance.clock import RecordedClock
from appliance.config import ConfigError, Configuration, SensorConfig, load
from appliance.judge_link import JudgeLink
from appliance.pipeline import Pipeline
from appliance.problems import did_you_mean
from appliance.sensor_link import SensorLink
from appliance.store import MEMORY, Store
from appliance.watch import Watch, watch
from appliance.wiring import judge_budget, judge_settings, new_pipeline
from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.settings import Replay, SensorSettings
from sensors.slots import SlotLayout
from sensors.window import Window
from sensors.wire import WireError

RECORDING = BootId("recording")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the outcome, at `at_s` seconds from the recording's start."""

    at_s: float
    what: Judgement | Decision

    def as_json(self) -> dict[str, object]:
        """The line for programs."""
        if isinstance(self.what, Judgement):
            judgement = self.what
            score = None if judgement.log_odds is None else round(judgement.log_odds, 4)
            line = {"kind": "judgement", "policy": judgement.policy, "sensor": judgement.sensor, "view": judgement.view, "at_s": self.at_s}
            return {**line, "verdict": judgement.verdict.value, "score": score, "cause": judgement.cause, "by": judgement.by.value}
        alert = self.what.alert
        if alert is None:
            raise ValueError("a decision without an alert is no line")
        state = "opened" if self.what.change in (Change.OPENED, Change.REOPENED) else "cleared"
        line = {"kind": "alarm", "policy": alert.policy, "sensor": alert.sensor, "view": alert.view, "at_s": self.at_s}
        return {**line, "state": state, "severity": alert.severity.value, "id": alert.id, "summary": alert.summary}


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
        """Let the time up to the window's end pass, then judge it to its end. ChildLost where the judge has gone: nobody stands in here."""
        for moment in self._clock.ticks_until(window.end):
            await self._pipeline.tick(moment)
        await self._pipeline.window(window)
        while await self._pipeline.judge_once():
            pass
        if self._judge and not self._judge.ready:
            raise ChildLost("judge", self._judge.news.detail or "ended")
        self._seen(window.end.boot_ns / NANOSECONDS)

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """The judge, if there is one, reads the recording's slots."""
        if self._judge:
            self._judge.slots(layout, descriptor)

    def news(self, news: SensorNews) -> None:
        """The recording is over, or cannot be read."""
        if news.condition is SensorCondition.LOST:
            self.problem = f"{news.reason}: {news.detail}"
        if news.condition in (SensorCondition.LOST, SensorCondition.ENDED):
            self.over.set()

    def figures(self, figures: SensorFigures) -> None:
        """Nothing of these matters to a recording."""


async def replay(recording: Path, configuration: Configuration, sensor: SensorConfig, *, start: datetime, report: "Report") -> None:
    """Judge one recording (an absolute path), armed in the first mode. ChildLost where it cannot be read, or the judge cannot be had."""
    begin = Moment(utc=start, boot_ns=0, boot_id=RECORDING)
    clock = RecordedClock(begin)
    store = await Store.open(MEMORY, begin)
    try:
        async with _judge(configuration) as link:
            pipeline = new_pipeline(configuration, clock=clock, judge=link, store=store, teller=None, lossless=True)
            pipeline.mode = configuration.modes[0]
            pipeline.observers.append(lambda what: report.take(what, begin))
            await pipeline.configure(_only(watch(configuration), sensor))
            settings = replace(sensor.settings, source=f"file:{recording}", replay=Replay(start_utc_s=start.timestamp(), boot_id=RECORDING))
            receiver = Replayed(pipeline, clock, link, report.seen)
            await _play(settings, pipeline, receiver)
    finally:
        await store.close(clock.now())


async def _play(settings: SensorSettings, pipeline: Pipeline, receiver: Replayed) -> None:
    """Run the sensor process over the recording until it says that it has read it to its end."""
    link = SensorLink(settings, None, receiver)
    pipeline.release = lambda _sensor, window: link.release(window)
    playing = asyncio.create_task(link.run_once(), name="recording")
    over = asyncio.create_task(receiver.over.wait(), name="end of the recording")
    try:
        await asyncio.wait({playing, over}, return_when=asyncio.FIRST_COMPLETED)
        if not receiver.over.is_set():
            await playing
    except WireError as error:
        raise ChildLost("recording", str(error)) from None
    finally:
        over.cancel()
        playing.cancel()
        await asyncio.gather(playing, over, return_exceptions=True)
    if receiver.problem:
        raise ChildLost("recording", receiver.problem)


@asynccontextmanager
async def _judge(configuration: Configuration) -> AsyncIterator[JudgeLink | None]:
    """The configured judge, loaded; None where cues are to judge."""
    if judge_settings(configuration.judge) is None:
        yield None
        return
    settled = asyncio.Event()
    link = JudgeLink(lambda news: settled.set() if news.condition is not JudgeCondition.LOADING else None, lambda _work: None)
    link.policies(watch(configuration).asked())
    link.configure(judge_settings(configuration.judge), judge_budget(configuration.judge))
    running = asyncio.create_task(link.run_once(), name="judge")
    settling = asyncio.create_task(settled.wait(), name="judge loads")
    try:
        await asyncio.wait({running, settling}, return_when=asyncio.FIRST_COMPLETED)
        if not link.ready:
            raise ChildLost("judge", link.news.detail or "did not load")
        yield link
    finally:
        settling.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError, ChildLost, WireError):
            await running


def _only(everything: Watch, sensor: SensorConfig) -> Watch:
    """The watch of one sensor: its views, and not what the supervisor knows of the box."""
    views = set(sensor.settings.views)
    return replace(everything, by_view={view: policies for view, policies in everything.by_view.items() if view in views}, by_facts={})


class Report:
    """Prints the lines of a replay as they come."""

    def __init__(self, console: Console, recording: str, *, as_json: bool, progress: Callable[[float], None]) -> None:
        """`recording`: its file's name; `progress` is told how many seconds have been judged."""
        self._console = console
        self._recording = recording
        self._as_json = as_json
        self.seen = progress
        self._alarms = 0
        self._verdicts: Counter[str] = Counter()

    def take(self, what: Judgement | Decision, begin: Moment) -> None:
        """One judgement or decision."""
        if isinstance(what, Judgement):
            self._verdicts[what.verdict.value] += 1
            if self._as_json:
                self._print(Line(at_s=_at(what.end, begin), what=what))
            return
        # What is not told (in a cooldown, say) is on record in the store of a running box; here only what somebody would have heard.
        if what.told and what.alert and what.change in (Change.OPENED, Change.REOPENED, Change.CLEARED):
            self._alarms += what.change is not Change.CLEARED
            line = Line(at_s=_at(what.alert.changed, begin), what=what)
            self._print(line)

    def _print(self, line: Line) -> None:
        if self._as_json:
            self._console.out(json.dumps({**line.as_json(), "recording": self._recording}, ensure_ascii=False), highlight=False)
            return
        alert = line.what.alert if isinstance(line.what, Decision) else None
        if alert:
            opened = line.as_json()["state"] == "opened"
            mark = "[bold red]ALARM  [/bold red]" if opened else "[green]cleared[/green]"
            self._console.print(f"{_clock(line.at_s)}  {mark}  {alert.severity.value:8}  {alert.policy:24} {escape(alert.summary)}", highlight=False)

    @property
    def is_empty(self) -> bool:
        """Whether not one window was judged."""
        return not self._verdicts

    def close(self) -> None:
        """The last line for people."""
        verdicts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in self._verdicts.most_common())
        self._console.print(f"{escape(self._recording)}: {self._alarms} alarms; judgements: {verdicts or 'none'}", highlight=False)


def _at(moment: Moment, begin: Moment) -> float:
    return round(moment.since(begin).total_seconds(), 3)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):3d}:{seconds % 60:05.2f}"


def judge_recordings(
    recordings: list[Path], path: Path, *, sensor: str | None, as_json: bool, start: datetime | None, mode: str | None = None
) -> int:
    """The command: judge recordings one after the other; 0 where all of them could be judged, 2 for a bad configuration."""
    words = Console(stderr=True)
    try:
        configuration = _armed(load(path), mode)
        chosen = _chosen(configuration, sensor)
    except ConfigError as error:
        for problem in error.problems:
            words.print(escape(str(problem)), highlight=False, soft_wrap=True)
        return 2
    except LookupError as error:
        words.print(escape(str(error.args[0])), highlight=False)
        return 2
    zone = ZoneInfo(configuration.timezone)
    begin = (start.replace(tzinfo=zone) if start and start.tzinfo is None else start) or datetime.now(zone)
    judged = [_judge_one(recording, configuration, chosen, begin.astimezone(UTC), as_json=as_json) for recording in recordings]
    return int(not all(judged))


def _judge_one(recording: Path, configuration: Configuration, sensor: SensorConfig, start: datetime, *, as_json: bool) -> bool:
    words = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn())
    with Progress(*columns, console=words, transient=True) as bar:
        task = bar.add_task(escape(recording.name), total=None, at="")
        report = Report(Console(soft_wrap=True), recording.name, as_json=as_json, progress=lambda at: bar.update(task, at=f"{at:.0f} s judged"))
        try:
            asyncio.run(replay(recording.resolve(), configuration, sensor, start=start, report=report))
        except ChildLost as error:
            words.print(f"[red]{escape(recording.name)}: {escape(str(error))}[/red]", highlight=False)
            return False
    if report.is_empty:
        length_s = sensor.settings.window.length_s
        words.print(f"[red]{escape(recording.name)}: not one whole window of {length_s:g} s in it, so nothing was judged[/red]", highlight=False)
        return False
    if not as_json:
        report.close()
    return True


def _armed(configuration: Configuration, mode: str | None) -> Configuration:
    """The configuration with `mode` as its first; without one every policy watches. LookupError, with the choice, where there is none such."""
    if mode is None:
        return replace(configuration, policies=tuple(replace(policy, modes=frozenset()) for policy in configuration.policies))
    if mode not in configuration.modes:
        hint = did_you_mean(mode, configuration.modes) or f"there is {', '.join(configuration.modes)}"
        raise LookupError(f"there is no arm mode {mode!r}; {hint}")
    return replace(configuration, modes=(mode,))


def _chosen(configuration: Configuration, name: str | None) -> SensorConfig:
    """The sensor that recordings stand for. LookupError, with the choice, where it is not plain which."""
    names = [sensor.settings.sensor for sensor in configuration.sensors]
    if name is None and len(names) != 1:
        raise LookupError(f"which sensor do the recordings stand for? Say --sensor, one of: {', '.join(names)}")
    for sensor in configuration.sensors:
        if name in (None, sensor.settings.sensor):
            return sensor
    raise LookupError(f"there is no sensor {name!r}; there is {', '.join(names)}")
