"""Schedules in the two weeks in which Europe/Berlin changes its clocks: on wall time, whatever that is in hours."""

from datetime import UTC, datetime, timedelta

import pytest

from analyzers.schedule import parse

BERLIN = "Europe/Berlin"
MINUTE = timedelta(minutes=1)

NIGHTS = [
    # the evening, how long the night from 22:00 to 06:00 really is
    ("2026-03-27", timedelta(hours=8)),  # Friday to Saturday, the night before the change
    ("2026-03-28", timedelta(hours=7)),  # at 02:00 it becomes 03:00
    ("2026-10-23", timedelta(hours=8)),
    ("2026-10-24", timedelta(hours=9)),  # at 03:00 it becomes 02:00 again
]


def on_for(text: str, start: datetime, span: timedelta) -> timedelta:
    """How long a schedule is on between `start` and `span` later, looked at each minute."""
    schedule = parse(text, BERLIN)
    return sum((MINUTE for number in range(span // MINUTE) if schedule.is_on(start + number * MINUTE)), timedelta(0))


@pytest.mark.parametrize(("evening", "length"), NIGHTS)
def test_a_night_is_as_long_as_it_really_is(evening: str, length: timedelta) -> None:
    noon = datetime.fromisoformat(f"{evening}T11:00:00").replace(tzinfo=UTC)
    assert on_for("22:00-06:00", noon, timedelta(hours=20)) == length


@pytest.mark.parametrize(
    ("utc", "is_on"),
    [
        ("2026-03-28T20:59", False),  # 21:59 in winter time
        ("2026-03-28T21:00", True),
        ("2026-03-29T00:59", True),  # 01:59, the last minute before the hour that is left out
        ("2026-03-29T01:00", True),  # 03:00 in summer time
        ("2026-03-29T03:59", True),
        ("2026-03-29T04:00", False),  # 06:00 in summer time; an hour later by winter time
        ("2026-10-24T19:59", False),  # 21:59 in summer time
        ("2026-10-24T20:00", True),
        ("2026-10-25T04:59", True),  # 05:59 in winter time
        ("2026-10-25T05:00", False),
    ],
)
def test_it_begins_and_ends_on_the_wall_clock(utc: str, is_on: bool) -> None:  # noqa: FBT001 - a row of a table
    assert parse("22:00-06:00", BERLIN).is_on(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == is_on


def test_an_hour_that_does_not_exist_is_never_on() -> None:
    assert on_for("02:00-03:00", datetime(2026, 3, 28, 12, tzinfo=UTC), timedelta(hours=24)) == timedelta(0)


def test_an_hour_that_comes_twice_is_on_both_times() -> None:
    assert on_for("02:00-03:00", datetime(2026, 10, 24, 12, tzinfo=UTC), timedelta(hours=24)) == timedelta(hours=2)


def test_a_span_that_begins_in_the_hour_that_is_left_out_begins_after_it() -> None:
    assert on_for("02:30-04:00", datetime(2026, 3, 28, 12, tzinfo=UTC), timedelta(hours=24)) == timedelta(hours=1)


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    week = datetime(2026, 3, 23, 11, tzinfo=UTC)  # a Monday
    assert on_for("sat 22:00-06:00", week, timedelta(days=7)) == timedelta(hours=7)
    assert on_for("sun 22:00-06:00", week, timedelta(days=7, hours=20)) == timedelta(hours=8)
