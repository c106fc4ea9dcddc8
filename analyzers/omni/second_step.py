"""The second step, for a hit alone: what is there and what to do first, written; where and since when, read from scores of labels.

The window is read once into a cache of keys and values, from what the judge has already made of its picture and sound. Words come token
by token, so that whoever runs it can stop between any two and judge a window that has just come.

What is written is held to a grammar by llguidance, which masks every token that the grammar has no place for: an object of two strings
of bounded length without controls, quotes or escapes. What the grammar leaves no choice of is put down without asking the model.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from transformers import DynamicCache

from analyzers.description import MAX_TEXT, Description, Third, is_plain
from analyzers.judge import Question
from analyzers.omni.media import Grid, mel, sight_tokens
from analyzers.omni.sight import Pairs
from analyzers.omni.tower import Seen
from analyzers.omni.tree import Branch, Media, heard, lay_out, looked
from analyzers.omni.weights import Loaded
from analyzers.policy import Policy
from sensors.moment import NANOSECONDS
from sensors.slots import Slots
from sensors.window import Sense, Window

HIT = "The answer to this was yes: {ask} "
WHERE = HIT + "In which third of the picture is it, left, middle or right? Answer with one word."
SINCE = HIT + "The pictures show {count} moments, one after the other. In which of them does it begin? Answer with a number from 1 to {count}."
WRITE = HIT + 'In {language} and in a few words: what is there, and what is to be done first? Answer as JSON: "what" and "first".'
ITS_LANGUAGE = "the language of that question"
MAX_WORDS = 18
"""Tokens of each of the two strings that the model is asked for. With what the grammar puts down, an answer of a Qwen tokenizer has under 48."""
GRAMMAR = rf"""
start: "{{\"what\": \"" what "\", \"first\": \"" first "\"}}"
what[max_tokens={MAX_WORDS}]: TEXT
first[max_tokens={MAX_WORDS}]: TEXT
TEXT: /[^"\\\p{{C}}\p{{Zl}}\p{{Zp}}]{{1,{MAX_TEXT}}}/
"""
MAX_MOMENTS = 9
"""Moments that are told apart: numbers of one digit. A longer window's pairs are taken together."""

Steps = Generator[bool, None, Description | None]
"""Yields after each piece of work whether a word was written in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What is written, as the schema of its JSON."""

    what: str
    first: str


WRITTEN = TypeAdapter(_Written)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no single truth of equality
class Hit:
    """A view of a window that a policy said yes to, as the judge has perceived it: nothing of it lies in the sensor's slots any more."""

    policy: Policy
    window: Window
    grid: Grid | None
    seen: Seen | None
    sound: NDArray[np.float32] | None
    """Mel features."""
    step: float
    """Positions from one pair to the next."""


def perceive(asked: Question, loaded: Loaded, memory: Slots, pairs: Pairs) -> Hit:
    """Look at and hear what one policy hit. KeyError or ValueError where `memory` does not hold it; RuntimeError is torch's."""
    (policy,) = asked.policies
    window, view = asked.window, asked.window.view(asked.view)
    sight = pairs.sight(window, view, memory) if Sense.SIGHT in window.senses and view.height else None
    return Hit(
        policy=policy,
        window=window,
        grid=sight.grid if sight else None,
        seen=pairs.glance(loaded.model.model.visual, sight) if sight else None,
        sound=mel(memory.window_sound(window.slots), loaded.extractor, loaded.family) if Sense.SOUND in window.senses else None,
        step=_pair(window).total_seconds() * loaded.model.config.position_id_per_seconds,
    )


def _pair(window: Window) -> timedelta:
    """How long each of its pairs lasts."""
    return timedelta(seconds=(window.end.boot_ns - window.start.boot_ns) / NANOSECONDS / len(window.slots))


class Describer:
    """Describes hits, with the model that the judge has loaded. Only the thread that judges may use it."""

    def __init__(self, loaded: Loaded) -> None:
        """Read the vocabulary: seconds of work. PromptError where the tokenizer has no single token for a label."""
        self._loaded = loaded
        prompt = loaded.prompt
        self._thirds = [prompt.labels((third.value, third.capitalize(), f" {third}", f" {third.capitalize()}")) for third in Third]
        self._numbers = [prompt.labels((str(number),)) for number in range(1, MAX_MOMENTS + 1)]
        self._size = loaded.model.lm_head.weight.shape[0]
        vocabulary = from_tokenizer(loaded.tokenizer, n_vocab=self._size)
        self._grammar = LLMatcher(vocabulary, LLMatcher.grammar_from_lark(GRAMMAR))

    def describe(self, hit: Hit, language: str = "") -> Steps:
        """Describe a hit, one short piece of work a step; the description at the end, or None where what was written is none."""
        reader = _Reader(self._loaded, hit)
        yield False
        where = since = None
        if hit.grid and Sense.SIGHT in (hit.policy.senses or hit.window.senses):
            where = list(Third)[self._likeliest(reader, WHERE.format(ask=hit.policy.ask), self._thirds)]
            yield False
            pair = self._since(reader, hit.policy, hit.grid[0])
            since = None if pair is None else hit.window.start.plus(pair * _pair(hit.window))
            yield False
        written = yield from self._write(reader, WRITE.format(ask=hit.policy.ask, language=language or ITS_LANGUAGE))
        texts = checked(written)
        return Description(what=texts[0], first=texts[1], where=where, since=since) if texts else None

    def _asked(self, text: str) -> tuple[int, ...]:
        return self._loaded.prompt.asked(" ".join(text.split()))

    def _likeliest(self, reader: "_Reader", text: str, labels: Sequence[Sequence[int]]) -> int:
        tokens = self._asked(text)
        logits = reader.read(tokens)
        reader.forget(len(tokens))
        return int(torch.stack([logits[list(ids)].logsumexp(0) for ids in labels]).argmax())

    def _since(self, reader: "_Reader", policy: Policy, pairs: int) -> int | None:
        """The pair of the window in which it begins, from 0."""
        if pairs == 1:
            return None
        moments = min(pairs, MAX_MOMENTS)
        moment = self._likeliest(reader, SINCE.format(ask=policy.ask, count=moments), self._numbers[:moments])
        return moment * pairs // moments

    def _write(self, reader: "_Reader", text: str) -> Generator[bool, None, str]:
        """What the model writes, as far as the grammar lets it."""
        grammar = self._grammar.deep_copy()
        logits = reader.read(self._asked(text))
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
        said: str = self._loaded.tokenizer.decode(tokens)
        return said

    def _chosen(self, grammar: LLMatcher, logits: Tensor) -> int:
        """The likeliest of the tokens that the grammar has a place for."""
        bits = np.unpackbits(np.frombuffer(grammar.compute_bitmask(), np.uint8), bitorder="little")[: self._size]
        may = torch.from_numpy(bits.astype(bool)).to(logits.device)
        return int(logits.masked_fill(~may, -torch.inf).argmax())


def checked(written: str) -> tuple[str, str] | None:
    """What was written, read as what it must be: what, and what first. None where it is not."""
    try:
        said = WRITTEN.validate_json(written)
    except ValidationError:
        return None
    what, first = (text.replace("\ufffd", "").strip() for text in (said.what, said.first))  # a letter that the bound has cut in two
    if not what or not is_plain(what) or not is_plain(first):
        return None
    return what, first


class _Reader:
    """A window as the model has read it, and whatever is read behind it."""

    def __init__(self, loaded: Loaded, hit: Hit) -> None:
        """Read the system text, the sound and the picture."""
        prompt, self._model = loaded.prompt, loaded.model
        root = prompt.root(loaded.family.sound_tokens(hit.sound.shape[1]) if hit.sound is not None else 0)
        branch = prompt.branch(sight_tokens(hit.grid) if hit.grid else 0)
        row = lay_out(root, [Branch(tokens=branch, grid=hit.grid, leaves=((0,),))], hit.step)
        media = Media(sights=(hit.seen,) if hit.seen else (), sounds=(hit.sound,) if hit.sound is not None else ())
        self._cache = DynamicCache(config=self._model.config.text_config)
        self._length = len(row.ids) - 1
        self._next = float(row.positions[0, -1])
        positions = torch.from_numpy(row.positions[:, None, :-1]).to(self._model.device)
        with torch.inference_mode():
            self._forward(row.ids[:-1], positions, **looked(media), **heard(media, self._model))

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Read on; what the model would say next: float[vocabulary]."""
        count = len(tokens)
        positions = (self._next + torch.arange(count, dtype=torch.float32, device=self._model.device)).expand(3, 1, count)
        with torch.inference_mode():
            mask = torch.full((count, count), -torch.inf, dtype=self._model.dtype, device=self._model.device).triu_(1)
            seen = torch.zeros(count, self._length, dtype=self._model.dtype, device=self._model.device)
            hidden = self._forward(tokens, positions, attention_mask=torch.cat([seen, mask], 1)[None, None])
            self._length, self._next = self._length + count, self._next + count
            logits: Tensor = self._model.lm_head(hidden[0, -1]).float()
        return logits

    def forget(self, count: int) -> None:
        """As if the last `count` tokens had not been read."""
        self._cache.crop(-count)
        self._length, self._next = self._length - count, self._next - count

    def _forward(self, tokens: Sequence[int], positions: Tensor, **more: object) -> Tensor:
        ids = torch.tensor([list(tokens)], device=self._model.device)
        said = self._model.model(input_ids=ids, position_ids=positions, cache=self._cache, use_cache=True, **more)
        hidden: Tensor = said.last_hidden_state
        return hidden
