"""What is said of a hit behind the first message: what is there, what to do first, where in the picture, and since when. Values only."""

from dataclasses import dataclass, replace
from enum import StrEnum

from analyzers.transcript import Transcript
from sensors.moment import Moment

MAX_TEXT = 200
"""Characters of `what` and of `first`, at the very most."""
TEXT_TOKENS = 18
"""Tokens of each of them that the model is asked for."""
CAPTION_TOKENS = 64
"""Of a Captioner's words, which become `what`."""
MAX_TOKENS = 48
"""Of the whole answer, with what its form puts down beside the words: with a Qwen tokenizer it has fewer."""


def is_plain(text: str, most: int = MAX_TEXT) -> bool:
    """Whether it is one bounded line with nothing in it that would act on whoever shows it: as a model's words must be."""
    return len(text) <= most and text.isprintable()


class Third(StrEnum):
    """A part of a view's picture, as one looks at it."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """`what` and `first` are a model's words: bounded, one line, and to be escaped wherever they are shown."""

    what: str
    first: str
    """The first thing to do; may be empty."""
    where: Third | None = None
    """None where there is no picture."""
    since: Moment | None = None
    """The beginning of the pair of pictures in which it begins; None where there is no picture, or one pair only."""
    transcript: Transcript | None = None
    """What was said aloud; None where nobody wanted to know, or where there was no time for it."""

    def without_transcript(self) -> "Description":
        """The same without what was said aloud."""
        return replace(self, transcript=None)

    @property
    def text(self) -> str:
        """In a line, for people. What was said aloud is not in it."""
        where = f" In the {self.where} third of the picture." if self.where else ""
        return f"{self.what}{' To do first: ' if self.first else ''}{self.first}{where}"


class Undescribed(StrEnum):
    """Why a hit has no description. A closed set: metrics use it as a label."""

    CROWDED = "crowded"
    """Too many waited already, or a newer hit of the same policy and view took its place."""
    STALE = "stale"
    """Its turn did not come, or it was not written to its end, while anybody would have wanted it."""
    GONE = "gone"
    """The window's pictures and sound were given up before they could be read."""
    JUDGE = "judge"
    """The judge went down, is of another model, or did not answer."""
    FAULT = "fault"
    """The model failed on it."""
    UNREADABLE = "unreadable"
    """What was written is no description."""
    WITHDRAWN = "withdrawn"
    """The policy or its alert went away meanwhile, or descriptions were switched off."""
    FORGOTTEN = "forgotten"
    """Somebody had what its sensor saw forgotten."""
