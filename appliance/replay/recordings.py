"""`omniwatch judge`: reads what was typed, and judges recordings one after the other. It knows no window."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from analyzers.omni.plan import ModelError
from appliance.check import print_problems
from appliance.children.judge_link import JudgeLink
from appliance.config.configuration import ConfigError, Configuration, SensorConfig, load
from appliance.config.problems import did_you_mean
from appliance.loaded_judge import NoJudge, loaded_judge
from appliance.replay.replay import Replay, ReplayFailed, of_sensor, replay, without_judge
from appliance.replay.timeline import Timeline

NOT_ONE, MISTYPED = 1, 2
"""Exit statuses: a recording could not be judged; what was typed, or the configuration, cannot be used."""
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn())


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed after `omniwatch judge`."""

    recordings: Sequence[str]
    config: Path
    sensor: str | None = None
    as_json: bool = False
    start: str | None = None
    mode: str | None = None


class MistypedError(ValueError):
    """What was typed cannot be meant; the text says what could be."""


def judge_recordings(typed: Typed) -> int:
    """The command. 0: all of them were judged; 1: not all; 2: what was typed, or the configuration, cannot be used."""
    words = Console(stderr=True, soft_wrap=True)
    try:
        recordings = [_recording(each) for each in typed.recordings]
        configuration = undescribed(_armed(load(typed.config), typed.mode))
        sensor = _chosen(configuration, typed.sensor)
        start = read_start(typed.start, datetime.now(ZoneInfo(configuration.timezone)))
    except ConfigError as error:
        print_problems(error.problems, words)
        return MISTYPED
    except MistypedError as error:
        words.print(escape(str(error)), highlight=False)
        return MISTYPED
    run = _Run(configuration=configuration, sensor=sensor, start=start.astimezone(UTC), as_json=typed.as_json, words=words)
    return 0 if asyncio.run(run.all_of(recordings)) else NOT_ONE


def _recording(written: str) -> Path:
    """A file that is there. MistypedError for what is none."""
    if found := re.match(r"(rtsps?|https?|v4l2|mic):", written):
        raise MistypedError(
            f"{found[0]}… is no recording: `judge` takes files. `omniwatch demo SOURCE` watches a source for a minute, "
            "`omniwatch doctor CONFIG` opens those of a configuration"
        )
    path = Path(written.removeprefix("file:"))
    if path.is_dir():
        raise MistypedError(f"{path} is a folder: name the recordings in it, like {path}/*.mp4")
    if not path.is_file():
        raise MistypedError(f"there is no file {path}")
    return path.absolute()


def read_start(written: str | None, now: datetime) -> datetime:
    """A moment of the site's time: `23:00` is today's. MistypedError for what is none; now where nothing was written."""
    if written is None:
        return now
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", written):
            hour, minute, *second = map(int, written.split(":"))
            return now.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0)
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise MistypedError(f'--start: "{written}" is no time: write 23:00 (today), 2026-03-29 or "2026-03-29 23:00"') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _armed(configuration: Configuration, mode: str | None) -> Configuration:
    """The configuration with `mode` as its first; without one every policy watches. MistypedError, with the choice, where there is none such."""
    if mode is None:
        return replace(configuration, policies=tuple(replace(policy, modes=frozenset()) for policy in configuration.policies))
    if mode not in configuration.modes:
        hint = did_you_mean(mode, configuration.modes) or f"there is {', '.join(configuration.modes)}"
        raise MistypedError(f'there is no arm mode "{mode}"; {hint}')
    return replace(configuration, modes=(mode,))


def undescribed(configuration: Configuration) -> Configuration:
    """The configuration without descriptions, of which a replay has none: no other model is loaded for them."""
    return replace(configuration, judge=replace(configuration.judge, describes=False, captioner=None))


def _chosen(configuration: Configuration, name: str | None) -> SensorConfig:
    """The sensor that recordings stand for. MistypedError, with the choice, where it is not plain which."""
    by_name = {str(sensor.settings.sensor): sensor for sensor in configuration.sensors}
    if name is None and len(by_name) != 1:
        raise MistypedError(f"which sensor do the recordings stand for? Say --sensor, one of: {', '.join(by_name)}")
    if name is not None and name not in by_name:
        hint = did_you_mean(name, by_name) or f"there is {', '.join(by_name)}"
        raise MistypedError(f'there is no sensor "{name}"; {hint}')
    return by_name[name] if name else configuration.sensors[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What recordings are judged by."""

    configuration: Configuration
    sensor: SensorConfig
    start: datetime
    as_json: bool
    words: Console

    async def all_of(self, recordings: Sequence[Path]) -> bool:
        """Judge them one after the other, the model loaded once; whether all of them could be."""
        try:
            self._plan()
            async with loaded_judge(self.configuration) as judge:
                judged = [await self._one(recording, judge) for recording in recordings]
        except ReplayFailed as failed:
            self._complain(str(failed))
            return False
        except NoJudge as failed:
            self._complain(str(without_judge(str(failed))))
            return False
        return all(judged)

    def _plan(self) -> None:
        """ReplayFailed for a model that cannot be used here, before a process is started for it."""
        try:
            self.configuration.judge.plans()
        except ModelError as error:
            raise ReplayFailed(f"{error}. To try the policies' `fallback` without a model write `judge: {{kind: cues}}`") from None

    async def _one(self, recording: Path, judge: JudgeLink | None) -> bool:
        """Judge one; whether it could be. ReplayFailed where no other can be either."""
        timeline = Timeline(Console(soft_wrap=True), recording.name, of_sensor(self.configuration, self.sensor), as_json=self.as_json)
        with Progress(*COLUMNS, console=self.words, transient=True, disable=not self.words.is_terminal) as bar:
            task = bar.add_task(escape(recording.name), total=None, at="")
            what = Replay(
                recording=recording,
                sensor=self.sensor,
                start=self.start,
                observer=timeline.take,
                seen=lambda at_s: bar.update(task, at=f"{at_s:.0f} s judged"),
            )
            try:
                await replay(what, self.configuration, judge)
            except ReplayFailed as failed:
                if failed.for_all:
                    raise
                self._complain(f"{recording.name} {failed}")
                return False
        if timeline.is_empty:
            length_s = self.sensor.settings.window.length_s
            self._complain(f"{recording.name}: not one whole window of {length_s:g} s in it, so nothing was judged")
            return False
        self._close(timeline)
        return True

    def _close(self, timeline: Timeline) -> None:
        if not self.as_json:
            timeline.close()
        for silence in timeline.silences():
            self.words.print(f"[yellow]{escape(silence)}[/yellow]", highlight=False)

    def _complain(self, problem: str) -> None:
        self.words.print(f"[red]{escape(problem)}[/red]", highlight=False)
