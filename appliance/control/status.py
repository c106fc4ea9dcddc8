"""How a box stands, as an operator asks for it: one value, gathered from what the parts say of themselves. It looks at nothing by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alerts.announcement import one_line
from alerts.track import Track
from analyzers.transcript import MAX_SPOKEN, Transcript
from appliance.blank.findings import Outcome
from appliance.children.fleet import SensorStatus
from sensors.moment import Moment

MAX_DESCRIPTION = 500
MAX_LINES = 100
"""Alarms, and shelves, that a status holds; of more only the number is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorLine:
    """A sensor."""

    sensor: str
    online: bool
    condition: str
    reason: str
    since: datetime
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLine:
    """An alarm that is not over."""

    alert: str
    policy: str
    view: str
    severity: str
    state: str
    since: datetime
    gone: bool
    """Latched: its cause has gone and it waits to be cleared by somebody."""
    told: bool
    acknowledged_by: str | None
    summary: str
    description: str = ""
    """What the model has said of what opened it."""
    transcript: str | None = None
    """What was said aloud, as the model took it, with `…` behind it where there was no room for all; empty: nobody speaks. None: it is not known."""
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfLine:
    """A policy that somebody has silenced on a view."""

    policy: str
    view: str
    until: datetime
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLine:
    """Who answers."""

    kind: str
    condition: str
    detail: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLine:
    """A way out, and what waits for it."""

    channel: str
    connected: bool | None
    """None: it keeps no connection."""
    waiting: int
    oldest_age_s: float
    refused: int
    undurable: int
    is_there: bool = True
    """False: the box has no such channel, or none any more; what waits for it is told to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeLine:
    """How the box is armed."""

    mode: str
    armed: bool
    modes: tuple[str, ...]
    since: datetime | None
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankFlag:
    """A policy that says yes to windows that hold nothing."""

    policy: str
    blank: str
    """What such a window holds."""
    log_odds: float
    threshold: float
    """Both natural log-odds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlankLine:
    """What the model said where there is nothing."""

    says: str
    """For people."""
    policies: int
    """That are to be asked, as far as their sensors have opened."""
    asked: int
    unanswered: int
    flags: tuple[BlankFlag, ...]
    flags_in_all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it."""

    site: str
    box: str
    version: str
    at: datetime
    mode: ModeLine
    judge: JudgeLine
    sensors: tuple[SensorLine, ...]
    alarms: tuple[AlarmLine, ...]
    alarms_in_all: int
    shelves: tuple[ShelfLine, ...]
    channels: tuple[ChannelLine, ...]
    store_problem: str
    """Why it cannot write; empty while it can."""
    disk_free: float | None
    """0..1: share of the data folder's file system; None until the box has looked."""
    self_test: str
    """What came of the last one, in a line."""
    self_test_at: datetime | None
    blank: BlankLine


def blank_line(outcome: Outcome) -> BlankLine:
    """Where the blank control stands."""
    flags = tuple(
        BlankFlag(policy=flag.policy.id, blank=str(flag.finding.blank), log_odds=score, threshold=flag.policy.threshold_log_odds)
        for flag in outcome.flags
        if (score := flag.finding.score) is not None
    )
    return BlankLine(
        says=str(outcome),
        policies=outcome.policies,
        asked=outcome.asked,
        unanswered=outcome.unanswered,
        flags=flags[:MAX_LINES],
        flags_in_all=len(flags),
    )


def sensor_lines(statuses: Iterable[SensorStatus], now: Moment) -> tuple[SensorLine, ...]:
    """The sensors, by name."""
    lines = (
        SensorLine(
            sensor=each.news.sensor,
            online=each.delivers(now),
            condition=each.news.condition.value,
            reason=each.news.reason,
            since=each.since.utc,
            restarts=each.restarts,
        )
        for each in statuses
    )
    return tuple(sorted(lines, key=lambda line: line.sensor))


def alarm_lines(tracks: Iterable[Track]) -> tuple[AlarmLine, ...]:
    """The alarms that are not over, the most urgent first, and among those the oldest."""
    standing = [(track, alert) for track in tracks for alert in (track.alert, track.test) if alert]
    standing.sort(key=lambda one: (one[1].severity.urgency, one[1].opened.utc))
    return tuple(
        AlarmLine(
            alert=alert.id,
            policy=alert.policy,
            view=alert.view,
            severity=alert.severity.value,
            state=alert.state.value,
            since=alert.opened.utc,
            gone=track.gone and not alert.test,
            told=track.withheld is None or alert.test,
            acknowledged_by=alert.acknowledged_by,
            summary=alert.summary,
            description=one_line(alert.description.text, MAX_DESCRIPTION) if alert.description else "",
            transcript=_spoken(alert.description.transcript) if alert.description and alert.description.transcript else None,
            test=alert.test,
        )
        for track, alert in standing
    )


def _spoken(transcript: Transcript) -> str:
    return f"{one_line(transcript.text, MAX_SPOKEN)}{' …' if transcript.cut else ''}"


def shelf_lines(tracks: Iterable[Track]) -> tuple[ShelfLine, ...]:
    """What is shelved, the first to end first."""
    lines = [
        ShelfLine(policy=track.policy, view=track.view, until=track.shelf.until.utc, who=track.shelf.who, why=track.shelf.why)
        for track in tracks
        if track.shelf
    ]
    return tuple(sorted(lines, key=lambda line: line.until))
