"""A Captioner hears a sound and no word, and what it says is bounded; it says what is heard in hits of the ear, and in no others."""

import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from analyzers.description import MAX_TEXT, Description  # noqa: E402
from analyzers.interview import JudgeSettings, Quantization  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.captioner import Captioner, shortened  # noqa: E402
from analyzers.omni.media import mel  # noqa: E402
from analyzers.omni.plan import ModelError  # noqa: E402
from analyzers.omni.second_step import Describer, perceive  # noqa: E402
from analyzers.omni.sight import Pairs  # noqa: E402
from analyzers.omni.weights import load  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.scene import BOTH, SOUND, Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analyzers.omni.weights import Loaded
    from analyzers.policy import Policy

pytestmark = pytest.mark.model

GLASS = policy("Does glass break?", senses=SOUND)


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> "Loaded":
    """A random Captioner, with other weights than the judge's."""
    folder = tmp_path_factory.mktemp("models") / "Qwen3-Omni-tiny-Captioner"
    folder.mkdir()
    settings = JudgeSettings(model=str(tiny.save(folder, seed=7)), quantization=Quantization.NONE, device="cpu")
    with pytest.raises(ModelError, match=r"is a Captioner model: .*it can be `judge\.describe\.captioner`"):
        load(settings)
    return load(settings, captions=True)


def described(loaded: "Loaded", captioner: Captioner | None, scene: Scene, asked: "Policy") -> Description:
    question = Question(window=scene.window((0, 1, 2), BOTH), view=scene.whole, policies=(asked,))
    steps = Describer(loaded, captioner).describe(perceive(question, loaded, scene.slots, Pairs(loaded.family)))
    found = None
    while found is None:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
    return found


def sound(loaded: "Loaded", scene: Scene) -> "NDArray[np.float32]":
    return mel(scene.slots.window_sound((0, 1, 2)), loaded.extractor, loaded.family)


def captioned(captioner: Captioner, heard: "NDArray[np.float32]") -> tuple[str, int]:
    """What it says, and in how many steps a word was written."""
    writing, words = captioner.caption(heard), 0
    while True:
        try:
            words += next(writing)
        except StopIteration as end:
            return end.value, words


def test_it_says_what_is_heard_and_the_judges_own_model_what_to_do(loaded: "Loaded", captions: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene, captioner = make_scene(), Captioner(captions)
    said, words = captioned(captioner, sound(captions, scene))
    assert 0 < len(said) <= MAX_TEXT
    assert words > 1
    by_it, alone = described(loaded, captioner, scene, GLASS), described(loaded, None, scene, GLASS)
    assert by_it.what == said != alone.what
    assert by_it.first.isprintable()


class Breaks(Captioner):
    """One that has no memory left behind its first step."""

    def caption(self, sound: "NDArray[np.float32]") -> Generator[bool, None, str]:
        yield next(super().caption(sound))
        raise torch.OutOfMemoryError("no memory is left")


def test_where_it_fails_the_judges_own_model_says_what_is_heard(
    loaded: "Loaded", captions: "Loaded", make_scene: Callable[..., Scene], caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene()
    assert described(loaded, Breaks(captions), scene, GLASS) == described(loaded, None, scene, GLASS)
    assert "the captioner failed" in caplog.text


def test_it_is_given_a_sound_and_no_word(captions: "Loaded") -> None:
    prompt = captions.prompt
    shown = captions.tokenizer.decode(prompt.listening(1, "") + prompt.asked(""))
    assert shown == "<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n<|im_start|>assistant\n"


def test_what_is_seen_is_not_its_business(loaded: "Loaded", captions: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene, person = make_scene(), policy("Is there a person?")
    assert described(loaded, Captioner(captions), scene, person) == described(loaded, None, scene, person)


def test_a_model_that_is_no_captioner_is_refused_as_one(tiny_folder: Path, tmp_path: Path) -> None:
    instruct = shutil.copytree(tiny_folder, tmp_path / "Qwen3-Omni-tiny-Instruct")
    with pytest.raises(ModelError, match="is no Captioner model, by its name; take Qwen3-Omni-30B-A3B-Captioner"):
        load(JudgeSettings(model=str(instruct), device="cpu"), captions=True)


LONG = "A loud crash of glass is heard, then silence. After that a man"


@pytest.mark.parametrize(
    ("why", "text", "whole", "kept"),
    [
        ("it ended by itself", "A dog barks", True, "A dog barks"),
        ("the sentences that are whole", LONG, False, "A loud crash of glass is heard, then silence."),
        ("not even one is", "A dog barks somewhere behind the hou", False, "A dog barks somewhere behind the…"),
        ("one word without end", "x" * MAX_TEXT, False, "x" * (MAX_TEXT - 1) + "…"),
        ("a letter that was cut in two", "Es h\u00f6rt\ufffd", True, "Es h\u00f6rt"),
        ("nothing", "  ", True, ""),
    ],
)
def test_a_caption_is_kept_as_far_as_it_makes_sense(*, why: str, text: str, whole: bool, kept: str) -> None:
    found = shortened(text, whole=whole)
    assert found == kept, why
    assert len(found) <= MAX_TEXT
