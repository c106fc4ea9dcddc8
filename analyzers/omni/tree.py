"""One forward for a whole batch: a row holds a window as a tree, and every token attends to its ancestors and to itself.

A row lies in memory as root, first branch, its leaves, second branch, its leaves, and so on. Positions begin anew at each branch behind the
root and at each leaf behind its branch, so a leaf's score is what it would be if it had been asked alone. Attention is cut along these
lines: a dense mask over the row would compute, and copy keys and values for, what it then throws away. It knows no policy and no score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import BaseModelOutputWithDeepstackFeatures

from analyzers.omni.family import MERGE
from analyzers.omni.media import Grid
from analyzers.omni.tower import Seen

LEAF_TOKENS = 256
"""Of leaves that are cut together."""
ATTENTION = "omniwatch_tree"
"""The name under which transformers knows the attention below. It has no mask function of that name, so no mask is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A view: its tokens, its grid (None: no picture, and no tokens), and its leaves."""

    tokens: tuple[int, ...]
    grid: Grid | None
    leaves: tuple[tuple[int, ...], ...]
    times: tuple[int, ...] | None = None
    """When each of the grid's pairs was, in pairs, where some between them are left out; None: one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Cut:
    """A run of queries, the runs of keys that they may see, and which of those each sees; None: those up to itself."""

    queries: slice
    keys: tuple[slice, ...]
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """A tree, laid out: token ids, float[3, n] positions, how attention is cut, and where each leaf ends, in the order of the leaves."""

    ids: tuple[int, ...]
    positions: NDArray[np.float32]
    cuts: tuple[Cut, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Media:
    """What the rows' placeholders stand for, in the order in which they stand: features of each view, mel features of each sound."""

    sights: tuple[Seen, ...]
    sounds: tuple[NDArray[np.float32], ...]


class _Layout:
    """A row as it grows."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[NDArray[np.float64]] = []
        self.cuts: list[Cut] = []
        self.ends: list[int] = []

    def line(self, tokens: Sequence[int], start: float) -> float:
        """Text or sound: positions one after the other. The position behind it."""
        self.ids += tokens
        self.positions.append(np.tile(np.arange(start, start + len(tokens)), (3, 1)))
        return start + len(tokens)

    def sight(self, branch: Branch, grid: Grid, start: float, step: float) -> float:
        """A view's tokens between their two marks: time, row and column as positions, `step` from pair to pair. The position behind it."""
        pairs, rows, columns = grid
        times = np.array(branch.times or range(pairs)) * step
        numbers, down, across = np.indices((pairs, rows // MERGE, columns // MERGE)).reshape(3, -1)
        places = np.stack([times[numbers] - times[0], down, across]) + start + 1
        end = float(places.max()) + 1
        self.ids += branch.tokens
        self.positions += [np.full((3, 1), start), places, np.full((3, 1), end)]
        return end + 1


def lay_out(root: Sequence[int], branches: Sequence[Branch], step: float) -> Row:
    """The row of a window. `step`: positions from one pair to the next. At least one branch with at least one leaf."""
    layout = _Layout()
    behind_root = layout.line(root, 0.0)
    for number, branch in enumerate(branches):
        begin = len(layout.ids)
        behind = layout.sight(branch, branch.grid, behind_root, step) if branch.grid else behind_root
        middle = len(layout.ids)
        for leaf in branch.leaves:
            layout.line(leaf, behind)
            layout.ends.append(len(layout.ids) - 1)
        layout.cuts += _cuts(len(root), begin, middle, [len(leaf) for leaf in branch.leaves], first=number == 0)
    positions = np.concatenate(layout.positions, 1).astype(np.float32)
    return Row(ids=tuple(layout.ids), positions=positions, cuts=tuple(layout.cuts), ends=tuple(layout.ends))


def _cuts(root: int, begin: int, middle: int, leaves: Sequence[int], *, first: bool) -> list[Cut]:
    """How a branch from `begin` to `middle` and its leaves behind it attend. The first branch is cut together with the root."""
    if first:
        cuts = [Cut(queries=slice(0, middle), keys=(slice(0, middle),), mask=None)]
        above: tuple[slice, ...] = (slice(0, middle),)
    else:
        branch = slice(begin, middle)
        mask = np.concatenate([np.ones((middle - begin, root), bool), np.tri(middle - begin, dtype=bool)], 1)
        above = (slice(0, root), branch) if begin < middle else (slice(0, root),)
        cuts = [Cut(queries=branch, keys=above, mask=mask)] if begin < middle else []
    seen = sum(run.stop - run.start for run in above)
    start = middle
    for group in _groups(leaves):
        own = slice(start, start + sum(group))
        number = np.repeat(np.arange(len(group)), group)
        mask = np.concatenate([np.ones((len(number), seen), bool), np.tri(len(number), dtype=bool) & (number[:, None] == number[None])], 1)
        cuts.append(Cut(queries=own, keys=(*above, own), mask=mask))
        start = own.stop
    return cuts


def _groups(leaves: Sequence[int]) -> list[list[int]]:
    """Leaves that are cut together: few calls, and yet few pairs of tokens that do not see each other."""
    groups: list[list[int]] = []
    for length in leaves:
        if groups and sum(groups[-1]) + length <= LEAF_TOKENS:
            groups[-1].append(length)
        else:
            groups.append([length])
    return groups


TreeOfRow = tuple[tuple[Cut, Tensor | None], ...]


def tree_attention(  # noqa: PLR0917 - transformers hands them over by position
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    tree: tuple[TreeOfRow, ...] | None = None,
    **options: Any,  # noqa: ANN401 - what transformers hands to every attention function
) -> tuple[Tensor, Tensor | None]:
    """Attention as `tree` cuts it; without one, the ordinary causal kind. The padding behind a row attends to nothing and gives zeros."""
    if tree is None:
        ordinary: tuple[Tensor, Tensor | None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return ordinary
    out = torch.zeros_like(query)
    for number, cuts in enumerate(tree):
        one = slice(number, number + 1)
        for cut, mask in cuts:
            out[one, :, cut.queries] = functional.scaled_dot_product_attention(
                query[one, :, cut.queries],
                _runs(key[one], cut.keys),
                _runs(value[one], cut.keys),
                attn_mask=mask,
                is_causal=mask is None,
                scale=options.get("scaling"),
                enable_gqa=query.shape[1] != key.shape[1],
            )
    return out.transpose(1, 2), None


def _runs(states: Tensor, runs: tuple[slice, ...]) -> Tensor:
    parts = [states[:, :, run] for run in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, tree_attention)


@torch.inference_mode()
def run(thinker: PreTrainedModel, rows: Sequence[Row], media: Media) -> Tensor:
    """One forward: what the last layer says at the end of each leaf of each row, behind the final norm: float[leaves, hidden]."""
    device = thinker.device
    longest = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    positions = np.zeros((3, len(rows), longest), np.float32)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = row.ids
        positions[:, number, : len(row.ids)] = row.positions
    tree = tuple(tuple((cut, None if cut.mask is None else _additive(cut.mask, thinker)) for cut in row.cuts) for row in rows)
    # The module keeps a rope_deltas of its own from forwards without positions; with positions given it neither reads nor writes it.
    hidden = thinker.model(
        input_ids=torch.from_numpy(ids).to(device),
        position_ids=torch.from_numpy(positions).to(device),
        use_cache=False,
        tree=tree,
        **looked(media),
        **heard(media, thinker),
    ).last_hidden_state
    ends: Tensor = torch.cat([hidden[number, list(row.ends)] for number, row in enumerate(rows)])
    return ends


def _additive(mask: NDArray[np.bool_], thinker: PreTrainedModel) -> Tensor:
    """What is added to the scores. From a boolean mask, every layer would make this anew."""
    zeros = torch.zeros(mask.shape, dtype=thinker.dtype)
    return zeros.masked_fill_(torch.from_numpy(~mask), -torch.inf).to(thinker.device)


def looked(media: Media) -> dict[str, Any]:
    """Pictures, as the thinker takes them. One whose tower has no deep layers does not ask for theirs."""
    if not media.sights:
        return {}
    deep = [list(layer) for layer in zip(*(seen.deep for seen in media.sights), strict=True)]
    video = BaseModelOutputWithDeepstackFeatures(pooler_output=[seen.pooled for seen in media.sights], deepstack_features=deep)
    return {"mm_encoder_outputs": {"video": video}}


def heard(media: Media, thinker: PreTrainedModel) -> dict[str, Tensor]:
    """Sounds, as the thinker takes them."""
    if not media.sounds:
        return {}
    lengths = torch.tensor([mel.shape[1] for mel in media.sounds])
    longest = int(lengths.max())
    padded = np.stack([np.pad(mel, ((0, 0), (0, longest - mel.shape[1]))) for mel in media.sounds])
    mask = (torch.arange(longest)[None] < lengths[:, None]).long()
    return {
        "input_features": torch.from_numpy(padded).to(thinker.device, thinker.dtype),
        "feature_attention_mask": mask.to(thinker.device),
    }
