"""What the vision tower makes of pairs of frames: made once a pair, kept for the windows that overlap, and shared by them bit for bit.

The tower attends within a pair only, so a pair's features are the same in every window that holds it. Pairs of equal size go through
it as one batch. What is kept lives no longer than the memory that its pairs lay in: a sensor process that starts anew counts its
epochs from one again, and brings new memory. It knows no policy and no prompt.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import (
    Qwen3OmniMoeVisionAttention,
    Qwen3OmniMoeVisionEncoder,
    apply_rotary_pos_emb_vision,
)

from analyzers.omni.media import PATCH, Grid, patches, sight_tokens
from sensors.slots import Slots
from sensors.window import View, ViewId, Window

MAX_PATCHES = 16_384
"""That go through the tower together: about 600 MB at work in the published model on a GPU."""
MAX_KEPT_BYTES = 512_000_000
"""Of features. Where views are so many that it is not enough, those that were looked at longest ago are forgotten."""

Pair = tuple[int, int, int, int]
"""Epoch and number of a pair, and height and width of its frames."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no single truth of equality
class Seen:
    """What the tower says of one or more pairs: float[tokens, hidden], and as much from each of its deep layers."""

    pooled: Tensor
    deep: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Of memory."""
        return sum(each.numel() * each.element_size() for each in (self.pooled, *self.deep))

    def copy(self) -> "Seen":
        """With memory of its own: a part of a batch holds the whole batch."""
        return Seen(pooled=self.pooled.clone(), deep=tuple(each.clone() for each in self.deep))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """A view of a window: its pairs in order, of which some are known from earlier windows and the rest have been read."""

    memory: Slots
    view: ViewId
    grid: Grid
    pairs: tuple[Pair, ...]
    known: Mapping[Pair, Seen]
    read: Mapping[Pair, NDArray[np.uint8]]
    """Patches."""


Place = tuple[Slots, ViewId, Pair]


class Pairs:
    """The features of each view's newest window: those that the next one can have in common with it."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._kept: WeakKeyDictionary[Slots, dict[ViewId, dict[Pair, Seen]]] = WeakKeyDictionary()

    def sight(self, window: Window, view: View, memory: Slots) -> Sight:
        """The view's pairs, those that are not known read. KeyError or ValueError where `memory` does not hold them."""
        pairs = tuple((window.epoch, window.first_pair + number, view.height, view.width) for number in range(len(window.slots)))
        kept = self._kept.get(memory, {}).get(view.id, {})
        read = {}
        for pair, slot in zip(pairs, window.slots, strict=True):
            frames = memory.frames(slot, view.id, view.height, view.width)  # known or not: a window that memory cannot hold is not judged
            if pair not in kept:
                read[pair] = patches(frames)[0]
        grid = (len(pairs), view.height // PATCH, view.width // PATCH)
        known = {pair: kept[pair] for pair in pairs if pair in kept}
        return Sight(memory=memory, view=view.id, grid=grid, pairs=pairs, known=known, read=read)

    def look(self, tower: Qwen3OmniMoeVisionEncoder, sights: Sequence[Sight]) -> dict[Sight, Seen]:
        """What there is to see in each. A pair that several have in common is looked at once; RuntimeError is torch's."""
        found: dict[Place, Seen] = {(sight.memory, sight.view, pair): seen for sight in sights for pair, seen in sight.known.items()}
        unseen = {(sight.memory, sight.view, pair): values for sight in sights for pair, values in sight.read.items()}
        for places in _batches(unseen):
            found |= zip(places, features(tower, [unseen[place] for place in places], places[0][2][2:]), strict=True)
        self._keep(sights, found)
        return {sight: _joined([found[sight.memory, sight.view, pair] for pair in sight.pairs]) for sight in sights}

    def _keep(self, sights: Sequence[Sight], found: Mapping[Place, Seen]) -> None:
        for sight in sorted(sights, key=lambda each: each.pairs[0]):
            views = self._kept.setdefault(sight.memory, {})
            before = views.pop(sight.view, {})
            places = {pair: found[sight.memory, sight.view, pair] for pair in sight.pairs}
            views[sight.view] = {pair: before.get(pair) or seen.copy() for pair, seen in places.items()}
        views_of = [(views, view) for views in self._kept.values() for view in views]
        for views, view in views_of:
            if self.kept_bytes <= MAX_KEPT_BYTES:
                break
            del views[view]

    @property
    def kept_bytes(self) -> int:
        """Of memory."""
        return sum(seen.bytes for views in self._kept.values() for pairs in views.values() for seen in pairs.values())


def _batches(unseen: Iterable[Place]) -> Iterator[list[Place]]:
    """Pairs of equal size that go through the tower together."""
    by_size: dict[tuple[int, int], list[Place]] = {}
    for place in unseen:
        by_size.setdefault(place[2][2:], []).append(place)
    for (height, width), places in by_size.items():
        step = max(1, MAX_PATCHES // (height // PATCH * (width // PATCH)))
        yield from (places[start : start + step] for start in range(0, len(places), step))


@torch.inference_mode()
def features(tower: Qwen3OmniMoeVisionEncoder, pairs: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[Seen]:
    """The features of pairs of `size`, height and width, from their patches."""
    height, width = size
    pixels = torch.from_numpy(np.concatenate(pairs)).to(tower.device).to(tower.dtype).div_(127.5).sub_(1.0)
    grid = torch.tensor([[len(pairs), height // PATCH, width // PATCH]], device=tower.device)
    said = tower(pixels, grid_thw=grid)
    tokens = sight_tokens((1, height // PATCH, width // PATCH))
    parts = (said.pooler_output, *said.deepstack_features)
    return [Seen(pooled=pooled, deep=tuple(deep)) for pooled, *deep in zip(*(part.split(tokens) for part in parts), strict=True)]


def _joined(seen: Sequence[Seen]) -> Seen:
    deep = zip(*(each.deep for each in seen), strict=True)
    return Seen(pooled=torch.cat([each.pooled for each in seen]), deep=tuple(torch.cat(layer) for layer in deep))


class PatchProduct(nn.Module):
    """The first layer of sight. Its convolution's stride is its kernel, so it is a matrix product, and several times quicker as one on a CPU."""

    def __init__(self, proj: nn.Conv3d) -> None:
        """The weights of `proj`."""
        super().__init__()
        self.proj = proj

    def forward(self, pixels: Tensor) -> Tensor:
        """float[patches, 1536] to float[patches, width]."""
        return functional.linear(pixels.to(self.proj.weight.dtype), self.proj.weight.flatten(1), self.proj.bias)


class PairAttention(nn.Module):
    """The tower's attention for pairs of equal size: one product for all of them, where the original makes one a pair."""

    def __init__(self, theirs: Qwen3OmniMoeVisionAttention) -> None:
        """The weights of `theirs`."""
        super().__init__()
        self.qkv: nn.Module = theirs.qkv
        self.proj: nn.Module = theirs.proj
        self._heads = int(theirs.num_heads)
        self._scale = float(theirs.scaling)

    def forward(self, hidden_states: Tensor, cu_seqlens: Tensor, position_embeddings: tuple[Tensor, Tensor], **_: object) -> Tensor:
        """float[patches, width] to the same. `cu_seqlens`: where each pair begins and ends."""
        pairs = len(cu_seqlens) - 1
        query, key, value = self.qkv(hidden_states).unflatten(1, (3, self._heads, -1)).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (each.unflatten(0, (pairs, -1)).transpose(1, 2) for each in (query, key, value))
        seen = functional.scaled_dot_product_attention(query, key, value, scale=self._scale)
        out: Tensor = self.proj(seen.transpose(1, 2).flatten(2).flatten(0, 1))
        return out


def quicken(tower: Qwen3OmniMoeVisionEncoder) -> None:
    """Let the tower's first layer and its attention be those above. From then on all pairs of a call must have the same size."""
    tower.patch_embed = PatchProduct(tower.patch_embed.proj)
    for block in tower.blocks:
        block.attn = PairAttention(block.attn)
