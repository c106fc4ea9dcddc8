"""The steps of an alert's life, each one transition: opened, opened again, told late, updated, described, reminded, acknowledged, shelved, cleared.

A step makes the decision of which it is part. It does not know whether it is time for it: the rules do.
"""

from collections.abc import Callable
from dataclasses import replace

from alerts.alert import MAX_CLIPS, Alert, AlertState, Change, alert_id, summary
from alerts.decision import Context, Decision
from alerts.event import Described, Evidenced
from alerts.reason import Reason
from alerts.silence import silence
from alerts.track import Answer, Track, Withheld
from analyzers.judgement import JudgeKind
from analyzers.policy import Acknowledge, Policy
from analyzers.score import threshold_of
from sensors.moment import Moment
from sensors.window import ViewId


def raised(track: Track, at: Moment, policy: Policy, context: Context, *, reason: Reason, hits: tuple[Answer, ...] = ()) -> Decision:
    """The alarm opens, or opens again where an alert is still there. Where something silences it, it does so on record only."""
    change = track.withheld.change if track.withheld else Change.REOPENED if track.alert else Change.OPENED
    quiet = silence(track, policy, context, at)
    opened = replace(
        track,
        state=AlertState.ACTIVE,
        alert=_raised_alert(track, at, policy, hits=hits, test=context.test),
        clearing=None,
        gone=False,
        blind=not hits,
        withheld=Withheld(change=change, silence=quiet) if quiet else None,
    )
    return _step(opened, change, at, quiet.reason if quiet else reason, told=quiet is None)


def _raised_alert(track: Track, at: Moment, policy: Policy, *, hits: tuple[Answer, ...], test: bool) -> Alert:
    """A new alert, or the old one again, before its step is counted."""
    scored = [(hit.log_odds, threshold_of(policy, hit.by)) for hit in hits if hit.log_odds is not None]
    log_odds, threshold = max(scored, default=(None, None))
    old = track.alert
    alert = Alert(
        id=old.id if old else alert_id(policy.id, track.view, at),
        policy=policy.id,
        sensor=track.sensor,
        view=track.view,
        severity=policy.severity,
        state=AlertState.ACTIVE,
        transition=old.transition if old else 0,
        opened=old.opened if old else at,
        changed=at,
        by=max((hit.by for hit in hits), key=lambda judge: judge.rank, default=JudgeKind.SUPERVISOR),
        log_odds=log_odds,
        threshold=threshold,
        window=hits[-1].window if hits else None,
        window_end=hits[-1].end if hits else None,
        test=old.test if old else test,
    )
    return replace(alert, summary=summary(policy.title, alert, track.note))


def told_late(track: Track, at: Moment, withheld: Withheld, reason: Reason) -> Decision:
    """What was withheld is told now: the alert's first telling is always OPENED (or REOPENED), whatever is on record before."""
    return _step(replace(track, withheld=None), withheld.change, at, reason)


def updated(track: Track, at: Moment, policy: Policy) -> Decision:
    """More is known of an open alert: its summary, or a more urgent severity after a reload."""
    alert = _alert(track)
    text = summary(policy.title, alert, track.note)
    changed = replace(track, alert=replace(alert, summary=text, severity=min(alert.severity, policy.severity, key=lambda one: one.urgency)))
    return _step(changed, Change.UPDATED, at, _spoken(track, Reason.UPDATED), told=track.withheld is None)


def evidenced(track: Track, event: Evidenced) -> Decision:
    """There is a clip of it."""
    return _more(track, event, Reason.EVIDENCE, lambda alert: replace(alert, evidence=(*alert.evidence, event.clip)[-MAX_CLIPS:]))


def described(track: Track, event: Described) -> Decision:
    """A judge has described its opening, or what it has said is to be forgotten."""
    reason = Reason.DESCRIBED if event.description else Reason.FORGOTTEN
    return _more(track, event, reason, lambda alert: replace(alert, description=event.description))


def _more(track: Track, event: Evidenced | Described, reason: Reason, known: Callable[[Alert], Alert]) -> Decision:
    """More is known of an alert. One that is over gets a last transition of its own, and the track, which may be in another episode, stays."""
    if track.alert is not None and track.alert.id == event.alert.id:
        step = _step(replace(track, alert=known(track.alert)), Change.UPDATED, event.at, _spoken(track, reason), told=track.withheld is None)
        return replace(step, track=replace(step.track, told_at=track.told_at))  # the alarm itself was not told again: reminders stay due
    if track.test is not None and track.test.id == event.alert.id:
        test = replace(known(track.test), transition=track.test.transition + 1, changed=event.at)
        return Decision(track=replace(track, test=test), reason=reason, change=Change.UPDATED, alert=test, told=True)
    over = replace(known(event.alert), transition=event.alert.transition + 1, changed=event.at)
    return Decision(track=track, reason=reason if event.told else Reason.UNTOLD, change=Change.UPDATED, alert=over, told=event.told)


def reminded(track: Track, at: Moment) -> Decision:
    """It has stood for another `remind_every` and nobody has acknowledged it."""
    return _step(track, Change.REMINDED, at, Reason.REMIND)


