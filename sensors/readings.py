"""The readings of one sensor that windows to come may need: measured as frames and sound come, summed up as a window's cues. It opens nothing."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensors.cues import Cues
from sensors.moment import NANOSECONDS
from sensors.picture import Frame, for_cues
from sensors.settings import SAMPLE_RATE_HZ, SensorSettings
from sensors.sight_cues import SightMeter, SightReading
from sensors.sound_cues import SoundMeter, SoundReading
from sensors.summary import summarise
from sensors.window import Sense

EVERY_NS = NANOSECONDS // 5
BLOCK = SAMPLE_RATE_HZ // 10
MAX_READINGS = 4096


class Readings:
    """What the place usually looks and sounds like outlives a new epoch; the readings do not."""

    def __init__(self, settings: SensorSettings) -> None:
        """Meters for every view of the settings."""
        zones = {zone.view: zone for zone in settings.zones}
        self.level_dbfs = -120.0
        """Of the newest sound."""
        self._masks = settings.masks
        self._sight_meter = SightMeter({view: zones.get(view) for view in settings.views})
        self._sound_meter = SoundMeter()
        self._sight: deque[tuple[SightReading, ...]] = deque(maxlen=MAX_READINGS)
        self._sound: deque[SoundReading] = deque(maxlen=MAX_READINGS)
        self.begin()

    def begin(self) -> None:
        """A new epoch: no reading of before belongs to a window of it."""
        self._sight.clear()
        self._sound.clear()
        self._next_ns = 0
        self.break_off()

    def break_off(self) -> None:
        """What comes of the sound does not follow what came before."""
        self._block = np.empty(0, np.float32)

    def see(self, at_ns: int, frame: Frame) -> None:
        """Measure a frame, if it is time for one."""
        if at_ns >= self._next_ns:
            self._sight.append(self._sight_meter.see(for_cues(frame.luma(), self._masks), at_ns))
            self._next_ns = at_ns + EVERY_NS * 9 // 10  # a frame that comes a little early still counts as the fifth of its second

    def hear(self, samples: NDArray[np.float32], end_sample: int) -> None:
        """Measure sound, block by block; `end_sample` is the number of the sample behind it."""
        self._block = np.concatenate([self._block, samples])
        while len(self._block) >= BLOCK:
            at_ns = (end_sample - len(self._block)) * NANOSECONDS // SAMPLE_RATE_HZ
            reading = self._sound_meter.hear(self._block[:BLOCK], at_ns)
            self.level_dbfs = reading.loud
            self._sound.append(reading)
            self._block = self._block[BLOCK:]

    def cues(self, start_ns: int, end_ns: int, senses: frozenset[Sense], views: int) -> tuple[Cues, ...]:
        """The cues of each of so many views from one time to another. A sense with a gap in the window has none."""
        sight = [readings for readings in self._sight if Sense.SIGHT in senses and start_ns <= readings[0].at_ns < end_ns]
        sound = [reading for reading in self._sound if Sense.SOUND in senses and start_ns <= reading.at_ns < end_ns]
        return tuple(summarise([readings[place] for readings in sight], sound) for place in range(views))

    def forget(self, before_ns: int) -> None:
        """No later window needs what is older."""
        while self._sight and self._sight[0][0].at_ns < before_ns:
            self._sight.popleft()
        while self._sound and self._sound[0].at_ns < before_ns:
            self._sound.popleft()
