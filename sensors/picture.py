"""Pictures on their way into a slot: masked before anything else sees them, cropped to zones, sized as the settings say."""

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.cues import Box
from sensors.settings import Zone, size_of

Pixels = NDArray[np.uint8]

CUE_WIDTH, CUE_HEIGHT = 640, 360
"""Cues are measured on no more than this."""
MAX_PIXELS = 3840 * 2400
"""No larger picture is decoded."""


class Frame(Protocol):
    """A decoded picture that is converted only where it is needed."""

    def luma(self) -> Pixels:
        """uint8[H, W]; may be a view into the decoder's memory."""
        ...

    def rgb(self) -> Pixels:
        """uint8[H, W, 3]."""
        ...


def fitted(picture: Pixels, longest_side: int) -> Pixels:
    """The picture at the size that the model sees."""
    height, width = size_of(picture.shape[0], picture.shape[1], longest_side)
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = height * width < picture.shape[0] * picture.shape[1]
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)


def masked(picture: Pixels, masks: Sequence[Box], *, black: int = 0) -> Pixels:
    """The picture with black boxes, in a copy of its own; edges are rounded outwards, so that nothing masked shines through.

    `black`: what is black in it; in a plane of colour differences 128.
    """
    if not masks:
        return picture
    out = picture.copy()
    height, width = out.shape[:2]
    for box in masks:
        rows = slice(math.floor(box.y0 * height), math.ceil(box.y1 * height))
        columns = slice(math.floor(box.x0 * width), math.ceil(box.x1 * width))
        out[rows, columns] = black
    return out


def cropped(picture: Pixels, zone: Zone) -> Pixels:
    """The bounding box of a zone's polygon, at full resolution."""
    top, bottom, left, right = zone.bounds(*picture.shape[:2])
    return picture[top:bottom, left:right]


def for_cues(luma: Pixels, masks: Sequence[Box]) -> Pixels:
    """The luma plane as cues are measured on it: masked first, then no larger than needed."""
    plain = masked(luma, masks)
    height, width = plain.shape
    scale = min(1.0, CUE_WIDTH / width, CUE_HEIGHT / height)
    if scale == 1.0:
        return np.ascontiguousarray(plain)
    return np.asarray(cv2.resize(plain, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA), np.uint8)
