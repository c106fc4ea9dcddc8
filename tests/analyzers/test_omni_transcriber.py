"""Transcripts: of the sound alone, none where nobody speaks, and bounded whatever the model says."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from analyzers.omni.media import mel  # noqa: E402
from analyzers.omni.transcriber import SPEAKS, Transcriber  # noqa: E402
from analyzers.omni.tree import Branch, Media, lay_out, run  # noqa: E402
from analyzers.omni.writer import Vocabulary  # noqa: E402
from analyzers.transcript import MAX_SPOKEN, MAX_TOKENS, Transcript  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model


def noise(loaded: "Loaded", seed: int = 0) -> "NDArray[np.float32]":
    """Three seconds of it, as features."""
    samples = np.random.default_rng(seed).standard_normal(48_000).astype(np.float32) * 0.1
    return mel(samples, loaded.extractor, loaded.family)


def finished(writing: Generator[bool, None, Transcript]) -> tuple[Transcript, int]:
    """What comes of it, and in how many steps a word was written."""
    words = 0
    while True:
        try:
            words += next(writing)
        except StopIteration as end:
            return end.value, words


def speaks(loaded: "Loaded", sound: "NDArray[np.float32]") -> bool:
    """Whether yes is likelier than no, from a forward of its own."""
    prompt, family = loaded.prompt, loaded.family
    root = prompt.listening(family.sound_tokens(sound.shape[1]), family.transcribes_as)
    row = lay_out(root, [Branch(tokens=(), grid=None, leaves=(prompt.asked(SPEAKS),))], 0.0)
    with torch.inference_mode():
        logits = loaded.model.lm_head(run(loaded.model, [row], Media(sights=(), sounds=(sound,))))[0]
    return bool(logits[list(prompt.yes_ids)].logsumexp(0) > logits[list(prompt.no_ids)].logsumexp(0))


def test_where_the_model_hears_nobody_nothing_is_written(loaded: "Loaded", loaded25: "Loaded") -> None:
    heard = set()
    for model in (loaded, loaded25):
        found, words = finished(Transcriber(model, Vocabulary(model)).transcribe(noise(model)))
        heard.add(speaks(model, noise(model)))
        assert speaks(model, noise(model)) == bool(words)
        if not words:
            assert found == Transcript(text="")
    assert heard == {True, False}, "of these two random models one says that somebody speaks"


def test_what_a_random_model_hears_is_bounded_and_plain_and_said_to_be_cut(loaded: "Loaded") -> None:
    transcriber = Transcriber(loaded, Vocabulary(loaded))
    texts = set()
    for seed in range(2):
        found, words = finished(transcriber.transcribe(noise(loaded, seed)))
        assert (found.cut, words < MAX_TOKENS) == (True, True)
        assert 0 < len(found.text) <= MAX_SPOKEN
        assert found.text.isprintable()
        texts.add(found.text)
    hum = np.sin(np.arange(48_000) / 16_000 * 2 * np.pi * 400).astype(np.float32) * 0.3
    texts.add(finished(transcriber.transcribe(mel(hum, loaded.extractor, loaded.family)))[0].text)
    assert len(texts) > 1, "it is of what was heard"


def test_a_family_is_asked_as_its_makers_ask_it(loaded: "Loaded", loaded25: "Loaded") -> None:
    for model, opening in (
        (loaded, "<|im_start|>user\n<|audio_start|>"),
        (loaded25, "<|im_start|>system\nYou are a speech recognition model.<|im_end|>\n<|im_start|>user\n<|audio_bos|>"),
    ):
        tokens = model.prompt.listening(2, model.family.transcribes_as)
        assert model.tokenizer.decode(tokens).startswith(opening)
        assert tokens.count(model.prompt.audio_id) == 2
