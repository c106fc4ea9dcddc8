"""A blank as a window that the judge can read: one slot that holds nothing, which stands for each of its pairs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from alerts.names import BLANK_SENSOR
from analyzers.judge import Question
from analyzers.policy import Policy
from appliance.blank.blanks import LEVEL, Blank, Picture
from sensors.cues import Cues
from sensors.moment import Moment
from sensors.settings import SAMPLE_RATE_HZ, SIDE_STEP
from sensors.slots import SlotLayout, Slots, create
from sensors.window import View, ViewId, Window, WindowId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hollow:
    """Where a blank lies."""

    blank: Blank
    layout: SlotLayout
    memory: int
    """Its descriptor."""

    @property
    def view(self) -> ViewId:
        """The zone's name is in it, as it is in that of a sensor's."""
        return ViewId(BLANK_SENSOR + self.blank.shape.zone)

    def question(self, number: int, end: Moment, policies: tuple[Policy, ...]) -> Question:
        """The policies about it, as of a window that ends at `end`. `number`: each has another, so that no two are taken for the same."""
        shape, sees = self.blank.shape, self.blank.picture is not None
        window = Window(
            id=WindowId(f"{BLANK_SENSOR}/{number}/0"),
            sensor=BLANK_SENSOR,
            epoch=number,
            first_pair=0,
            start=end.plus(timedelta(seconds=-shape.pairs * shape.pair_s)),
            end=end,
            slots=(0,) * shape.pairs,
            senses=self.blank.senses,
            views=(View(id=self.view, width=shape.width if sees else 0, height=shape.height if sees else 0, cues=Cues()),),
        )
        return Question(window=window, view=self.view, policies=policies)


@contextmanager
def hollow(blank: Blank) -> Iterator[Hollow]:
    """A blank, in memory, which is gone afterwards. OSError where there is none."""
    shape = blank.shape
    view, side = ViewId(BLANK_SENSOR + shape.zone), max(shape.width, shape.height, SIDE_STEP)
    layout = SlotLayout(sensor=BLANK_SENSOR, views=(view,), longest_side=side, samples=round(shape.pair_s * SAMPLE_RATE_HZ), count=1)
    memory = create(layout)  # zeros: black, and silent
    try:
        if blank.picture is Picture.GREY:
            Slots(layout, memory, writable=True).frames(0, view, shape.height, shape.width)[:] = np.uint8(LEVEL[Picture.GREY])
        yield Hollow(blank=blank, layout=layout, memory=memory)
    finally:
        os.close(memory)
