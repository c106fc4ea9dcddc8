"""The one connection to the SQLite file, in the one thread that owns it. It knows transactions and deadlines, and no table.

Two connections that write or checkpoint at once can corrupt a WAL database before SQLite 3.51.3, and a disk that hangs must not
stop the event loop: so all work is handed over as functions, and whoever waits for one waits no longer than a deadline. Work
that has gathered meanwhile shares a transaction, and with it the one fsync that makes it durable.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from appliance.migrations import VERSION, migrate, version

MEMORY: Literal[":memory:"] = ":memory:"
MAX_WAITING = 512
"""Pieces of work that may wait for the thread; one more is refused at once."""
MAX_GROUP = 64
"""Pieces of work in one transaction."""
MAX_KEPT_ASIDE = 3
"""Damaged files that are kept for whoever wants to look at them; older ones make room."""
CORRUPT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
FAULTS = (sqlite3.Error, ValueError, OverflowError)
"""What a statement may raise: SQLite's own errors, and values that it cannot hold."""
DEADLINE_S = 5.0
HANGING_S = 0.1
"""The deadline of more work, once the thread hangs."""
CLOSE_DEADLINE_S = 2.0
OPEN_DEADLINE_S = 60.0
"""Opening checks the whole file."""

T = TypeVar("T")


class StoreFailed(Exception):  # noqa: N818 - the world's fault, not an error of ours
    """The world would not let us store: the disk is full, read-only, hanging or broken. Its text says which, and what to do."""


class StoreInUse(StoreFailed):
    """Another process holds the file. Its text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the file lies and what it may cost."""

    path: Path | Literal[":memory:"]
    max_bytes: int = 4 * 1024**3
    """The file stops growing here: then commits fail as on a full disk, and everything else on the disk goes on."""
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: Future[Any]


class Database:
    """A file, its thread, and the work that waits for it."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Nothing is opened yet; see `open`."""
        self._settings = settings
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._closed: Future[None] = Future()
        self._hangs: Future[Any] | None = None
        self.moved_aside: Path | None = None
        """Where a damaged file, or one of a newer version, was moved at the start."""

    @classmethod
    async def open(cls, settings: DatabaseSettings) -> Self:
        """Open, check and migrate the file. StoreFailed where that cannot be."""
        database = cls(settings)
        opened: Future[Path | None] = Future()
        threading.Thread(target=database._own, args=(opened,), name="store", daemon=True).start()
        database.moved_aside = await _within(opened, OPEN_DEADLINE_S)
        return database

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction and wait until that is durable. StoreFailed if it is not, or not known in time.

        Work that was given up here may still be done later: whatever it writes must be harmless when written twice or late.
        While the thread still hangs in such work, nobody waits for long: many alarms one after the other would wait a deadline each.
        """
        hangs = self._hangs is not None and not self._hangs.done()
        done: Future[T] = Future()
        try:
            self._jobs.put_nowait(_Job(work, done))
        except queue.Full:
            raise StoreFailed(f"the disk does not keep up: {MAX_WAITING} pieces of work wait for it") from None
        try:
            return await _within(done, min(HANGING_S, self._settings.deadline_s) if hangs else self._settings.deadline_s)
        except StoreFailed:
            self._hangs = done if done.running() else self._hangs
            raise

    async def close(self) -> None:
        """Finish the work that waits and close the file; give up on a disk that hangs."""
        try:
            self._jobs.put_nowait(None)
            await _within(self._closed, CLOSE_DEADLINE_S)
        except (queue.Full, StoreFailed):
            return

    def _own(self, opened: "Future[Path | None]") -> None:
        """The thread: hold the file, open it, and work until it is time to close."""
        opened.set_running_or_notify_cancel()
        self._closed.set_running_or_notify_cancel()
        guard = None
        try:
            guard = _lock(self._settings.path)
            connection, aside = _open(self._settings)
        except (sqlite3.Error, OSError, StoreFailed) as error:
            opened.set_exception(error if isinstance(error, StoreFailed) else StoreFailed(f"cannot open the store {self._settings.path}: {error}"))
        else:
            opened.set_result(aside)
            while (group := self._next_group()) is not None:
                _run_group(connection, group)
            connection.close()
        if guard is not None:
            os.close(guard)
        self._closed.set_result(None)

    def _next_group(self) -> list[_Job] | None:
        """What waits, at least one piece; None when it is time to close."""
        job = self._jobs.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == MAX_GROUP or self._jobs.empty():
                return group
            job = self._jobs.get()
        if not group:
            return None
        self._jobs.put(None)
        return group


async def _within(done: "Future[T]", deadline_s: float) -> T:
    """The result, if it comes in time. Work that is given up is left out, if it has not begun; that of a cancelled task is done."""
    waiting = asyncio.wrap_future(done)
    try:
        async with asyncio.timeout(deadline_s):
            return await asyncio.shield(waiting)
    except TimeoutError:
        done.cancel()
        raise StoreFailed(f"the disk did not answer within {deadline_s:g} s") from None


def _run_group(connection: sqlite3.Connection, group: list[_Job]) -> None:
    """Run the work in one transaction; its results are told only once that is durable. Work nobody waits for any more is left out."""
    wanted = [job for job in group if job.done.set_running_or_notify_cancel()]
    results: list[tuple[_Job, Any]] = []
    try:
        connection.execute("BEGIN")
        for job in wanted:
            results.append((job, job.work(connection)))  # noqa: PERF401 - those that were done are needed where one fails
        connection.execute("COMMIT")
    except FAULTS as error:
        _roll_back(connection)
        if len(wanted) == 1:
            wanted[0].done.set_exception(_fault(error))
            return
        for job in wanted:  # one of them spoils it for all: each for itself, so that only the guilty one fails
            _run_alone(connection, job)
        return
    for job, result in results:
        job.done.set_result(result)


def _run_alone(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        connection.execute("BEGIN")
        result = job.work(connection)
        connection.execute("COMMIT")
    except FAULTS as error:
        _roll_back(connection)
        job.done.set_exception(_fault(error))
        return
    job.done.set_result(result)


def _roll_back(connection: sqlite3.Connection) -> None:
    """SQLite has already rolled back after some errors (disk full, I/O)."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _fault(error: Exception) -> Exception:
    """The world's fault as StoreFailed; a mistake of ours as it is."""
    ours = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
    return StoreFailed(f"the store: {error}") if isinstance(error, sqlite3.Error) and not isinstance(error, ours) else error


