"""Layers that hold their matrices packed, and unpack them as they are needed. They know no file and no transformers.

Their parameters have the names of those that they stand for, with the scales beside them, so that a model of them can be filled, counted
and kept like any other.
"""

from typing import Any

import torch
from torch import Tensor, nn

from analyzers.omni.folder import ModelError
from analyzers.omni.packing import Packing, Sides
from analyzers.omni.parameters import part_of
from analyzers.omni.plan import QUANTIZED

FUSED = ("gate_up_proj", "down_proj")
"""On transformers 5 the experts of a layer are these two parameters: [experts, out, in]."""


class Packed(nn.Module):
    """Matrices by name, packed."""

    def __init__(self, packing: Packing, dtype: torch.dtype) -> None:
        """None yet. `dtype` is computed in."""
        super().__init__()
        self.packing = packing
        self._dtype = dtype
        self._sides: dict[str, Sides] = {}

    def declare(self, name: str, sides: Sides, *several: int) -> None:
        """Make room for a matrix of this name, or for `several` of them, as yet without memory."""
        try:
            shapes = self.packing.shapes(*sides)
        except ValueError as error:
            raise ModelError(f"{name}: {error}; load this model with `quantization: int8` or `none`") from None
        self._sides[name] = sides
        for field, (dtype, length) in shapes.items():
            empty = torch.empty(*several, length, dtype=dtype, device="meta")
            self.register_parameter(f"{name}{field}", nn.Parameter(empty, requires_grad=False))

    def packs(self, name: str) -> bool:
        """Whether there is a matrix of this name."""
        return name in self._sides

    def matrix(self, name: str, *which: int) -> Tensor:
        """The matrix, or the one of several, unpacked: [out, in]."""
        sides = self._sides[name]
        fields = {field: getattr(self, f"{name}{field}")[which] for field in self.packing.shapes(*sides)}
        return self.packing.unpack(fields, sides, self._dtype)


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
    """Takes the place of a block's fused experts. Only those that are hit are unpacked, one at a time."""

    def __init__(self, fused: Any, packing: Packing, dtype: torch.dtype) -> None:
        """The shapes of `fused`, without its weights."""
        super().__init__(packing, dtype)
        self.num_experts = int(fused.num_experts)
        self.act_fn: Any = fused.act_fn
        for name in FUSED:
            experts, out, into = getattr(fused, name).shape
            self.declare(name, (out, into), experts)

    def forward(self, hidden: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """What the experts that each token [tokens, width] is routed to make of it, weighted."""
        out = torch.zeros_like(hidden)
        for expert in torch.unique(top_k_index).tolist():
            if expert >= self.num_experts:  # what transformers calls a token that goes nowhere
                continue
            token, place = torch.where(top_k_index == expert)
            gate, up = nn.functional.linear(hidden[token], self.matrix("gate_up_proj", expert).to(hidden.dtype)).chunk(2, -1)
            made = nn.functional.linear(self.act_fn(gate) * up, self.matrix("down_proj", expert).to(hidden.dtype))
            out.index_add_(0, token, (made * top_k_weights[token, place, None]).to(out.dtype))
        return out


def replace(model: Any, packing: Packing, dtype: torch.dtype) -> None:
    """Put packed layers where `model` has those that the plan packs. ModelError where one cannot be."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and part_of(f"{name}.weight") in QUANTIZED:
            model.set_submodule(name, PackedLinear(module, packing, dtype))
        fused = getattr(module, FUSED[0], None)
        if name.endswith("mlp.experts") and isinstance(fused, nn.Parameter) and fused.ndim == 3:
            model.set_submodule(name, PackedExperts(module, packing, dtype))
