"""Writes down what is said in a window's sound. It is given nothing but the sound: what a poster shows, nobody has said.

Whether anybody speaks is read from the scores of yes and no, and where nobody does, nothing is written: models for speech put words into
noise. What is written is text of bounded length without controls, which the model may end at any word, also before the first.

The prompt is that of the makers' own evaluation (README of QwenLM/Qwen3-Omni, "Setting for Evaluation": the text behind the sound, no
system text, greedy; for Qwen2.5-Omni the system text of its cookbook `universal_audio_understanding`), but for the name of the language,
which nobody knows here.
"""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from analyzers.omni.reader import Reader
from analyzers.omni.tree import Media
from analyzers.omni.weights import Loaded
from analyzers.omni.writer import CUT_LETTER, Vocabulary, Writer
from analyzers.transcript import MAX_SPOKEN, MAX_TOKENS, Transcript

SPEAKS = "Does anybody speak in this sound? Answer yes or no."
WRITE = "Transcribe the audio into text."
GRAMMAR = rf"""
start: said
said[max_tokens={MAX_TOKENS}]: TEXT
TEXT: /([^\p{{C}}\p{{Z}}]| ){{0,{MAX_SPOKEN}}}/
"""


class Transcriber:
    """Writes transcripts, with the model that the judge has loaded. Only the thread that judges may use it."""

    def __init__(self, loaded: Loaded, vocabulary: Vocabulary) -> None:
        """Ready to write."""
        self._loaded = loaded
        self._writer = Writer(vocabulary, GRAMMAR)

    def transcribe(self, sound: NDArray[np.float32]) -> Generator[bool, None, Transcript]:
        """Write down what is said in a sound, mel features; one short piece of work a step, which yields whether a word was written in it."""
        prompt, family = self._loaded.prompt, self._loaded.family
        root = prompt.listening(family.sound_tokens(sound.shape[1]), family.transcribes_as)
        reader = Reader.of_root(self._loaded, root, Media(sights=(), sounds=(sound,)))
        yield False
        if reader.likeliest(prompt.asked(SPEAKS), (prompt.yes_ids, prompt.no_ids)):
            return Transcript(text="")
        yield False
        written = yield from self._writer.write(reader, prompt.asked(WRITE))
        text = "".join(letter for letter in written.text if letter.isprintable() and letter != CUT_LETTER)
        return Transcript(text=text.strip(), cut=not written.ended)
