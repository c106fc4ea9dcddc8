"""Measuring pictures without understanding them: luma in, readings out. It knows neither windows nor policies.

Everything is measured on a picture reduced to 160 pixels on its longest side: averaging 4 x 4 pixels takes most of a sensor's
noise away, and what matters to a cue is larger than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from sensors.background import SMALLEST, Background, Levels, Luma, Mask, edges, gain, same_place
from sensors.cues import Box
from sensors.moment import NANOSECONDS
from sensors.settings import Zone
from sensors.tampering import Tamper
from sensors.window import ViewId

LONGEST_SIDE = 160
LONGEST_GAP_S = 2.0
"""After a gap, no more than this is taken to have passed for what is learnt."""
UNREST_S = 30.0
"""Time constant of each pixel's usual step from frame to frame."""

_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SightReading:
    """What one frame showed in one view. Units as in `sensors.cues`."""

    view: ViewId
    at_ns: int
    motion: float
    motion_at: Box | None
    changed: float
    changed_at: Box | None
    dark: float
    covered: float
    frozen_s: float
    moved: float


class SightMeter:
    """Measures the frames of one camera for all of its views. One a camera; its frames must come in order."""

    def __init__(self, views: Mapping[ViewId, Zone | None]) -> None:
        """`views`: in the order of the readings; None is the whole picture."""
        cv2.setNumThreads(1)  # several sensors share few cores, and a thread pool costs more than it brings at this size
        self._views = dict(views)
        self._areas: dict[ViewId, _Area] = {}
        self._tamper = Tamper()
        self._background: Background | None = None
        self._before: Luma = np.zeros((0, 0), np.uint8)
        self._unrest: Levels = np.zeros((0, 0), np.float32)
        self._at_ns = 0
        self._was_moved = False

    def see(self, luma: Luma, at_ns: int) -> tuple[SightReading, ...]:
        """The readings of one frame, one a view. `luma`: uint8[height, width], of any size that stays."""
        half, small = _reduced(luma)
        passed_s = min(max(at_ns - self._at_ns, 0) / NANOSECONDS, LONGEST_GAP_S)
        if self._background is None or small.shape != self._before.shape:
            passed_s = 0.0
            self._begin(small)
        self._at_ns = at_ns
        moving = self._moving(small, passed_s)
        tampering = self._tamper.see(luma, half, small, passed_s)
        changed = self._changed(small, moving, passed_s, moved=tampering.moved > 0.0)
        self._before = small
        return tuple(
            SightReading(
                view=view,
                at_ns=at_ns,
                motion=area.share(moving),
                motion_at=area.box(moving),
                changed=area.share(changed),
                changed_at=area.box(changed),
                dark=1.0 - area.mean(small) / 255.0,
                covered=tampering.covered,
                frozen_s=tampering.frozen_s,
                moved=tampering.moved,
            )
            for view, area in self._areas.items()
        )

    def _begin(self, small: Luma) -> None:
        self._background = Background(small)
        self._before = small
        self._unrest = np.ones(small.shape, np.float32)
        self._areas = {view: _Area(zone, small.shape) for view, zone in self._views.items()}

    def _moving(self, small: Luma, passed_s: float) -> Mask:
        """What moved since the last frame, (0 or 1), with a change of light or exposure taken out."""
        now, before = small.astype(np.float32), self._before.astype(np.float32)
        factor = gain(now, before)
        step = np.abs(now - before * factor)
        mask = (step > 4.0 + 0.03 * now + 5.0 * self._unrest).view(np.uint8)
        self._unrest += (np.minimum(step, 8.0) - self._unrest) * np.float32(passed_s / UNREST_S)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE), np.uint8)
        count = np.count_nonzero(mask)
        if count < SMALLEST or (count > 0.3 * mask.size and same_place(edges(small), edges(self._before), factor)):
            return np.zeros_like(mask)
        return mask

    def _changed(self, small: Luma, moving: Mask, passed_s: float, *, moved: bool) -> Mask:
        """What differs from the background; a camera that was moved learns its new one at once."""
        assert self._background is not None  # noqa: S101 - `see` has begun
        if moved and not self._was_moved:
            self._background.forget(small)
        self._was_moved = moved
        return self._background.see(small, moving, passed_s)


class _Area:
    """The part of the reduced picture that one view measures."""

    def __init__(self, zone: Zone | None, shape: tuple[int, ...]) -> None:
        height, width = shape
        self._inside: Mask | None = None
        self._left, self._top, self._right, self._bottom = 0, 0, width, height
        if zone is None:
            self._size = height * width
            return
        corners = np.round(np.array(zone.polygon) * (width, height)).astype(np.int32)
        self._left, self._top = np.clip(corners.min(axis=0), 0, (width - 1, height - 1)).tolist()
        self._right, self._bottom = np.clip(corners.max(axis=0), (self._left + 1, self._top + 1), (width, height)).tolist()
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [corners], 1)
        self._inside = self._cut(inside)
        self._size = max(1, int(np.count_nonzero(self._inside)))

    def _cut(self, picture: Luma) -> Luma:
        return picture[self._top : self._bottom, self._left : self._right]

    def _own(self, mask: Mask) -> Mask:
        part = self._cut(mask)
        return part if self._inside is None else part & self._inside

    def share(self, mask: Mask) -> float:
        """The share of the view that is set."""
        return int(np.count_nonzero(self._own(mask))) / self._size

    def box(self, mask: Mask) -> Box | None:
        """The rectangle around all that is set, in shares of the view."""
        own = np.ascontiguousarray(self._own(mask))
        left, top, width, height = cv2.boundingRect(own)
        if not width:
            return None
        rows, columns = own.shape
        return Box(x0=left / columns, y0=top / rows, x1=(left + width) / columns, y1=(top + height) / rows)

    def mean(self, picture: Luma) -> float:
        """The mean luma of the view."""
        return float(cv2.mean(self._cut(picture), self._inside)[0])


def _reduced(luma: Luma) -> tuple[Luma, Luma]:
    """The picture at about 320 and 160 pixels on its longest side. Twice by a factor of two is the fast way from 640."""
    height, width = luma.shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    double = min(width, 2 * size[0]), min(height, 2 * size[1])
    half = luma if double == (width, height) else cv2.resize(luma, double, interpolation=cv2.INTER_AREA)
    small = half if size == double else cv2.resize(half, size, interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.uint8), np.asarray(small, np.uint8)
