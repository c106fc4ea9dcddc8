"""Measuring sound without understanding it: blocks of 100 ms in, readings out. It knows neither windows nor policies.

The onset is built so that a quiet click is none. Levels are taken every 10 ms in four bands; in each, what counts is how far
the 30th percentile of 200 ms has risen, so a sound must last to be heard (between two keystrokes the level falls back to the
room's, while glass, a slam or a shout goes on); and of the four rises the median counts, so a tap or a beep that fills one band
does not do, and a band that traffic or a fan masks does not hide the rest.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensors.moment import NANOSECONDS
from sensors.settings import SAMPLE_RATE_HZ

BLOCK = SAMPLE_RATE_HZ // 10
BLOCK_S = BLOCK / SAMPLE_RATE_HZ
STEP = SAMPLE_RATE_HZ // 100
SILENT_DBFS = -120.0
"""What no sound at all is called: the level is a logarithm and needs an end."""
HEARD_DBFS = -50.0
"""Per band. Nothing below this is a sudden sound, however quiet the room: it is a clock, a breath, the microphone itself."""
BANDS_HZ = (100, 500, 1500, 4000, 8000)
SUSTAINED = 20
"""Steps of 10 ms over which a sound must last."""
GAP = 10
BEFORE = 100
"""Steps before a rise (with a gap between, for sounds that swell) that it is compared with."""
FLOOR_SECONDS = 600
"""The site's floor is a low percentile of so many seconds."""
FLOOR_PERCENTILE = 20.0
FAR_BELOW_DB = 10.0
FLOOR_KNOWN_S = 30
"""Before so many seconds were heard, nothing is called far below the floor."""
TONE_FROM_HZ = 200
"""Below lies mains hum and rumble, which is no bell."""
TONE_OVER = 10.0
"""A tone's bin has so many times the power of its surroundings (10 dB)."""
TONE_BLOCKS = 8
"""A tone is steady when it was there in three quarters of the last so many blocks."""
HUM_S = 600.0
"""A tone that goes on for so long is part of the place, like the fan of a machine."""

Levels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundReading:
    """What one block of 100 ms sounded like; it begins at `at_ns`. Units as in `sensors.cues`."""

    at_ns: int
    loud: float
    onset: float
    tone: float
    energy: float
    """Mean square of the samples, to weigh `tone` by."""
    silence_s: float
    digital_silence_s: float


