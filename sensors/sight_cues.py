"""Measuring pictures without understanding them: luma in, readings out. It knows neither windows nor policies.

Everything is measured on a picture reduced to 160 pixels on its longest side: averaging 4 x 4 pixels takes most of a sensor's
noise away, and what matters to a cue is larger than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from sensors.background import LIGHT_SHARE, SMALLEST, STILL_THERE, Background, Levels, Luma, Mask, edges, gain, opened, recognised, sample
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
UNREST_LEVELS = np.float32(8.0)
"""No more of a step than this is learnt as usual, or whoever walks to and fro would end unseen."""


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
        self._camera: _Camera | None = None
        self._at_ns = 0

    def see(self, luma: Luma, at_ns: int) -> tuple[SightReading, ...]:
        """The readings of one frame, one a view. `luma`: uint8[height, width]; everything is learnt anew when its size changes."""
        small = _reduced(luma)
        if self._camera is None or self._camera.shape != small.shape:
            self._camera = _Camera(small, self._views)
            self._at_ns = at_ns
        passed_s = min(max(at_ns - self._at_ns, 0) / NANOSECONDS, LONGEST_GAP_S)
        self._at_ns = at_ns
        camera = self._camera
        tampering = camera.tamper.see(luma, small, passed_s)
        moving, changed = camera.see(small, passed_s, moved=tampering.moved > 0.0)
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
            for view, area in camera.areas.items()
        )


class _Camera:
    """What is remembered of one camera, at one size of picture."""

    def __init__(self, small: Luma, views: Mapping[ViewId, Zone | None]) -> None:
        self.shape = small.shape
        self.areas = {view: _Area(zone, small.shape) for view, zone in views.items()}
        self.tamper = Tamper()
        self._background = Background(small)
        self._before: Levels = small.astype(np.float32)
        self._unrest: Levels = np.ones_like(self._before)
        self._was_moved = False

    def see(self, small: Luma, passed_s: float, *, moved: bool) -> tuple[Mask, Mask]:
        """What moves, and what differs from the background; a camera that was moved learns its new one at once."""
        if moved and not self._was_moved:
            self._background.forget(small)
        self._was_moved = moved
        now = small.astype(np.float32)
        moving = self._moving(now, passed_s)
        changed = self._background.see(small, now, moving, passed_s)
        self._before = now
        return moving, changed

    def _moving(self, now: Levels, passed_s: float) -> Mask:
        """What moved since the last frame, with a change of light or exposure taken out."""
        step = cv2.absdiff(now, self._before * np.float32(gain(sample(now), sample(self._before))))
        bound = cv2.addWeighted(now, 0.03, self._unrest, 5.0, 4.0)
        mask = opened(np.asarray(cv2.compare(step, bound, cv2.CMP_GT), np.uint8))
        # What moves is no unrest: only so much of a step is learnt.
        cv2.accumulateWeighted(np.minimum(step, UNREST_LEVELS), self._unrest, min(1.0, passed_s / UNREST_S))
        count = cv2.countNonZero(mask)
        if count < SMALLEST or (count > LIGHT_SHARE * mask.size and self._same_place(now)):
            mask.fill(0)
        return mask

    def _same_place(self, now: Levels) -> bool:
        """Whether all that changed since the last frame is the light."""
        return recognised(edges(now.astype(np.uint8)), edges(self._before.astype(np.uint8))) > STILL_THERE


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


def _reduced(luma: Luma) -> Luma:
    """The picture at 160 pixels on its longest side. Halving as often as possible is five times faster than one step."""
    height, width = luma.shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    while luma.shape[1] >= 2 * size[0] and luma.shape[0] >= 2 * size[1]:
        height, width = luma.shape[0] // 2, luma.shape[1] // 2
        luma = np.asarray(cv2.resize(luma[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return luma if luma.shape == size[::-1] else np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
