"""`omniwatch capacity`: ramps sensors up until the box no longer keeps up, tries out what it would promise, and keeps the figure."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from analyzers.omni.plan import ModelError
from appliance.capacity.conditions import asked_about, conditions_of, judged_sensors
from appliance.capacity.decoding import Decoders
from appliance.capacity.figure import Figure, holds, keep
from appliance.capacity.filming import NotFilmed, filmed, is_live, seconds_of
from appliance.capacity.load import Load
from appliance.capacity.ramp import CONFIRMATIONS, HEADROOM, MAX_STEPS, Tried, held_by, next_load, with_headroom
from appliance.check import print_problems
from appliance.config.configuration import ConfigError, Configuration, load
from appliance.config.site_form import MAX_SITE_SENSORS
from appliance.loaded_judge import NoJudge, loaded_judge
from appliance.store.database_file import NAME as DATABASE
from appliance.store.database_file import StoreInUse, held
from sensors.sources import scheme_of

FAILED, MISTYPED, STOPPED = 1, 2, 130
MOST = ceil(MAX_SITE_SENSORS / (1 - HEADROOM))
"""A box may have so many sensors, and as much more is tried as is left free."""
CONFIRMED = 3
"""How much longer what is promised is tried than a step of the ramp."""
TYPICAL_STEPS = 8
FILMS = "capacity"
"""The folder in the state folder where recordings of the cameras lie meanwhile."""


class NotMeasured(Exception):  # noqa: N818 - the world's fault, or the configuration's
    """It cannot be measured. Its text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of it."""

    figure: Figure
    tried: tuple[Tried, ...]
    confirmed: Tried | None
    """The promise, tried out; None where nothing can be promised."""


def run_capacity(path: Path, console: Console, *, as_json: bool) -> int:
    """The command. 0: measured and kept; 1: could not be measured; 2: the configuration has mistakes; 130: stopped, and nothing was kept."""
    words = Console(stderr=True, soft_wrap=True, highlight=False) if as_json else console
    try:
        configuration = load(path)
    except ConfigError as error:
        print_problems(error.problems, words)
        return MISTYPED
    try:
        found, kept = _measured_and_kept(configuration, path, words)
    except (NotMeasured, ModelError, OSError) as error:
        words.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        words.print("[red]stopped: nothing was kept[/red]")
        return STOPPED
    _show(found, configuration, kept, console, as_json=as_json)
    return 0


def _measured_and_kept(configuration: Configuration, path: Path, words: Console) -> tuple[Measured, Path]:
    """Measure while no box runs on the same state, and keep the figure there. NotMeasured, ModelError or OSError where that cannot be."""
    if configuration.judge.model is None:
        raise NotMeasured("cues alone judge here: they cost next to nothing, and there is no model whose capacity could be measured")
    if not judged_sensors(configuration):
        raise NotMeasured("no policy asks about any sensor: there is nothing to measure")
    configuration.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with held(configuration.state / DATABASE):
            found = asyncio.run(_measured(configuration, lambda line: words.print(escape(line), highlight=False, soft_wrap=True)))
            return found, keep(found.figure, configuration.state)
    except StoreInUse:
        stop = f"`systemctl stop omniwatch` (or end `omniwatch run`), then `omniwatch capacity {path}`, then start it again"
        running = f"omniwatch is running on {configuration.state}, and both would wait for each other"
        raise NotMeasured(f"{running}: {stop}. Nobody watches meanwhile") from None
    except NoJudge as error:
        raise NotMeasured(f"the judge: {error}") from None
    except NotFilmed as error:
        raise NotMeasured(str(error)) from None


async def _measured(configuration: Configuration, say: Callable[[str], None]) -> Measured:
    """Load the judge and measure. NoJudge or ModelError where that cannot be."""
    judge, conditions = configuration.judge, conditions_of(configuration)
    judge.plans()  # what does not fit is told before anything is loaded
    sensors = judged_sensors(configuration)
    async with _decoders(configuration, say) as decoders:
        say(f"loading {judge.model}")
        async with loaded_judge(configuration) as link:
            if link is None:
                raise NoJudge("none is configured")
            made = Load(configuration, link, decoders)
            try:
                usual, most = (ceil(steps * made.step_s / 60) for steps in (TYPICAL_STEPS, MAX_STEPS + CONFIRMATIONS * CONFIRMED))
                say(f"measuring: about {usual} minutes, at most {most}, and the starts of sensor processes")
                tried = await _ramped(made, say)
                promised = await _promised(made, with_headroom(held_by(tried)), say)
            finally:
                made.close()
    questions = sum(len(policies) for sensor in sensors for policies in asked_about(configuration, sensor).values())
    figure = Figure(
        conditions=conditions,
        measured=datetime.now(UTC),
        sensors=promised.sensors if promised else 0,
        most=held_by(tried),
        questions=questions / len(sensors),
        p95_s=round(promised.p95_s, 3) if promised else 0.0,
        cores=round(promised.cores if promised else max(each.cores for each in tried), 3),
    )
    return Measured(figure=figure, tried=tried, confirmed=promised)


@asynccontextmanager
async def _decoders(configuration: Configuration, say: Callable[[str], None]) -> AsyncIterator[Decoders]:
    """Sensor processes, with recordings of live cameras to decode, which are deleted with them. NotFilmed where there can be none."""
    sensors, folder = judged_sensors(configuration), configuration.state / FILMS
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
    folder.mkdir(mode=0o700)
    try:
        if live := [sensor for sensor in sensors if is_live(sensor)]:
            noun = "camera" if len(live) == 1 else "cameras"
            say(f"recording {len(live)} {noun} for {max(map(seconds_of, live)):.0f} s, to decode as often as needed; it is deleted in the end")
        decoders = Decoders(sensors, await filmed(sensors, folder))
        try:
            yield decoders
        finally:
            await decoders.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _ramped(made: Load, say: Callable[[str], None]) -> tuple[Tried, ...]:
    """Load after load until it is known where the box no longer keeps up."""
    first, tried = await made.first_guess(), list[Tried]()
    while (count := next_load(tried, first, MOST)) is not None:
        tried.append(await made.put(count))
        say(_line(tried[-1]))
    return tuple(tried)


async def _promised(made: Load, count: int, say: Callable[[str], None]) -> Tried | None:
    """What is promised is tried for longer than a step was; what does not hold then is not promised."""
    for _ in range(CONFIRMATIONS):
        if not count:
            return None
        tried = await made.put(count, times=CONFIRMED)
        say(f"{_line(tried)}, for {CONFIRMED} times as long")
        if tried.holds:
            return tried
        count = with_headroom(count)
    return None


def _line(tried: Tried) -> str:
    lost = f", {tried.lost} lost" if tried.lost else ""
    lost += f", {tried.silent} sensor processes not up" if tried.silent else ""
    kept = "holds" if tried.holds else "does not hold"
    return f"  {tried.sensors:3} sensors: {kept}; 95 of 100 judged within {tried.p95_s:.2f} s ({tried.p95:.0%} of `every`){lost}"


def _show(found: Measured, configuration: Configuration, kept: Path, console: Console, *, as_json: bool) -> None:
    figure, there = found.figure, len(judged_sensors(configuration))
    if as_json:
        more = {"measured": figure.measured.isoformat(), "headroom": HEADROOM, "configured": there, "tried": [asdict(each) for each in found.tried]}
        said = {**asdict(figure), **more}
        console.print_json(json.dumps(said))
        return
    lines = [f"[bold]This box holds {holds(figure.sensors, figure.questions)}[/bold], with {HEADROOM:.0%} headroom."]
    if found.confirmed:
        lines.append(f"95 of 100 questions are then answered within {figure.p95_s:.2f} s of their window's end, and none is lost.")
    if figure.most >= MOST:
        lines.append(f"It may well hold more: a box has at most {MAX_SITE_SENSORS} sensors, so no more was tried.")
    lines.append(f"That is with everything astir, and with all sensors decoded meanwhile: {figure.cores:.2f} of a processor each.")
    if local := [sensor.settings.sensor for sensor in judged_sensors(configuration) if scheme_of(sensor.settings.source) == "v4l2"]:
        lines.append(f"{escape(', '.join(local))}: only one program can open it, so what more of its kind would take is not counted.")
    colour = "yellow" if there > figure.sensors else "green"
    lines.append(f"[{colour}]{there} configured.[/{colour}] Kept in {escape(str(kept))}: `check` compares.")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
