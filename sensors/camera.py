"""Local cameras, through OpenCV's V4L2: pictures without sound, timed as they arrive."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.clock import BoxTime
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS
from sensors.picture import MAX_PIXELS
from sensors.settings import SensorSettings
from sensors.source import Opened, Sink
from sensors.window import Sense

KEPT_FPS = 5
"""Such a camera has no packets that could be kept: so many of its frames a second are, as JPEGs."""
KEPT_QUALITY = 85


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A frame of OpenCV: uint8[H, W, 3], BGR."""

    bgr: NDArray[np.uint8]

    def luma(self) -> NDArray[np.uint8]:
        """uint8[H, W]."""
        return np.asarray(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2GRAY), np.uint8)

    def rgb(self) -> NDArray[np.uint8]:
        """uint8[H, W, 3]."""
        return np.asarray(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2RGB), np.uint8)


class CameraSource:
    """One V4L2 device. A read of it cannot be given a timeout: a camera that hangs ends with the process, at its stall limit."""

    def __init__(self, settings: SensorSettings, box: BoxTime) -> None:
        """`v4l2:/dev/videoN`."""
        self._device = settings.source.removeprefix("v4l2:")
        self._box = box

    def run_once(self, sink: Sink) -> None:
        """Open, and feed until it gives out."""
        capture = cv2.VideoCapture(self._device, cv2.CAP_V4L2)
        try:
            if not capture.isOpened():
                raise self._cannot_open()
            self._feed(capture, sink)
        finally:
            if sink.recorder:
                sink.recorder.end()
            capture.release()

    def _cannot_open(self) -> SensorFault:
        if not Path(self._device).exists():
            return SensorFault(FaultReason.NOT_FOUND, f"there is no {self._device}")
        if not os.access(self._device, os.R_OK | os.W_OK):
            return SensorFault(FaultReason.UNAUTHORIZED, f"{self._device} may not be opened: put the user into the group video")
        return SensorFault(FaultReason.BUSY, f"{self._device} cannot be opened: is it a camera, and does nothing else use it?")

    def _feed(self, capture: cv2.VideoCapture, sink: Sink) -> None:
        width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise SensorFault(FaultReason.UNSUPPORTED, f"a picture of {width}x{height} is too large")
        what = Opened(senses=frozenset({Sense.SIGHT}), width=width, height=height, fps=float(capture.get(cv2.CAP_PROP_FPS)), codec="v4l2")
        is_open, kept_ns = False, 0
        while True:
            got, bgr = capture.read()
            if not got:
                raise SensorFault(FaultReason.STALLED, f"{self._device} gives no frames: was it unplugged?")
            if not is_open:
                is_open = True
                sink.opened(what)
                if sink.recorder:
                    sink.recorder.begin_jpegs(width, height, KEPT_FPS)
            sink.progress()
            at_ns = self._box.now_ns()
            sink.assembly.picture(at_ns, CameraFrame(np.asarray(bgr, np.uint8)))
            if sink.recorder and at_ns - kept_ns >= NANOSECONDS // KEPT_FPS:
                kept_ns = at_ns
                sink.recorder.picture(_jpeg(bgr), at_ns)


def _jpeg(bgr: cv2.typing.MatLike) -> bytes:
    done, coded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, KEPT_QUALITY))
    return coded.tobytes() if done else b""
