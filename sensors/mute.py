"""The box's own voice, taken out of the sound that is judged: silence for the span of an announcement, and never for much of an hour.

Spans come from the supervisor, in the sensor's time. The bound is kept here, so that nobody can deafen a sensor: once a tenth of
the last hour was muted, announcements are heard and judged like any other sound. It opens nothing and knows no announcement.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensors.moment import NANOSECONDS
from sensors.news import Mute
from sensors.settings import SAMPLE_RATE_HZ

MAX_SPANS = 8
"""Announcements that may lie ahead or have just been. There is one at a time."""
HOUR_S = 3600
MOST = HOUR_S * SAMPLE_RATE_HZ // 10
"""Samples that may be muted in any hour."""
RAMP = SAMPLE_RATE_HZ // 100
"""The silence begins and ends over 10 ms: an edge would be a click, which is a sound of its own."""

Samples = NDArray[np.float32]
Mask = NDArray[np.bool_]


class OwnVoice:
    """What of one sensor's sound is the box's own voice. Spans may come from another thread than the sound."""

    def __init__(self) -> None:
        """Nothing is muted yet. A process that is started again begins with a whole allowance."""
        self.muted = 0
        """Samples that were muted since the process started."""
        self.over = 0
        """Samples that should have been, and were not for the sake of the hour's bound."""
        self._spans: tuple[Mute, ...] = ()
        self._hour: deque[tuple[int, int]] = deque()
        self._spent = 0

    def told(self, mute: Mute) -> None:
        """There is, was or will be an announcement; one that is known already has another end than was thought."""
        self._spans = (*(span for span in self._spans if span.number != mute.number), mute)[-MAX_SPANS:]

    def taken_out(self, first: int, samples: Samples) -> tuple[Samples, Mask]:
        """The samples, of which the first has this number, without the box's own voice; and which of them it was."""
        numbers = np.arange(first, first + len(samples))
        gain, own = np.ones(len(samples), np.float32), np.zeros(len(samples), np.bool_)
        for span in self._spans:
            begin, end = (at_ns * SAMPLE_RATE_HZ // NANOSECONDS for at_ns in (span.start_boot_ns, span.end_boot_ns))
            if begin >= first + len(samples) or end <= first:
                continue
            own |= (numbers >= begin) & (numbers < end)
            np.minimum(gain, np.clip(np.maximum(begin - numbers, numbers - end + 1) / RAMP + 1, 0, 1), out=gain, casting="same_kind")
        own = self._allowed(first, own)
        return (np.where(own, samples * gain, samples) if own.any() else samples), own

    def _allowed(self, first: int, own: Mask) -> Mask:
        """As much of it as the hour has left."""
        second = first // SAMPLE_RATE_HZ
        while self._hour and self._hour[0][0] <= second - HOUR_S - 1:  # a second that began within the hour counts to its end
            self._spent -= self._hour.popleft()[1]
        wanted = int(own.sum())
        given = min(wanted, MOST - self._spent)
        if given:
            before = self._hour.pop()[1] if self._hour and self._hour[-1][0] == second else 0
            self._hour.append((second, before + given))
            self._spent += given
        self.muted += given
        self.over += wanted - given
        if given < wanted:
            own[np.flatnonzero(own)[given:]] = False
        return own
