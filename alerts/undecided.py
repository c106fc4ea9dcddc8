"""Whether a policy is asked and yet gets no answer: over half of its windows UNSURE or FAILED for ten minutes. A pure fold.

Counts are kept by the minute of boot time, so that their number has an end, whatever the rate of windows.
"""

from dataclasses import dataclass

from analyzers.judgement import Judgement, Verdict
from analyzers.policy import PolicyId
from sensors.moment import NANOSECONDS, BootId, Moment

MINUTES = 10
LEAST_ASKED = 10
"""Fewer windows than one a minute say nothing about a policy that is hardly ever woken."""
ASKED = frozenset({Verdict.YES, Verdict.NO, Verdict.UNSURE, Verdict.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What a policy was asked in one minute."""

    number: int
    """Whole minutes of boot time."""
    asked: int = 0
    open: int = 0
    """Of these, UNSURE or FAILED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One policy, over all its views."""

    policy: PolicyId
    boot_id: BootId
    since: int
    """The minute from which on it has been counted."""
    minutes: tuple[Minute, ...] = ()

    def is_undecided(self, at: Moment) -> bool:
        """Whether over half of what it was asked in the last ten minutes stayed open, and it has been counted for that long."""
        now = _minute(at)
        if self.boot_id != at.boot_id or now - self.since < MINUTES:
            return False
        recent = [minute for minute in self.minutes if minute.number >= now - MINUTES]
        asked = sum(minute.asked for minute in recent)
        return asked >= LEAST_ASKED and 2 * sum(minute.open for minute in recent) > asked


def tallied(tallies: tuple[Tally, ...], judgement: Judgement, at: Moment) -> tuple[Tally, ...]:
    """The tallies with a judgement counted; one that nobody was asked for changes nothing."""
    if judgement.verdict not in ASKED:
        return tallies
    others = tuple(tally for tally in tallies if tally.policy != judgement.policy)
    own = next((tally for tally in tallies if tally.policy == judgement.policy and tally.boot_id == at.boot_id), None)
    return (*others, _counted(own, judgement, at))


def undecided(tallies: tuple[Tally, ...], at: Moment) -> tuple[PolicyId, ...]:
    """The policies that get no answers, by name."""
    return tuple(sorted(tally.policy for tally in tallies if tally.is_undecided(at)))


def _counted(tally: Tally | None, judgement: Judgement, at: Moment) -> Tally:
    now = _minute(at)
    before = tally.minutes if tally else ()
    minute = next((one for one in before if one.number == now), Minute(number=now))
    more = Minute(number=now, asked=minute.asked + 1, open=minute.open + (judgement.verdict in (Verdict.UNSURE, Verdict.FAILED)))
    rest = tuple(one for one in before if now - MINUTES <= one.number < now)
    return Tally(policy=judgement.policy, boot_id=at.boot_id, since=tally.since if tally else now, minutes=(*rest, more))


def _minute(at: Moment) -> int:
    return at.boot_ns // (60 * NANOSECONDS)
