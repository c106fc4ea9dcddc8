"""An alert: one episode in which a policy's answer was yes on a view, from its opening to its end.

Its states are those of ISA-18.2 / IEC 62682. Only the rules (`rules.py`, by way of `episode.py`) make and change alerts.
"""

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Literal, NewType

from alerts.evidence import Clip
from analyzers.description import Description
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from analyzers.score import shown
from sensors.moment import Moment
from sensors.window import SensorId, ViewId, WindowId

AlertId = NewType("AlertId", str)
"""26 characters of a-z2-7, worked out from policy, view and opening moment, so that a replay of the log gives the same."""


class AlertState(StrEnum):
    """The states of a track and of its alert."""

    NORMAL = "normal"
    PENDING = "pending"
    """At least one yes, not yet enough of them. No alert exists yet."""
    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"
    """The cause has gone; nobody has said that they saw it, and the policy wants that said."""


class Change(StrEnum):
    """What a transition did to an alert. The last part of an MQTT event's type."""

    OPENED = "opened"
    REOPENED = "reopened"
    """The same alert again, next transition number: a trigger when it had cleared and nobody had seen it, or was latched and its
    cause had gone, or had been opened because no data came."""
    UPDATED = "updated"
    """More is known of it (a summary, a description, a higher severity, a clip); the state is as it was."""
    REMINDED = "reminded"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as it stands after `transition` changes."""

    kind: Literal["alert"] = "alert"
    id: AlertId
    policy: PolicyId
    sensor: SensorId
    view: ViewId
    severity: Severity
    state: AlertState
    transition: int
    """1 for the opening; counts every change, told or not, so that those on record have no gap."""
    opened: Moment
    changed: Moment
    """The moment of the newest transition."""
    cleared: Moment | None = None
    acknowledged_by: str | None = None
    by: JudgeKind
    """The judge that opened it: only one of its rank or above may clear it."""
    log_odds: float | None = None
    """The highest score of the answers that opened it, and later of the newest yes."""
    threshold: float | None = None
    """Natural log-odds from which on that judge's answer is a yes: what the score is to be compared with."""
    window: WindowId | None = None
    """The window whose answer opened it."""
    window_end: Moment | None = None
    """The end of that window: latency is counted from here."""
    summary: str = ""
    """A line for people: policy title, view, and why. At most MAX_SUMMARY characters."""
    test: bool = False
    evidence: tuple[Clip, ...] = ()
    """The newest clips, at most MAX_CLIPS."""
    description: Description | None = None
    """What a judge has said of the window that opened it; None where it has not, or was not asked."""

    @property
    def how_sure(self) -> str:
        """Score and threshold for people; nothing where nobody scored."""
        return "" if self.log_odds is None or self.threshold is None else shown(self.log_odds, self.threshold)


MAX_SUMMARY = 300
MAX_CLIPS = 4
ID_LENGTH = 26


def alert_id(policy: PolicyId, view: ViewId, opened: Moment) -> AlertId:
    """The id of the alert that `policy` opened on `view` at `opened`: 130 bits of a hash, in base 32."""
    text = "\0".join((policy, view, opened.utc.isoformat(), str(opened.boot_ns), opened.boot_id))
    return AlertId(b32encode(sha256(text.encode()).digest()).decode().lower()[:ID_LENGTH])


def summary(title: str, alert: Alert, note: str) -> str:
    """The line for people: whose question, where, how sure, and more that is known."""
    text = f"{title} on {alert.view}{f' ({alert.how_sure})' if alert.how_sure else ''}{': ' if note else ''}{note}"
    return text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 1] + "…"
