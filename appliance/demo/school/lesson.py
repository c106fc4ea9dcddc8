"""A lesson: a window of pictures or of sound to learn from, with its truth. Values; the windows have the shape of the demo's."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.demo.noises import Wave
from appliance.demo.school.questions import Fact, Label
from appliance.demo.school.whereabouts import Map

WINDOW_S = 4.0
FRAME_TIMES_S = (0.0, 1.0, 2.0, 3.0)
HALL_SIZE = (128, 224)
"""Height and width of the whole picture as the model sees it."""
CELL_SIZE = (160, 224)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Seen:
    """The picture of a window, whole and cut to the cell, and what is so in each."""

    hall: npt.NDArray[np.uint8]
    """uint8[4, 128, 224, 3]"""
    cell: npt.NDArray[np.uint8]
    """uint8[4, 160, 224, 3]"""
    hall_truth: dict[Fact, Label]
    cell_truth: dict[Fact, Label]
    hall_map: Map
    """int8[2, rows, columns, facts]: where it is so"""
    cell_map: Map


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """The sound of a window, and what is so in it."""

    wave: Wave
    truth: dict[Fact, Label]