def acknowledged(track: Track, at: Moment, who: str) -> Decision:
    """Somebody has seen it. This is always told, and with it the alarm, if it had not been."""
    alert = replace(_alert(track), acknowledged_by=who)
    if track.state is AlertState.CLEARED_UNACKNOWLEDGED:
        return _ended(replace(track, alert=alert, withheld=None), Change.ACKNOWLEDGED, at, Reason.COMMAND)
    seen = replace(track, alert=alert, state=AlertState.ACKNOWLEDGED, withheld=None)
    return _step(seen, Change.ACKNOWLEDGED, at, Reason.COMMAND)


def shelved(track: Track, at: Moment) -> Decision:
    """An open alert was silenced by somebody; told, unless the alarm itself had not been."""
    return _step(track, Change.SHELVED, at, _spoken(track, Reason.COMMAND), told=track.withheld is None)


def unshelved(track: Track, at: Moment, reason: Reason) -> Decision:
    """An open alert that had been told before it was shelved speaks again."""
    return _step(track, Change.UNSHELVED, at, reason)


def cleared(track: Track, at: Moment, policy: Policy, reason: Reason) -> Decision:
    """The cause has gone. The end of what was told is told; the answers of this episode count for no other."""
    told = track.withheld is None
    alert = replace(_alert(track), cleared=at)
    rest = replace(
        track, alert=alert, answers=(), clearing=None, blind=False, settled=track.watermark, cooldown_from=at if told else track.cooldown_from
    )
    if policy.acknowledge is Acknowledge.REQUIRED and track.state is AlertState.ACTIVE:
        waiting = replace(rest, state=AlertState.CLEARED_UNACKNOWLEDGED)
        return _step(waiting, Change.CLEARED, at, _spoken(track, reason), told=told)
    return _ended(rest, Change.CLEARED, at, _spoken(track, reason), told=told)


def reset(track: Track, at: Moment, who: str) -> Decision:
    """A latched alarm whose cause has gone is ended by somebody, who has thereby seen it."""
    alert = replace(_alert(track), cleared=at, acknowledged_by=_alert(track).acknowledged_by or who)
    return _ended(replace(track, alert=alert, withheld=None, gone=False, cooldown_from=at), Change.CLEARED, at, Reason.COMMAND)


def withdrawn(track: Track, at: Moment) -> Decision:
    """Its policy is no more: the alert ends, and so does all that the track remembers."""
    told = track.withheld is None
    bare = Track(policy=track.policy, sensor=track.sensor, view=track.view, alert=replace(_alert(track), cleared=at))
    return _ended(bare, Change.CLEARED, at, _spoken(track, Reason.WITHDRAWN), told=told)


def tested(track: Track, at: Moment, policy: Policy, who: str) -> Decision:
    """A test opens: told, whatever silences alarms, for it is the way to people that is tested. The track stays as it is."""
    test = Alert(
        id=alert_id(policy.id, ViewId(f"{track.view} test"), at),  # no alarm's, even one that opens at the same moment
        policy=policy.id,
        sensor=track.sensor,
        view=track.view,
        severity=policy.severity,
        state=AlertState.ACTIVE,
        transition=1,
        opened=at,
        changed=at,
        by=JudgeKind.SUPERVISOR,
        test=True,
    )
    test = replace(test, summary=summary(f"TEST: {policy.title}", test, f"asked for by {who}"))
    return Decision(track=replace(track, test=test), reason=Reason.TESTED, change=Change.OPENED, alert=test, told=True)


def test_over(track: Track, test: Alert, at: Moment) -> Decision:
    """The test ends."""
    over = replace(test, state=AlertState.NORMAL, transition=test.transition + 1, changed=at, cleared=at)
    return Decision(track=replace(track, test=None), reason=Reason.TESTED, change=Change.CLEARED, alert=over, told=True)


def _ended(track: Track, change: Change, at: Moment, reason: Reason, *, told: bool = True) -> Decision:
    """The step after which there is no alert any more."""
    last = _step(replace(track, state=AlertState.NORMAL), change, at, reason, told=told)
    return replace(last, track=replace(last.track, alert=None, withheld=None, gone=False, blind=False, told_at=None, note=""))


def _step(track: Track, change: Change, at: Moment, reason: Reason, *, told: bool = True) -> Decision:
    """Count one transition of the track's alert, which stands in the track's state from now on."""
    old = _alert(track)
    alert = replace(old, state=track.state, transition=old.transition + 1, changed=at)
    after = replace(track, alert=alert, told_at=at if told else track.told_at)
    return Decision(track=after, reason=reason, change=change, alert=alert, told=told)


def _spoken(track: Track, reason: Reason) -> Reason:
    """The reason of a step of an alarm that was told; the name of the silence where it was not."""
    return reason if track.withheld is None else Reason.UNTOLD


def _alert(track: Track) -> Alert:
    """The open alert of a track that has one. The rules take no such step without it."""
    if track.alert is None:
        raise ValueError(f"{track.policy} on {track.view} has no open alert")
    return track.alert
