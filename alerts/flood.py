"""A flood: more alarms than anybody can answer. One alarm then says so; the others open on record. A pure fold over openings.

EEMUA 191's figures, as recalled: 10 alarms in 10 minutes are a flood, and it is over when there are fewer than half as many.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from alerts import names
from alerts.decision import Decision
from alerts.event import Judged
from alerts.facts import answer
from alerts.reason import Reason
from analyzers.judgement import Verdict
from sensors.moment import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodRule:
    """How many openings in what time are a flood, for the whole site."""

    count: int = 10
    span: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """The last openings, at most `rule.count` of them, and whether they are a flood."""

    rule: FloodRule = FloodRule()
    openings: tuple[Moment, ...] = ()
    on: bool = False


def counted(flood: Flood, decision: Decision, at: Moment) -> Flood:
    """Count a decision that opened an alarm for people: told, or not told because of the flood. Its own alarm does not feed it."""
    counts = decision.opens and (decision.told or decision.reason is Reason.FLOOD)
    if not counts or decision.track.policy == names.ALARM_FLOOD:
        return flood
    return _at(replace(flood, openings=(*flood.openings, at)[-flood.rule.count :]), at)


def flood_answer(flood: Flood, at: Moment) -> tuple[Flood, Judged]:
    """The flood as time has left it, and the answer to `alarm-flood`. Asked for after each opening and once a second."""
    now = _at(flood, at)
    note = f"{now.rule.count} alarms in {_minutes(now.rule.span)} min; only critical ones are still told singly, all are on record"
    return now, answer(names.ALARM_FLOOD, Verdict.YES if now.on else Verdict.NO, at, note=note)


def _at(flood: Flood, at: Moment) -> Flood:
    recent = tuple(opening for opening in flood.openings if timedelta(0) <= at.since(opening) < flood.rule.span)
    enough = flood.rule.count if not flood.on else (flood.rule.count + 1) // 2
    return replace(flood, openings=recent, on=len(recent) >= enough)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:g}"
