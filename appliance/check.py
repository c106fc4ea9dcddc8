"""`omniwatch check`: every mistake at once, or what the configuration lets one expect. It starts no process and loads no model."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alerts.channels.people import INSTALL
from alerts.channels.speech import Engine
from alerts.facts import listed
from analyzers.judgement import JudgeKind
from analyzers.omni.family import QWEN3_OMNI, Family
from analyzers.omni.folder import sketch
from analyzers.omni.plan import ModelError
from appliance.config.configuration import ConfigError, Configuration, load
from appliance.config.evidence_form import USUAL_BITS_S
from appliance.config.form import show_duration
from appliance.config.problems import Problem
from appliance.outlook import Outlook, PolicyLine, SensorLine, outlook
from appliance.readiness import show_readiness
from sensors.settings import FRAMES_A_PAIR
from sensors.window import Sense

MAX_SHOWN = 50
"""Mistakes that are shown; of more only the number is told."""
NOT_FOUND, INSTANT, ANY = "not found", "an instant", "any"
"""Words in the table of alarms that its legend explains."""


def run_check(path: Path, console: Console) -> int:
    """Check `path` and print what there is to say. 0: it is right, whether or not its model is on this machine yet; 1: it holds mistakes."""
    try:
        configuration = load(path)
    except ConfigError as error:
        print_problems(error.problems, console)
        return 1
    found = outlook(configuration, _family(configuration.judge.model))
    console.print(f"[green]right[/green]  {escape(str(path))}: {escape(_summary(configuration))}", highlight=False, soft_wrap=True)
    if found.policies:
        console.print(_alarms(found))
        for line in _legend(found):
            console.print(f"[dim]{escape(line)}[/dim]", highlight=False)
    console.print(_costs(found, configuration))
    for line in (*_modes(configuration), *_totals(found, configuration)):
        console.print(line, highlight=False)
    for line in _evidence(configuration):
        console.print(line, highlight=False)
    show_readiness(configuration, console)
    for warning in found.warnings:
        console.print(f"[yellow]warning[/yellow]  {escape(warning)}", highlight=False)
    return 0


def print_problems(problems: tuple[Problem, ...], console: Console) -> None:
    """Every mistake with its place, up to a bound, and how many there are."""
    for problem in problems[:MAX_SHOWN]:
        first, *rest = str(problem).splitlines()
        console.print(f"[bold red]{escape(first)}[/bold red]", highlight=False, soft_wrap=True)
        for line in rest:
            console.print(escape(line), highlight=False, soft_wrap=True)
    more = f", of which the first {MAX_SHOWN} are shown" if len(problems) > MAX_SHOWN else ""
    console.print(f"{len(problems)} {_plural('mistake', len(problems))}{more}", highlight=False)


def _family(model: Path | None) -> Family:
    """Of the model that judges: pictures and sounds take as many tokens as its family makes of them. Where it is not here yet, the default's."""
    try:
        return sketch(model).family if model else QWEN3_OMNI
    except ModelError:  # told beside the model's plan
        return QWEN3_OMNI


