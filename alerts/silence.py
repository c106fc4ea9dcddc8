"""What keeps an opening, or a reminder, from being told at present. Pure; each silence has a name and an end.

Only what has told something may silence something (`Context.active`), so that no two alarms can silence each other. What
concerns the box itself is never taken for a part of a flood: it may be its cause.
"""

from alerts.decision import Context
from alerts.names import ALARM_FLOOD, BOX, SENSOR_LOST, SENSORS_LOST
from alerts.reason import Reason
from alerts.track import Silence, Track, is_within
from analyzers.policy import Policy, PolicyId, Severity
from sensors.moment import Moment
from sensors.window import ViewId


def silence(track: Track, policy: Policy, context: Context, at: Moment) -> Silence | None:
    """Why `track` may not tell of its opening at `at`; None: it may, as a test always may: it is the way to people that it tests."""
    return None if context.test else _silence(track, policy, context, at)


def _silence(track: Track, policy: Policy, context: Context, at: Moment) -> Silence | None:
    if track.shelf is not None and not track.shelf.is_over(at):
        return Silence(reason=Reason.SHELVED)
    if by := _suppressors(track, policy, context):
        return Silence(reason=Reason.SUPPRESSED, by=by)
    if track.policy == SENSOR_LOST and track.sensor in context.grouped and (SENSORS_LOST, BOX) in context.active:
        return Silence(reason=Reason.COMMON_CAUSE, by=(SENSORS_LOST,))
    if track.cooldown_from is not None and is_within(policy.cooldown, track.cooldown_from, at):
        return Silence(reason=Reason.COOLDOWN)
    if (ALARM_FLOOD, BOX) in context.active and policy.severity is not Severity.CRITICAL and track.view != BOX:
        return Silence(reason=Reason.FLOOD, by=(ALARM_FLOOD,))
    return None


def _suppressors(track: Track, policy: Policy, context: Context) -> tuple[PolicyId, ...]:
    """The policy's inhibitors that are open on its view, on the whole of its sensor, or on the box."""
    views = {track.view, ViewId(track.sensor), BOX}
    return tuple(sorted(name for name, view in context.active if name in policy.inhibited_by and view in views and name != track.policy))
