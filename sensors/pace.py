"""How a stream's presentation times become the sensor's, and how fast it is read: as it comes, as a camera would, or at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sensors.clock import CAMERA, FILE, RECORDING, BoxTime, SourceClock
from sensors.moment import NANOSECONDS
from sensors.settings import SensorSettings
from sensors.sources import SCHEMES, scheme_of

LONGEST_SLEEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pace of one opening."""

    clock: SourceClock
    now_ns: Callable[[], int]
    """The sensor's time now: of a recording, as far as it has been read."""
    wait_until: Callable[[int], None]

    def at_ns(self, stream: str, pts_ns: int) -> int | None:
        """The sensor's time of a presentation time of a stream, once it has come; None while that is not known yet."""
        at_ns = self.clock.at_ns(stream, pts_ns, self.now_ns())
        if at_ns is not None:
            self.wait_until(at_ns)
        return at_ns


class _ReadTime:
    """A recording's time as far as it has been read. Nobody waits for it."""

    def __init__(self) -> None:
        self._latest_ns = 0

    def now_ns(self) -> int:
        return self._latest_ns

    def wait_until(self, at_ns: int) -> None:
        self._latest_ns = max(self._latest_ns, at_ns)


def pace_of(settings: SensorSettings, zero_ns: int, box: BoxTime) -> Pace:
    """A network camera sets its own pace, a file is played as by a camera, and a replay is read as fast as it is taken.

    `zero_ns`: the first presentation time of a file.
    """
    if SCHEMES[scheme_of(settings.source)].live:
        return Pace(clock=SourceClock(CAMERA), now_ns=box.now_ns, wait_until=lambda _at_ns: None)
    if settings.replay is None:
        clock = SourceClock(FILE, offset_ns=box.now_ns() - zero_ns)
        return Pace(clock=clock, now_ns=box.now_ns, wait_until=lambda at_ns: _sleep_until(box, at_ns))
    read = _ReadTime()
    return Pace(clock=SourceClock(RECORDING, offset_ns=-zero_ns), now_ns=read.now_ns, wait_until=read.wait_until)


def _sleep_until(box: BoxTime, at_ns: int) -> None:
    while (ahead_s := (at_ns - box.now_ns()) / NANOSECONDS) > 0:
        time.sleep(min(ahead_s, LONGEST_SLEEP_S))
