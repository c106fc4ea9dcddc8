"""Orders about alarms: acknowledge, shelve, unshelve, clear, test. Each becomes an event of the tracks that it is about.

Here is also what is said of the outcome. What the events do is the rules' business.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from alerts.alert import AlertState
from alerts.audience import notifications
from alerts.channels.cloudevents import plain
from alerts.decision import Decision
from alerts.event import Commanded, Verb
from alerts.notification import ARRIVED, Notification, NotificationId, Outcome
from alerts.reason import SILENCES, Reason
from alerts.track import Track
from analyzers.policy import Policy
from appliance.clock import Clock
from appliance.control.orders import MAX_NAME, MAX_SHOWN, Acknowledge, Answer, Clear, Shelve, Test, Unshelve, refused
from appliance.control.targets import Key, UnknownTargetError, targets
from appliance.deliveries import Arrival, Deliveries
from appliance.pipeline import Pipeline

TrackOrder = Acknowledge | Shelve | Unshelve | Clear | Test
VERBS: Mapping[type[TrackOrder], Verb] = {
    Acknowledge: Verb.ACKNOWLEDGE,
    Shelve: Verb.SHELVE,
    Unshelve: Verb.UNSHELVE,
    Clear: Verb.RESET,
    Test: Verb.TEST,
}
CONCERNS: Mapping[Verb, Callable[[Track], bool]] = {
    Verb.ACKNOWLEDGE: lambda track: track.alert is not None,
    Verb.RESET: lambda track: track.alert is not None,
    Verb.UNSHELVE: lambda track: track.shelf is not None,
}
"""The tracks that an order is about; those that are not listed are about every view that was named."""
DELIVERED_S = 15.0
"""So long a test waits to hear that it was delivered."""
DONE = SILENCES | {Reason.COMMAND, Reason.TESTED, Reason.UNTOLD}
"""Reasons of a decision that did what was said: where something else still silences an alarm, it is that silence's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What these orders work on."""

    pipeline: Pipeline
    policies: Callable[[], Mapping[Key, Policy]]
    deliveries: Deliveries
    clock: Clock
    timezone: Callable[[], str]


async def command(order: TrackOrder, who: str, reach: Reach) -> Answer:
    """Do it, and say what became of it."""
    verb, what = VERBS[type(order)], plain(order.what, MAX_NAME)
    policies, tracks = reach.policies(), {(track.policy, track.view): track for track in reach.pipeline.tracks()}
    try:
        keys = targets(what, order.view and plain(order.view, MAX_NAME), policies, tracks.values())
    except UnknownTargetError as error:
        return refused(str(error))
    if concerns := CONCERNS.get(verb):
        keys = tuple(key for key in keys if key in tracks and concerns(tracks[key]))
        if not keys:
            return refused(f"{what} is not shelved" if verb is Verb.UNSHELVE else f"no alarm of {what} stands")
    if verb is Verb.TEST:
        keys = keys[:1]  # one way to people is the same as the next
    span = timedelta(seconds=order.span_s) if isinstance(order, Shelve) else None
    event = Commanded(verb=verb, who=who, why=order.why, span=span, at=reach.clock.now())
    decisions = await reach.pipeline.fold([(policies[key], key[1], event) for key in keys])
    lines = [f"{each.track.policy} on {each.track.view}: {_said(verb, each, policies, reach)}" for each in decisions]
    was_done = any(each.reason in DONE or (verb is Verb.ACKNOWLEDGE and each.reason is Reason.DUPLICATE) for each in decisions)
    if verb is Verb.TEST and was_done:
        arrived, told = await _arrivals(decisions, reach)
        return Answer(done=arrived, says=(*lines, *told))
    return Answer(done=was_done, says=_bounded(lines))


def _bounded(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - MAX_SHOWN + 1
    return tuple(lines) if rest <= 1 else (*lines[: MAX_SHOWN - 1], f"and {rest} more")


def _said(verb: Verb, decision: Decision, policies: Mapping[Key, Policy], reach: Reach) -> str:
    """What became of it on one view, in words."""
    track = decision.track
    match verb:
        case Verb.ACKNOWLEDGE:
            who = track.alert.acknowledged_by if track.alert else None
            return f"was acknowledged already, by {who}" if decision.reason is Reason.DUPLICATE else "acknowledged"
        case Verb.SHELVE:
            until = track.shelf.until.utc.astimezone(ZoneInfo(reach.timezone())) if track.shelf else None
            return f"shelved until {until:%Y-%m-%d %H:%M:%S}; it is on record meanwhile, and told then if it still stands"
        case Verb.UNSHELVE:
            rest = f"; still silent: {decision.reason.replace('_', ' ')}" if decision.reason in SILENCES else ""
            return f"no longer shelved{rest}"
        case Verb.RESET:
            return "cleared" if decision.reason is Reason.COMMAND else _not_cleared(track, policies[(track.policy, track.view)])
        case Verb.TEST:
            return _tested(decision)


def _not_cleared(track: Track, policy: Policy) -> str:
    if track.state is AlertState.CLEARED_UNACKNOWLEDGED:
        return "its cause has gone, and it waits only to be seen: acknowledge it"
    if policy.latched:
        return "not cleared: its cause still holds; clear it when that has gone"
    return "not cleared: its cause still holds, and it clears by itself when that has gone; acknowledge or shelve it meanwhile"


def _tested(decision: Decision) -> str:
    if decision.reason is Reason.STILL_HOLDS:
        return "not tested: a real alarm of it stands, and whoever hears of the test's end would take that for over"
    if decision.reason is Reason.DUPLICATE:
        return "a test of it is under way already"
    return f"test alarm {decision.alert.id if decision.alert else ''}, marked as a test; it ends by itself"


async def _arrivals(decisions: Iterable[Decision], reach: Reach) -> tuple[bool, tuple[str, ...]]:
    """Whether a test has reached every channel, and what became of it on each."""
    sent = [note for each in decisions for note in notifications(each, reach.pipeline.audiences, reach.clock.now(), durable=True)]
    if not sent:
        return False, ("nobody is told: the configuration names nobody under `notify`",)
    arrivals = await reach.deliveries.wait([note.id for note in sent], DELIVERED_S)
    lines = tuple(f"{note.channel}: {_arrived(arrivals.get(note.id))}" for note in sent)
    return all(_has_arrived(note, arrivals) for note in sent), lines


def _has_arrived(note: Notification, arrivals: Mapping[NotificationId, Arrival]) -> bool:
    arrival = arrivals.get(note.id)
    return arrival is not None and arrival.delivery.outcome in ARRIVED


def _arrived(arrival: Arrival | None) -> str:
    if arrival is None:
        return f"not delivered within {DELIVERED_S:g} s; it is tried on"
    delivery = arrival.delivery
    took_s = delivery.at.since(arrival.notification.created).total_seconds()
    match delivery.outcome:
        case Outcome.DELIVERED:
            return f"delivered after {took_s:.2f} s"
        case Outcome.UNHEARD:
            return f"delivered after {took_s:.2f} s, but nobody is subscribed there"
        case _:
            return f"{delivery.outcome.value}: {delivery.reason or 'no reason given'}"
