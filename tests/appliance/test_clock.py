"""Clocks: the box's is real, a recording's stands where its windows have brought it."""

from datetime import UTC, datetime, timedelta

from appliance.clock import BoxClock, RecordedClock
from sensors.moment import BootId, Moment

START = Moment(utc=datetime(2026, 3, 1, 12, tzinfo=UTC), boot_ns=0, boot_id=BootId("recording"))


def test_a_recording_ticks_once_a_second_up_to_each_windows_end() -> None:
    clock = RecordedClock(START)
    ticks = clock.ticks_until(START.plus(timedelta(seconds=2.5)))
    assert [tick.boot_ns for tick in ticks] == [1_000_000_000, 2_000_000_000]
    assert clock.now() == START.plus(timedelta(seconds=2.5))


def test_a_window_that_ends_earlier_takes_no_time_back() -> None:
    clock = RecordedClock(START)
    clock.ticks_until(START.plus(timedelta(seconds=5)))
    assert clock.ticks_until(START.plus(timedelta(seconds=4))) == []
    assert clock.now() == START.plus(timedelta(seconds=5))


def test_the_boxs_clock_goes_forward_on_boot_time() -> None:
    first, second = BoxClock().now(), BoxClock().now()
    assert second.since(first) >= timedelta(0)
    assert first.boot_id == second.boot_id
    assert first.utc.tzinfo is UTC
