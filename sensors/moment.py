"""A moment, told on two clocks: boot time for durations within a boot, UTC for people and across boots.

This file reads no clock. Whoever needs "now" is handed a moment.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

BootId = NewType("BootId", str)
"""What the kernel says in /proc/sys/kernel/random/boot_id; a recording has one of its own."""

NANOSECONDS = 1_000_000_000
FARTHEST_NS = 1 << 62
"""146 years: no clock that starts with a machine is further from its start, and the difference of two still is a time."""
FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Between them any span that anybody adds leads to another year that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant on the box.

    `utc` may step when the wall clock is set; `boot_ns` (CLOCK_BOOTTIME, nanoseconds) never does, but means nothing
    under another `boot_id`.
    """

    utc: datetime
    boot_ns: int
    boot_id: BootId

    def __post_init__(self) -> None:
        """Refuse what would be compared wrongly, or cannot be reckoned with, much later and far away: children say moments too."""
        if self.utc.tzinfo is None:
            raise ValueError("a moment needs an aware UTC time")
        if abs(self.boot_ns) > FARTHEST_NS or not FIRST_YEAR <= self.utc.year <= LAST_YEAR:
            raise ValueError("no moment of any box")

    def since(self, earlier: "Moment") -> timedelta:
        """How long after `earlier` this is: by boot time within one boot, else by UTC. Negative if it is before."""
        if self.boot_id == earlier.boot_id:
            return timedelta(microseconds=(self.boot_ns - earlier.boot_ns) / 1000)
        return self.utc - earlier.utc

    def plus(self, span: timedelta) -> "Moment":
        """The moment `span` later, on both clocks."""
        return Moment(utc=self.utc + span, boot_ns=self.boot_ns + round(span.total_seconds() * NANOSECONDS), boot_id=self.boot_id)
