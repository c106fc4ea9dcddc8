"""What is known of pictures: the features of each view's newest pairs of frames, made once and kept for the windows that overlap.

The tower attends within a pair only, so a pair's features are the same in every window that holds it, bit for bit. Pairs of equal size
go through it as one batch. What is kept lives no longer than the memory that its pairs lay in: a sensor process that starts anew counts
its epochs from one again, and brings new memory. It knows no policy and no prompt.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from analyzers.omni.family import QWEN3_OMNI, Family
from analyzers.omni.media import Grid, patches
from analyzers.omni.tower import Seen, features
from sensors.slots import Slots
from sensors.window import View, ViewId, Window

MAX_PATCHES = 16_384
"""That go through the tower together: about 600 MB at work in the published model on a GPU."""
MAX_KEPT_BYTES = 512_000_000
"""Of features. Where views are so many that it is not enough, those that were looked at longest ago are forgotten."""

BLOCK = 16
"""Pixels on a side: so large is somebody at the far end of a hall in a picture of 576x320."""

Pair = tuple[int, int, int, int]
"""Epoch and number of a pair, and height and width of its frames."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """A view of a window: its pairs in order, of which some are known from earlier windows and the rest have been read."""

    memory: Slots
    view: ViewId
    grid: Grid
    pairs: tuple[Pair, ...]
    """Those that are shown."""
    times: tuple[int, ...]
    """The place of each of them among the window's pairs."""
    known: Mapping[Pair, Seen]
    read: Mapping[Pair, NDArray[np.uint8]]
    """Patches."""

    @property
    def patches(self) -> int:
        """Of a pair."""
        return self.grid[1] * self.grid[2]


Place = tuple[Slots, ViewId, Pair]


class Pairs:
    """The features of each view's newest window: those that the next one can have in common with it."""

    def __init__(self, family: Family = QWEN3_OMNI) -> None:
        """Nothing seen yet."""
        self._family = family
        self._kept: WeakKeyDictionary[Slots, dict[ViewId, dict[Pair, Seen]]] = WeakKeyDictionary()

    def sight(self, window: Window, view: View, memory: Slots, still: float = 0.0) -> Sight:
        """The view's pairs, those that are not known read. KeyError or ValueError where `memory` does not hold them.

        `still`: pairs that change by less, in levels of 255, are left out; see `changing`. 0: none.
        """
        frames = [memory.frames(slot, view.id, view.height, view.width) for slot in window.slots]  # a window that memory cannot hold is not judged
        times = changing(frames, still) if still else tuple(range(len(frames)))
        pairs = tuple((window.epoch, window.first_pair + time, view.height, view.width) for time in times)
        kept = self._kept.get(memory, {}).get(view.id, {})
        height, width = self._family.fitted(view.height, view.width)
        new = [(pair, frames[time]) for pair, time in zip(pairs, times, strict=True) if pair not in kept]
        read = {pair: patches(resized(pictures, height, width), self._family)[0] for pair, pictures in new}
        grid = (len(pairs), height // self._family.patch, width // self._family.patch)
        known = {pair: kept[pair] for pair in pairs if pair in kept}
        return Sight(memory=memory, view=view.id, grid=grid, pairs=pairs, times=times, known=known, read=read)

    def glance(self, tower: nn.Module, sight: Sight) -> Seen:
        """What there is to see, of a window that may be older than what is kept: nothing is kept of it. RuntimeError is torch's."""
        found = self._looked(tower, [sight], MAX_PATCHES)
        return _joined([found[sight.memory, sight.view, pair] for pair in sight.pairs])

    def look(self, tower: nn.Module, sights: Sequence[Sight], most: int = MAX_PATCHES) -> dict[Sight, Seen]:
        """What there is to see in each. A pair that several have in common is looked at once; RuntimeError is torch's.

        `most`: patches that go through the tower together, and at least a pair's.
        """
        found = self._looked(tower, sights, most)
        self._keep(sights, found)
        return {sight: _joined([found[sight.memory, sight.view, pair] for pair in sight.pairs]) for sight in sights}

    def _looked(self, tower: nn.Module, sights: Sequence[Sight], most: int) -> dict[Place, Seen]:
        """The features of every pair: those that are known, and the others."""
        found: dict[Place, Seen] = {(sight.memory, sight.view, pair): seen for sight in sights for pair, seen in sight.known.items()}
        unseen = {(sight.memory, sight.view, pair): values for sight in sights for pair, values in sight.read.items()}
        for places in self._batches(unseen, most):
            found |= zip(places, features(tower, [unseen[place] for place in places], self._sides(places[0]), self._family), strict=True)
        return found

    def _sides(self, place: Place) -> tuple[int, int]:
        """Rows and columns of patches in a pair."""
        height, width = self._family.fitted(*place[2][2:])
        return height // self._family.patch, width // self._family.patch

    def _batches(self, unseen: Iterable[Place], most: int) -> Iterator[list[Place]]:
        """Pairs of equal size that go through the tower together."""
        by_sides: dict[tuple[int, int], list[Place]] = {}
        for place in unseen:
            by_sides.setdefault(self._sides(place), []).append(place)
        for (rows, columns), places in by_sides.items():
            step = max(1, most // (rows * columns))
            yield from (places[start : start + step] for start in range(0, len(places), step))

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


def changing(pairs: Sequence[NDArray[np.uint8]], still: float) -> tuple[int, ...]:
    """The places of the pairs, uint8[2, height, width, 3] each, that show something new; the first and the last always do. Pure.

    A pair does where either frame differs from the last such by `still` or more, in levels of 255, in any colour's mean of any BLOCK x BLOCK
    pixels: such a mean has little of the noise of its pixels.
    """
    blocks = [_blocks(pair) for pair in pairs]
    shown = [0]
    for place in range(1, len(blocks)):
        if place == len(blocks) - 1 or np.abs(blocks[place] - blocks[shown[-1]][-1]).max() >= still:
            shown.append(place)
    return tuple(shown)


def _blocks(pair: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32[2, rows, columns, 3]: the mean of each block. Sides are multiples of 32, and so of BLOCK."""
    frames, height, width, colours = pair.shape
    rows = pair.reshape(frames, height // BLOCK, BLOCK, width * colours).sum(2, dtype=np.uint16)  # two sums take a ninth of one mean's time
    sums = rows.reshape(frames, height // BLOCK, width // BLOCK, BLOCK, colours).sum(3, dtype=np.uint32)
    return np.asarray(sums / np.float32(BLOCK * BLOCK), np.float32)


def resized(frames: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Frames of another size, to the bit as the makers' processor resizes them."""
    if frames.shape[1:3] == (height, width):
        return frames
    pictures = torch.tensor(frames).permute(0, 3, 1, 2)
    made = functional.interpolate(pictures, (height, width), mode="bicubic", antialias=True)
    return np.asarray(made.permute(0, 2, 3, 1).numpy(), np.uint8)


def _joined(seen: Sequence[Seen]) -> Seen:
    deep = zip(*(each.deep for each in seen), strict=True)
    return Seen(pooled=torch.cat([each.pooled for each in seen]), deep=tuple(torch.cat(layer) for layer in deep))