def _lock(path: Path | Literal[":memory:"]) -> int | None:
    """Hold the file for this process. A second appliance on it would be a second writer."""
    if path == MEMORY:
        return None
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreInUse(f"another omniwatch uses {path}: stop it, or give this one a state directory of its own") from None
    return descriptor


def _open(settings: DatabaseSettings) -> tuple[sqlite3.Connection, Path | None]:
    """The connection, and where the file was moved if it could not be used."""
    if settings.path == MEMORY:
        return _connect(settings), None
    problem = _problem(settings)
    if problem is None:
        return _connect(settings), None
    aside = _move_aside(settings.path, problem)
    return _connect(settings), aside


def _problem(settings: DatabaseSettings) -> Literal["damaged", "newer"] | None:
    """Why the file cannot be used; None if it can, or if there is none."""
    connection = sqlite3.connect(settings.path, isolation_level=None)
    try:
        if version(connection) > VERSION:
            return "newer"
        findings = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in CORRUPT_CODES:
            raise
        return "damaged"
    finally:
        connection.close()
    return None if findings == "ok" else "damaged"


def _move_aside(path: Path, problem: str) -> Path:
    """Keep the file and its journal under another name, beside the new one."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.{problem}-{stamp}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    journal = Path(f"{path}-wal")
    if journal.exists():
        journal.rename(f"{aside}-wal")
    path.rename(aside)
    kept = sorted(path.parent.glob(f"{path.name}.*-*T??????"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-MAX_KEPT_ASIDE]:
        old.unlink()
        Path(f"{old}-wal").unlink(missing_ok=True)
    return aside


def _connect(settings: DatabaseSettings) -> sqlite3.Connection:
    """A connection that is durable (WAL, FULL), bounded and migrated."""
    connection = sqlite3.connect(settings.path, isolation_level=None)
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "journal_size_limit = 16777216",
        "busy_timeout = 1000",
        f"max_page_count = {settings.max_bytes // page_bytes}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    migrate(connection)
    return connection
