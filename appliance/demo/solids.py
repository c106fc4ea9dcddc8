"""Boxes that stand in the hall, as the faces that a camera sees of them, farthest first. They know no material but a colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from appliance.demo.brush import Colour, shade
from appliance.demo.camera import Camera, Points

FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
"""Corners (in the order of x, y, z lower or upper) of the faces: left, right, bottom, top, front, back."""
NORMALS = np.array([(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)], np.float64)
LIGHT = np.array([-0.35, 0.85, -0.4]) / np.linalg.norm([-0.35, 0.85, -0.4])
"""Towards the lamps, which hang over the camera's left shoulder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box between two corners of its owner's own space (metres; x is where the owner heads, y up)."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where an owner's space lies in the hall: its origin on the floor and the direction of its x (radians, 0 along the hall's x)."""

    x_m: float = 0.0
    z_m: float = 0.0
    heading_rad: float = 0.0

    def place(self, points: Points) -> Points:
        """Own coordinates as the hall's."""
        sin, cos = np.sin(self.heading_rad), np.cos(self.heading_rad)
        x, y, z = points.T
        return np.stack([self.x_m + x * cos - z * sin, y, self.z_m + x * sin + z * cos], 1)


def faces(boxes: Sequence[Box], pose: Pose, camera: Camera) -> list[tuple[Points, Colour]]:
    """The visible faces as picture polygons, those of the farthest box first."""
    turn = Pose(heading_rad=pose.heading_rad).place(NORMALS)
    light = 0.68 + 0.42 * np.maximum(turn @ LIGHT, -0.4)
    found: list[tuple[float, list[tuple[Points, Colour]]]] = []
    for box in boxes:
        corners = pose.place(np.array(list(product(*zip(box.low, box.high, strict=True))), np.float64))
        flat = camera.project(corners)
        seen = [
            (flat[list(face)], shade(box.colour, float(light[i])))
            for i, face in enumerate(FACES)
            if turn[i] @ (camera.eye - corners[list(face)].mean(0)) > 0
        ]
        found.append((float(np.linalg.norm(corners.mean(0) - camera.eye)), seen))
    return [face for _, seen in sorted(found, key=lambda item: -item[0]) for face in seen]
