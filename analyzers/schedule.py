"""A weekly schedule on local wall time, right across changes of daylight saving. Pure: the time is an argument.

Written `mon-fri 22:00-06:00`, several joined by semicolons. A span that ends at or before its start runs into the next day and
belongs to the day on which it starts.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"^(?:(?P<days>[a-z,\- ]+?) +)?(?P<from>\d{1,2}:\d{2}) *- *(?P<to>\d{1,2}:\d{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some weekdays (0 is Monday), from one wall time to another."""

    days: frozenset[int]
    start: time
    end: time
    """time.min where it is written 24:00 or 00:00: the end of the day."""

    def holds(self, local: datetime) -> bool:
        """Whether the wall time `local` lies in it. Both readings of an hour that is repeated in autumn do."""
        clock = local.time().replace(tzinfo=None, fold=0)
        overnight = self.end <= self.start
        if local.weekday() in self.days and clock >= self.start and (overnight or clock < self.end):
            return True
        return overnight and (local - timedelta(days=1)).weekday() in self.days and clock < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When something is on: any of its spans, in the site's time zone."""

    spans: tuple[Span, ...]
    timezone: str

    def is_on(self, utc: datetime) -> bool:
        """Whether the schedule is on at an aware moment."""
        local = utc.astimezone(ZoneInfo(self.timezone))
        return any(span.holds(local) for span in self.spans)


def parse(text: str, timezone: str) -> Schedule:
    """Read `mon-fri 22:00-06:00; sat,sun 00:00-24:00`. ValueError, saying what is wrong and what is meant, where it is not one."""
    return Schedule(spans=tuple(_span(part.strip().lower()) for part in text.split(";")), timezone=timezone)


def _span(text: str) -> Span:
    found = _SPAN.match(text)
    if not found:
        raise ValueError(f"{text!r} is no schedule; write it like mon-fri 22:00-06:00, several joined by semicolons")
    return Span(days=_days(found["days"] or "mon-sun"), start=_clock(found["from"]), end=_clock(found["to"]))


def _clock(text: str) -> time:
    hours, minutes = (int(part) for part in text.split(":"))
    if hours == 24 and minutes == 0:
        return time.min
    try:
        return time(hours, minutes)
    except ValueError:
        raise ValueError(f"{text!r} is no time of day; write 00:00 to 24:00") from None


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{part!r} is no weekday; write {', '.join(DAYS)} or a span like mon-fri")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)
