"""What is written has its form whatever the model wants to write, and it is known whether the model or a bound ended it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from llguidance import LLMatcher  # noqa: E402

from analyzers.omni import second_step  # noqa: E402
from analyzers.omni.transcriber import GRAMMAR  # noqa: E402
from analyzers.omni.writer import Vocabulary, Writer, Written  # noqa: E402
from analyzers.transcript import MAX_TOKENS  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

END = "<|im_end|>"


class Wants:
    """A model that wants to write exactly this, and where it may not, would end."""

    def __init__(self, size: int, wanted: Sequence[int], end: int) -> None:
        self.size, self.wanted, self.end, self.count = size, wanted, end, 0

    def read(self, tokens: Sequence[int]) -> "Tensor":
        """Whatever was asked or written."""
        del tokens
        logits = torch.zeros(self.size)
        logits[self.end] = 1.0
        if self.count < len(self.wanted):
            logits[self.wanted[self.count]] = 2.0
        self.count += 1
        return logits


def written(loaded: "Loaded", text: str) -> tuple[Written, int]:
    """What becomes of a text that the model wants to write, and how many words it chose."""
    vocabulary, tokenizer = Vocabulary(loaded), loaded.tokenizer
    wants = Wants(vocabulary.size, tokenizer.encode(text, add_special_tokens=False), tokenizer.convert_tokens_to_ids(END))
    writing = Writer(vocabulary, GRAMMAR).write(wants, (1, 2))
    words = 0
    while True:
        try:
            words += next(writing)
        except StopIteration as end:
            return end.value, words


@pytest.mark.parametrize("text", ["Hilfe, ich bin gestürzt!", 'He said "stop" \\ and {"what": 1}', "助けて", "", "x" * (MAX_TOKENS - 1)])
def test_what_the_model_wants_to_say_is_what_is_written_until_it_ends(loaded: "Loaded", text: str) -> None:
    assert written(loaded, text)[0] == Written(text=text, ended=True)


HOSTILE = [
    ("a new line", "\n"),
    ("a terminal's orders", "\x1b"),
    ("right to left", "\u202e"),
    ("a line of one's own", "\u2028"),
    ("a space that is none", "\u00a0"),
    ("a token of the protocol", "<|im_start|>"),
    ("a thought", "<think>"),
]


@pytest.mark.parametrize(("why", "wanted"), HOSTILE, ids=[row[0] for row in HOSTILE])
def test_what_could_act_on_a_reader_is_not_written_however_much_it_is_wanted(loaded: "Loaded", why: str, wanted: str) -> None:
    found, _ = written(loaded, f"stop{wanted}go")
    assert found.text.isprintable(), why
    assert wanted not in found.text


def test_what_never_ends_is_cut_at_the_bound(loaded: "Loaded") -> None:
    found, words = written(loaded, "ha" * 5 * MAX_TOKENS)
    assert not found.ended
    assert words == MAX_TOKENS - 1, "behind the last nothing is read any more"


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u3000"])
def test_a_description_has_no_blanks_that_would_make_it_unreadable(loaded: "Loaded", blank: str) -> None:
    matcher = LLMatcher(Vocabulary(loaded).tokens, LLMatcher.grammar_from_lark(second_step.GRAMMAR))
    said = '{"what": "Au feu%s!", "first": "Stop"}'
    fine, unreadable = (loaded.tokenizer.encode(said % each, add_special_tokens=False) for each in (" ", blank))
    assert matcher.validate_tokens(fine) == len(fine)
    assert matcher.validate_tokens(unreadable) < len(unreadable)
