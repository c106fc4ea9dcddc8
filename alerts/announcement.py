"""What is said aloud of an alert: a text that a speaking program can be given, and whether it has just been said. Pure.

Summaries hold words of models and of the scene, so a text is hostile until it has been through here. It is never part of a command.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from alerts.alert import Alert
from analyzers.policy import PolicyId
from sensors.moment import Moment

MAX_TEXT = 240
"""Characters: some 20 s of speech."""
MAX_SAID = 64
"""Texts that are remembered for not saying them again."""
TEST = "Test. {}"
SCORE = re.compile(r" \(score [^()]+\)")
"""In a summary: a figure for eyes."""
PHONEMES = re.compile(r"\[\[|\]\]")
"""Between these espeak-ng reads sounds instead of letters."""


def text_of(alert: Alert, phrases: Mapping[PolicyId, str]) -> str:
    """What is said of an alert: its policy's own phrase, else its summary. A test says so first."""
    phrase = phrases.get(alert.policy) or SCORE.sub("", alert.summary)
    return spoken(TEST.format(phrase) if alert.test else phrase)


def texts_of(phrases: Mapping[PolicyId, str]) -> tuple[str, ...]:
    """All that is known beforehand of what will be said: each phrase, and behind them each as a test says it."""
    return tuple(dict.fromkeys(spoken(form.format(phrase)) for form in ("{}", TEST) for phrase in phrases.values()))


def spoken(text: str) -> str:
    """The text as it may be given to a speaking program: one line, bounded, of what can be read."""
    return one_line(PHONEMES.sub(" ", text), MAX_TEXT)


def printable(text: str) -> str:
    """A text with blanks for what cannot be printed: line ends, control and direction marks, lone surrogates."""
    return "".join(each if each.isprintable() else " " for each in text)


def one_line(text: str, most: int) -> str:
    """What can be read of a text, in one line, cut between words where it is longer than that."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else line[:most].rpartition(" ")[0] or line[:most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said a short while ago."""

    again_after: timedelta
    """The same text is not said twice within this time."""
    texts: tuple[tuple[str, Moment], ...] = ()

    def repeats(self, text: str, at: Moment) -> bool:
        """Whether it would be the same again, too soon."""
        return any(said == text and timedelta(0) <= at.since(when) < self.again_after for said, when in self.texts)

    def after(self, text: str, at: Moment) -> "Said":
        """Once it has been said."""
        kept = tuple((said, when) for said, when in self.texts if said != text and at.since(when) < self.again_after)
        return replace(self, texts=(*kept, (text, at))[-MAX_SAID:])
