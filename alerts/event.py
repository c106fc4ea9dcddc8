"""What can happen to a track: a judgement, a person's command, or the passing of time. Events carry their time with them."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from analyzers.judgement import Judgement
from sensors.moment import Moment


class Verb(StrEnum):
    """What a person may say about a track."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    RESET = "reset"
    """Ends a latched alarm whose cause has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer came in, at `at` on the box's own clocks."""

    kind: Literal["judged"] = "judged"
    judgement: Judgement
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """Somebody said something about this track."""

    kind: Literal["commanded"] = "commanded"
    verb: Verb
    who: str
    why: str = ""
    span: timedelta | None = None
    """SHELVE: for how long."""
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed. The supervisor ticks every track once a second."""

    kind: Literal["ticked"] = "ticked"
    at: Moment


Event = Judged | Commanded | Ticked
