"""Why a decision came out as it did: every telling has a reason, and every silence has a name."""

from enum import StrEnum


class Reason(StrEnum):
    """A closed set: the record, the page's "why not" and the metrics use it as a label."""

    # Told, or at least changed.
    TRIGGERED = "triggered"
    """Enough yes answers: an alarm opened, or opened again."""
    NO_DATA_LASTED = "no_data_lasted"
    """The policy wants an alarm where nothing could be seen for `clear_after`, and that is so."""
    TOLD_LATE = "told_late"
    """What withheld the opening has ended and the alarm still stands."""
    CLEARED = "cleared"
    COMMAND = "command"
    """Somebody said so, and it was done."""
    SHELF_ENDED = "shelf_ended"
    REMIND = "remind"
    TESTED = "tested"
    """Somebody tests a policy's way to people: it opens, and ends by itself."""
    UPDATED = "updated"
    """More is known of an open alarm."""
    EVIDENCE = "evidence"
    """A clip of it is on the disk."""
    DESCRIBED = "described"
    """A judge has described its opening."""
    FORGOTTEN = "forgotten"
    """What was said of its opening is forgotten, as somebody has asked for."""
    WITHDRAWN = "withdrawn"
    """The policy, or its view, is no longer in the configuration; or a model opened the alarm and there is none any more."""

    # Changed and on record, but not told.
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    """An alarm that explains this one (`inhibited_by`) is open on the same view or its sensor."""
    COMMON_CAUSE = "common_cause"
    """One alarm already lists this sensor among several that were lost together."""
    COOLDOWN = "cooldown"
    FLOOD = "flood"
    """One alarm already says that there are too many."""
    UNTOLD = "untold"
    """The end of an alarm whose opening was never told."""

    # Counted, and nothing changed for people.
    NOT_ENOUGH = "not_enough"
    """A yes, or a no among yes answers: the trigger may still be reached."""
    FELL_BACK = "fell_back"
    """The trigger can no longer be reached with the yes answers there were."""
    HELD = "held"
    """A yes for an alarm that is open already."""
    CLEARING = "clearing"
    """No, but not for long enough yet."""
    LATCHED = "latched"
    """The cause has gone; the alarm waits for a reset."""
    CALM = "calm"
    """No, and nothing was open."""
    IDLE = "idle"
    """Time passed and nothing was due."""

    # Not counted.
    UNSURE = "unsure"
    FAILED = "failed"
    NOT_ASKED = "not_asked"
    NO_DATA = "no_data"
    OUTRANKED = "outranked"
    """A no from a judge below the one that opened the alarm."""
    OLD_WINDOW = "old_window"
    """A window from before what has been counted already, and it opens nothing."""
    DUPLICATE = "duplicate"
    """The same window, or the same command, again."""
    OFF_SCHEDULE = "off_schedule"
    """A yes outside the policy's hours."""
    DISARMED = "disarmed"
    """A yes in an arm mode in which the policy does not watch."""
    NO_ALARM = "no_alarm"
    """A command that needs an open alarm, and there is none."""
    STILL_HOLDS = "still_holds"
    """A reset, but the cause has not gone; or a test, but there is a real alarm."""


SILENCES = frozenset({Reason.SHELVED, Reason.SUPPRESSED, Reason.COMMON_CAUSE, Reason.COOLDOWN, Reason.FLOOD})
"""What keeps an opening from being told."""
