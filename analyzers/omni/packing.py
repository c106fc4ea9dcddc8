"""How a matrix is held in fewer bytes, and made whole again. Tensors in, tensors out; it knows no model.

A packed matrix is one tensor of numbers and one or two of scales, all flat, so that they can be kept in a file as they are. The numbers
come out the same from bfloat16 as from the same values in float32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd

import bitsandbytes.functional as bnb
import torch
from torch import Tensor

from analyzers.interview import Quantization
from analyzers.omni.plan import BLOCK, BLOCKS_A_STEP

Fields = Mapping[str, Tensor]
"""What a matrix became. A field's name is what is put behind the matrix's own: "" are the numbers."""
Sides = tuple[int, int]
"""Rows and columns."""
SCALES, STEPS = "_scales", "_steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """One way to do it."""

    shapes: Callable[[int, int], Mapping[str, tuple[torch.dtype, int]]]
    """Type and length of each field, for a matrix of so many rows and columns. ValueError where it cannot be packed so."""
    pack: Callable[[Tensor], Fields]
    unpack: Callable[[Fields, Sides, torch.dtype, Tensor | None], Tensor]
    """To a matrix of these sides, in the type to compute in; into the one that is given, where one is. Fields of several matrices of equal
    sides, one behind the other, are those of one matrix that has all their rows."""


def _blocks(rows: int, columns: int) -> int:
    if rows * columns % BLOCK:
        raise ValueError(f"a matrix of {rows}x{columns} does not divide into blocks of {BLOCK}")
    return rows * columns // BLOCK


def _nf4(matrix: Tensor) -> dict[str, Tensor]:
    packed, state = bnb.quantize_4bit(matrix.contiguous(), blocksize=BLOCK, quant_type="nf4", compress_statistics=False)
    return {"": packed.view(-1), SCALES: state.absmax.float()}


def _from_nf4(fields: Fields, sides: Sides, dtype: torch.dtype, out: Tensor | None) -> Tensor:
    numbers = fields[""]
    code = bnb.get_4bit_type("nf4", device=str(numbers.device))
    state = bnb.QuantState(absmax=fields[SCALES], shape=torch.Size(sides), dtype=dtype, blocksize=BLOCK, quant_type="nf4", code=code)
    direct = out if numbers.is_cuda else None  # on a CPU bitsandbytes cannot
    matrix: Tensor = bnb.dequantize_4bit(numbers.view(-1, 1), state, out=direct)
    return _into(None if direct is not None else out, matrix)


def _into(out: Tensor | None, matrix: Tensor) -> Tensor:
    return matrix if out is None else out.copy_(matrix)


def _step(blocks: int) -> int:
    """How many scales share a step: all of a small matrix's, or what divides them."""
    return gcd(blocks, BLOCKS_A_STEP)


def _double(matrix: Tensor) -> dict[str, Tensor]:
    """Scales are sizes, and near each other: 255 steps up to the largest of a group tell them apart to half a percent."""
    once = _nf4(matrix)
    groups = once[SCALES].view(-1, _step(len(once[SCALES])))
    steps = groups.amax(1).clamp(min=1e-30) / 255
    return {"": once[""], SCALES: (groups / steps[:, None]).round().to(torch.uint8).view(-1), STEPS: steps}


def _from_double(fields: Fields, sides: Sides, dtype: torch.dtype, out: Tensor | None) -> Tensor:
    scales = fields[SCALES].view(len(fields[STEPS]), -1).float() * fields[STEPS][:, None]
    return _from_nf4({"": fields[""], SCALES: scales.view(-1)}, sides, dtype, out)


def _int8(matrix: Tensor) -> dict[str, Tensor]:
    exact = matrix.float()
    scales = exact.abs().amax(1).clamp(min=1e-12) / 127
    return {"": (exact / scales[:, None]).round().to(torch.int8).view(-1), SCALES: scales}


def _from_int8(fields: Fields, sides: Sides, dtype: torch.dtype, out: Tensor | None) -> Tensor:
    return _into(out, (fields[""].view(sides).float() * fields[SCALES][:, None]).to(dtype))


PACKINGS: Mapping[Quantization, Packing] = {
    Quantization.NF4: Packing(
        shapes=lambda rows, columns: {"": (torch.uint8, rows * columns // 2), SCALES: (torch.float32, _blocks(rows, columns))},
        pack=_nf4,
        unpack=_from_nf4,
    ),
    Quantization.NF4_DOUBLE: Packing(
        shapes=lambda rows, columns: {
            "": (torch.uint8, rows * columns // 2),
            SCALES: (torch.uint8, _blocks(rows, columns)),
            STEPS: (torch.float32, _blocks(rows, columns) // _step(_blocks(rows, columns))),
        },
        pack=_double,
        unpack=_from_double,
    ),
    Quantization.INT8: Packing(
        shapes=lambda rows, columns: {"": (torch.int8, rows * columns), SCALES: (torch.float32, rows)},
        pack=_int8,
        unpack=_from_int8,
    ),
}
