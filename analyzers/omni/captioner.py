"""Says what is heard, with a model that is made for that. It is given a sound and no word: a Captioner takes no question.

Its prompt is a turn that holds a sound alone (README of QwenLM/Qwen3-Omni: one sound at a time, no text, and not much longer than 30 s). It
tells at length and in English; what is kept are the sentences that there is room for.
"""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from analyzers.description import CAPTION_TOKENS, MAX_TEXT
from analyzers.omni.reader import Reader
from analyzers.omni.tree import Media
from analyzers.omni.weights import Loaded
from analyzers.omni.writer import CUT_LETTER, Vocabulary, Writer

GRAMMAR = rf"""
start: said
said[max_tokens={CAPTION_TOKENS}]: TEXT
TEXT: /([^"\\\p{{C}}\p{{Z}}]| ){{1,{MAX_TEXT}}}/
"""
"""Without quotes and escapes, as it becomes a string of the description's JSON."""
ENDS = (". ", "! ", "? ")


class Captioner:
    """Captions sounds. Only the thread that judges may use it."""

    def __init__(self, loaded: Loaded) -> None:
        """Read the vocabulary: seconds of work."""
        self.loaded = loaded
        self._writer = Writer(Vocabulary(loaded), GRAMMAR)

    def caption(self, sound: NDArray[np.float32]) -> Generator[bool, None, str]:
        """Say what is heard in a sound, mel features; one short piece of work a step, which yields whether a word was written in it."""
        prompt, family = self.loaded.prompt, self.loaded.family
        root = prompt.listening(family.sound_tokens(sound.shape[1]), "")
        reader = Reader.of_root(self.loaded, root, Media(sights=(), sounds=(sound,)))
        yield False
        written = yield from self._writer.write(reader, prompt.asked(""))
        return shortened(written.text, whole=written.ended)


def shortened(text: str, *, whole: bool) -> str:
    """The sentences that are whole; where not even one is, the words that are, and `…`."""
    line = " ".join("".join(letter for letter in text if letter.isprintable() and letter != CUT_LETTER).split())
    if whole:
        return line
    end = max(line.rfind(mark) for mark in ENDS)
    if end > 0:
        return line[: end + 1]
    return f"{line[: MAX_TEXT - 1].rpartition(' ')[0] or line[: MAX_TEXT - 1]}…"
