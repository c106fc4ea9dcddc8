"""Writes what a model says behind what it has read, within a grammar, so that its form does not depend on what the model wants.

llguidance masks every token that the grammar has no place for. What it leaves no choice of is put down without asking the model.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor

from analyzers.omni.weights import Loaded

CUT_LETTER = "\ufffd"
"""What is read of a letter of which a bound has left some bytes."""


class Reads(Protocol):
    """Whoever reads on, as `Reader` does."""

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Read on; what the model would say next: float[vocabulary]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the model has written."""

    text: str
    ended: bool
    """Whether the model ended it, where the grammar would have had room for more."""


class Vocabulary:
    """A tokenizer as grammars know it. Reading it takes seconds, and one serves all grammars."""

    def __init__(self, loaded: Loaded) -> None:
        """Read it."""
        self.size: int = loaded.model.lm_head.weight.shape[0]
        self.tokenizer: Any = loaded.tokenizer
        self.tokens: LLTokenizer = from_tokenizer(loaded.tokenizer, n_vocab=self.size)


class Writer:
    """Writes within one grammar."""

    def __init__(self, vocabulary: Vocabulary, grammar: str) -> None:
        """`grammar` is in llguidance's dialect of Lark."""
        self._vocabulary = vocabulary
        self._grammar = LLMatcher(vocabulary.tokens, LLMatcher.grammar_from_lark(grammar))

    def write(self, reader: Reads, asked: Sequence[int]) -> Generator[bool, None, Written]:
        """Write an answer to what is asked. It yields after each step of the model whether that was a choice of a word."""
        grammar = self._grammar.deep_copy()
        logits = reader.read(asked)
        tokens: list[int] = []
        while not grammar.is_stopped():
            forced = grammar.compute_ff_tokens()
            chosen = forced or [self._chosen(grammar, logits)]
            if not grammar.consume_tokens(chosen):
                break
            tokens += chosen
            if not grammar.is_stopped():
                logits = reader.read(chosen)
                yield not forced
        ended = grammar.stop_reason() == "EndOfSentence"
        said: str = self._vocabulary.tokenizer.decode(tokens[:-1] if ended else tokens)
        return Written(text=said, ended=ended)

    def _chosen(self, grammar: LLMatcher, logits: Tensor) -> int:
        """The likeliest of the tokens that the grammar has a place for."""
        bits = np.unpackbits(np.frombuffer(grammar.compute_bitmask(), np.uint8), bitorder="little")[: self._vocabulary.size]
        may = torch.from_numpy(bits.astype(bool)).to(logits.device)
        return int(logits.masked_fill(~may, -torch.inf).argmax())
