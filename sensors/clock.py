"""A source's own clock against the box's: presentation times to boot time. It opens nothing.

A stream's times run on the camera's clock and begin anywhere. They are anchored when the first packet comes; after that the
camera's clock is followed slowly, so that months of drift do not add up and no network hiccup moves a frame. Picture and sound of
one source share one anchor, so that they stay together.
"""

import time
from datetime import UTC, datetime, timedelta

from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.settings import Replay

BLOCK_NS = 10 * NANOSECONDS
"""The least delayed packet of each block says how the clocks stand: delay only ever adds."""
SLEW_NS = 5_000_000
"""At most so much is corrected a block: 500 ppm, more than any crystal needs and less than half a frame."""
BACK_NS = NANOSECONDS // 2
AHEAD_NS = 5 * NANOSECONDS
"""A time that goes back further, or ahead further, than this against the one before is a jump: the clock is anchored anew."""


class Jumped(Exception):  # noqa: N818 - what a source's clock did, not an error of ours
    """The source's clock jumped; what comes is of a new epoch."""


class SourceClock:
    """Maps one opening's presentation times to boot time."""

    def __init__(self) -> None:
        """Not anchored yet."""
        self._offset_ns: int | None = None
        self._tracks: dict[str, int] = {}
        self._block_ends_ns = 0
        self._least_ns: int | None = None

    def boot_ns(self, stream: str, pts_ns: int, now_ns: int) -> int:
        """The boot time of `pts_ns` of `stream`, which arrived at `now_ns`. Jumped where it cannot follow what came before."""
        last = self._tracks.get(stream)
        if last is not None and not -BACK_NS <= pts_ns - last <= AHEAD_NS:
            raise Jumped(f"{stream} went from {last / NANOSECONDS:.3f} s to {pts_ns / NANOSECONDS:.3f} s")
        self._tracks[stream] = pts_ns
        if self._offset_ns is None:
            self._offset_ns = now_ns - pts_ns
            self._block_ends_ns = now_ns + BLOCK_NS
        self._follow(now_ns - pts_ns - self._offset_ns, now_ns)
        return pts_ns + self._offset_ns

    def _follow(self, late_ns: int, now_ns: int) -> None:
        self._least_ns = late_ns if self._least_ns is None else min(self._least_ns, late_ns)
        if now_ns >= self._block_ends_ns and self._offset_ns is not None:
            self._offset_ns += max(-SLEW_NS, min(SLEW_NS, self._least_ns))
            self._least_ns, self._block_ends_ns = None, now_ns + BLOCK_NS


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
    """A recording's own time: it begins at 0, at the wall time that it was given."""

    def __init__(self, replay: Replay) -> None:
        """From the settings of the replay."""
        self._replay = replay

    def moment(self, boot_ns: int) -> Moment:
        """The moment of a time of the recording."""
        utc = datetime.fromtimestamp(self._replay.start_utc_s, UTC) + timedelta(microseconds=boot_ns / 1000)
        return Moment(utc=utc, boot_ns=boot_ns, boot_id=self._replay.boot_id)
