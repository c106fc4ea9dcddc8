"""What a sensor process is told: one value, sent to it as its first message. It holds no secret; those come on a descriptor."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sensors.cues import Box
from sensors.moment import BootId
from sensors.window import SensorId, ViewId

FRAMES_A_PAIR = 2
SAMPLE_RATE_HZ = 16_000
SIDE_STEP = 32
"""Frames have sides of a multiple of this many pixels: one merged patch of the vision tower."""


class SoundUse(StrEnum):
    """What a sensor may do with sound."""

    OFF = "off"
    JUDGE = "judge"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowShape:
    """Length, stride, rate and size of a sensor's windows. Length and stride are whole pairs of `2 / fps` seconds."""

    length_s: float
    every_s: float
    fps: int
    longest_side: int

    @property
    def pair_s(self) -> float:
        """Seconds that a pair covers."""
        return FRAMES_A_PAIR / self.fps

    @property
    def pairs(self) -> int:
        """Pairs in a window."""
        return round(self.length_s / self.pair_s)

    @property
    def stride_pairs(self) -> int:
        """Pairs from one window's start to the next one's."""
        return round(self.every_s / self.pair_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A named polygon in shares of the picture; its view is the picture cropped to the polygon's bounding box."""

    view: ViewId
    polygon: tuple[tuple[float, float], ...]

    def bounds(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Its bounding box in a picture of that size, in pixels: top, bottom, left, right; at least one pixel each way."""
        xs, ys = [x for x, _ in self.polygon], [y for _, y in self.polygon]
        top, left = math.floor(min(ys) * height), math.floor(min(xs) * width)
        return top, max(top + 1, math.ceil(max(ys) * height)), left, max(left + 1, math.ceil(max(xs) * width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A recording is judged without loss and as fast as the judge allows: no pacing, no dropping, its own clock.

    The recording's first instant is told as `start_utc_s` (seconds since 1970) and boot time `start_boot_ns` of `boot_id`.
    """

    start_utc_s: float
    boot_id: BootId
    start_boot_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSettings:
    """The ring of segments that evidence is cut from."""

    folder: str
    """The runtime folder; `segment.py` says where below it a sensor's lie."""
    seconds: float
    """How long they are kept."""
    bytes: int
    """How much of them at most."""
    only: bool = False
    """The source is read for them alone: nothing of it is decoded, and no window comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSettings:
    """Everything a sensor process needs to know but its secret."""

    kind: Literal["settings"] = "settings"
    sensor: SensorId
    source: str
    """`rtsp://…`, `rtsps://…`, `file:…`, `v4l2:/dev/videoN` or `mic:NAME`, never with credentials in it."""
    window: WindowShape
    zones: tuple[Zone, ...] = ()
    """Zones that at least one policy asks about."""
    masks: tuple[Box, ...] = ()
    sound: SoundUse = SoundUse.JUDGE
    stall_after_s: float = 10.0
    slots: int
    """How many slots (pairs) the shared memory has."""
    replay: Replay | None = None
    segments: SegmentSettings | None = None
    """None: nothing of it is kept, or another process reads it for that."""

    @property
    def views(self) -> tuple[ViewId, ...]:
        """The whole picture first, then the zones, in the order in which they lie in a slot."""
        return (ViewId(self.sensor), *(zone.view for zone in self.zones))


def size_of(height: float, width: float, longest_side: int) -> tuple[int, int]:
    """The height and width that a picture gets: multiples of 32, the longer one at most `longest_side`, never enlarged beyond the next multiple."""
    scale = min(1.0, longest_side / max(height, width))
    return _side(height * scale, longest_side), _side(width * scale, longest_side)


def _side(pixels: float, longest_side: int) -> int:
    return max(SIDE_STEP, min(longest_side, round(pixels / SIDE_STEP) * SIDE_STEP))
