"""Where a GPU unpacks experts: a few at a time, into one room that all layers use in turn. It knows no layer.

An expert by itself would be many small products one after the other; a whole layer of the published model would take 0.8 GB of room, all
of it out to the card's memory and back (132 GB a forward, worked out), where a slice has about the size of its cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from analyzers.omni.packing import Sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Experts that are unpacked and multiplied together, all of them hit."""

    experts: tuple[int, ...]
    """By number, rising."""
    ends: tuple[int, ...]
    """Where the rows of each end, counted from where those of the slice begin."""

    @property
    def rows(self) -> int:
        """Of all its experts."""
        return self.ends[-1]

    def runs(self) -> Iterator[tuple[int, slice]]:
        """Experts that lie side by side and can be unpacked at one stroke: the place of the first in the slice, and their numbers."""
        begin = 0
        for place, expert in enumerate(self.experts, 1):
            if place == len(self.experts) or self.experts[place] != expert + 1:
                yield begin, slice(self.experts[begin], expert + 1)
                begin = place


def slices(counts: Sequence[int], most: int) -> list[Slice]:
    """The slices, of `most` experts each, of a layer of which expert n is hit by `counts[n]` tokens. A decode step hits few, a prefill all."""
    hit = [expert for expert, count in enumerate(counts) if count]
    groups = (tuple(hit[start : start + most]) for start in range(0, len(hit), most))
    return [Slice(experts=some, ends=tuple(accumulate(counts[expert] for expert in some))) for some in groups]


class Scratch:
    """The room. Its content is whatever was unpacked last, so only one layer at a time may use it: they run one after the other."""

    def __init__(self, largest: Sides, experts: int, dtype: torch.dtype, device: torch.device) -> None:
        """For `experts` matrices of `largest`."""
        self.experts = experts
        self._room = torch.empty(experts * largest[0] * largest[1], dtype=dtype, device=device)

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self._room.numel() * self._room.element_size()

    def room(self, several: int, sides: Sides) -> Tensor:
        """Room for so many matrices: [several, rows, columns]."""
        rows, columns = sides
        return self._room[: several * rows * columns].view(several, rows, columns)
