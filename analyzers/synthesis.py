"""What the synthesis helper is told, and what it says: texts that a model speaks into files. Small values that travel as datagrams."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

RATE_HZ = 24_000
"""Of what is spoken: one channel of 16 bits."""
LONGEST = timedelta(seconds=30)
"""An announcement is cut off there. A model that has not come to an end by then has lost its thread, and its rendering is not used."""
MAX_PROBLEM = 300
"""Characters."""
MOST_BYTES = 1 << 50
"""No machine has more."""


class Speaker(StrEnum):
    """The voices that Qwen3-Omni was taught."""

    ETHAN = "ethan"
    CHELSIE = "chelsie"
    AIDEN = "aiden"


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerSettings:
    """The helper's first message."""

    kind: Literal["settings"] = "settings"
    model: str
    """Path of the model's folder."""
    speaker: Speaker = Speaker.ETHAN
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A text to be spoken into a file."""

    kind: Literal["line"] = "line"
    text: str
    file: str
    """Path of a file that is made, or made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The model is loaded."""

    kind: Literal["ready"] = "ready"
    weight_bytes: int

    def __post_init__(self) -> None:
        """Refuse what nothing can be reckoned with."""
        if not 0 <= self.weight_bytes <= MOST_BYTES:
            raise ValueError("no model has so many bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The model cannot be loaded. The helper ends."""

    kind: Literal["refused"] = "refused"
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The text lies in its file."""

    kind: Literal["rendered"] = "rendered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrendered:
    """The model made nothing of this text that can be used."""

    kind: Literal["unrendered"] = "unrendered"
    problem: str


Heard = TalkerSettings | Line
Told = Ready | Refused | Rendered | Unrendered
