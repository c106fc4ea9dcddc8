"""A policy: the owner's question about what a view shows and sounds like, and what is to happen when the answer is yes.

It is made by the configuration and read by everybody. It knows no model and no channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import log
from typing import NewType

from analyzers.schedule import Schedule
from sensors.cues import CueName
from sensors.window import Sense, SensorId, ViewId

PolicyId = NewType("PolicyId", str)
"""Lower-case letters, digits and hyphens, at most 48: it becomes part of an MQTT topic and a label of metrics."""


class Severity(StrEnum):
    """How urgent an answer is, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def urgency(self) -> int:
        """0 for the most urgent."""
        return list(Severity).index(self)


class Acknowledge(StrEnum):
    """Whether an alarm that has cleared waits for somebody to have seen it."""

    AUTO = "auto"
    REQUIRED = "required"


class OnNoData(StrEnum):
    """What a policy's track does when its sensor gives no window, or not the sense it needs. It never clears."""

    HOLD = "hold"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`count` of the last `of` decided windows must say yes for an alarm to open."""

    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CueRule:
    """Cues alone as an answer: yes when every named cue is at or over its figure. The judge of last resort."""

    at_least: Mapping[CueName, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One question and its alarm rule. Probabilities are 0..1; `clear_below` below `threshold`."""

    id: PolicyId
    title: str
    ask: str
    unless: str | None = None
    """The benign twin: if only this is so, the answer is no."""
    sensors: tuple[SensorId, ...]
    zone: str | None = None
    senses: frozenset[Sense] = frozenset()
    """What it needs to be asked at all; empty: whatever the sensor has."""
    wake: frozenset[CueName] = frozenset()
    """The cues that wake it; empty: any."""
    patrol: timedelta | None = None
    """It is asked at least so often, even when nothing stirs. None: only when woken."""
    severity: Severity = Severity.MEDIUM
    trigger: Trigger = field(default=Trigger(count=1, of=1))
    trigger_span: timedelta | None = None
    """How far apart the yes answers of a trigger may lie. None: twice the time that `of` windows take."""
    threshold: float = 0.5
    clear_below: float | None = None
    """None: the threshold less 1.5 in log-odds."""
    clear_after: timedelta = timedelta(seconds=30)
    cooldown: timedelta = timedelta(0)
    remind_every: timedelta | None = None
    acknowledge: Acknowledge = Acknowledge.AUTO
    active: Schedule | None = None
    """When it is asked, in the site's time zone. None: always."""
    modes: frozenset[str] = frozenset()
    """The arm modes in which it watches; empty: in all of them, and disarmed as well."""
    latched: bool = False
    """An alarm stays until somebody resets it, whatever the answers say."""
    inhibited_by: frozenset[PolicyId] = frozenset()
    on_no_data: OnNoData = OnNoData.HOLD
    fallback: CueRule | None = None
    say: str | None = None
    """What is spoken of its alarms; None: their summary."""
    transcript: bool = False
    """Whether what was said aloud in an alarm's window is written down behind it."""
    weight: float = 1.0
    """Its share of the judge when there is more to ask than can be asked."""

    def watches_in(self, mode: str | None) -> bool:
        """Whether it watches while the box is armed in `mode`; None: while it is disarmed."""
        return not self.modes or mode in self.modes

    def views(self) -> tuple[ViewId, ...]:
        """The views it is asked about: its sensors, or its zone on each of them."""
        return tuple(ViewId(f"{sensor}.{self.zone}" if self.zone else sensor) for sensor in self.sensors)

    @property
    def threshold_log_odds(self) -> float:
        """`threshold` as natural log-odds."""
        return log_odds(self.threshold)

    @property
    def clear_log_odds(self) -> float:
        """The log-odds below which an answer is a no."""
        return self.threshold_log_odds - CLEAR_MARGIN if self.clear_below is None else log_odds(self.clear_below)


CLEAR_MARGIN = 1.5
"""Natural log-odds between a yes and a no where the policy does not say `clear_below`."""


def log_odds(probability: float) -> float:
    """The natural log-odds of a probability strictly between 0 and 1."""
    return log(probability / (1 - probability))
