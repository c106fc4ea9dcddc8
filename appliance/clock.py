"""The box's clocks. The one place of the appliance that reads time; everybody else is handed moments."""

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

from sensors.moment import BootId, Moment

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Tells what time it is."""

    def now(self) -> Moment:
        """The present moment."""
        ...


@cache
def boot_id() -> BootId:
    """The kernel's id of this boot."""
    return BootId(BOOT_ID_FILE.read_text().strip())


class BoxClock:
    """The clocks of this machine."""

    def now(self) -> Moment:
        """The present moment, on wall clock and boot clock."""
        return Moment(utc=datetime.now(UTC), boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), boot_id=boot_id())


class RecordedClock:
    """The time of a recording: it stands where the windows have brought it."""

    def __init__(self, start: Moment) -> None:
        """Begin at the recording's first instant."""
        self._now = start

    def now(self) -> Moment:
        """Where the recording is."""
        return self._now

    def ticks_until(self, end: Moment) -> list[Moment]:
        """The whole seconds from here to `end`; afterwards the clock stands at `end`."""
        ticks: list[Moment] = []
        second = timedelta(seconds=1)
        moment = self._now.plus(second)
        while end.since(moment) >= timedelta(0):
            ticks.append(moment)
            moment = moment.plus(second)
        if end.since(self._now) > timedelta(0):
            self._now = end
        return ticks
