"""The text model's attention over rows that are trees: each row is cut where its tokens see different keys.

A dense mask would compute, and throw away, scores between all policies; copying keys and values for each policy would be worse. The
function is registered with transformers under the name "tree"; the towers keep their own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from analyzers.omni.tree import Row

NAME = "tree"
_Cuts = tuple[tuple[slice, tuple[slice, ...], torch.Tensor | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Forward:
    """The rows of the forward that is going on."""

    length: int
    rows: tuple[_Cuts, ...]


_going_on: list[_Forward] = []
"""At most one: only one thread touches the model."""


@contextmanager
def trees(rows: Sequence[Row], length: int, device: torch.device) -> Iterator[None]:
    """While this is open, a sequence of `length` tokens is these rows, padded on the right."""
    cut = tuple(
        tuple((each.queries, each.keys, None if each.mask is None else torch.from_numpy(each.mask).to(device)) for each in one.cuts) for one in rows
    )
    _going_on.append(_Forward(length, cut))
    try:
        yield
    finally:
        _going_on.clear()


def tree_attention(  # noqa: PLR0913, PLR0917 - the signature is transformers'
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of [batch, heads, tokens, head]; what is not the tree of the moment goes the ordinary way."""
    if not _going_on or query.shape[2] != _going_on[0].length:
        ordinary: tuple[torch.Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return ordinary
    out = torch.zeros_like(query)
    grouped = query.shape[1] != key.shape[1]
    for number, cuts in enumerate(_going_on[0].rows):
        one = slice(number, number + 1)
        for queries, keys, mask in cuts:
            out[one, :, queries] = scaled_dot_product_attention(
                query[one, :, queries],
                torch.cat([key[one, :, each] for each in keys], 2),
                torch.cat([value[one, :, each] for each in keys], 2),
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
                enable_gqa=grouped,
            )
    return out.transpose(1, 2), None


ALL_ATTENTION_FUNCTIONS.register(NAME, tree_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
