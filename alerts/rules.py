"""The rules: one pure function that folds events into tracks. No clock, no I/O: time is in the event.

What a state does with an event (a blank: nothing changes, and the decision's reason says why):

    state                    enough yes   no for clear_after     acknowledge       reset        tick
    -----------------------  -----------  ---------------------  ----------------  -----------  ---------------------------
    NORMAL                   ACTIVE (1)                                                         no data too long: ACTIVE (2)
    PENDING                  ACTIVE (1)   NORMAL (3)                                            yes answers too old: NORMAL
    ACTIVE                                NORMAL (4), (5)        ACKNOWLEDGED                   reminder; told late (1)
    ACTIVE, cause gone (5)   ACTIVE       (already gone)         ACKNOWLEDGED      NORMAL       reminder; told late (1)
    ACKNOWLEDGED                          NORMAL, (5)
    ACKNOWLEDGED, gone (5)   ACTIVE       (already gone)                           NORMAL
    CLEARED_UNACKNOWLEDGED   ACTIVE                              NORMAL                         reminder; told late (1)

    (1) told at once, unless something silences it (`silence.py`): then it opens on record, and is told when that has ended.
    (2) only with `on_no_data: alarm`. An alarm that opened so is "blind": a yes is then a new trigger, not more of the same.
    (3) as soon as the yes answers there were cannot be part of a trigger any more.
    (4) CLEARED_UNACKNOWLEDGED where the policy requires acknowledgement.
    (5) a latched alarm stays as it is, and is marked: its cause has gone.

Yes from anybody counts. No counts towards clearing only from a judge that ranks at least as high as the one that opened the
alarm, and only in a window that is not older than what was counted. UNSURE, FAILED and NOT_ASKED neither count nor reset.
NO_DATA clears nothing and makes clearing begin afresh. A withdrawn policy ends its alert, in any state. Evidence and descriptions
change no state; they are told of an alert that is over as well. A test is an alert beside the state: it opens and ends, and nothing else hears of it.
"""

from dataclasses import replace
from datetime import timedelta

from alerts import episode
from alerts.alert import AlertState
from alerts.command import commanded
from alerts.decision import Context, Decision
from alerts.event import Commanded, Described, Event, Evidenced, Judged, Ticked, Withdrawn
from alerts.reason import Reason
from alerts.tick import ticked
from alerts.track import Answer, Track
from alerts.trigger import fold, hits, kept, may_still, span_of
from analyzers.judgement import Judgement, Verdict
from analyzers.policy import Policy
from analyzers.score import threshold_of
from sensors.moment import Moment

UNCOUNTED = {Verdict.UNSURE: Reason.UNSURE, Verdict.FAILED: Reason.FAILED, Verdict.NOT_ASKED: Reason.NOT_ASKED}


def decide(track: Track, event: Event, policy: Policy, context: Context) -> Decision:
    """What `event` does to `track`. ValueError where policy or event are not the track's: that is the caller's fault."""
    if track.policy != policy.id:
        raise ValueError(f"a track of {track.policy} was given the policy {policy.id}")
    match event:
        case Judged():
            return _judged(track, event, policy, context)
        case Commanded():
            return commanded(track, event, policy, context)
        case Ticked():
            return ticked(track, event.at, policy, context)
        case Withdrawn():
            return withdraw(track, event.at)
        case Evidenced():
            return episode.evidenced(track, event)
        case Described():
            return episode.described(track, event)


def withdraw(track: Track, at: Moment) -> Decision:
    """The end of a track whose policy is no more; also for one that a restart found in the store and no policy claims.

    A test that is under way ends first: what is left is withdrawn by another call.
    """
    if track.test is not None:
        return episode.test_over(track, track.test, at)
    if track.alert is None:
        return Decision(track=Track(policy=track.policy, sensor=track.sensor, view=track.view), reason=Reason.WITHDRAWN)
    return episode.withdrawn(track, at)


def withdrawals(track: Track, at: Moment) -> tuple[Decision, ...]:
    """All that is to be withdrawn of a track."""
    first = withdraw(track, at)
    return (first,) if track.test is None else (first, withdraw(first.track, at))


def _judged(track: Track, event: Judged, policy: Policy, context: Context) -> Decision:
    judgement = event.judgement
    if (judgement.policy, judgement.view) != (track.policy, track.view):
        raise ValueError(f"a track of {track.policy} on {track.view} was given a judgement of {judgement.policy} on {judgement.view}")
    match judgement.verdict:
        case Verdict.YES:
            return _yes(track, event, policy, context)
        case Verdict.NO:
            return _no(track, event, policy)
        case Verdict.NO_DATA:
            return _no_data(track, event)
        case Verdict.UNSURE | Verdict.FAILED | Verdict.NOT_ASKED:
            old = _is_older(judgement.end, track.watermark)
            return Decision(track=track if old else replace(track, no_data_since=None), reason=UNCOUNTED[judgement.verdict])


