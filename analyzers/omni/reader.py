"""What the model has read once, into a cache of keys and values, and whatever is read behind it token by token. It writes nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from analyzers.omni.tree import Branch, Media, Row, heard, lay_out, looked
from analyzers.omni.weights import Loaded

NOTHING_YET: tuple[tuple[int, ...], ...] = ((0,),)
"""The leaf of a row that is read without one: a token that is left out."""


class Reader:
    """Media and the text before them, read. Only the thread that judges may use it; it holds its keys and values for as long as it lives."""

    def __init__(self, loaded: Loaded, row: Row, media: Media) -> None:
        """Read a row with one branch and one leaf, NOTHING_YET, and what its placeholders stand for."""
        self._model = loaded.model
        self._cache = DynamicCache(config=self._model.config.text_config)
        self._length = len(row.ids) - 1
        self._next = float(row.positions[0, -1])
        positions = torch.from_numpy(row.positions[:, None, :-1]).to(self._model.device)
        with torch.inference_mode():
            self._forward(row.ids[:-1], positions, **looked(media), **heard(media, self._model))

    @classmethod
    def of_root(cls, loaded: Loaded, root: Sequence[int], media: Media) -> "Reader":
        """Read a root alone: text and sounds, and no picture."""
        return cls(loaded, lay_out(root, [Branch(tokens=(), grid=None, leaves=NOTHING_YET)], 0.0), media)

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

    def likeliest(self, tokens: Sequence[int], labels: Sequence[Sequence[int]]) -> int:
        """Which of `labels`, each the ids of its spellings, the model would say behind `tokens`; as if they had not been read."""
        logits = self.read(tokens)
        self.forget(len(tokens))
        return int(torch.stack([logits[list(ids)].logsumexp(0) for ids in labels]).argmax())

    def forget(self, count: int) -> None:
        """As if the last `count` tokens had not been read."""
        self._cache.crop(-count)
        self._length, self._next = self._length - count, self._next - count

    def _forward(self, tokens: Sequence[int], positions: Tensor, **more: object) -> Tensor:
        ids = torch.tensor([list(tokens)], device=self._model.device)
        said = self._model.model(input_ids=ids, position_ids=positions, cache=self._cache, use_cache=True, **more)
        hidden: Tensor = said.last_hidden_state
        return hidden
