"""Scoring what was alarmed against what a recording holds, beside two baselines that any useful score must fail. Pure.

A line is what `omniwatch judge --json` prints for an alarm: `policy`, `at_s`, `state` (`opened` or `cleared`). It knows no policy
but by the kind of event that it is meant to find.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

IN_TIME_S = 4.0
"""An alarm that comes later than this after an event's start is a miss."""
EARLY_S = 0.5
LATE_S = 4.0
"""An alarm that opens further outside an event than these is false."""
SPARE_OPENINGS = 2
"""How many more times than there are events a policy may open before it chatters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a recording holds, by hand-checked times from its start."""

    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An alarm that opened or cleared."""

    policy: str
    at_s: float
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a policy is to find."""

    kind: str
    afresh: bool
    """True: every event must open it anew (an impulse); False: it is enough that it is open (a state)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a policy did."""

    policy: str
    hits: tuple[Event, ...]
    misses: tuple[Event, ...]
    false: tuple[float, ...]
    """When it opened outside every event of its kind."""
    benign: tuple[float, ...]
    """Those of them that something benign opened."""
    openings: int
    chatters: bool

    @property
    def passed(self) -> bool:
        """Everything found in time, nothing made up, and no chatter."""
        return not self.misses and not self.false and not self.chatters


AIMS: Mapping[str, Aim] = {"presence": Aim(kind="person", afresh=False), "loud-sound": Aim(kind="glass_break", afresh=True)}


def lines_of(objects: Iterable[Mapping[str, object]]) -> tuple[Line, ...]:
    """The alarms among the objects that `omniwatch judge --json` prints, one a line."""
    alarms = (one for one in objects if one["kind"] == "alarm")
    return tuple(Line(policy=str(one["policy"]), at_s=float(str(one["at_s"])), opened=one["state"] == "opened") for one in alarms)


def events_of(labels: Iterable[Mapping[str, object]]) -> tuple[Event, ...]:
    """The `events` or the `benign` of a recording's labels."""
    return tuple(Event(kind=str(one["kind"]), start_s=float(str(one["start_s"])), end_s=float(str(one["end_s"]))) for one in labels)


def score(lines: Sequence[Line], events: Sequence[Event], benign: Sequence[Event] = (), aims: Mapping[str, Aim] = AIMS) -> tuple[Report, ...]:
    """A report for each policy of `aims`."""
    return tuple(_report(policy, aim, [line for line in lines if line.policy == policy], (events, benign)) for policy, aim in aims.items())


def _report(policy: str, aim: Aim, lines: Sequence[Line], truth: tuple[Sequence[Event], Sequence[Event]]) -> Report:
    events, benign = [event for event in truth[0] if event.kind == aim.kind], truth[1]
    openings = [line.at_s for line in lines if line.opened]
    found = [event for event in events if _found(aim, event, _spans(lines))]
    false = [at for at in openings if not any(event.start_s - EARLY_S <= at <= event.end_s + LATE_S for event in events)]
    return Report(
        policy=policy,
        hits=tuple(found),
        misses=tuple(event for event in events if event not in found),
        false=tuple(false),
        benign=tuple(at for at in false if any(event.start_s <= at <= event.end_s + LATE_S for event in benign)),
        openings=len(openings),
        chatters=len(openings) > len(events) + SPARE_OPENINGS,
    )


def _spans(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """From when to when the alarm was open."""
    spans: list[tuple[float, float]] = []
    for line in sorted(lines, key=lambda line: line.at_s):
        if line.opened:
            spans.append((line.at_s, inf))
        elif spans:
            spans[-1] = spans[-1][0], line.at_s
    return spans


def _found(aim: Aim, event: Event, spans: Sequence[tuple[float, float]]) -> bool:
    until = event.start_s + IN_TIME_S
    if aim.afresh:
        return any(event.start_s - EARLY_S <= opened <= until for opened, _ in spans)
    return any(opened <= min(until, event.end_s) and cleared >= event.start_s for opened, cleared in spans)


def always_on(policies: Iterable[str]) -> tuple[Line, ...]:
    """The baseline that opens at the start and never clears: it overlaps everything."""
    return tuple(Line(policy=policy, at_s=0.0, opened=True) for policy in policies)


def every(period_s: float, duration_s: float, policies: Iterable[str]) -> tuple[Line, ...]:
    """The baseline that knows nothing and opens by the clock, for a second each time."""
    starts = [number * period_s for number in range(int(duration_s / period_s) + 1)]
    return tuple(Line(policy=policy, at_s=at + shift, opened=shift == 0.0) for policy in policies for at in starts for shift in (0.0, 1.0))
