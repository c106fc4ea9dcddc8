"""A sensor's memory full of noise, and windows over it that no judge has seen yet. What benchmarks of the judge share."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from random_model import policy

from analyzers.policy import Policy
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

START = Moment(utc=datetime(2026, 1, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("benchmark"))
PAIR_S = 2


class Noise:
    """One sensor with one view, pairs of two seconds."""

    sensor, view = SensorId("hall"), ViewId("hall")

    def __init__(self, size: tuple[int, int], pairs: int) -> None:
        """`size`: height and width of frames; `pairs`: of a window."""
        self.size, self.pairs = size, pairs
        layout = SlotLayout(sensor=self.sensor, views=(self.view,), longest_side=max(size), samples=PAIR_S * 16_000, count=2 * pairs)
        self.slots = Slots(layout, create(layout), writable=True)
        rng = np.random.default_rng(0)
        for slot in range(layout.count):
            self.slots.frames(slot, self.view, *size)[:] = rng.integers(0, 255, (2, *size, 3))
            self.slots.sound(slot)[:] = rng.standard_normal(layout.samples) * 0.1
        self._epochs = self._asked = 0

    def window(self) -> Window:
        """One whose pairs are all new."""
        self._epochs += 1
        return self._window(self._epochs, 0, range(self.pairs))

    def stream(self) -> list[Window]:
        """Four windows, each two pairs after the one before."""
        self._epochs += 1
        return [self._window(self._epochs, 2 * n, [(2 * n + k) % (2 * self.pairs) for k in range(self.pairs)]) for n in range(4)]

    def _window(self, epoch: int, first: int, slots: Sequence[int]) -> Window:
        return Window(
            id=WindowId(f"{self.sensor}/{epoch}/{first}"),
            sensor=self.sensor,
            epoch=epoch,
            first_pair=first,
            start=START,
            end=START.plus(timedelta(seconds=PAIR_S * self.pairs)),
            slots=tuple(slots),
            senses=frozenset(Sense),
            views=(View(id=self.view, height=self.size[0], width=self.size[1], cues=Cues()),),
        )

    def policies(self, count: int) -> tuple[Policy, ...]:
        """Questions that nobody has asked before."""
        self._asked += count
        return tuple(policy(number) for number in range(self._asked - count, self._asked))
