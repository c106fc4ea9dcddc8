"""Sound on its way to the judge: whatever a source gives becomes mono float32 at 16 kHz. It knows no microphone."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS
from sensors.settings import SAMPLE_RATE_HZ

MAX_RATE_HZ = 192_000
MAX_CHANNELS = 8


class Resampler:
    """FFmpeg's resampler, one an opening."""

    def __init__(self) -> None:
        """Takes any format."""
        self._resampler: AudioResampler | None = None
        self._takes: tuple[str, str, int] | None = None

    def feed(self, frame: AudioFrame) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Samples, -1..1, and how many nanoseconds after the frame's own time the first of them is; a few may come with the next frame."""
        begin_ns = _pts_ns(frame)
        for out in self._of(frame).resample(frame):
            yield _pts_ns(out) - begin_ns, out.to_ndarray().reshape(-1).astype(np.float32, copy=False)

    def _of(self, frame: AudioFrame) -> AudioResampler:
        """One for the frame's format: FFmpeg's takes no other than its first, and a camera may change its own."""
        takes = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or takes != self._takes:
            if frame.sample_rate > MAX_RATE_HZ or frame.layout.nb_channels > MAX_CHANNELS:
                raise SensorFault(FaultReason.UNSUPPORTED, f"sound of {frame.sample_rate} Hz and {frame.layout.nb_channels} channels is not taken")
            self._resampler, self._takes = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ), takes
        return self._resampler

    def feed_samples(self, samples: NDArray[np.int16], rate_hz: int, number: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The same for mono samples of a device, of which the first is its `number`-th."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), number
        yield from self.feed(frame)


def _pts_ns(frame: AudioFrame) -> int:
    if frame.pts is None or frame.time_base is None:
        return 0
    return frame.pts * frame.time_base.numerator * NANOSECONDS // frame.time_base.denominator
