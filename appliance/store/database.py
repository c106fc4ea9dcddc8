"""The one connection to the SQLite file, in the one thread that owns it. It knows transactions and deadlines, and no table.

Two connections that write or checkpoint at once can corrupt a WAL database before SQLite 3.51.3, and a disk that hangs must not
stop the event loop: so all work is handed over as functions, and whoever waits for one waits no longer than a deadline. Work
that has gathered meanwhile shares a transaction, and with it the one fsync that makes it durable.

What breaks while it runs is put right here as well: a damaged file is moved aside and a fresh one begun, a full disk gets the room that
was put aside for it, a file that has refused everything for a while is opened anew, and a memory stands in for one that cannot be had.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Self, TypeVar

from appliance.store.database_file import (
    CORRUPT_CODES,
    HISTORY,
    LIVE,
    MEMORY,
    DatabaseFile,
    DatabaseSettings,
    StoreFailed,
    StoreInUse,
    connect,
    readable,
    write,
)

__all__ = ["MEMORY", "Database", "DatabaseSettings", "StoreFailed", "StoreInUse"]

MAX_WAITING = 512
"""Pieces of work that may wait for the thread; one more is refused at once."""
MAX_GROUP = 64
"""Pieces of work in one transaction."""
HANGING_S = 0.1
"""The deadline of more work, once the thread hangs."""
CLOSE_DEADLINE_S = 2.0
OPEN_DEADLINE_S = 60.0
"""Opening checks the whole file."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: Future[Any]
    for_good: bool
    """Whether what it overwrites is to be found nowhere any more."""


