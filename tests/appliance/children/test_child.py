"""Children: whatever one does, the supervisor's loop goes on and nothing is left behind."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from appliance.children.child import MAX_UNSENT, Child, ChildLost, Program, secret_descriptor

CHILDREN = {"PYTHONPATH": str(Path(__file__).parent)}


async def started(order: bytes, **descriptors: int) -> Child:
    child = await Child.start(Program(name="child", module="scripted_child", descriptors=descriptors), CHILDREN)
    child.send(order)
    return child


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def first(child: Child, silence_s: float = 10.0) -> bytes:
    async for data in child.messages(silence_s):
        return data
    raise AssertionError("no message")


def shout_at(child: Child) -> None:
    for _ in range(MAX_UNSENT + 4096):
        child.send(b"x" * 4096)


def test_what_is_sent_comes_back_datagram_by_datagram() -> None:
    async def story() -> None:
        child = await started(b"echo")
        child.send(b"one")
        child.send(b"two")
        assert await first(child) == b"one"
        assert await first(child) == b"two"
        await child.close()
        assert not is_alive(child.pid)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (b"fat", "says too much"),  # no flood of messages, but of bytes
        (b"flood", "says too much"),  # a child that was taken over must not eat the loop
        (b"large", "says too much"),  # more than a datagram may hold
        (b"dies", "exited with 7"),
        (b"deaf", "silent for 0.5 s"),
    ],
)
def test_a_child_that_breaks_the_protocol_is_lost_with_the_reason(order: bytes, problem: str) -> None:
    async def story() -> None:
        child = await started(order)
        try:
            with pytest.raises(ChildLost, match=problem):
                async for _ in child.messages(0.5 if order == b"deaf" else 10.0):
                    pass
        finally:
            child.kill()
            await child.close()

    asyncio.run(story())


def test_a_child_that_does_not_read_is_given_up_after_a_bounded_number_of_messages() -> None:
    async def story() -> None:
        child = await started(b"deaf")
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(ChildLost, match="does not read"):
            shout_at(child)
        child.kill()
        await child.close()

    asyncio.run(story())


def test_a_child_that_takes_more_memory_than_it_may_is_ended_and_says_so() -> None:
    async def story() -> None:
        program = Program(name="child", module="scripted_child", descriptors={}, memory_bytes=200_000_000)
        child = await Child.start(program, CHILDREN)
        child.send(b"eats")
        with pytest.raises(ChildLost, match="MB of memory of its own, and may have 200 MB"):
            await first(child)
        assert not is_alive(child.pid)
        await child.close()

    asyncio.run(story())


def test_where_the_machine_runs_out_of_memory_a_child_goes_before_the_supervisor() -> None:
    async def story() -> None:
        child = await started(b"deaf")
        scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (child.pid, "self")]  # noqa: ASYNC240 - proc never blocks
        assert scores[0] > scores[1]
        child.kill()
        await child.close()

    asyncio.run(story())


def test_where_there_is_too_little_cpu_a_child_waits_and_not_the_supervisor() -> None:
    async def story() -> None:
        child = await started(b"deaf")
        assert os.getpriority(os.PRIO_PROCESS, child.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        child.kill()
        await child.close()

    asyncio.run(story())


def test_a_child_that_ignores_the_end_of_its_socket_is_killed() -> None:
    async def story() -> None:
        child = await started(b"stubborn")
        await child.close()
        assert not is_alive(child.pid)

    asyncio.run(story())


def test_a_secret_reaches_its_child_and_neither_its_arguments_nor_its_environment() -> None:
    async def story() -> None:
        number = secret_descriptor(b"hunter2")
        child = await started(b"secret", secret=number)
        os.close(number)
        assert await first(child) == b"hunter2"
        for file in ("cmdline", "environ"):
            assert b"hunter2" not in Path(f"/proc/{child.pid}/{file}").read_bytes()  # noqa: ASYNC240 - proc never blocks
        await child.close()

    asyncio.run(story())


def test_no_descriptor_is_left_after_a_child() -> None:
    async def story() -> None:
        await (await started(b"echo")).close()
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counting is all
        for _ in range(3):
            child = await started(b"echo")
            await child.close()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(story())


def test_no_descriptor_is_left_of_a_secret_that_is_too_long() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(ValueError, match="more than 4096 bytes"):
        secret_descriptor(bytes(4097))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_child_that_spoke_while_we_stood_still_was_not_silent() -> None:
    async def story() -> None:
        child = await started(b"echo")
        child.send(b"one")
        hearing = asyncio.create_task(first(child, silence_s=0.5))
        await asyncio.sleep(0)
        time.sleep(1.0)  # noqa: ASYNC251 - this is what a suspended machine looks like
        assert await hearing == b"one"
        await child.close()

    asyncio.run(story())
