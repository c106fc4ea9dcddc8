"""What can happen to a track: a judgement, a command, time, evidence, a description, or the end of its policy. Events carry their time with them."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from alerts.alert import Alert
from alerts.evidence import Clip
from analyzers.description import Description
from analyzers.judgement import Judgement
from sensors.moment import Moment

MAX_SHELF = timedelta(hours=24)
MAX_WHO = 100
MAX_WHY = 300


class Verb(StrEnum):
    """What a person may say about a track."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    RESET = "reset"
    """Ends a latched alarm whose cause has gone."""
    TEST = "test"
    """Goes the whole way of an alarm, marked as a test, and ends by itself. It is none of the track's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer came in, at `at` on the box's own clocks."""

    kind: Literal["judged"] = "judged"
    judgement: Judgement
    at: Moment
    note: str = ""
    """What the supervisor can say beyond the verdict, e.g. the sensors that were lost together. A different note of an open alarm
    is told as an update, so it holds no figure that moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """Somebody said something about this track."""

    kind: Literal["commanded"] = "commanded"
    verb: Verb
    who: str
    why: str = ""
    span: timedelta | None = None
    """SHELVE: for how long, up to MAX_SHELF."""
    at: Moment

    def __post_init__(self) -> None:
        """Refuse a silence without an owner or an end."""
        if not self.who or len(self.who) > MAX_WHO or len(self.why) > MAX_WHY:
            raise ValueError(f"say who, in at most {MAX_WHO} characters, and why, in at most {MAX_WHY}")
        if self.verb is Verb.SHELVE and (self.span is None or not timedelta(0) < self.span <= MAX_SHELF):
            raise ValueError("shelve for how long? Give a time above zero and up to 24 h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed. The supervisor ticks every track once a second."""

    kind: Literal["ticked"] = "ticked"
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The policy, or its view, is no longer in the configuration: an alert of it that is open ends here. No person can say this."""

    kind: Literal["withdrawn"] = "withdrawn"
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidenced:
    """A clip of an alert's opening is on the disk. The alert may be over by then."""

    kind: Literal["evidenced"] = "evidenced"
    alert: Alert
    """As it stood after its newest transition."""
    told: bool
    """Whether anything of the alert has been told."""
    clip: Clip
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A judge has described an alert's opening, or what it has said is to be forgotten. The alert may be over by then."""

    kind: Literal["described"] = "described"
    alert: Alert
    """As it stood after its newest transition."""
    told: bool
    """Whether anything of the alert has been told."""
    description: Description | None
    """None: there is none any more."""
    at: Moment


Event = Judged | Commanded | Ticked | Withdrawn | Evidenced | Described
