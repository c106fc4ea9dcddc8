"""Slots: where pairs of frames and their sound lie in shared memory, from the sensor that writes to the judge that reads.

A slot holds room for the largest frames that the settings allow, one view after the other, then the sound. The memory is an
anonymous file, so pages that are never written cost nothing. This file knows the arithmetic and the mapping, and no camera.
"""

import fcntl
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sensors.settings import FRAMES_A_PAIR, SAMPLE_RATE_HZ, SensorSettings
from sensors.window import SensorId, ViewId

CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLayout:
    """Where things lie in a sensor's slots. Both ends work it out from the same numbers; nothing in it comes from a child."""

    kind: Literal["slots"] = "slots"
    sensor: SensorId
    views: tuple[ViewId, ...]
    longest_side: int
    samples: int
    """Sound samples a pair."""
    count: int

    @classmethod
    def of(cls, settings: SensorSettings) -> "SlotLayout":
        """The layout that a sensor with these settings has."""
        window = settings.window
        samples = round(window.pair_s * SAMPLE_RATE_HZ)
        return cls(sensor=settings.sensor, views=settings.views, longest_side=window.longest_side, samples=samples, count=settings.slots)

    @property
    def view_bytes(self) -> int:
        """Room for one view's frames of a pair."""
        return FRAMES_A_PAIR * self.longest_side * self.longest_side * CHANNELS

    @property
    def slot_bytes(self) -> int:
        """Bytes a slot: the views, then float32 samples."""
        return self.view_bytes * len(self.views) + 4 * self.samples

    @property
    def bytes(self) -> int:
        """Bytes of the whole memory."""
        return self.slot_bytes * self.count


def create(layout: SlotLayout) -> int:
    """Make the shared memory of `layout` and return its descriptor. Its size is sealed: no child can shrink it under a reader."""
    descriptor = os.memfd_create(f"omniwatch-{layout.sensor}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, layout.bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


class Slots:
    """A mapping of a sensor's shared memory."""

    def __init__(self, layout: SlotLayout, descriptor: int, *, writable: bool) -> None:
        """Map `descriptor`; the caller may close it afterwards. OSError where it is not what the layout says."""
        self.layout = layout
        self._memory = mmap.mmap(descriptor, layout.bytes, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))

    def frames(self, slot: int, view: ViewId, height: int, width: int) -> NDArray[np.uint8]:
        """The two frames of `view` in `slot`: uint8[2, height, width, 3], RGB, a view into the memory."""
        layout = self.layout
        if not 0 <= slot < layout.count or not 0 < height <= layout.longest_side or not 0 < width <= layout.longest_side:
            raise ValueError(f"no frames of {height}x{width} in slot {slot} of {layout}")
        offset = slot * layout.slot_bytes + layout.views.index(view) * layout.view_bytes
        shape = (FRAMES_A_PAIR, height, width, CHANNELS)
        return np.frombuffer(self._memory, np.uint8, FRAMES_A_PAIR * height * width * CHANNELS, offset).reshape(shape)

    def sound(self, slot: int) -> NDArray[np.float32]:
        """The sound of `slot`: float32[samples], -1..1, mono 16 kHz, a view into the memory."""
        layout = self.layout
        if not 0 <= slot < layout.count:
            raise ValueError(f"no slot {slot} in {layout}")
        offset = slot * layout.slot_bytes + len(layout.views) * layout.view_bytes
        return np.frombuffer(self._memory, np.float32, layout.samples, offset)

    def window_frames(self, slots: Sequence[int], view: ViewId, height: int, width: int) -> NDArray[np.uint8]:
        """A copy of a whole window's frames: uint8[2 * len(slots), height, width, 3]."""
        return np.concatenate([self.frames(slot, view, height, width) for slot in slots])

    def window_sound(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """A copy of a whole window's sound: float32[samples * len(slots)]."""
        return np.concatenate([self.sound(slot) for slot in slots])

    def close(self) -> None:
        """Unmap. BufferError while an array into it is still held."""
        self._memory.close()
