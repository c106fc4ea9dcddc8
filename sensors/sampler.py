"""A sampler: which of a source's frames stands for which instant of the grid. It keeps one frame, and knows no pair and no slot."""

from collections.abc import Iterator
from dataclasses import dataclass

from sensors.grid import Grid
from sensors.moment import NANOSECONDS
from sensors.picture import Frame

EARLY_NS = NANOSECONDS // 10
"""The first frame of a source stands for an instant up to 100 ms before it: recordings often begin with a little sound alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """An instant of the grid, and the frame that is nearest to it. None is further away than the grid's `stale_ns`."""

    instant: int
    frame: Frame


class Sampler:
    """Of one opening of a source. What it yields is to be taken to the end before it is told of the next frame."""

    def __init__(self, grid: Grid) -> None:
        """It begins with the first frame."""
        self._grid = grid
        self._instant: int | None = None
        self._before: tuple[int, Frame] | None = None
        self._apart_ns = 0

    def see(self, at_ns: int, frame: Frame) -> Iterator[Sampled]:
        """A frame, at a time of the sensor; what is yielded are the instants since the frame before. Those of a long gap stay empty."""
        stale_ns = self._grid.stale_ns
        if self._before is None or at_ns - self._before[0] > 2 * stale_ns:
            yield from self._until(self._before[0] + stale_ns if self._before else at_ns, at_ns, frame)
            nearest = self._grid.next_instant(at_ns - (stale_ns if self._before else EARLY_NS))
            self._instant = nearest if self._instant is None else max(self._instant, nearest)  # not one by one: there may be millions
        yield from self._until(at_ns, at_ns, frame)
        self._apart_ns = at_ns - self._before[0] if self._before else 0
        self._before = (at_ns, frame)

    def end(self) -> Iterator[Sampled]:
        """No frame comes any more: the last one stands for as long as it was shown."""
        if self._before is not None:
            at_ns, frame = self._before
            yield from self._until(at_ns + min(self._apart_ns, self._grid.stale_ns) - 1, at_ns, frame)

    def _until(self, until_ns: int, at_ns: int, frame: Frame) -> Iterator[Sampled]:
        """The instants up to a time, each with the frame before or with this one at `at_ns`, whichever is nearer."""
        while self._instant is not None and (instant_ns := self._grid.instant_ns(self._instant)) <= until_ns:
            before = self._before
            nearer = frame if before is None or at_ns - instant_ns <= instant_ns - before[0] else before[1]
            self._instant += 1
            yield Sampled(instant=self._instant - 1, frame=nearer)