def _yes(track: Track, event: Judged, policy: Policy, context: Context) -> Decision:
    """Yes, from whatever judge and of whatever age: it may open."""
    judgement, answer = event.judgement, Answer.of(event.judgement)
    answers = fold(track.answers, answer)
    if answers is None:
        return Decision(track=track, reason=Reason.DUPLICATE)
    if track.settled is not None and not _is_newer(judgement.end, track.settled):
        return Decision(track=track, reason=Reason.OLD_WINDOW)
    seen = _seen(track, judgement, answers, policy)
    if track.is_open and not track.gone and not track.blind:
        return _still_yes(seen, event, policy)
    if off := _off_watch(policy, judgement, context):
        return Decision(track=track, reason=off)
    seen = replace(seen, note=event.note)
    group = hits(answers, answer, policy.trigger, span_of(policy, context.stride))
    if group:
        return episode.raised(seen, event.at, policy, context, reason=Reason.TRIGGERED, hits=group)
    return Decision(track=_pending(seen, policy), reason=Reason.NOT_ENOUGH)


def _off_watch(policy: Policy, judgement: Judgement, context: Context) -> Reason | None:
    """Why the policy opens nothing now, by its owner's word."""
    if policy.active is not None and not policy.active.is_on(judgement.end.utc):
        return Reason.OFF_SCHEDULE
    return None if policy.watches_in(context.mode) else Reason.DISARMED


def _still_yes(track: Track, event: Judged, policy: Policy) -> Decision:
    """Yes again. A clearing that had begun is off; an old window's yes, too, contradicts what came after it."""
    if track.alert is None:
        raise ValueError(f"{track.policy} on {track.view} is open without an alert")
    score, threshold = event.judgement.log_odds, threshold_of(policy, event.judgement.by)
    alert = track.alert if score is None else replace(track.alert, log_odds=score, threshold=threshold)
    held = replace(track, clearing=None, alert=alert, note=event.note or track.note)
    if held.note != track.note or policy.severity.urgency < alert.severity.urgency:
        return episode.updated(held, event.at, policy)
    return Decision(track=held, reason=Reason.HELD)


def _no(track: Track, event: Judged, policy: Policy) -> Decision:
    """No: the only verdict that clears, and only in order and from a judge of rank."""
    judgement = event.judgement
    if _is_older(judgement.end, track.watermark):
        return Decision(track=track, reason=Reason.OLD_WINDOW)
    answers = fold(track.answers, Answer.of(judgement))
    if answers is None:
        return Decision(track=track, reason=Reason.DUPLICATE)
    seen = _seen(track, judgement, answers, policy)
    return _open_no(seen, event, policy) if track.is_open else _calmer(track, _pending(seen, policy))


def _open_no(seen: Track, event: Judged, policy: Policy) -> Decision:
    """No, for an alarm that is open; `seen` has it counted."""
    judgement = event.judgement
    if seen.gone:
        return Decision(track=seen, reason=Reason.LATCHED)
    if seen.alert is not None and judgement.by.rank < seen.alert.by.rank:
        return Decision(track=seen, reason=Reason.OUTRANKED)
    began = _clearing_since(seen, judgement.end)
    if judgement.end.since(began) < policy.clear_after:
        return Decision(track=replace(seen, clearing=began), reason=Reason.CLEARING)
    if policy.latched:
        gone = replace(seen, gone=True, answers=(), clearing=None, settled=seen.watermark)
        return Decision(track=gone, reason=Reason.LATCHED)
    return episode.cleared(seen, event.at, policy, Reason.CLEARED)


def _no_data(track: Track, event: Judged) -> Decision:
    """Nothing could be seen or heard: it clears nothing, and what had begun to clear has to begin again."""
    judgement = event.judgement
    if _is_older(judgement.end, track.watermark):
        return Decision(track=track, reason=Reason.OLD_WINDOW)
    since = track.no_data_since
    if since is None or judgement.end.since(since) < timedelta(0):  # a boot with a clock that was set back
        since = judgement.end
    return Decision(track=replace(track, watermark=judgement.end, clearing=None, no_data_since=since), reason=Reason.NO_DATA)


def _seen(track: Track, judgement: Judgement, answers: tuple[Answer, ...], policy: Policy) -> Track:
    """The track with an answer counted."""
    if _is_older(judgement.end, track.watermark):
        return replace(track, answers=kept(answers, policy.trigger))
    return replace(track, answers=kept(answers, policy.trigger), watermark=judgement.end, no_data_since=None)


def _pending(track: Track, policy: Policy) -> Track:
    """PENDING or NORMAL, whichever the answers say. One that has cleared and waits to be seen, or is open, stays so."""
    if track.state not in (AlertState.NORMAL, AlertState.PENDING):
        return track
    return replace(track, state=AlertState.PENDING if may_still(track.answers, policy.trigger) else AlertState.NORMAL)


def _calmer(before: Track, after: Track) -> Decision:
    """No, where nothing holds."""
    if after.state is AlertState.PENDING:
        return Decision(track=after, reason=Reason.NOT_ENOUGH)
    return Decision(track=after, reason=Reason.FELL_BACK if before.state is AlertState.PENDING else Reason.CALM)


def _clearing_since(track: Track, end: Moment) -> Moment:
    """The end of the first no in a row. One from before a restart of the box counts for nothing: nobody looked in between."""
    return track.clearing if track.clearing is not None and track.clearing.boot_id == end.boot_id else end


def _is_older(end: Moment, than: Moment | None) -> bool:
    """Whether a window ended before `than`. Windows do not outlive a boot, so one of another boot is never older."""
    return than is not None and than.boot_id == end.boot_id and end.since(than) < timedelta(0)


def _is_newer(end: Moment, than: Moment) -> bool:
    return than.boot_id != end.boot_id or end.since(than) > timedelta(0)
