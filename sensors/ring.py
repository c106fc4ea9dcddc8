"""The ring of segments on the disk: a thread of its own writes them and deletes the oldest, so that no disk ever holds up a sensor.

It is handed bytes and knows no media. What a disk that is full or hangs will not take is lost, counted and said; then it goes on.
"""

import os
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sensors.moment import NANOSECONDS
from sensors.segment import Segment, listed, open_name, outgrown, whole_name
from sensors.settings import SegmentSettings

MAX_WAITING_BYTES = 16 << 20
"""What may wait for a disk that hangs; four seconds of the fattest camera."""
MAX_WAITING = 4096
"""Pieces that may wait, besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A segment begins."""

    start_ns: int
    run_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The segment that was begun is whole."""

    end_ns: int
    start_ns: int | None = None
    """When it really began, where that is known better than at its beginning."""


class Ring:
    """One sensor's ring."""

    def __init__(self, folder: Path, settings: SegmentSettings) -> None:
        """`folder`: of this sensor alone, made when it is first needed."""
        self.lost = 0
        """Segments of which something could not be written."""
        self.problem = ""
        """Why the newest of them could not; nothing while all goes well."""
        self._is_whole = True
        self._folder = folder
        self._keep_ns = round(settings.seconds * NANOSECONDS)
        self._most_bytes = settings.bytes
        self._items: queue.Queue[Begin | bytes | End] = queue.Queue(MAX_WAITING)
        self._waiting = 0
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._segment: tuple[Path, Begin] | None = None
        threading.Thread(target=self._write_forever, name="segments", daemon=True).start()

    def put(self, item: Begin | bytes | End) -> bool:
        """Hand something over; never waits. False where there is no room: the segment is then as good as its beginning."""
        size = len(item) if isinstance(item, bytes) else 0
        with self._lock:
            if self._waiting + size > MAX_WAITING_BYTES:
                return False
            self._waiting += size
        try:
            self._items.put_nowait(item)
        except queue.Full:
            with self._lock:
                self._waiting -= size
            return False
        return True

    def lose(self, problem: str) -> None:
        """A segment is not whole, or there will be none."""
        self.lost += 1
        self.problem = problem
        self._is_whole = False

    def _write_forever(self) -> None:
        with suppress(OSError):
            self._take_over()
        while True:
            item = self._items.get()
            try:
                self._do(item)
            except OSError as error:
                self._give_up(error)
            if isinstance(item, bytes):
                with self._lock:
                    self._waiting -= len(item)

    def _do(self, item: Begin | bytes | End) -> None:
        match item:
            case Begin():
                self._begin(item)
            case End():
                self._end(item)
            case bytes() if self._file:
                self._file.write(item)
                self._file.flush()

    def _begin(self, begin: Begin) -> None:
        if self._segment is not None:
            self._end(End(end_ns=begin.start_ns))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / open_name(begin.start_ns, begin.run_ns)
        self._segment = path, begin
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")

    def _end(self, end: End) -> None:
        if self._segment is None:
            return
        (path, begin), file = self._segment, self._file
        self._segment = self._file = None
        with suppress(FileNotFoundError):  # forgotten meanwhile
            start_ns = begin.start_ns if end.start_ns is None else end.start_ns
            path.rename(path.with_name(whole_name(start_ns, max(end.end_ns, start_ns), begin.run_ns)))
        if file:
            file.close()
        if file and self._is_whole:
            self.problem = ""
        self._is_whole = True
        self._turn(end.end_ns)

    def _turn(self, newest_ns: int, *, spare_bytes: int = 0) -> None:
        for segment in outgrown(listed(self._folder), newest_ns, self._keep_ns, self._most_bytes - spare_bytes):
            segment.path.unlink(missing_ok=True)

    def _give_up(self, error: OSError) -> None:
        """The disk refuses: what was written of the segment stays, and the oldest ones make room for the next."""
        file, self._file = self._file, None
        with suppress(OSError):
            if file:
                file.close()
            found = listed(self._folder)
            self._turn(0, spare_bytes=self._most_bytes - sum(segment.bytes for segment in found) * 3 // 4)
        self.lose(f"segments cannot be written to {self._folder}: {error.strerror or error}")

    def _take_over(self) -> None:
        """What a process that died has left open ends where it was last written."""
        for segment in listed(self._folder):
            if segment.end_ns is None:
                end_ns = _written_ns(segment)
                segment.path.rename(segment.path.with_name(whole_name(segment.start_ns, end_ns, segment.run_ns)))


def _written_ns(segment: Segment) -> int:
    """The boot time at which a file was last written."""
    ago_s = max(0.0, time.time() - segment.path.stat().st_mtime)
    return max(segment.start_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - round(ago_s * NANOSECONDS))

