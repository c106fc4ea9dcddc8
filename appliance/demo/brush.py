"""Smooth drawing with OpenCV: shapes are collected, drawn three times as large and shrunk, so that edges and slow motion do not jump by pixels.

It knows shapes and colours (red, green, blue), not what they depict.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]

OVERSAMPLE = 3
FRACTION_BITS = 4


def shade(colour: Colour, by: float) -> Colour:
    """`colour` made lighter (over 1) or darker."""
    red, green, blue = (min(255.0, part * by) for part in colour)
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0..1) of `other` in it."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Stamp:
    """A drawing cut to its rectangle: what it adds (already times its opacity) and what it leaves of what is behind it."""

    left: int
    top: int
    adds: npt.NDArray[np.float32]
    leaves: npt.NDArray[np.float32]

    def onto(self, picture: Picture) -> None:
        """Put the drawing on `picture`, in place."""
        height, width = self.leaves.shape[:2]
        part = picture[self.top : self.top + height, self.left : self.left + width]
        part[:] = (part * self.leaves + self.adds).astype(np.uint8)


@dataclass(slots=True, kw_only=True)
class Brush:
    """Collects shapes in picture coordinates, first ones at the back."""

    shapes: list[tuple[npt.NDArray[np.float64], float, Colour]] = field(default_factory=list)
    """Points, and a line's width in pixels or 0 for a filled polygon, and the colour."""

    def polygon(self, points: npt.ArrayLike, colour: Colour) -> None:
        """A filled polygon."""
        self.shapes.append((np.asarray(points, np.float64), 0.0, colour))

    def line(self, points: npt.ArrayLike, width: float, colour: Colour) -> None:
        """A line through `points` with round ends."""
        self.shapes.append((np.asarray(points, np.float64), max(width, 0.4), colour))

    def oval(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour, arc: tuple[float, float] = (0.0, 360.0)) -> None:
        """A filled oval, or the part of it between two angles (degrees, clockwise from the right)."""
        angles = np.radians(np.linspace(*arc, 25))
        self.polygon(np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], 1), colour)

    def stamp(self, size: tuple[int, int], opacity: float = 1.0) -> Stamp | None:
        """The drawing, cut to a picture of `size` (width, height); None where nothing of it is inside."""
        corners = np.concatenate([np.concatenate([points - width, points + width]) for points, width, _ in self.shapes])
        left, top = (max(0, int(edge) - 1) for edge in np.clip(corners.min(0), 0, size))
        right, bottom = (min(limit, int(edge) + 2) for edge, limit in zip(np.clip(corners.max(0), 0, size), size, strict=True))
        if right <= left or bottom <= top:
            return None
        large = np.zeros(((bottom - top) * OVERSAMPLE, (right - left) * OVERSAMPLE, 4), np.uint8)
        for points, width, colour in self.shapes:
            _draw(large, (np.clip(points, -4000, 4000) - (left, top)) * OVERSAMPLE, width * OVERSAMPLE, colour)
        small = cv2.resize(large, (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype(np.float32)
        return Stamp(left=left, top=top, adds=small[..., :3] * opacity, leaves=1 - small[..., 3:] * (opacity / 255))

    def onto(self, picture: Picture, opacity: float = 1.0) -> None:
        """Draw everything on `picture`, in place."""
        if self.shapes and (stamp := self.stamp((picture.shape[1], picture.shape[0]), opacity)):
            stamp.onto(picture)


def _draw(canvas: Picture, points: npt.NDArray[np.float64], width: float, colour: Colour) -> None:
    """One shape, opaque, on the enlarged canvas."""
    fixed = np.round((points - 0.5) * (1 << FRACTION_BITS)).astype(np.int32)
    paint = (*colour, 255.0)
    if width:
        cv2.polylines(canvas, [fixed], isClosed=False, color=paint, thickness=max(1, round(width)), lineType=cv2.LINE_8, shift=FRACTION_BITS)
    else:
        cv2.fillPoly(canvas, [fixed], paint, lineType=cv2.LINE_8, shift=FRACTION_BITS)


def shadow(picture: Picture, outline: npt.NDArray[np.float64], darkness: float, softness_px: float) -> None:
    """Darken `picture` inside `outline`, with soft edges, in place."""
    margin = 3 * softness_px
    height, width = picture.shape[:2]
    left, top = (max(0, int(edge)) for edge in outline.min(0) - margin)
    right, bottom = (min(limit, int(edge) + 1) for edge, limit in zip(outline.max(0) + margin, (width, height), strict=True))
    if right - left < 2 or bottom - top < 2:
        return
    mask = np.zeros((bottom - top, right - left), np.float32)
    cv2.fillPoly(mask, [np.round(outline - (left, top)).astype(np.int32)], darkness)
    mask = cv2.GaussianBlur(mask, (0, 0), softness_px)
    part = picture[top:bottom, left:right]
    part[:] = (part * (1 - mask[..., None])).astype(np.uint8)


def each(shapes: Iterable[tuple[npt.ArrayLike, Colour]], brush: Brush) -> None:
    """Hand filled polygons to `brush` in their order."""
    for points, colour in shapes:
        brush.polygon(points, colour)
