"""A sensor's memory as the judge finds it: noise in every slot, and windows over it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from analyzers.policy import Policy, PolicyId
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

BOTH = frozenset(Sense)
SIGHT, SOUND = frozenset({Sense.SIGHT}), frozenset({Sense.SOUND})
START = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=5_000_000_000, boot_id=BootId("b"))


class Scene:
    """One sensor: the whole picture of 64x96 and one zone of 32x64, pairs of a second, eight slots."""

    def __init__(self, *, name: str = "hall", seed: int = 0) -> None:
        """Make the memory of sensor `name` and fill it with noise."""
        self.sensor = SensorId(name)
        self.views = {ViewId(name): (64, 96), ViewId(f"{name}.door"): (32, 64)}
        self.layout = SlotLayout(sensor=self.sensor, views=tuple(self.views), longest_side=96, samples=16_000, count=8)
        self.memory = create(self.layout)
        self.slots = Slots(self.layout, self.memory, writable=True)
        rng = np.random.default_rng(seed)
        for slot in range(self.layout.count):
            for view, (height, width) in self.views.items():
                self.slots.frames(slot, view, height, width)[:] = rng.integers(0, 255, (2, height, width, 3))
            self.slots.sound(slot)[:] = rng.standard_normal(16_000) * 0.1

    @property
    def whole(self) -> ViewId:
        """The whole picture."""
        return ViewId(self.sensor)

    @property
    def door(self) -> ViewId:
        """The zone."""
        return ViewId(f"{self.sensor}.door")

    def window(self, slots: Sequence[int] = (0, 1), senses: frozenset[Sense] = BOTH) -> Window:
        """The window that lies in `slots`."""
        sizes = {view: size if Sense.SIGHT in senses else (0, 0) for view, size in self.views.items()}
        return Window(
            id=WindowId(f"{self.sensor}/0/{slots[0]}"),
            sensor=self.sensor,
            epoch=0,
            first_pair=slots[0],
            start=START,
            end=START.plus(timedelta(seconds=len(slots))),
            slots=tuple(slots),
            senses=senses,
            views=tuple(View(id=view, height=height, width=width, cues=Cues()) for view, (height, width) in sizes.items()),
        )


def policy(ask: str, unless: str | None = None, senses: frozenset[Sense] = frozenset()) -> Policy:
    """A policy that asks `ask`, named after it."""
    name = "".join(letter if letter.isalnum() else "-" for letter in ask.lower())[:48]
    return Policy(id=PolicyId(name), title=ask, ask=ask, unless=unless, sensors=(SensorId("hall"),), senses=senses)
