"""A source's own clock against the box's: presentation times to boot time. It opens nothing.

A stream's times run on the camera's clock and begin anywhere. A live source first sends what piled up while it was opened, so the
least delayed packet of a short while anchors them; after that the camera's clock is followed slowly, so that months of drift do
not add up and no network hiccup moves a frame. Picture and sound of one source share one anchor, so that they stay together,
unless their times were never comparable. A time that cannot be true (it lies ahead of the box, goes back, or lags for good) means
that the source's clock jumped: it is anchored anew and counted.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.settings import Replay

BLOCK_NS = 10 * NANOSECONDS
"""The least delayed packet of each block says how the clocks stand: delay only ever adds."""
SLEW_NS = 5_000_000
"""500 ppm: more than any crystal needs, and far less than half a frame at a time."""
SETTLE_NS = NANOSECONDS // 2
BACK_NS = NANOSECONDS // 2
COMPARABLE_NS = 5 * NANOSECONDS
"""Streams whose times differ by more than this have no clock in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is to be expected of a kind of source."""

    settle_ns: int = 0
    """For so long after the first packet nothing is placed: what piled up is late by its own measure."""
    ahead_ns: int
    """No packet comes from further in the future than this."""
    late_ns: int
    """A whole block that is later than this shows a clock that lags, not a network."""
    slew_ns: int = 0
    """At most so much drift is corrected a block."""


CAMERA = Habits(settle_ns=SETTLE_NS, ahead_ns=NANOSECONDS, late_ns=10 * NANOSECONDS, slew_ns=SLEW_NS)
DEVICE = Habits(ahead_ns=NANOSECONDS, late_ns=NANOSECONDS // 4, slew_ns=SLEW_NS)
"""A microphone's time is the count of its samples: one that lags has lost some."""
FILE = Habits(ahead_ns=COMPARABLE_NS, late_ns=10 * NANOSECONDS)
LONGEST_NS = 24 * 3600 * NANOSECONDS
RECORDING = Habits(ahead_ns=LONGEST_NS, late_ns=1 << 62)
"""A hole in a recording is a hole; only time that goes back, or by more than a day ahead, is wrong."""


@dataclass(slots=True)
class _Anchor:
    """How a clock stands to the box's, and how late its packets of this block are."""

    offset_ns: int
    block_ends_ns: int
    least_ns: int | None = None

    def at(self, pts_ns: int) -> int:
        return pts_ns + self.offset_ns

    def follow(self, pts_ns: int, now_ns: int, habits: Habits) -> bool:
        """Fold a packet; whether the clock is as it was, up to drift. One that lags is moved for all streams at once."""
        late = now_ns - self.at(pts_ns)
        self.least_ns = late if self.least_ns is None else min(self.least_ns, late)
        if now_ns < self.block_ends_ns:
            return True
        least, self.least_ns, self.block_ends_ns = self.least_ns, None, now_ns + BLOCK_NS
        lags = least > habits.late_ns
        self.offset_ns += least if lags else max(-habits.slew_ns, min(habits.slew_ns, least))
        return not lags


class SourceClock:
    """Maps one opening's presentation times to the sensor's time."""

    def __init__(self, habits: Habits, *, offset_ns: int | None = None) -> None:
        """Not anchored yet, or at `offset_ns`."""
        self.jumps = 0
        self._habits = habits
        self._anchor = None if offset_ns is None else _Anchor(offset_ns=offset_ns, block_ends_ns=BLOCK_NS)
        self._tracks: dict[str, tuple[_Anchor, int]] = {}
        self._settled_ns: int | None = None
        self._least_ns: dict[str, int] = {}

    def at_ns(self, stream: str, pts_ns: int, now_ns: int) -> int | None:
        """The sensor's time of `pts_ns` of `stream`, which arrived at `now_ns`; None while what piled up is let pass."""
        if self._settled_ns is None:
            self._settled_ns = now_ns + self._habits.settle_ns
        if now_ns < self._settled_ns:
            self._least_ns[stream] = min(self._least_ns.get(stream, now_ns - pts_ns), now_ns - pts_ns)
            return None
        anchor = self._anchor_of(stream, pts_ns, now_ns)
        self._tracks[stream] = anchor, pts_ns
        self.jumps += not anchor.follow(pts_ns, now_ns, self._habits)
        return anchor.at(pts_ns)

    def _anchor_of(self, stream: str, pts_ns: int, now_ns: int) -> _Anchor:
        known = self._tracks.get(stream)
        if known is None:
            return self._first(stream, pts_ns, now_ns)
        anchor, last_ns = known
        if pts_ns >= last_ns - BACK_NS and anchor.at(pts_ns) - now_ns <= self._habits.ahead_ns:
            return anchor
        if self._anchor is not None and self._anchor is not anchor and self._fits(self._anchor, pts_ns, now_ns):
            return self._anchor  # the other sense jumped first, and this one now follows it
        return self._anew(pts_ns, now_ns)

    def _first(self, stream: str, pts_ns: int, now_ns: int) -> _Anchor:
        offset_ns = min(self._least_ns.get(stream, now_ns - pts_ns), now_ns - pts_ns)
        if self._anchor is None:
            near = [least for least in self._least_ns.values() if abs(least - offset_ns) <= COMPARABLE_NS]
            self._anchor = _Anchor(offset_ns=min([offset_ns, *near]), block_ends_ns=now_ns + BLOCK_NS)
        if self._fits(self._anchor, pts_ns, now_ns) or (self._habits is RECORDING and abs(self._anchor.at(pts_ns)) <= LONGEST_NS):
            return self._anchor
        return _Anchor(offset_ns=offset_ns, block_ends_ns=now_ns + BLOCK_NS)

    def _fits(self, anchor: _Anchor, pts_ns: int, now_ns: int) -> bool:
        return -self._habits.ahead_ns <= now_ns - anchor.at(pts_ns) <= COMPARABLE_NS

    def _anew(self, pts_ns: int, now_ns: int) -> _Anchor:
        self.jumps += 1
        self._anchor = _Anchor(offset_ns=now_ns - pts_ns, block_ends_ns=now_ns + BLOCK_NS)
        return self._anchor


class BoxTime:
    """The machine's clocks, for live sources."""

    def __init__(self, boot_id: BootId) -> None:
        """`boot_id` of this boot."""
        self._boot_id = boot_id

    def now_ns(self) -> int:
        """Boot time now."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def moment(self, boot_ns: int) -> Moment:
        """The moment of a boot time not long ago, as the wall clock stands now."""
        ago = timedelta(microseconds=(self.now_ns() - boot_ns) / 1000)
        return Moment(utc=datetime.now(UTC) - ago, boot_ns=boot_ns, boot_id=self._boot_id)


class RecordingTime:
    """A recording's own time: it begins at 0, which is the moment that it was given."""

    def __init__(self, replay: Replay) -> None:
        """From the settings of the replay."""
        self._replay = replay

    def moment(self, boot_ns: int) -> Moment:
        """The moment of a time of the recording."""
        utc = datetime.fromtimestamp(self._replay.start_utc_s, UTC) + timedelta(microseconds=boot_ns / 1000)
        return Moment(utc=utc, boot_ns=self._replay.start_boot_ns + boot_ns, boot_id=self._replay.boot_id)
