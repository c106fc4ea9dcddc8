"""Schedules on local wall time, in the weeks in which the clocks change above all."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.schedule import parse

BERLIN = "Europe/Berlin"


def hours_on(text: str, start: datetime, hours: int, timezone: str = BERLIN) -> float:
    """How many hours of real time the schedule is on, by looking every quarter of an hour."""
    schedule = parse(text, timezone)
    return sum(schedule.is_on(start + timedelta(minutes=15 * step)) for step in range(4 * hours)) / 4


ROWS = [
    ("mon-fri 22:00-06:00", "2026-05-04 20:30", True, "Monday 22:30 in Berlin"),
    ("mon-fri 22:00-06:00", "2026-05-05 03:59", True, "Tuesday 05:59, the night of Monday"),
    ("mon-fri 22:00-06:00", "2026-05-05 04:00", False, "the end is not part of it"),
    ("mon-fri 22:00-06:00", "2026-05-09 03:00", True, "Saturday 05:00 belongs to the night of Friday"),
    ("mon-fri 22:00-06:00", "2026-05-09 20:30", False, "Saturday night does not"),
    ("mon-fri 22:00-06:00", "2026-05-04 02:00", False, "Monday 04:00 is the night of Sunday"),
    ("sat,sun 00:00-24:00", "2026-05-09 10:00", True, "a whole day"),
    ("sat,sun 00:00-24:00", "2026-05-10 21:59", True, "to its last minute"),
    ("sat,sun 00:00-24:00", "2026-05-10 22:00", False, "and not a minute longer"),
    ("08:00-17:00", "2026-05-10 07:00", True, "without days: every day"),
    ("fri-mon 08:00-17:00", "2026-05-10 07:00", True, "a span of days may run over the week's end"),
    ("fri-mon 08:00-17:00", "2026-05-12 07:00", False, "Tuesday is not in it"),
    ("mon 08:00-12:00; tue 13:00-17:00", "2026-05-05 12:00", True, "several spans"),
    ("mon 08:00-12:00; tue 13:00-17:00", "2026-05-05 07:00", False, "each on its own days"),
    ("MON-FRI 22:00 - 06:00", "2026-05-04 20:30", True, "capitals and spaces do not matter"),
]


@pytest.mark.parametrize(("text", "utc", "expected", "reason"), ROWS, ids=[row[3] for row in ROWS])
def test_when_a_schedule_is_on(text: str, utc: str, expected: bool, reason: str) -> None:  # noqa: FBT001 - a row of a table
    assert parse(text, BERLIN).is_on(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is expected, reason


@pytest.mark.parametrize(
    ("noon", "hours"), [("2026-03-28", 7.0), ("2026-10-24", 9.0), ("2026-05-04", 8.0)], ids=["clocks go forward", "clocks go back", "any night"]
)
def test_a_night_lasts_as_long_as_it_does(noon: str, hours: float) -> None:
    start = datetime.fromisoformat(noon).replace(hour=12, tzinfo=UTC)
    assert hours_on("22:00-06:00", start, 24) == hours


def test_an_hour_that_does_not_exist_is_never_on_and_one_that_comes_twice_is_on_twice() -> None:
    assert hours_on("02:00-03:00", datetime(2026, 3, 28, 12, tzinfo=UTC), 24) == 0.0
    assert hours_on("02:00-03:00", datetime(2026, 10, 24, 12, tzinfo=UTC), 24) == 2.0


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_every_moment_is_on_in_a_schedule_or_in_the_rest_of_the_day(utc: datetime) -> None:
    assert parse("22:00-06:00", BERLIN).is_on(utc) is not parse("06:00-22:00", BERLIN).is_on(utc)
    assert parse("00:00-24:00", BERLIN).is_on(utc)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("always", "is no schedule"),
        ("mon-fri", "is no schedule"),
        ("", "is no schedule"),
        ("mon-fry 08:00-17:00", "'mon-fry'"),
        ("25:00-26:00", "'25:00'"),
    ],
)
def test_what_is_no_schedule_is_refused_with_what_is_meant(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text, BERLIN)
