"""What a child writes to standard error: lines of the journal, in its name, and never more than so much."""

import asyncio
import logging
import os
import threading

import pytest

from appliance.children.muttering import AT_ONCE_BYTES, MAX_LINE_BYTES, PIPE_BYTES, Muttering


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "omniwatch.children"]


def test_lines_come_in_its_name_and_so_do_its_last_words(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        child = Muttering("sensor hall")
        end = os.dup(child.writer)
        child.begin()
        os.write(end, b"one\n<3>the box is disarmed\n\n" + b"y" * (2 * MAX_LINE_BYTES) + b"\nlast \xff words")
        os.close(end)
        async with asyncio.timeout(5):
            while not any("last" in line for line in said(caplog)):  # noqa: ASYNC110 - the log tells nobody
                await asyncio.sleep(0.001)
        child.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert said(caplog) == [
        "sensor hall: one",
        "sensor hall: <3>the box is disarmed",
        f"sensor hall: {'y' * MAX_LINE_BYTES}",
        "sensor hall: last \ufffd words",
    ]


def test_a_flood_is_cut_off_and_leaves_the_loop_its_turns(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        child = Muttering("sensor hall")
        end = os.dup(child.writer)
        child.begin()

        def flood() -> None:
            try:
                while True:
                    os.write(end, b"x" * 99 + b"\n")
            except BrokenPipeError:
                os.close(end)

        thread = threading.Thread(target=flood)
        thread.start()
        for _ in range(1000):
            await asyncio.sleep(0)
        child.close()
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert sum(map(len, said(caplog))) < 1.3 * (AT_ONCE_BYTES + PIPE_BYTES)


def test_it_is_closed_though_it_never_began() -> None:
    async def story() -> None:
        child = Muttering("sensor hall")
        child.close()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(child.writer)

    asyncio.run(story())
