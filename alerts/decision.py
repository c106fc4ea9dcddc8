"""A decision: what one event did to one track. And the context: what the rules are told beside the event.

Neither knows a channel; `told` says only whether channels are to be told.
"""

from dataclasses import dataclass
from datetime import timedelta

from alerts.alert import Alert, Change
from alerts.reason import Reason
from alerts.track import Track
from analyzers.policy import PolicyId
from sensors.window import SensorId, ViewId


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What else is so on the box at the moment of the event."""

    stride: timedelta
    """From one window of the track's sensor to the next (`every`), or between two judgements of the supervisor."""
    active: frozenset[tuple[PolicyId, ViewId]] = frozenset()
    """Alarms of other tracks that hold and have been told (`Track.has_told`): what has told nobody silences nobody."""
    grouped: frozenset[SensorId] = frozenset()
    """Sensors that the common-cause alarm lists."""
    mode: str | None = None
    """The arm mode; None: disarmed."""
    test: bool = False
    """Whatever opens now is a test and says so, and nothing silences it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The new track; what changed, and the alert as it stands then; why; and whether channels are to be told.

    `change` and `alert` come together or not at all. A change that is not told is on record like any other and has a number.
    """

    track: Track
    reason: Reason
    change: Change | None = None
    alert: Alert | None = None
    told: bool = False

    @property
    def opens(self) -> bool:
        """Whether an alarm opened (or opened again) just now, told or not. A late telling of one that had, or a test, is no opening."""
        return self.change in (Change.OPENED, Change.REOPENED) and self.reason not in LATE and not (self.alert and self.alert.test)


LATE = (Reason.TOLD_LATE, Reason.SHELF_ENDED, Reason.COMMAND)
"""Reasons for which an opening that is on record already is told."""
