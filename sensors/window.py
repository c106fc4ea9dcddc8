"""A window: the span of one sensor that is judged as one. Its pixels and samples stay in slots; this is all that travels.

A window is made of whole *pairs*: two frames and the sound that belongs to them (`2 / fps` seconds), on the sensor's
absolute grid. A pair lies in one slot of the sensor's shared memory, and windows that overlap share the slots of the pairs
they have in common. It knows nothing of who will look at it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NewType

from sensors.cues import Cues
from sensors.moment import Moment

SensorId = NewType("SensorId", str)
ViewId = NewType("ViewId", str)
"""`<sensor>` for the whole picture (or the sound alone), `<sensor>.<zone>` for one of its zones."""
WindowId = NewType("WindowId", str)
"""`<sensor>/<epoch>/<number of its first pair>`: unique within a run."""


class Sense(StrEnum):
    """What a sensor can perceive."""

    SIGHT = "sight"
    SOUND = "sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view's part of a window: the shape of its frames in each slot, and what was measured there.

    `height` and `width` are multiples of 32, and 0 where the window has no picture.
    """

    id: ViewId
    height: int
    width: int
    cues: Cues


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a sensor saw and heard between two moments; `senses` are those it has without a gap from start to end."""

    kind: Literal["window"] = "window"
    id: WindowId
    sensor: SensorId
    epoch: int
    """Counts the sensor's openings: pairs of different epochs are never mixed."""
    first_pair: int
    """Number of the first pair on the absolute grid: pair n covers [n, n + 1) * 2 / fps seconds of the sensor's time."""
    start: Moment
    end: Moment
    slots: tuple[int, ...]
    """The slot of each pair, in order."""
    senses: frozenset[Sense]
    own_voice: float = 0.0
    """0..1: share of its sound that was the box's own voice and is silence now. Where that is most of it, it has no sense of sound."""
    views: tuple[View, ...]

    def view(self, view: ViewId) -> View:
        """The part that belongs to `view`; KeyError where the window has none."""
        for part in self.views:
            if part.id == view:
                return part
        raise KeyError(view)
