"""Answers of a box, for people at a terminal or for programs. It asks nobody."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from analyzers.score import shown
from appliance.control.orders import Answer, AuditAnswer, StatusAnswer
from appliance.control.status import AlarmLine, BlankLine, ChannelLine, Status

SEVERE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}


def show(reply: Answer | StatusAnswer | AuditAnswer, console: Console, *, as_json: bool) -> int:
    """Print it; the exit status."""
    if as_json and not isinstance(reply, Answer):
        value = reply.status if isinstance(reply, StatusAnswer) else reply
        console.out(json.dumps(asdict(value), default=_plain, ensure_ascii=False, indent=2), highlight=False)
    else:
        for line in _lines(reply):
            console.print(line, highlight=False)
    match reply:
        case Answer():
            return int(not reply.done)
        case AuditAnswer():
            return int(bool(reply.broken))
        case StatusAnswer():
            return 0


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _lines(reply: Answer | StatusAnswer | AuditAnswer) -> Iterator[str]:
    match reply:
        case Answer():
            yield from map(escape, reply.says)
        case StatusAnswer():
            yield from _status(reply.status)
        case AuditAnswer():
            yield from _audit(reply)


def _audit(answer: AuditAnswer) -> Iterator[str]:
    for row in answer.rows:
        why = f" ({row.why})" if row.why else ""
        yield escape(f"{row.number:5d}  {_when(row.at)}  {row.who} by {row.origin}: {row.verb} {_arguments(row.about)}{why} -> {row.outcome}")
    if answer.broken:
        yield f"[bold red]the trail was changed[/bold red]: {escape(answer.broken)}"
    else:
        head = f", up to {answer.rows[-1].chain[:16]}" if answer.rows else ""
        anew = f", begun anew {answer.begun - 1} times, as after a disk was away" if answer.begun > 1 else ""
        yield f"[green]the trail is as it was written[/green]: {answer.checked} rows checked{head}{anew}"


def _arguments(about: str) -> str:
    return " ".join(f"{name}={value}" for name, value in json.loads(about).items())


def _status(status: Status) -> Iterator[str]:
    mode = status.mode
    armed = f"[green]armed: {escape(mode.mode)}[/green]" if mode.armed else "[yellow]disarmed[/yellow]"
    by = f" since {_when(mode.since)}, by {escape(mode.who)}" if mode.since else ""
    yield f"[bold]{escape(status.site)}/{escape(status.box)}[/bold]  omniwatch {escape(status.version)}  {_when(status.at)}"
    yield f"mode      {armed}{by}"
    yield f"judge     {escape(' '.join(filter(None, (status.judge.kind, status.judge.condition, status.judge.detail))))}"
    yield from _sensors(status)
    yield from _alarms(status)
    for shelf in status.shelves:
        yield f"shelved   {escape(f'{shelf.policy} on {shelf.view} until {_when(shelf.until)}, by {shelf.who}: {shelf.why}')}"
    yield from map(_channel, status.channels)
    if not status.channels:
        yield "outbox    nobody is told: there is no `notify`"
    free = "" if status.disk_free is None else f"; {status.disk_free:.0%} of the disk free"
    yield f"store     {f'[red]{escape(status.store_problem)}[/red]' if status.store_problem else 'ok'}{free}"
    at = f"{_when(status.self_test_at)}: " if status.self_test_at else ""
    yield f"self-test {at}{escape(status.self_test)}"
    yield from _blank(status.blank)


def _blank(blank: BlankLine) -> Iterator[str]:
    if blank.policies:
        yield f"blank     {escape(blank.says)}"
    for flag in blank.flags:
        says = escape(f"{flag.policy} says yes to {flag.blank}")
        yield f"blank     [yellow]{says}[/yellow] ({shown(flag.log_odds, flag.threshold)}): look at its text"
    if blank.flags_in_all > len(blank.flags):
        yield f"blank     and {blank.flags_in_all - len(blank.flags)} more say yes"


def _sensors(status: Status) -> Iterator[str]:
    for sensor in status.sensors:
        state = "[green]online[/green]" if sensor.online else f"[red]{escape(' '.join(filter(None, (sensor.condition, sensor.reason))))}[/red]"
        restarts = f", {sensor.restarts} restarts" if sensor.restarts else ""
        yield f"sensor    {escape(sensor.sensor)}: {state} since {_when(sensor.since)}{restarts}"


def _alarms(status: Status) -> Iterator[str]:
    for alarm in status.alarms:
        colour = SEVERE.get(alarm.severity, "white")
        yield f"alarm     [{colour}]{alarm.severity}[/{colour}] {escape(_alarm(alarm))}"
        if alarm.description:
            yield f"          the model says: {escape(alarm.description)}"
        if alarm.transcript is not None:
            said = f'"{alarm.transcript}"' if alarm.transcript else "nobody speaks"
            yield f"          the model hears: {escape(said)}"
    if status.alarms_in_all > len(status.alarms):
        yield f"alarm     and {status.alarms_in_all - len(status.alarms)} more"
    if not status.alarms:
        yield "alarm     none stands"


def _alarm(alarm: AlarmLine) -> str:
    marks = [alarm.state.replace("_", " ")]
    marks += [f"by {alarm.acknowledged_by}"] if alarm.acknowledged_by else []
    marks += ["its cause has gone: clear it"] if alarm.gone else []
    marks += [] if alarm.told else ["told nobody"]
    return f"{alarm.policy} on {alarm.view} since {_when(alarm.since)}, {', '.join(marks)} [{alarm.alert}] {alarm.summary}"


def _channel(channel: ChannelLine) -> str:
    link = {True: "connected", False: "[red]not connected[/red]", None: "ready"}[channel.connected]
    link = link if channel.is_there else "[red]no such entry of `notify`[/red]"
    waits = f"{channel.waiting} wait, the oldest for {channel.oldest_age_s:.0f} s" if channel.waiting else "nothing waits"
    refused = f", [red]{channel.refused} refused[/red]" if channel.refused else ""
    memory = f", [red]{channel.undurable} in memory alone[/red]" if channel.undurable else ""
    return f"outbox    {escape(channel.channel)}: {link}, {waits}{refused}{memory}"


def _when(moment: datetime) -> str:
    """In this machine's time."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
