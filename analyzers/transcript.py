"""What was said aloud in an alarm's window, as a model has written it down. Values only."""

from dataclasses import dataclass
from enum import StrEnum

MAX_SPOKEN = 400
"""Characters, at the very most."""
MAX_TOKENS = 96
"""Tokens that the model is asked for: some 25 s of slow speech, 10 s of fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Somebody's words as a model took them: bounded, one line, and to be escaped wherever they are shown."""

    text: str
    """In the language that was spoken. Empty: nobody speaks."""
    cut: bool = False
    """Whether more may have been said than there was room for."""


class Transcribed(StrEnum):
    """What became of a transcript that was wanted, where its alarm was described. A closed set: a metric uses it as a label."""

    WORDS = "words"
    CUT = "cut"
    """Words, and more than there was room for."""
    SILENCE = "silence"
    """Nobody speaks."""
    MISSING = "missing"
    """There was no time for it, the model failed on it, or the window's sound is not there."""


def outcome(transcript: Transcript | None) -> Transcribed:
    """Which of them it is."""
    if transcript is None:
        return Transcribed.MISSING
    if transcript.cut:
        return Transcribed.CUT
    return Transcribed.WORDS if transcript.text else Transcribed.SILENCE