def _summary(configuration: Configuration) -> str:
    judge = configuration.judge
    who = f"{judge.kind} ({judge.quantization})" if judge.kind is JudgeKind.OMNI else "cues alone"
    sensors, policies = len(configuration.sensors), len(configuration.policies)
    return f"{sensors} {_plural('sensor', sensors)}, {policies} {'policy' if policies == 1 else 'policies'}, judge: {who}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _table(title: str, first: str, figures: tuple[str, ...], width: int) -> Table:
    """A table whose first column is at least `width` wide: with it, 80 columns are enough."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True)
    table.add_column(first, overflow="fold", min_width=width)
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _alarms(found: Outlook) -> Table:
    figures = ("soonest", "latest", "if it is\nstill", "shortest\nevent", "clears after\nits end")
    table = _table("When alarms open, from the event's beginning", "policy\n trigger, where", figures, 24)
    for line in found.policies:
        table.add_row(*map(escape, _alarm_row(line)))
    return table


def _shortest(line: PolicyLine) -> str:
    """How long an event must last at least to open it."""
    if line.policy.trigger.count == 1 or line.timing.confirms_itself:
        return INSTANT
    return f"> {show_duration(line.timing.shortest)}" if line.timing.shortest else ANY


def _legend(found: Outlook) -> Iterator[str]:
    """What the words in the table of alarms mean: those that are in it."""
    yield "soonest: a glimpse of the event in a window is enough; latest: it has to fill a window, which then waits for the judge"
    if any(line.timing.latest_if_still is None for line in found.policies):
        yield f"{NOT_FOUND}: what stirs nothing (`wake`) is never asked about; `patrol: 5m` would find it within that time more"
    shortest = {_shortest(line) for line in found.policies}
    if INSTANT in shortest:
        yield f"{INSTANT}: a single frame or sound can open it, as one window is enough or windows overlap"
    if ANY in shortest:
        yield f"{ANY}: however short, where it falls into two windows that follow each other"
    if shortest - {INSTANT, ANY}:
        yield "> and a time: what is over sooner opens nothing"


def _alarm_row(line: PolicyLine) -> tuple[str, ...]:
    policy, timing = line.policy, line.timing
    still = NOT_FOUND if timing.latest_if_still is None else show_duration(timing.latest_if_still)
    clears = f"{show_duration(timing.clears_soonest)} to {show_duration(timing.clears_latest)}"
    where = f"{policy.id}\n {policy.trigger.count} of {policy.trigger.of}, {', '.join(line.views)}"
    return where, show_duration(timing.soonest), show_duration(timing.latest), still, _shortest(line), clears


def _costs(found: Outlook, configuration: Configuration) -> Table:
    has_model = configuration.judge.kind is JudgeKind.OMNI
    tokens = ("tokens\na window", "tokens/s\nat rest", "tokens/s\nat most") if has_model else ()
    figures = ("views", "questions\na window", "share of\nwindows", *tokens)
    table = _table("What sensors ask of the judge", "sensor\n window", figures, 20)
    for line in found.sensors:
        counts = (f"{line.views}", f"{line.questions}", f"{line.share:.0%}")
        costs = (f"{line.media_tokens}", f"{line.tokens_s_rest:.0f}", f"{line.tokens_s_most:.0f}") if has_model else ()
        table.add_row(*map(escape, (_sensor_cell(line), *counts, *costs)))
    return table


def _sensor_cell(line: SensorLine) -> str:
    window = line.sensor.settings.window
    span = f"{show_duration(timedelta(seconds=window.length_s))} every {show_duration(timedelta(seconds=window.every_s))}"
    frames = f"{window.pairs * FRAMES_A_PAIR} frames of {line.size[0]}x{line.size[1]}" if Sense.SIGHT in line.sensor.senses else ""
    sound = "sound" if Sense.SOUND in line.sensor.senses else ""
    return "\n ".join(filter(None, (str(line.sensor.settings.sensor), span, frames, sound)))


def _modes(configuration: Configuration) -> Iterator[str]:
    """Who does not watch in each arm mode, where that differs."""
    if any(policy.modes for policy in configuration.policies):
        for mode in (*configuration.modes, None):
            idle = [str(policy.id) for policy in configuration.policies if not policy.watches_in(mode)]
            said = f"Armed {mode}" if mode else "Disarmed"
            yield f"{said}, these do not watch: {listed(idle)}." if idle else f"{said}, all policies watch."


def _totals(found: Outlook, configuration: Configuration) -> Iterator[str]:
    windows_s = sum(1 / line.sensor.settings.window.every_s for line in found.sensors)
    if configuration.judge.kind is JudgeKind.OMNI:
        rest, most = sum(line.tokens_s_rest for line in found.sensors), sum(line.tokens_s_most for line in found.sensors)
        yield f"The judge gets {rest:.0f} tokens/s while nothing stirs, and at most {most:.0f} tokens/s from {windows_s:.2g} windows/s."
        yield "Questions are counted as about four letters a token; cameras as 16:9."
        yield "Thresholds are untested under this model and these views: `omniwatch judge RECORDING --config CONFIG` shows what they would have done."
        if configuration.judge.describes:
            language = configuration.judge.language or "the language of its question"
            yield f"Alarms of the model are described by it in {language}, behind the first message and in a fifth of its time at most."
    else:
        yield f"Cues answer {windows_s:.2g} windows/s; they cost next to nothing."
    yield from _told(configuration)


def _told(configuration: Configuration) -> Iterator[str]:
    """What cameras say themselves; what is told beside the events over MQTT, and whom."""
    for sensor, gate in configuration.gates.items():
        topics = f"{len(gate.topics)} {_plural('topic', len(gate.topics))}"
        silence = show_duration(gate.silent_after)
        yield f"{sensor}: its camera says on {topics} whether something moves; after {silence} of silence the box's own cues decide."
    for shape in {sensor.preview for sensor in configuration.sensors if sensor.preview}:
        shown = [str(sensor.settings.sensor) for sensor in configuration.sensors if sensor.preview]
        often, size = show_duration(timedelta(seconds=shape.every_s)), f"at most {shape.longest_side} pixels a side and {shape.bytes / 1e3:g} kB"
        yield f"The broker gets a picture of each of these every {often}, {size}: {listed(shown)}."
    if configuration.mqtt and configuration.mqtt.onvif is not None:
        yield f"Alarms are ONVIF events too: {configuration.mqtt.onvif}/onvif-ej/RuleEngine/omniwatch:Alarm/…"
    if speech := configuration.speech:
        quiet = ", in quiet hours critical ones alone" if speech.quiet else ""
        hearers = f"; deaf meanwhile: {', '.join(speech.heard_by)}" if speech.heard_by else ""
        who = f"{Engine.ESPEAK} ({speech.language})"
        who = f"{speech.speaker} where it is `say`, and else by {who}," if speech.engine is Engine.OMNI else who
        yield f"Alarms from {speech.least} up are spoken by {who} on {speech.device}{quiet}{hearers}."
    if configuration.people:
        told = ", ".join(f"{person.name.removeprefix('people-')} from {person.least} up" for person in configuration.people)
        missing = "" if find_spec("apprise") else f" Apprise is not installed, so nobody of them is: {INSTALL}"
        yield f"People are told through Apprise: {told}.{missing}"


def _evidence(configuration: Configuration) -> Iterator[str]:
    """What is kept of an alarm, and where."""
    kept, rings = configuration.evidence, [sensor.segments for sensor in configuration.sensors if sensor.segments]
    if not rings:
        yield "No evidence is kept."
        return
    around = f"{show_duration(kept.before)} before and {show_duration(kept.after)} after the window that opened it"
    yield f"A clip of each alarm: {around}, for {show_duration(kept.keep)} in up to {kept.quota / 1e9:.3g} GB; {kept.free:.0%} of the disk stay free."
    most_s = max(ring.seconds for ring in rings)
    reach_s = min(most_s, kept.buffer * 8 / USUAL_BITS_S)
    place = escape(str(kept.runtime)) + (" (under systemd: in /run)" if kept.runtime.parent == configuration.state else "")
    room = f"up to {len(rings) * kept.buffer / 1e9:.2g} GB in {place}"
    yield f"Until then the newest {most_s:.0f} s of {len(rings)} {_plural('sensor', len(rings))} lie in {room}; at 4 Mbit/s, {reach_s:.0f} s of each."
