"""What is said of a hit behind the first message: what is there, what to do first, where in the picture, and since when. A value."""

from dataclasses import dataclass
from enum import StrEnum


class Third(StrEnum):
    """A part of a picture, as one looks at it."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """`what` and `first` are a model's words: bounded, one line, and to be escaped wherever they are shown."""

    what: str
    first: str
    """The first thing to do."""
    where: Third | None
    """None where there is no picture."""
    since: int | None
    """The pair of the window in which it begins, from 0; None where there is no picture, or one pair only."""
