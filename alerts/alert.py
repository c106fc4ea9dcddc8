"""An alert: one episode in which a policy's answer was yes on a view, from its opening to its end.

Its states are those of ISA-18.2 / IEC 62682. Only `alerts/rules.py` makes and changes alerts.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NewType

from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
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
    """A trigger in CLEARED_UNACKNOWLEDGED: the same alert again, next transition number."""
    UPDATED = "updated"
    """More is known of it (a summary, a higher severity); the state is as it was."""
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
    """1 for the opening; counts every change that was told."""
    opened: Moment
    changed: Moment
    """The moment of the newest transition."""
    cleared: Moment | None = None
    acknowledged_by: str | None = None
    by: JudgeKind
    """The judge that opened it: only one of its rank or above may clear it."""
    log_odds: float | None = None
    """The highest score of the answers that opened it, and later of the newest yes."""
    window: WindowId | None = None
    """The window whose answer opened it."""
    window_end: Moment | None = None
    """The end of that window: latency is counted from here."""
    summary: str = ""
    """A line for people: policy title, view, and why. Bounded to 300 characters."""
    test: bool = False
