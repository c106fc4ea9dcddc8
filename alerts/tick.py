"""What the passing of time does to a track. Pure: the time is an argument, once a second.

One tick does one thing, the first that is due; the next tick does the next. Time alone never clears an alarm; a test it ends.
"""

from dataclasses import replace
from datetime import timedelta

from alerts import episode
from alerts.alert import AlertState
from alerts.command import unshelve
from alerts.decision import Context, Decision
from alerts.reason import Reason
from alerts.silence import silence
from alerts.track import Track, Withheld, is_within
from alerts.trigger import span_of
from analyzers.policy import OnNoData, Policy
from sensors.moment import Moment

TEST_LASTS = timedelta(seconds=10)
"""Long enough to be seen and spoken, and short enough that nobody answers it as an alarm."""
REMINDERS_END = (AlertState.NORMAL, AlertState.PENDING, AlertState.ACKNOWLEDGED)


def ticked(track: Track, at: Moment, policy: Policy, context: Context) -> Decision:
    """What is due at `at`."""
    for due in (_end_of_shelf, _end_of_silence, _no_data, _reminder, _fall_back, _end_of_test):
        decision = due(track, at, policy, context)
        if decision is not None:
            return decision
    return Decision(track=track, reason=Reason.IDLE)


def _end_of_test(track: Track, at: Moment, _policy: Policy, _context: Context) -> Decision | None:
    test = track.test
    if test is None or is_within(TEST_LASTS, test.opened, at):
        return None
    return episode.test_over(track, test, at)


def _end_of_shelf(track: Track, at: Moment, policy: Policy, context: Context) -> Decision | None:
    if track.shelf is None or not track.shelf.is_over(at):
        return None
    return unshelve(track, at, policy, context, reason=Reason.SHELF_ENDED)


def _end_of_silence(track: Track, at: Moment, policy: Policy, context: Context) -> Decision | None:
    """Tell what was withheld, or note what withholds it now."""
    if track.withheld is None:
        return None
    quiet = silence(track, policy, context, at)
    if quiet is None:
        return episode.told_late(track, at, track.withheld, Reason.TOLD_LATE)
    if quiet == track.withheld.silence:
        return None
    return Decision(track=replace(track, withheld=Withheld(change=track.withheld.change, silence=quiet)), reason=quiet.reason)


def _no_data(track: Track, at: Moment, policy: Policy, context: Context) -> Decision | None:
    """With `on_no_data: alarm`: nothing could be seen for `clear_after`, in the policy's hours and modes, and no alarm holds."""
    if track.no_data_since is None or policy.on_no_data is not OnNoData.ALARM or track.is_open or not policy.watches_in(context.mode):
        return None
    if policy.active is not None and not policy.active.is_on(at.utc):
        return None
    if at.since(track.no_data_since) < policy.clear_after:
        return None
    return episode.raised(replace(track, note="no data"), at, policy, context, reason=Reason.NO_DATA_LASTED)


def _reminder(track: Track, at: Moment, policy: Policy, context: Context) -> Decision | None:
    """A cooldown concerns openings, and this one has been told: it does not hold reminders back. All other silences do."""
    if policy.remind_every is None or track.told_at is None or track.withheld is not None or track.state in REMINDERS_END:
        return None
    if is_within(policy.remind_every, track.told_at, at):
        return None
    return None if silence(replace(track, cooldown_from=None), policy, context, at) else episode.reminded(track, at)


def _fall_back(track: Track, at: Moment, policy: Policy, context: Context) -> Decision | None:
    """PENDING ends when its newest yes has left the span. The answers stay: windows that are still being judged may yet join them."""
    if track.state is not AlertState.PENDING:
        return None
    newest = max((answer.end for answer in track.answers if answer.yes), key=lambda end: end.boot_ns, default=None)
    if newest is not None and newest.boot_id == at.boot_id and at.since(newest) <= span_of(policy, context.stride):
        return None
    return Decision(track=replace(track, state=AlertState.NORMAL), reason=Reason.FELL_BACK)