class SoundMeter:
    """Measures the sound of one microphone. One a source; its blocks must come in order."""

    def __init__(self) -> None:
        """Begin knowing nothing of the site."""
        self._tail: Levels = np.zeros(STEP, np.float32)
        self._recent: Levels = np.zeros((0, len(BANDS_HZ) - 1), np.float32)
        self._floor = _Floor()
        self._tone = _Tone()
        self._next_ns: int | None = None
        self._silence_s = 0.0
        self._digital_s = 0.0

    def hear(self, samples: NDArray[np.float32], at_ns: int) -> SoundReading:
        """The reading of one block: float32[1600], -1..1, mono 16 kHz."""
        if samples.shape != (BLOCK,):
            raise ValueError(f"a block has {BLOCK} samples, not {samples.shape}")
        samples = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
        if self._next_ns is not None and abs(at_ns - self._next_ns) > BLOCK_S * NANOSECONDS:
            self._recent = self._recent[:0]  # a gap is no rise
        self._next_ns = at_ns + round(BLOCK_S * NANOSECONDS)
        dead = bool(samples.min() == samples.max())
        self._digital_s = self._digital_s + BLOCK_S if dead else 0.0
        samples = samples - samples.mean()
        energy = float(samples @ samples) / BLOCK
        level = _dbfs(energy)
        far_below = self._floor.seconds >= FLOOR_KNOWN_S and level < self._floor.level - FAR_BELOW_DB
        self._silence_s = self._silence_s + BLOCK_S if far_below else 0.0
        onset = self._onset(samples)
        if not dead:
            self._floor.hear(level, self._recent[-BLOCK // STEP :])
        return SoundReading(
            at_ns=at_ns,
            loud=level,
            onset=onset,
            tone=self._tone.hear(samples),
            energy=energy,
            silence_s=self._silence_s,
            digital_silence_s=self._digital_s,
        )

    def _onset(self, samples: Levels) -> float:
        """The largest rise that a sound of this block has reached; 0 while too little was heard before."""
        levels = _band_levels(np.concatenate((self._tail, samples)))
        self._tail = samples[-STEP:]
        keep = SUSTAINED + GAP + BEFORE + len(levels)
        self._recent = np.concatenate((self._recent, levels))[-keep:]
        rises = [0.0]
        for end in (len(self._recent) - 5, len(self._recent)):
            begin = end - SUSTAINED
            before = self._recent[max(0, begin - GAP - BEFORE) : max(0, begin - GAP)]
            if len(before) < BEFORE // 2:
                continue
            lasting = np.sort(self._recent[begin:end], axis=0)[SUSTAINED * 3 // 10]
            reference = np.maximum(np.maximum(np.median(before, axis=0), self._floor.bands), HEARD_DBFS)
            rises.append(float(np.median(lasting - reference)))
        return max(rises)


class _Floor:
    """How quiet the site is when it is quiet: a low percentile of the last minutes, told anew once a second."""

    def __init__(self) -> None:
        self._seconds: deque[Levels] = deque(maxlen=FLOOR_SECONDS)
        self._second: list[Levels] = []
        self.level = SILENT_DBFS
        self.bands: Levels = np.full(len(BANDS_HZ) - 1, SILENT_DBFS, np.float32)

    @property
    def seconds(self) -> int:
        return len(self._seconds)

    def hear(self, level: float, bands: Levels) -> None:
        self._second.append(np.concatenate(([level], np.median(bands, axis=0))).astype(np.float32))
        if len(self._second) * BLOCK_S < 1.0:
            return
        self._seconds.append(np.median(self._second, axis=0))
        self._second = []
        low = np.percentile(np.array(self._seconds), FLOOR_PERCENTILE, axis=0)
        self.level = float(low[0])
        self.bands = low[1:].astype(np.float32)


class _Tone:
    """Which narrow bins stand out of their surroundings and have done so for most of a second."""

    def __init__(self) -> None:
        self._first = TONE_FROM_HZ * BLOCK // SAMPLE_RATE_HZ
        self._groups = 12
        self._bins = (BLOCK // 2 - self._first) // self._groups * self._groups
        self._window = np.hanning(BLOCK).astype(np.float32)
        self._hum = np.zeros(self._bins)
        self._past: deque[NDArray[np.bool_]] = deque(maxlen=TONE_BLOCKS)

    def hear(self, samples: Levels) -> float:
        """0..1: the share of the block's energy that lies in steady tones that are not the place's own hum."""
        spectrum = np.abs(np.fft.rfft(samples * self._window)[self._first : self._first + self._bins]) ** 2
        around = np.repeat(np.median(spectrum.reshape(self._groups, -1), axis=1), self._bins // self._groups)
        peaks = spectrum > TONE_OVER * around + 1e-9
        peaks[1:] |= peaks[:-1]
        peaks[:-1] |= peaks[1:]
        self._past.append(peaks)
        steady = np.sum(np.array(self._past), axis=0) >= TONE_BLOCKS * 3 // 4
        excess = np.maximum(spectrum - self._hum, 0.0)
        self._hum += (spectrum - self._hum) * (BLOCK_S / HUM_S)
        total = float(spectrum.sum())
        return float(excess[steady].sum()) / total if total > 0.0 else 0.0


_STEP_WINDOW = np.hanning(2 * STEP).astype(np.float32)
_STEP_BINS = tuple(edge * 2 * STEP // SAMPLE_RATE_HZ for edge in BANDS_HZ)


def _band_levels(samples: Levels) -> Levels:
    """Levels in dBFS, in each band, every 10 ms, over 20 ms: float32[10, 4]."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2 * STEP)[::STEP]
    power = np.abs(np.fft.rfft(frames * _STEP_WINDOW, axis=1)) ** 2
    sums = np.add.reduceat(power, _STEP_BINS[:-1], axis=1)
    # A full-scale sine in a Hann window comes out at 0 dBFS + 1.76 dB: one-sided power over the window's own energy.
    return (10.0 * np.log10(sums * (2.0 / (float(_STEP_WINDOW @ _STEP_WINDOW) * 2 * STEP)) + 1e-12)).astype(np.float32)


def _dbfs(energy: float) -> float:
    return max(SILENT_DBFS, 10.0 * float(np.log10(energy + 1e-12)))
