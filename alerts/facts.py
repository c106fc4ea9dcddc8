"""What the supervisor knows of its own box, and what that answers to the policies that watch the watcher. Pure.

Facts are collected by the appliance once a second; here they become judgements. Between "so for long enough" and "not so" the
answer is UNSURE, which neither opens nor clears.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from alerts import names
from alerts.event import Judged
from analyzers.interview import JudgeCondition
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.policy import Policy, PolicyId
from sensors.moment import Moment
from sensors.window import SensorId, ViewId

JUDGE_DOWN_FOR = timedelta(seconds=10)
"""A judge that is killed at its deadline and comes back at once is counted, not an alarm."""
JUDGE_LOADING_FOR = timedelta(minutes=10)
"""A 30B model is read from a slow disk and quantized in some minutes; after this it is not going to be ready."""
BROKER_LOST_FOR = timedelta(minutes=1)
"""A broker that is restarted is back by then, and the outbox holds what happened meanwhile."""
REFUSED_FOR = timedelta(minutes=10)
"""A refusal keeps its alarm open for so long: each parks a notification, which is tried again before that is over."""
STEPPED_FOR = timedelta(minutes=1)
GAP_FOR = timedelta(minutes=1)
DISK_LOW_SHARE = 0.05
DISK_FINE_SHARE = 0.07
SHED_SHARE = 0.5
"""More windows of the last minute were dropped than judged."""
SHED_FINE_SHARE = 0.2
MAX_NAMED = 10
"""So many names stand in a note; the rest is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which nobody watched: the box was not running, or stood still."""

    start: Moment
    """The last sign of life before it."""
    end: Moment
    restarted: bool
    """False: the machine, or the process, was suspended and resumed."""

    def __str__(self) -> str:
        """For people. A gap over a change of boot is told by the wall clock, which may have been set meanwhile."""
        seconds = self.end.since(self.start).total_seconds()
        how = "restarted" if self.restarted else "stood still"
        since = f"since {self.start.utc.isoformat(timespec='seconds')}"
        return f"{how}, nobody watched for {seconds:.0f} s, {since}" if seconds >= 0 else f"{how}, nobody watched {since}; the clock was set back"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """How the box stands at one moment."""

    judge: JudgeCondition | None = None
    """None: cues judge, by the owner's choice."""
    judge_since: Moment | None = None
    """Since when `judge` is what it is. A judge that loads, breaks and loads again is LOADING since it was last READY."""
    store_problem: str = ""
    """What is, or was until just now, wrong with the store."""
    disk_free: float | None = 1.0
    """0..1: share of the data folder's file system. None: nobody has looked yet."""
    evidence_full: str = ""
    """Why no more evidence is kept; empty while there is room."""
    broker_lost_since: Moment | None = None
    """None: connected, or none is configured."""
    refused_at: Moment | None = None
    """When a publish was last refused."""
    shed_share: float = 0.0
    """0..1: of the questions that the gate let through in the last minute, those that were dropped from the queue."""
    reload_failed: bool = False
    """The configuration file holds errors and the old one is still running."""
    stepped_at: Moment | None = None
    """When the wall clock last stepped by more than 2 s."""
    gap: Gap | None = None
    """The newest."""
    self_test: str | None = ""
    """What the last self-test found wrong; empty: nothing, or there is to be none. None: none has been made yet."""
    undecided: tuple[PolicyId, ...] = ()
    """What `undecided.py` says."""


