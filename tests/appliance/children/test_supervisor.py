"""Supervision: tries again for ever, waits longer each time, and the watchdog is fed only while every loop turns."""

import asyncio
import select
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.children.child import ChildLost
from appliance.children.supervisor import Pulse, Systemd, keep, ping
from sensors.backoff import Backoff


@pytest.mark.parametrize("error", [ChildLost("camera", "gone"), ValueError("our own fault"), OSError("the world's")])
def test_whatever_ends_a_task_it_is_tried_again(error: Exception) -> None:
    problems: list[str] = []
    tries = 0

    async def run_once() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            raise asyncio.CancelledError
        raise error

    async def story() -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep("camera", run_once, Backoff(first_s=0.001), problems.append)

    asyncio.run(story())
    assert problems == [str(error)] * 2


@pytest.mark.parametrize(("told", "lines"), [(None, ["camera: camera: gone; trying again"]), (lambda _problem: None, [])])
def test_an_outage_is_logged_once_and_by_one_of_the_two(
    caplog: pytest.LogCaptureFixture, told: Callable[[str], None] | None, lines: list[str]
) -> None:
    tries = 0

    async def run_once() -> None:
        nonlocal tries
        tries += 1
        if tries == 4:
            raise asyncio.CancelledError
        raise ChildLost("camera", "gone")

    async def story() -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep("camera", run_once, Backoff(first_s=0.001), told)

    asyncio.run(story())
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == lines


def test_a_loop_that_stands_still_is_named_and_one_that_beats_is_not() -> None:
    now = 0.0
    pulse = Pulse({"second": 5.0, "outbox": 50.0}, lambda: now)
    now = 6.0
    assert pulse.late() == ("second",)
    pulse.beat("second")
    assert pulse.late() == ()
    now = 60.0
    assert pulse.late() == ("second", "outbox")
    pulse.allow("outbox", 100.0)
    assert pulse.late() == ("second",)


def test_the_watchdog_is_fed_until_a_loop_stands_still(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(5)
    now = 0.0
    pulse = Pulse({"second": 5.0}, lambda: now)
    systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"})

    async def story() -> None:
        nonlocal now
        task = asyncio.create_task(ping(systemd, pulse, lambda: "well"))
        assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1\nSTATUS=well"
        now = 6.0
        while b"WATCHDOG" in (last := await asyncio.to_thread(manager.recv, 100)):
            pass
        assert last == b"STATUS=stands still: second"
        task.cancel()

    asyncio.run(story())
    manager.close()


def test_a_process_that_stood_still_as_a_whole_blames_no_loop_for_it(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(5)
    now = 0.0
    pulse = Pulse({"second": 5.0}, lambda: now)
    systemd = Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"})

    async def story() -> bytes:
        nonlocal now
        task = asyncio.create_task(ping(systemd, pulse, lambda: f"well at {now:g}"))
        await asyncio.to_thread(manager.recv, 100)
        now = 6.0
        select.select([], [], [], 0.1)  # the loop, and with it everything, stands still
        while (said := await asyncio.to_thread(manager.recv, 100)) == b"WATCHDOG=1\nSTATUS=well at 0":
            pass
        task.cancel()
        return said

    assert asyncio.run(story()) == b"WATCHDOG=1\nSTATUS=well at 6"
    manager.close()


def test_no_service_manager_is_no_fault() -> None:
    Systemd({}).tell(READY="1")
    Systemd({"NOTIFY_SOCKET": "/nowhere/at/all"}).tell(READY="1")
