"""The vision tower at work on pairs of frames, all of equal size: what it makes of them, and the layers that make it quick.

The layers stand for those of transformers and give what they give, in one product where those take one a pair or one a window of a picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import apply_rotary_pos_emb_vision

from analyzers.omni.family import Family
from analyzers.omni.media import sight_tokens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no single truth of equality
class Seen:
    """What the tower says of one or more pairs: float[tokens, hidden], and as much from each of its deep layers."""

    pooled: Tensor
    deep: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Of memory."""
        return sum(each.numel() * each.element_size() for each in (self.pooled, *self.deep))

    def thinned(self, pairs: int, every: int) -> "Seen":
        """Of so many pairs, the newest of every so many in a row."""
        pooled, *deep = (each.view(pairs, -1, each.shape[-1])[(pairs - 1) % every :: every].flatten(0, 1) for each in (self.pooled, *self.deep))
        return Seen(pooled=pooled, deep=tuple(deep))

    def copy(self) -> "Seen":
        """With memory of its own: a part of a batch holds the whole batch."""
        return Seen(pooled=self.pooled.clone(), deep=tuple(each.clone() for each in self.deep))


@torch.inference_mode()
def features(tower: Any, pairs: Sequence[NDArray[np.uint8]], sides: tuple[int, int], family: Family) -> list[Seen]:  # noqa: ANN401 - has no types
    """The features of pairs, from their patches. `sides`: rows and columns of patches in each."""
    exact = torch.promote_types(tower.dtype, torch.float32)
    mean, deviation = (torch.tensor(each, dtype=exact, device=tower.device)[:, None] for each in (family.mean, family.deviation))
    values = torch.from_numpy(np.concatenate(pairs)).to(tower.device).to(exact)
    colours = values.view(len(values), 3, -1)
    pixels = colours.sub_(mean).div_(deviation).flatten(1).to(tower.dtype)
    said = tower(pixels, grid_thw=torch.tensor([[len(pairs), *sides]], device=tower.device))
    parts = (said.pooler_output, *said.get("deepstack_features", ()))
    tokens = sight_tokens((1, *sides))
    return [Seen(pooled=pooled, deep=tuple(deep)) for pooled, *deep in zip(*(part.split(tokens) for part in parts), strict=True)]


class PatchProduct(nn.Module):
    """The first layer of sight. Its convolution's stride is its kernel, so it is a matrix product, and several times quicker as one on a CPU."""

    def __init__(self, proj: nn.Conv3d) -> None:
        """The weights of `proj`."""
        super().__init__()
        self.proj = proj

    def forward(self, pixels: Tensor) -> Tensor:
        """float[patches, values of a patch] to float[patches, width]."""
        return functional.linear(pixels.to(self.proj.weight.dtype), self.proj.weight.flatten(1), self.proj.bias)


class PairAttention(nn.Module):
    """Attention within the whole of each pair."""

    def __init__(self, theirs: Any, projections: Sequence[str]) -> None:  # noqa: ANN401 - transformers has no types
        """The weights of `theirs`, whose layers `projections` make queries, keys and values."""
        super().__init__()
        self.projections = nn.ModuleList(getattr(theirs, name) for name in projections)
        self.proj: nn.Module = theirs.proj
        self._heads, self._head_dim = int(theirs.num_heads), int(theirs.head_dim)
        self._scale = float(theirs.scaling)

    def forward(self, hidden_states: Tensor, cu_seqlens: Tensor, position_embeddings: tuple[Tensor, Tensor], **_: object) -> Tensor:
        """float[patches, width] to the same. `cu_seqlens`: where each segment begins and ends that attends within itself."""
        shape = (len(hidden_states), -1, self._heads, self._head_dim)
        query, key, value = (part for layer in self.projections for part in layer(hidden_states).view(shape).unbind(1))
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        out: Tensor = self.proj(self.within(cu_seqlens, query, key, value).flatten(1))
        return out

    def within(self, cu_seqlens: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention within segments of equal length: float[patches, heads, width of a head] each, and out."""
        shape = (len(cu_seqlens) - 1, -1, self._heads, self._head_dim)
        return self.alike(*(each.reshape(shape) for each in (query, key, value))).flatten(0, 1)

    def alike(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """One product: float[segments, patches, heads, width of a head] each, and out."""
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        return functional.scaled_dot_product_attention(query, key, value, scale=self._scale).transpose(1, 2)


class WindowAttention(PairAttention):
    """Attention within windows of a picture. Those at its right and lower edges are smaller, so there are at most four sizes."""

    def within(self, cu_seqlens: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As above, with a product for each length of segment."""
        lengths = cu_seqlens.diff().tolist()
        parts = [torch.split(each, lengths) for each in (query, key, value)]
        out: list[Tensor] = [query] * len(lengths)
        for length in set(lengths):
            alike = [number for number, each in enumerate(lengths) if each == length]
            made = self.alike(*(torch.stack([part[number] for number in alike]) for part in parts))
            for number, seen in zip(alike, made, strict=True):
                out[number] = seen
        return torch.cat(out)


def quicken(tower: Any, family: Family) -> None:  # noqa: ANN401 - transformers has no types
    """Let the tower's first layer and its attention be those above. From then on all pairs of a call must have the same size."""
    tower.patch_embed = PatchProduct(tower.patch_embed.proj)
    whole = set(tower.fullatt_block_indexes if family.windowed else range(len(tower.blocks)))
    for number, block in enumerate(tower.blocks):
        kind = PairAttention if number in whole else WindowAttention
        block.attn = kind(block.attn, family.projections)
