"""A track: the state of one policy on one view between two events. It is all that the rules remember, so it is what is stored.

Only the rules (`rules.py` and the files it imports) make and change tracks. A track knows no policy but its name.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from alerts.alert import Alert, AlertState, Change
from alerts.reason import Reason
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import PolicyId
from sensors.moment import Moment
from sensors.window import SensorId, ViewId, WindowId

NOTHING = timedelta(0)


def is_within(span: timedelta, since: Moment, at: Moment) -> bool:
    """Whether less than `span` has passed from `since` to `at`. False where a reboot has set the clock back before `since`.

    Within one boot `at` may well lie a little before `since`: a second that was taken while somebody's word was on its way.
    """
    passed = at.since(since)
    return passed < span and (passed >= NOTHING or at.boot_id == since.boot_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the rules keep of a decided judgement (yes or no): enough to count it, in the order of the windows' ends."""

    yes: bool
    end: Moment
    by: JudgeKind
    log_odds: float | None = None
    window: WindowId | None = None

    @staticmethod
    def of(judgement: Judgement) -> "Answer":
        """The answer in a judgement whose verdict is YES or NO."""
        return Answer(
            yes=judgement.verdict is Verdict.YES, end=judgement.end, by=judgement.by, log_odds=judgement.log_odds, window=judgement.window
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Somebody has silenced a track for a while. It always ends."""

    since: Moment
    until: Moment
    who: str
    why: str

    def is_over(self, at: Moment) -> bool:
        """Whether it has ended at `at`. A clock that a reboot has set back before its beginning ends it too: better told than silent."""
        return not is_within(self.until.since(self.since), self.since, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Why an opening is not told at present."""

    reason: Reason
    by: tuple[PolicyId, ...] = ()
    """The alarms that speak for it; empty where a person or a cooldown silences it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """An opening that is on record and has not been told yet. It will be when the silence ends, unless the alarm has ended first."""

    change: Change
    """OPENED or REOPENED: what is told then."""
    silence: Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One policy on one view. A new one is NORMAL and has seen nothing."""

    kind: Literal["track"] = "track"
    policy: PolicyId
    sensor: SensorId
    view: ViewId
    state: AlertState = AlertState.NORMAL
    answers: tuple[Answer, ...] = ()
    """The last decided answers of the present episode, oldest window first, at most `2 * trigger.of - 1`, all of one boot."""
    alert: Alert | None = None
    """The alert that is open; None in NORMAL and PENDING."""
    watermark: Moment | None = None
    """End of the newest window that counted (yes, no, or no data)."""
    clearing: Moment | None = None
    """End of the first window that said no, since the last yes. None: nothing is clearing."""
    settled: Moment | None = None
    """The watermark at which the last alarm cleared: answers up to it belong to that alarm and open no other."""
    gone: bool = False
    """Latched only: the cause has gone and the alarm waits for a reset."""
    blind: bool = False
    """The alert was opened because no data came. A yes is then news, not more of the same."""
    no_data_since: Moment | None = None
    withheld: Withheld | None = None
    shelf: Shelf | None = None
    cooldown_from: Moment | None = None
    """When the last alarm that was told had cleared. One that was never told does not prolong the silence."""
    told_at: Moment | None = None
    """The last time that anything about the open alert was told; reminders count from it."""
    test: Alert | None = None
    """A test of this policy's way to people that is under way: an alert of its own, and no part of the state."""
    note: str = ""
    """What the alert's summary says beyond title, view and score."""

    @property
    def is_open(self) -> bool:
        """Whether an alert holds: active or acknowledged. Not one that has cleared and only waits to be seen."""
        return self.state in (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)

    @property
    def asks_always(self) -> bool:
        """Whether its policy must be asked about every window: something is pending or open, and only a no ends it."""
        return self.state is not AlertState.NORMAL

    @property
    def has_told(self) -> bool:
        """Whether an alert holds and its opening has been told. Only such a one may silence others."""
        return self.is_open and self.withheld is None
