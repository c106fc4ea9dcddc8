"""The second step, for a hit alone: what is there and what to do first, written; where and since when, read from scores of labels.

The window is read once into a cache of keys and values, from what the judge has already made of its picture and sound: its slots may have
been used again since. Words come token by token, so that whoever runs it can stop between any two and judge a window that has just come.

The form of the answer is a fixed skeleton and two strings. Its own tokens are put down without asking, and within a string every token is
masked that could end it, or is no text; a library for grammars would come to the same mask, one for each token, and be a dependency more.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from analyzers.description import Description, Third
from analyzers.omni.media import Grid, sight_tokens, sound_tokens
from analyzers.omni.sight import Seen
from analyzers.omni.tree import Branch, Media, heard, lay_out, looked
from analyzers.omni.weights import Loaded
from analyzers.policy import Policy

HIT = "The answer to this was yes: {ask} "
WHERE = HIT + "In which third of the picture is it, left, middle or right? Answer with one word."
SINCE = HIT + "The pictures show {count} moments, one after the other. In which of them does it begin? Answer with a number from 1 to {count}."
WRITE = HIT + 'In the language of that question and in a few words: what is there, and what is to be done first? Answer as JSON: "what" and "first".'
OPEN, BETWEEN, CLOSE = '{"what": "', '", "first": "', '"}'
MAX_WORDS = 18
"""Tokens of each of the two strings. With the skeleton, an answer has fewer than 48 tokens."""
MAX_MOMENTS = 9
"""Moments that are told apart: numbers of one digit. A longer window's pairs are taken together."""
MAX_TEXT = 200
"""Characters of a string, at the very most."""
CONTROLS = frozenset(chr(code) for code in (*range(256, 288), 289))
"""How a byte-level vocabulary spells the bytes 0 to 31 and 127."""

Steps = Generator[None, None, Description | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no single truth of equality
class Hit:
    """A view of a window that a policy said yes to, as the judge has perceived it."""

    policy: Policy
    grid: Grid | None
    seen: Seen | None
    sound: NDArray[np.float32] | None
    """Mel features."""
    step: float
    """Positions from one pair to the next."""


class Describer:
    """Describes hits, with the model that the judge has loaded. Only the thread that judges may use it."""

    def __init__(self, loaded: Loaded) -> None:
        """Look up what may stand in a string. PromptError where the tokenizer has no single token for a label."""
        self._loaded = loaded
        prompt = loaded.prompt
        self._thirds = [prompt.labels((third, third.capitalize(), f" {third}", f" {third.capitalize()}")) for third in Third]
        self._numbers = [prompt.labels((str(number),)) for number in range(1, MAX_MOMENTS + 1)]
        (self._quote,) = prompt.labels(('"',))
        self._text = self._texts().to(loaded.device)

    def _texts(self) -> Tensor:
        """bool[vocabulary]: the tokens that are text without a quote, a backslash or a control character."""
        tokenizer, size = self._loaded.tokenizer, self._loaded.model.lm_head.weight.shape[0]
        added = set(tokenizer.get_added_vocab().values())
        pieces = tokenizer.convert_ids_to_tokens([number if number < len(tokenizer) else 0 for number in range(size)])
        bad = CONTROLS | {'"', "\\"}
        fine = [bool(piece) and not bad & set(piece) for piece in pieces]
        return torch.tensor([fine[number] and number < len(tokenizer) and number not in added for number in range(size)])

    def describe(self, hit: Hit) -> Steps:
        """Describe a hit, one short piece of work a step; the description at the end, or None where what was written is none."""
        reader = _Reader(self._loaded, hit)
        yield
        where = since = None
        if hit.grid and hit.seen:
            where = list(Third)[self._likeliest(reader, WHERE.format(ask=hit.policy.ask), self._thirds)]
            yield
            since = self._since(reader, hit.policy, hit.grid[0])
            yield
        texts = []
        reader.read(self._asked(WRITE.format(ask=hit.policy.ask)))
        for skeleton in (OPEN, BETWEEN):
            written = yield from self._string(reader, skeleton)
            texts.append(written)
        return _checked(OPEN + texts[0] + BETWEEN + texts[1] + CLOSE, where, since)

    def _asked(self, text: str) -> tuple[int, ...]:
        return self._loaded.prompt.asked(" ".join(text.split()))

    def _likeliest(self, reader: "_Reader", text: str, labels: Sequence[Sequence[int]]) -> int:
        tokens = self._asked(text)
        logits = reader.read(tokens)
        reader.forget(len(tokens))
        return int(torch.stack([logits[list(ids)].logsumexp(0) for ids in labels]).argmax())

    def _since(self, reader: "_Reader", policy: Policy, pairs: int) -> int | None:
        if pairs == 1:
            return None
        moments = min(pairs, MAX_MOMENTS)
        moment = self._likeliest(reader, SINCE.format(ask=policy.ask, count=moments), self._numbers[:moments])
        return moment * pairs // moments

    def _string(self, reader: "_Reader", skeleton: str) -> Generator[None, None, str]:
        """What the model puts into a string, up to its quote or the bound."""
        logits = reader.read(self._loaded.prompt.fixed(skeleton))
        tokens: list[int] = []
        for place in range(MAX_WORDS):
            may = self._text.clone()
            may[self._quote] = place > 0
            token = int(logits.masked_fill(~may, -torch.inf).argmax())
            if token == self._quote:
                break
            tokens.append(token)
            yield
            logits = reader.read((token,))
        text: str = self._loaded.tokenizer.decode(tokens)
        return text.replace("\ufffd", "").strip()  # a letter that the bound has cut in two


def _checked(written: str, where: Third | None, since: int | None) -> Description | None:
    """What was written, read as what it must be."""
    try:
        said = json.loads(written)
    except ValueError:
        return None
    what, first = said["what"], said["first"]
    if not what or not what.isprintable() or not first.isprintable():
        return None
    return Description(what=what[:MAX_TEXT], first=first[:MAX_TEXT], where=where, since=since)


class _Reader:
    """A window as the model has read it, and whatever is read behind it."""

    def __init__(self, loaded: Loaded, hit: Hit) -> None:
        """Read the system text, the sound and the picture."""
        prompt, self._model = loaded.prompt, loaded.model
        root = prompt.root(sound_tokens(hit.sound.shape[1]) if hit.sound is not None else 0)
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
