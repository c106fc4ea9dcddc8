"""Layers that hold their matrices packed, and unpack them as they are needed. They know no file and no transformers.

Their parameters have the names of those that they stand for, with the scales beside them, so that a model of them can be filled, counted
and kept like any other.
"""

from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from analyzers.omni.folder import ModelError
from analyzers.omni.packing import Packing, Sides
from analyzers.omni.parameters import part_of
from analyzers.omni.plan import QUANTIZED
from analyzers.omni.scratch import Scratch, Slice, slices
from analyzers.omni.work import EXPERTS_AT_ONCE

FUSED = ("gate_up_proj", "down_proj")
"""On transformers 5 the experts of a layer are these two parameters: [experts, out, in]."""


class Packed(nn.Module):
    """Matrices by name, packed. `sides` are those of each; `dtype` is what they are unpacked to, and computed in."""

    def __init__(self, packing: Packing, dtype: torch.dtype) -> None:
        """None yet."""
        super().__init__()
        self.packing = packing
        self.dtype = dtype
        self.sides: dict[str, Sides] = {}

    def declare(self, name: str, sides: Sides, *several: int) -> None:
        """Make room for a matrix of this name, or for `several` of them, as yet without memory."""
        try:
            shapes = self.packing.shapes(*sides)
        except ValueError as error:
            raise ModelError(f"{name}: {error}; load this model with `quantization: int8` or `none`") from None
        self.sides[name] = sides
        for field, (dtype, length) in shapes.items():
            empty = torch.empty(*several, length, dtype=dtype, device="meta")
            self.register_parameter(f"{name}{field}", nn.Parameter(empty, requires_grad=False))

    @property
    def largest(self) -> Sides:
        """The sides of its largest matrix."""
        return max(self.sides.values(), key=prod)

    def packs(self, name: str) -> bool:
        """Whether there is a matrix of this name."""
        return name in self.sides

    def matrix(self, name: str, *which: int) -> Tensor:
        """The matrix, or the one of several, unpacked: [out, in]."""
        sides = self.sides[name]
        fields = {field: getattr(self, f"{name}{field}")[which] for field in self.packing.shapes(*sides)}
        return self.packing.unpack(fields, sides, self.dtype, None)

    def matrices(self, name: str, some: Slice, scratch: Scratch) -> Tensor:
        """A slice of several, unpacked into the scratch: [experts, out, in]. Theirs until it is used again."""
        rows, columns = sides = self.sides[name]
        room = scratch.room(len(some.experts), sides)
        for place, run in some.runs():
            fields = {field: getattr(self, f"{name}{field}")[run].flatten() for field in self.packing.shapes(*sides)}
            count = run.stop - run.start
            self.packing.unpack(fields, (count * rows, columns), self.dtype, room[place : place + count].view(-1, columns))
        return room


class PackedLinear(Packed):
    """Takes the place of a Linear layer."""

    def __init__(self, linear: nn.Linear, packing: Packing, dtype: torch.dtype) -> None:
        """The shape of `linear`, without its weights."""
        super().__init__(packing, dtype)
        self.declare("weight", (linear.out_features, linear.in_features))
        self.bias = linear.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """As the layer that it stands for."""
        return nn.functional.linear(hidden, self.matrix("weight").to(hidden.dtype), self.bias)


class PackedExperts(Packed):
    """Takes the place of a block's fused experts. Only those that are hit are unpacked: one at a time, or in slices where it has a scratch."""

    def __init__(self, fused: Any, packing: Packing, dtype: torch.dtype) -> None:
        """The shapes of `fused`, without its weights."""
        super().__init__(packing, dtype)
        self.num_experts = int(fused.num_experts)
        self.act_fn: Any = fused.act_fn
        self.scratch: Scratch | None = None
        for name in FUSED:
            experts, out, into = getattr(fused, name).shape
            self.declare(name, (out, into), experts)

    def forward(self, hidden: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """What the experts that each token [tokens, width] is routed to make of it, weighted."""
        if self.scratch is not None:
            return self._in_slices(hidden, top_k_index, top_k_weights, self.scratch)
        out = torch.zeros_like(hidden)
        for expert in torch.unique(top_k_index).tolist():
            if expert >= self.num_experts:  # what transformers calls a token that goes nowhere
                continue
            token, place = torch.where(top_k_index == expert)
            gate, up = nn.functional.linear(hidden[token], self.matrix("gate_up_proj", expert).to(hidden.dtype)).chunk(2, -1)
            made = nn.functional.linear(self.act_fn(gate) * up, self.matrix("down_proj", expert).to(hidden.dtype))
            out.index_add_(0, token, (made * top_k_weights[token, place, None]).to(out.dtype))
        return out

    def _in_slices(self, hidden: Tensor, top_k_index: Tensor, top_k_weights: Tensor, scratch: Scratch) -> Tensor:
        """The same, with each token's experts summed in the order of its choice: where a GPU adds to one place from many, the order is chance."""
        tokens, chosen = top_k_index.shape
        counts = torch.bincount(top_k_index.flatten(), minlength=self.num_experts).tolist()  # the one time that a GPU is waited for
        some = slices(counts[: self.num_experts], scratch.experts)
        ends = torch.tensor([end for each in some for end in each.ends], dtype=torch.int32, device=hidden.device)
        rows = top_k_index.flatten().argsort(stable=True)
        made = hidden.new_zeros(tokens * chosen, hidden.shape[1])
        row = end = 0
        for each in some:
            those, until = rows[row : row + each.rows], ends[end : end + len(each.experts)]
            gate, up = _grouped(hidden[those // chosen], self.matrices("gate_up_proj", each, scratch), until).chunk(2, -1)
            made[those] = _grouped(self.act_fn(gate) * up, self.matrices("down_proj", each, scratch), until)
            row, end = row + each.rows, end + len(each.experts)
        return torch.bmm(top_k_weights[:, None].to(made.dtype), made.view(tokens, chosen, -1))[:, 0]


def _grouped(rows: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
    """Each group of rows by the matrix that is its own."""
    made: Tensor = nn.functional.grouped_mm(rows, matrices.transpose(1, 2), offs=ends)
    return made


def slice_experts(model: nn.Module, experts: int = EXPERTS_AT_ONCE) -> Scratch | None:
    """Let the packed experts of `model` be unpacked in slices of so many, in a scratch that they share from now on; None where it has none."""
    layers = [module for module in model.modules() if isinstance(module, PackedExperts)]
    if not layers:
        return None
    device = next(layers[0].parameters()).device
    scratch = Scratch(max((each.largest for each in layers), key=prod), experts, layers[0].dtype, device)
    for each in layers:
        each.scratch = scratch
    return scratch


def replace(model: Any, packing: Packing, dtype: torch.dtype) -> None:
    """Put packed layers where `model` has those that the plan packs. ModelError where one cannot be."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and part_of(f"{name}.weight") in QUANTIZED:
            model.set_submodule(name, PackedLinear(module, packing, dtype))
        fused = getattr(module, FUSED[0], None)
        if name.endswith("mlp.experts") and isinstance(fused, nn.Parameter) and fused.ndim == 3:
            model.set_submodule(name, PackedExperts(module, packing, dtype))
