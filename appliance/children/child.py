"""A child process and the supervisor's end of its wire. It knows no message, and decides nothing about restarts.

A child is started by plain exec, gets the descriptors that it is handed and nothing else of ours, and ends when its socket
closes. Reading and writing never block the supervisor's loop, whatever the child does or fails to do.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.allowance import Allowance
from appliance.children.muttering import Muttering
from sensors.wire import MAX_DATAGRAM_BYTES, WireError, pair

MAX_UNSENT = 512
"""Datagrams that may wait for a child that does not read. One more and it is given up."""
MAX_RATE_HZ = 400
"""Datagrams a second that a child may say. A flood is a fault."""
MAX_BYTES_HZ = 4 * 1024 * 1024
"""Bytes a second: room for all answers of the largest batches."""
STOP_GRACE_S = 2.0
LOOK_EVERY_S = 1.0
"""How often a child's memory is looked at."""
NICENESS = 15
"""Where there is less CPU than is wanted, children wait and the supervisor does not: alarms, the watchdog, and whoever asks how it stands."""
EXPENDABLE = "500"
"""Of 1000: where the machine itself runs out of memory, the kernel ends a child and not the supervisor, which starts it again."""
KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "ALSA_CONFIG_PATH",
    "ALSA_CARD",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)

QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OPENCV_LOG_LEVEL": "ERROR"}
"""No look-ups in the network, and no line of OpenCV's for every try of a camera that is not there."""


class ChildLost(Exception):  # noqa: N818 - a child that ends is an event, not our error
    """The child ended, or broke the protocol; `problem` says how."""

    def __init__(self, name: str, problem: str) -> None:
        """`name` of the child, `problem` in a line."""
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start: a module of this project, and descriptors that it is to be handed as `--<name> <number>`."""

    name: str
    module: str
    descriptors: Mapping[str, int]
    memory_bytes: int | None = None
    """It is ended where it has more of its own than this; None: nobody looks."""
    niceness: int = NICENESS
    """How far it stands back where there is less CPU than is wanted, 0 to 19."""


class Child:
    """A running child. Make it with `start`; `close` it whatever happens."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, end: socket.socket, muttering: Muttering) -> None:
        """Wrap a process that has just been started and our end of its socket."""
        self.name = program.name
        self.pid = process.pid
        self._process = process
        self._end = end
        self._muttering = muttering
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._memory_bytes = program.memory_bytes
        self._ended_for = ""
        self._look: asyncio.TimerHandle | None = None
        with suppress(OSError):
            Path(f"/proc/{self.pid}/oom_score_adj").write_text(EXPENDABLE)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, program.niceness)
        self._look_at_memory()

    @classmethod
    async def start(cls, program: Program, environment: Mapping[str, str] | None = None) -> "Child":
        """Start `program`. Its standard error goes to the journal, line by line; it has no standard input or output."""
        ours, theirs = pair()
        muttering = Muttering(program.name)
        with ExitStack() as stack, theirs:
            stack.callback(ours.close)
            stack.callback(muttering.close)
            numbers = {"socket": theirs.fileno(), **program.descriptors}
            arguments = [word for name, number in numbers.items() for word in (f"--{name}", str(number))]
            kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                program.module,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=muttering.writer,
                pass_fds=tuple(numbers.values()),
                env={**kept, **QUIET, **(environment or {})},
            )
            stack.pop_all()
        muttering.begin()
        return cls(program, process, ours, muttering)

    def _look_at_memory(self) -> None:
        """End it where it has taken more than it may; else look again soon."""
        if self._memory_bytes is None or self._process.returncode is not None:
            return
        has = own_bytes(self.pid)
        if has > self._memory_bytes:
            self.kill(f"had {has / 1e6:.0f} MB of memory of its own, and may have {self._memory_bytes / 1e6:.0f} MB")
        else:
            self._look = self._loop.call_later(LOOK_EVERY_S, self._look_at_memory)

    def send(self, datagram: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send now, or as soon as the child reads. ChildLost where too much waits already. Descriptors are duplicated at once."""
        copies = tuple(os.dup(number) for number in descriptors)
        self._unsent.append((datagram, copies))
        if len(self._unsent) > MAX_UNSENT:
            raise ChildLost(self.name, f"does not read: {MAX_UNSENT} messages wait for it")
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            datagram, copies = self._unsent[0]
            try:
                socket.send_fds(self._end, [datagram], list(copies)) if copies else self._end.send(datagram)
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._flush)
                return
            except OSError:
                self._drop_unsent()  # the reader of messages() sees the end and tells
                return
            self._unsent.popleft()
            for number in copies:
                os.close(number)
        self._loop.remove_writer(self._end.fileno())

    def _drop_unsent(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.remove_writer(self._end.fileno())
        for _, copies in self._unsent:
            for number in copies:
                os.close(number)
        self._unsent.clear()

    async def messages(self, silence_s: float) -> AsyncIterator[bytes]:
        """The child's datagrams. ChildLost when it ends, floods, says too much at once, or nothing for `silence_s` seconds."""
        datagrams, room = Allowance(MAX_RATE_HZ, MAX_RATE_HZ), Allowance(MAX_BYTES_HZ, MAX_BYTES_HZ)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(silence_s):
                    await self._readable()
            try:
                # Also where the time is over: it may be we who stood still, and what the child said lies there.
                data = self._end.recv(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                raise ChildLost(self.name, f"silent for {silence_s:g} s") from None
            except OSError as error:
                raise ChildLost(self.name, f"its socket broke: {error.strerror}") from None
            if not data:
                raise ChildLost(self.name, await self._end_of_process())
            now = self._loop.time()
            if len(data) > MAX_DATAGRAM_BYTES or not (datagrams.takes(1, now) and room.takes(len(data), now)):
                raise ChildLost(self.name, "says too much")
            yield data

    async def _readable(self) -> None:
        """Wait until something can be read. Each datagram waits for a turn of the loop, so that no child takes more than one of it."""
        there = asyncio.Event()
        self._loop.add_reader(self._end.fileno(), there.set)
        try:
            await there.wait()
        finally:
            if self._end.fileno() >= 0:
                self._loop.remove_reader(self._end.fileno())

    async def _end_of_process(self) -> str:
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                code = await self._process.wait()
        except TimeoutError:
            return "closed its socket and lives on"
        if self._ended_for:
            return self._ended_for
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"

    def kill(self, why: str = "") -> None:
        """End it at once; `why` is what is said of it.

        Not by the process's own `kill`: where it has just ended, that takes its exit status away from asyncio, which complains.
        """
        if self._process.returncode is None:
            self._ended_for = self._ended_for or why
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Close the wire, wait a moment for the child to end by itself, then kill it. One that a driver holds even then is left to the kernel."""
        if self._look:
            self._look.cancel()
        self._drop_unsent()
        self._end.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_GRACE_S):
                    await self._process.wait()
                    return
            self.kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_GRACE_S):
                    await self._process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            self._muttering.close()


def own_bytes(pid: int) -> int:
    """What a process has of memory that is no file's: on the machine or swapped out, shared slots too. 0 where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")))


def secret_descriptor(content: bytes) -> int:
    """A descriptor from which a child reads `content` to its end, and that nobody else can. The caller closes it once the child runs."""
    if len(content) > 4096:  # a pipe's guaranteed room, so that this write cannot block
        raise ValueError("a secret of more than 4096 bytes")
    reader, writer = os.pipe()
    try:
        os.write(writer, content)
    finally:
        os.close(writer)
    return reader


__all__ = ["Child", "ChildLost", "Program", "WireError", "own_bytes", "secret_descriptor"]
