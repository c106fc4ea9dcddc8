"""What the broker keeps of a box for whoever comes later, as types, so that their schemas can be generated. It knows no broker.

Each is the whole truth of its topic: what is not in it is not so any more.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from alerts.alert import AlertId, AlertState
from alerts.channels.cloudevents import DescriptionData
from analyzers.policy import PolicyId, Severity
from sensors.fault import FaultReason
from sensors.moment import BootId
from sensors.news import SensorCondition
from sensors.window import SensorId, ViewId


class Presence(StrEnum):
    """Whether the box is there."""

    ONLINE = "online"
    STOPPED = "stopped"
    """It was told to stop, and said so."""
    OFFLINE = "offline"
    """The broker says it in the box's place: the connection broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusData:
    """Whether the box is there. Nothing else that is retained holds while it is not `online`."""

    status: Presence
    boot_id: BootId
    """Another one than before: the machine was restarted."""
    version: str
    """Of Omniwatch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeData:
    """How the box is armed."""

    mode: str
    """The arm mode, or `disarmed`."""
    armed: bool
    since: datetime | None
    """None: nobody has ever said."""
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateData:
    """How a policy stands on a view."""

    policy: PolicyId
    view: ViewId
    state: AlertState
    alert: AlertId | None
    """The alert that is open; None in `normal` and `pending`, as is all that says more of it."""
    transition: int | None
    """The number of the alert's newest change: the same as in the event that told it."""
    severity: Severity | None
    summary: str | None
    description: DescriptionData | None
    """What a model has said of what opened it; None where it has not. What was said aloud is in events alone, which are not retained."""
    log_odds: float | None
    """The score, as natural log-odds of yes against no."""
    opened: datetime | None
    since: datetime | None
    """The moment of the alert's newest change."""
    acknowledged_by: str | None
    silenced: str | None
    """Why people are not told of it at present: `shelved`, or what withholds it. None: nothing is kept from anybody."""
    shelved_until: datetime | None
    blind_since: datetime | None
    """Since when nothing comes from which it could be judged: `normal` then means that nobody knows. None: it is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorData:
    """How a sensor does."""

    sensor: SensorId
    online: bool
    """Whether something fresh comes from it."""
    condition: SensorCondition
    reason: FaultReason | None
    """Why it is lost."""
    since: datetime
    since_boot_ns: int
    """The same on the clock that starts with the machine: no change of the time of day moves it."""
    width: int
    height: int
    fps: float
    sound: bool
    level_dbfs: float | None
    """Of its sound when this was published; full scale is 0. None: there is none."""
    last_frame: datetime | None
    """When its newest picture came, as of when this was published."""
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a heartbeat counts."""

    sensors: int
    sensors_online: int
    judge_ready: bool
    """Whether the model answers; false as well where cues alone judge."""
    alarms: int
    """That are active or acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatData:
    """A sign of life. That none comes is an alarm at the other end."""

    sequence: int
    """Counts from 1 since the box was started."""
    time: datetime
    boot_id: BootId
    up_since_boot_s: int
    """Seconds since the machine was started."""
    sensors: int
    sensors_online: int
    judge_ready: bool
    """Whether the model answers; false as well where cues alone judge."""
    alarms: int
    """That are active or acknowledged."""
    mode: str
    """The arm mode, or `disarmed`."""


Current = StatusData | ModeData | StateData | SensorData | HeartbeatData
KINDS = (StatusData, ModeData, StateData, SensorData, HeartbeatData)
ADAPTERS = {kind: TypeAdapter[Current](kind) for kind in KINDS}


def encoded(value: Current) -> bytes:
    """The value as JSON."""
    return ADAPTERS[type(value)].dump_json(value)
