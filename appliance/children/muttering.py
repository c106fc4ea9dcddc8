"""What a child writes to standard error, as lines of the journal: bounded in length and in rate, whoever has taken the child over.

It would else share the supervisor's own standard error, and could write there in its name, or so much that the journal drops what
the supervisor says.
"""

import asyncio
import logging
import os
from contextlib import suppress

from appliance.allowance import Allowance

CHUNK_BYTES = 4096
AT_ONCE_BYTES = 64 * 1024
RATE_BYTES_HZ = 4096.0
"""A child that writes more waits in its own `write`, and is ended as silent if it waits too long."""
PAUSE_S = 1.0
PIPE_BYTES = 64 * 1024
"""What Linux holds of a pipe that nobody reads."""
MAX_LINE_BYTES = 1000

log = logging.getLogger("omniwatch.children")


class Muttering:
    """One child's standard error. Make it, hand `writer` to the child, `begin`, and `close` it whatever happens."""

    def __init__(self, name: str) -> None:
        """`name`: whose it is."""
        self._name = name
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        self._loop = asyncio.get_running_loop()
        self._allowance = Allowance(AT_ONCE_BYTES, RATE_BYTES_HZ)
        self._begun = b""
        self._pause: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The child has its end; ours is read from now on."""
        os.close(self.writer)
        self.writer = -1
        self._go_on()

    def close(self) -> None:
        """Write down what it still said, and hear no more."""
        if self._pause:
            self._pause.cancel()
        if self._reader >= 0:
            with suppress(BlockingIOError):
                for _ in range(PIPE_BYTES // CHUNK_BYTES):  # and no more, should somebody go on writing
                    self._read()
            self._end()
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._reader, self._hear)

    def _hear(self) -> None:
        if not self._allowance.takes(CHUNK_BYTES, self._loop.time()):
            self._loop.remove_reader(self._reader)
            self._pause = self._loop.call_later(PAUSE_S, self._go_on)
            return
        with suppress(BlockingIOError):
            if not self._read():
                self._end()

    def _read(self) -> bool:
        """Take a piece; whether there was one, or this is the end. BlockingIOError: there is none yet."""
        data = os.read(self._reader, CHUNK_BYTES)
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > MAX_LINE_BYTES:
            lines, self._begun = [*lines, self._begun], b""
        for line in lines:
            self._put_down(line)
        return bool(data)

    def _end(self) -> None:
        self._put_down(self._begun)
        self._begun = b""
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        self._reader = -1

    def _put_down(self, line: bytes) -> None:
        text = line[:MAX_LINE_BYTES].decode(errors="replace").strip()
        if text:
            log.warning("%s: %s", self._name, text)
