"""What a person's word does to a track. Pure. It does not know who may say what: whoever takes commands does."""

from dataclasses import replace

from alerts import episode
from alerts.alert import AlertState
from alerts.decision import Context, Decision
from alerts.event import Commanded, Verb
from alerts.reason import Reason
from alerts.silence import silence
from alerts.track import Shelf, Track, Withheld
from analyzers.policy import Policy
from sensors.moment import Moment


def commanded(track: Track, event: Commanded, policy: Policy, context: Context) -> Decision:
    """What `event` does to `track`."""
    match event.verb:
        case Verb.ACKNOWLEDGE:
            return _acknowledge(track, event)
        case Verb.SHELVE:
            return _shelve(track, event)
        case Verb.UNSHELVE if track.shelf is None:
            return Decision(track=track, reason=Reason.DUPLICATE)
        case Verb.UNSHELVE:
            return unshelve(track, event.at, policy, context, reason=Reason.COMMAND)
        case Verb.RESET:
            return _reset(track, event)
        case Verb.TEST:
            return _test(track, event, policy)


def unshelve(track: Track, at: Moment, policy: Policy, context: Context, *, reason: Reason) -> Decision:
    """The shelf is gone, by word or by time: an alarm that is still open speaks, or at least says what else silences it."""
    free = replace(track, shelf=None)
    if track.alert is None:
        return Decision(track=free, reason=reason)
    if track.withheld is None:
        return episode.unshelved(free, at, reason)
    quiet = silence(free, policy, context, at)
    if quiet is None:
        return episode.told_late(free, at, track.withheld, reason)
    return Decision(track=replace(free, withheld=Withheld(change=track.withheld.change, silence=quiet)), reason=quiet.reason)


def _acknowledge(track: Track, event: Commanded) -> Decision:
    if track.alert is None:
        return Decision(track=track, reason=Reason.NO_ALARM)
    if track.state is AlertState.ACKNOWLEDGED:
        return Decision(track=track, reason=Reason.DUPLICATE)
    return episode.acknowledged(track, event.at, event.who)


def _shelve(track: Track, event: Commanded) -> Decision:
    """A second shelving replaces the first: it may be shortened as well as prolonged."""
    if event.span is None:
        raise ValueError("a shelf without an end")  # Commanded refuses it, which a type cannot say
    shelf = Shelf(since=event.at, until=event.at.plus(event.span), who=event.who, why=event.why)
    silent = replace(track, shelf=shelf)
    return Decision(track=silent, reason=Reason.COMMAND) if track.alert is None else episode.shelved(silent, event.at)


def _reset(track: Track, event: Commanded) -> Decision:
    if track.alert is None:
        return Decision(track=track, reason=Reason.NO_ALARM)
    return episode.reset(track, event.at, event.who) if track.gone else Decision(track=track, reason=Reason.STILL_HOLDS)


def _test(track: Track, event: Commanded, policy: Policy) -> Decision:
    """None while an alarm stands: whoever hears of the test's end would take the alarm for over."""
    if track.alert is not None:
        return Decision(track=track, reason=Reason.STILL_HOLDS)
    return Decision(track=track, reason=Reason.DUPLICATE) if track.test else episode.tested(track, event.at, policy, event.who)