class Database:
    """A file, its thread, and the work that waits for it."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Nothing is opened yet; see `open`."""
        self._settings = settings
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._closed: Future[None] = Future()
        self._hangs: Future[Any] | None = None
        self._file = DatabaseFile(settings)
        self._refused_since: float | None = None
        self._tried = monotonic()
        self.away = ""
        """Why a memory stands in for the file; empty while it does not."""
        self.opened = 0
        """How often a file was opened. More than once: what only it held may be gone."""
        self.found: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        """What stood in a file that has come back, before what happened meanwhile was carried into it: the bodies of `alive` and `track`."""

    @property
    def moved_aside(self) -> Path | None:
        """Where a damaged file, or one of a newer version, was moved."""
        return self._file.moved_aside

    @classmethod
    async def open(cls, settings: DatabaseSettings) -> Self:
        """Open, check and migrate the file. StoreFailed where that cannot be and nothing may stand in for it."""
        database = cls(settings)
        opened: Future[None] = Future()
        threading.Thread(target=database._own, args=(opened,), name="store", daemon=True).start()
        try:
            await _within(opened, OPEN_DEADLINE_S)
        except StoreFailed as error:
            if not settings.stands_in or isinstance(error, StoreInUse):
                raise
            database = await cls.open(DatabaseSettings(path=MEMORY))  # the disk hangs and keeps the thread: until the next start
            database.away = str(error)
        return database

    async def do(self, work: Callable[[sqlite3.Connection], T], *, for_good: bool = False) -> T:
        """Run `work` in a transaction and wait until that is durable. StoreFailed if it is not, or not known in time.

        `for_good`: what it overwrites lies neither in the file (`secure_delete`) nor in its journal any more, which is cut off behind it.

        Work that was given up here may still be done later: whatever it writes must be harmless when written twice or late.
        While the thread still hangs in such work, nobody waits for long: many alarms one after the other would wait a deadline each.
        """
        hangs = self._hangs is not None and not self._hangs.done()
        done: Future[T] = Future()
        try:
            self._jobs.put_nowait(_Job(work, done, for_good))
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

    def _own(self, opened: "Future[None]") -> None:
        """The thread: hold the file, open it, and work until it is time to close."""
        opened.set_running_or_notify_cancel()
        self._closed.set_running_or_notify_cancel()
        try:
            connection = self._open()
        except StoreFailed as error:
            opened.set_exception(error)
        else:
            opened.set_result(None)
            while (group := self._next_group()) is not None:
                connection = self._serve(self._renewed(connection), group)
            with suppress(sqlite3.Error):
                connection.close()
        self._file.close()
        self._closed.set_result(None)

    def _open(self) -> sqlite3.Connection:
        """The file, or what stands in for it."""
        self._tried, self._refused_since = monotonic(), None
        try:
            connection = self._file.open()
        except (sqlite3.Error, OSError, StoreInUse) as error:
            problem = str(error) if isinstance(error, StoreInUse) else f"cannot open the store {self._settings.path}: {error}"
            if not self._settings.stands_in or (isinstance(error, StoreInUse) and not self.opened):  # two of us would tell everything twice
                raise (error if isinstance(error, StoreInUse) else StoreFailed(problem)) from None
            self.away = problem
            return connect(DatabaseSettings(path=MEMORY))
        self.opened += 1
        return connection

    def _renewed(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """The connection, or the one that takes its place because it has been of no use for long."""
        now = monotonic()
        if self._settings.stands_in and not self.away and self._file.is_replaced():
            return self._begin_anew(connection)
        if now - self._tried < self._settings.renew_after_s:
            return connection
        if self.away and self._settings.stands_in:
            return self._come_back(connection)
        refuses = self._refused_since is not None and now - self._refused_since >= self._settings.renew_after_s
        if self._settings.stands_in and refuses:
            return self._begin_anew(connection)
        self._tried = now
        self._file.make_ballast()
        return connection

    def _begin_anew(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Let the file go, so that its disk can be taken out, and open what is there now, with what can still be read of what was there."""
        content = readable(connection, LIVE)
        with suppress(sqlite3.Error):
            connection.close()
        self._file.close()
        connection = self._open()
        with suppress(sqlite3.Error):  # what stands is also told by the store, and what cannot be written now is lost with the old file
            write(connection, content)
        return connection

    def _come_back(self, memory: sqlite3.Connection) -> sqlite3.Connection:
        """Back to the file, with all that the memory holds; or the memory, where the file cannot be had yet."""
        self._tried = monotonic()
        try:
            connection = self._file.open()
        except (sqlite3.Error, OSError, StoreInUse):
            return memory
        try:
            self.found = _bodies(connection, "alive", "at"), _bodies(connection, "track", "body")
            write(connection, readable(memory, (*LIVE, *HISTORY)))
        except sqlite3.Error:
            connection.close()
            self._file.close()
            return memory
        memory.close()
        self.away, self.opened = "", self.opened + 1
        return connection

    def _serve(self, connection: sqlite3.Connection, group: list[_Job]) -> sqlite3.Connection:
        """Do the work of a group, after putting right what can be put right; the connection to go on with."""
        wanted = [job for job in group if job.done.set_running_or_notify_cancel()]
        before = connection.total_changes
        error = _run_group(connection, wanted)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in CORRUPT_CODES and self._settings.stands_in:
            connection = self._begin_anew(connection)
            error = _run_group(connection, wanted)
        elif code == sqlite3.SQLITE_FULL and self._file.drop_ballast():
            error = _run_group(connection, wanted)
        if error is None:
            if connection.total_changes != before:  # what can still be read says nothing of what can be written
                self._refused_since = None
            return connection
        if isinstance(_fault(error), StoreFailed) and code != sqlite3.SQLITE_FULL:  # a full file is whole, and is read on
            self._refused_since = monotonic() if self._refused_since is None else self._refused_since
        for job in wanted:  # where one of them spoils it for all, each for itself, so that only the guilty one fails
            alone = error if len(wanted) == 1 else _run_group(connection, [job])
            if alone is not None:
                job.done.set_exception(_fault(alone))
        return connection

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


class _Transaction:
    """Work from BEGIN to COMMIT. What is raised within undoes it and is kept for whoever asked, whatever it is: the thread goes on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.error: Exception | None = None
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = error
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:  # SQLite has already rolled back after some errors (disk full, I/O)
                self._connection.execute("ROLLBACK")
        return True


def _run_group(connection: sqlite3.Connection, wanted: list[_Job]) -> Exception | None:
    """Run the work in one transaction; its results are told only once that is durable. Else what went wrong, and nobody is told."""
    with _Transaction(connection) as transaction:
        connection.execute("BEGIN")
        results = [job.work(connection) for job in wanted]
        connection.execute("COMMIT")
        if any(job.for_good for job in wanted):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if transaction.error is None:
        for job, result in zip(wanted, results, strict=True):
            job.done.set_result(result)
    return transaction.error


def _fault(error: Exception) -> Exception:
    """The world's fault as StoreFailed; a mistake of ours as it is."""
    ours = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
    return StoreFailed(f"the store: {error}") if isinstance(error, sqlite3.Error) and not isinstance(error, ours) else error


def _bodies(connection: sqlite3.Connection, table: str, column: str) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute(f"SELECT {column} FROM {table}"))  # noqa: S608 - names of this file
