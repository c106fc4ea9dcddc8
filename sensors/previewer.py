"""Makes previews of the frames that pass by, as it was told. It judges nothing, and keeps none."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from sensors.cues import Box
from sensors.moment import NANOSECONDS
from sensors.picture import Frame, Pixels, masked
from sensors.preview import LEAST_S, Preview, PreviewShape
from sensors.window import SensorId

STEPS = ((1.0, 80), (1.0, 60), (1.0, 40), (0.7, 40), (0.5, 40), (0.35, 40), (0.25, 40), (0.18, 40), (0.12, 40), (0.05, 40))
"""Shares of the longest side, with JPEG's quality: coarser from one to the next, until the bytes fit. The last always does."""


EARLY_NS = NANOSECONDS // 10
"""So much too early a frame still counts, or a camera of one a second, which is never quite in time, would be shown every other second."""


class Previewer:
    """One sensor's."""

    def __init__(self, sensor: SensorId, masks: Sequence[Box], out: Callable[[Preview], None]) -> None:
        """It makes nothing before it is given a shape."""
        self._shape: PreviewShape | None = None
        self._asked = False
        self._sensor = sensor
        self._masks = masks
        self._out = out
        self._due_ns = self._last_ns = 0
        self._step = 0

    def show(self, shape: PreviewShape | None) -> None:
        """Make previews like this from now on, the first at once; None: none. Called by the thread that listens to the supervisor."""
        self._shape, self._asked = shape, True

    def see(self, at_ns: int, frame: Frame) -> None:
        """Make a preview of a frame, if it is time for one."""
        shape = self._shape  # read once: another thread sets it
        if shape is None:
            return
        every_ns = round(shape.every_s * NANOSECONDS)
        if self._asked:
            self._asked, self._due_ns = False, min(self._due_ns, self._last_ns + LEAST_S * NANOSECONDS)
        if self._last_ns - LEAST_S * NANOSECONDS <= at_ns < self._due_ns - EARLY_NS:  # of what lies further back the source's clock has jumped
            return
        follows = abs(at_ns - self._due_ns) < every_ns
        self._due_ns, self._last_ns = (self._due_ns if follows else at_ns) + every_ns, at_ns
        self._out(Preview(sensor=self._sensor, jpeg=self._jpeg(masked(frame.rgb(), self._masks), shape)))

    def _jpeg(self, picture: Pixels, shape: PreviewShape) -> bytes:
        """As large and fine as the bytes allow. It begins one step finer than the last, so that a scene which has calmed down looks better again."""
        for step in range(max(0, self._step - 1), len(STEPS)):
            share, quality = STEPS[step]
            jpeg = encoded(shrunk(picture, round(shape.longest_side * share)), quality)
            if len(jpeg) <= shape.bytes:
                self._step = step
                return jpeg
        raise RuntimeError(f"a picture of {picture.shape} does not fit into {shape.bytes} bytes")


def shrunk(picture: Pixels, longest_side: int) -> Pixels:
    """The picture with no side over `longest_side`; never enlarged."""
    height, width = picture.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1.0:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def encoded(picture: Pixels, quality: int) -> bytes:
    """An RGB picture as a JPEG, 0..100."""
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise RuntimeError("OpenCV writes no JPEG")
    return bytes(jpeg)