def box_answers(facts: BoxFacts, at: Moment) -> tuple[Judged, ...]:
    """One answer to each policy on the view `box` that these facts concern."""
    undecided = f"policies {listed(facts.undecided)}" if facts.undecided else ""
    return (
        answer(names.JUDGE_DOWN, _judge(facts, at), at),
        answer(names.STORE_FAILED, _either(yes=bool(facts.store_problem)), at, note=facts.store_problem),
        answer(names.DISK_LOW, _disk(facts.disk_free), at),
        answer(names.EVIDENCE_FULL, _either(yes=bool(facts.evidence_full)), at, note=facts.evidence_full),
        answer(names.BROKER_UNREACHABLE, _lasting(facts.broker_lost_since, at, BROKER_LOST_FOR), at),
        answer(names.PUBLISH_REFUSED, _recent(facts.refused_at, at, REFUSED_FOR), at),
        answer(names.WINDOWS_SHED, _between(facts.shed_share > SHED_SHARE, facts.shed_share <= SHED_FINE_SHARE), at),
        answer(names.CONFIG_RELOAD_FAILED, _either(yes=facts.reload_failed), at),
        answer(names.CLOCK_STEPPED, _recent(facts.stepped_at, at, STEPPED_FOR), at),
        answer(names.WATCH_GAP, _recent(facts.gap.end if facts.gap else None, at, GAP_FOR), at, note=str(facts.gap or "")),
        answer(names.SELF_TEST_FAILED, _self_test(facts.self_test), at, note=facts.self_test or ""),
        answer(names.UNDECIDED, _either(yes=bool(facts.undecided)), at, note=undecided),
    )


def sensor_answer(sensor: SensorId, at: Moment, *, lost: bool) -> Judged:
    """The answer to `sensor-lost` for a sensor that is online or lost. One that is still opening for the first time has none."""
    return answer(names.SENSOR_LOST, _either(yes=lost), at, sensor=sensor)


def no_data(policies: Iterable[Policy], sensor: SensorId, at: Moment) -> tuple[Judged, ...]:
    """What every policy that watches a lost sensor gets instead of windows; `sensor-lost` itself is answered."""
    return tuple(
        Judged(judgement=_judgement(policy.id, view, Verdict.NO_DATA, at), at=at)
        for policy in policies
        for view in policy.views()
        if view.partition(".")[0] == sensor and policy.id != names.SENSOR_LOST
    )


def answer(policy: PolicyId, verdict: Verdict, at: Moment, *, sensor: SensorId = names.BOX_SENSOR, note: str = "") -> Judged:
    """The supervisor's answer to one policy at a moment."""
    return Judged(judgement=_judgement(policy, ViewId(sensor), verdict, at), at=at, note=note if verdict is Verdict.YES else "")


def listed(some: Iterable[str]) -> str:
    """Names for people, with an end."""
    every = tuple(some)
    rest = len(every) - MAX_NAMED
    return ", ".join(every[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _judgement(policy: PolicyId, view: ViewId, verdict: Verdict, at: Moment) -> Judgement:
    sensor = SensorId(view.partition(".")[0])
    cause = {Verdict.UNSURE: Cause.IN_BAND, Verdict.NO_DATA: Cause.SENSOR_LOST}.get(verdict)
    return Judgement(
        policy=policy, sensor=sensor, view=view, window=None, start=at, end=at, verdict=verdict, cause=cause, by=JudgeKind.SUPERVISOR
    )


def _judge(facts: BoxFacts, at: Moment) -> Verdict:
    if facts.judge is None or facts.judge is JudgeCondition.READY:
        return Verdict.NO
    return _lasting(facts.judge_since, at, JUDGE_DOWN_FOR if facts.judge is JudgeCondition.DOWN else JUDGE_LOADING_FOR)


def _self_test(found: str | None) -> Verdict:
    """An alarm from before a restart stands until the first self-test after it."""
    return Verdict.NOT_ASKED if found is None else _either(yes=bool(found))


def _either(*, yes: bool) -> Verdict:
    return Verdict.YES if yes else Verdict.NO


def _between(yes: bool, no: bool) -> Verdict:  # noqa: FBT001 - the two ends of a band, in their order
    return Verdict.YES if yes else Verdict.NO if no else Verdict.UNSURE


def _disk(free: float | None) -> Verdict:
    """A box that has just started must not take its alarm back before it has looked."""
    return Verdict.UNSURE if free is None else _between(free <= DISK_LOW_SHARE, free >= DISK_FINE_SHARE)


def _lasting(since: Moment | None, at: Moment, enough: timedelta) -> Verdict:
    """Yes once it has been so for long enough."""
    return Verdict.NO if since is None else Verdict.YES if at.since(since) >= enough else Verdict.UNSURE


def _recent(when: Moment | None, at: Moment, enough: timedelta) -> Verdict:
    """Yes while it happened a short time ago."""
    return Verdict.NO if when is None or at.since(when) >= enough else Verdict.YES
