"""When an alarm can open and clear at all, by arithmetic over a policy and its sensor's windows. For `check`; it judges nothing.

Windows of `length` end every `stride`; a trigger wants `k` of them. Nobody knows how much of an event a judge must see, so there
are two bounds: at best an instant of it in a window is enough, at worst the event must fill the whole window. Both take every
window as asked, judged and decided, the waiting for a judge as nothing at best and `max_age` at worst.
"""

from dataclasses import dataclass
from datetime import timedelta

from alerts.trigger import span_of
from analyzers.policy import Policy
from sensors.settings import WindowShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the windows allow. Spans count from the event's beginning, or from its end where they are about clearing."""

    soonest: timedelta
    latest: timedelta
    """For an event that wakes the policy and goes on."""
    latest_if_still: timedelta | None
    """For one that stirs no cue: found by the patrol. None: it is not found."""
    shortest: timedelta
    """An event must last longer than this to open it. Zero for a trigger of 1: an instant can."""
    confirms_itself: bool
    """More than one yes is wanted, yet windows overlap so far that one instant lies in enough of them."""
    span: timedelta
    """The yes answers of a trigger may lie so far apart."""
    clears_soonest: timedelta
    clears_latest: timedelta


def timing(policy: Policy, shape: WindowShape, max_age: timedelta) -> Timing:
    """The timing of `policy` on a sensor with windows of `shape`, where questions older than `max_age` are shed."""
    length, stride = timedelta(seconds=shape.length_s), timedelta(seconds=shape.every_s)
    more = (policy.trigger.count - 1) * stride
    span = span_of(policy, stride)
    latest = stride + length + more + max_age
    quiet = -(-policy.clear_after // stride) * stride
    return Timing(
        soonest=more,
        latest=latest,
        latest_if_still=None if policy.patrol is None else latest + policy.patrol,
        shortest=max(timedelta(0), more - length),
        confirms_itself=timedelta(0) < more < length,
        span=span,
        clears_soonest=quiet,
        clears_latest=stride + length + quiet + max_age,
    )
