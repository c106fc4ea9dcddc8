"""The database's file on the disk: who holds it, whether it can be used, and what becomes of one that cannot.

It knows the schema's tables only to carry rows from one connection to another, and nothing of threads and jobs.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from appliance.store.migrations import VERSION, migrate, version

NAME = "omniwatch.db"
"""Of the file, in the folder of the state; beside it lie what SQLite and the box need for it, under names that begin so."""
MEMORY: Literal[":memory:"] = ":memory:"
MAX_KEPT_ASIDE = 3
"""Damaged files that are kept for whoever wants to look at them; older ones make room."""
CORRUPT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
MAGIC = b"SQLite format 3\0"
BALLAST_BYTES = 8 * 1024**2
"""As much as a journal grows to before it begins anew, twice: what makes room on a full disk for the next hundreds of alarms."""
MAX_CARRIED = 100_000
"""Rows of one table that are carried over."""
LIVE = ("alive", "gap", "outage", "track", "alert", "outbox", "clip", "audit", "setting")
"""What a damaged file is searched for: what stands, and what has still to be told. Its history stays in it."""
HISTORY = ("transition", "delivery", "span")
COUNTED = frozenset({"gap", "outage", "outbox", "audit", "delivery"})
"""Tables whose first column only counts their rows: another file counts them anew. Numbers of spans and tracks are the store's own."""

Content = dict[str, tuple[tuple[str, ...], list[tuple[str | int | float | None, ...]]]]
"""Tables: the names of their columns, and rows."""

log = logging.getLogger("omniwatch.store")


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
    deadline_s: float = 5.0
    stands_in: bool = False
    """True: where the file cannot be had, a memory takes its place until it can, and what was in it is then carried over."""
    renew_after_s: float = 30.0
    """A file that has refused everything for so long is closed and opened again; so often, too, one that could not be opened is tried again."""

    @classmethod
    def within(cls, state: Path, *, stands_in: bool) -> "DatabaseSettings":
        """Those of the box whose state lies in this folder."""
        return cls(path=state / NAME, stands_in=stands_in)


class DatabaseFile:
    """The file, held for this process alone while it is open."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._guard: int | None = None
        self._eye: int | None = None
        self.moved_aside: Path | None = None
        """Where a damaged file, or one of a newer version, was moved."""

    def open(self) -> sqlite3.Connection:
        """Hold the file, check it, move it aside where it cannot be used, and connect. Raises what the world has against it."""
        path = self._settings.path
        if path == MEMORY:
            return connect(self._settings)
        if self._settings.stands_in:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as otherwise:
            otherwise.callback(self.close)
            self._guard = _lock(path) if self._guard is None else self._guard
            problem = _problem(path)
            connection = connect(self._settings) if problem is None else self._begin_anew(path, problem)
            self._eye = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            otherwise.pop_all()
        self.make_ballast()
        return connection

    def is_replaced(self) -> bool:
        """Whether the file is no longer where it was opened, or no database any more: SQLite writes on into one that is gone.

        Asked before every commit (some microseconds). A disk that will not say is none that says so: what it refuses is seen as that.
        It looks through a descriptor of its own that is closed after SQLite's: closing any of them lets go of the file's locks, and the
        next program that looks into it would take it for unused and delete the journal.
        """
        path = self._settings.path
        if path == MEMORY or self._eye is None:
            return False
        try:
            return not os.path.samestat(path.stat(), os.fstat(self._eye)) or os.pread(self._eye, len(MAGIC), 0) != MAGIC
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Let others have it. SQLite's connection has to be closed before."""
        for descriptor in (self._eye, self._guard):
            if descriptor is not None:
                os.close(descriptor)
        self._eye = self._guard = None

    def _begin_anew(self, path: Path, problem: Literal["damaged", "newer"]) -> sqlite3.Connection:
        """A fresh file, with what can still be read of a damaged one."""
        self.moved_aside = aside = _move_aside(path, problem)
        connection = connect(self._settings)
        log.error("the database could not be used (%s) and is kept at %s; a new one was started", problem, aside)
        if problem == "damaged":
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"{aside.absolute().as_uri()}?mode=ro", uri=True)) as damaged:
                carried = write(connection, readable(damaged, LIVE))
                log.warning("%d rows of what stood, and of what has still to be told, were taken from the damaged one", carried)
        return connection

    def make_ballast(self) -> None:
        """Put room aside beside the file, where there is plenty."""
        with suppress(OSError):
            if not self._ballast.exists() and _free_bytes(self._ballast.parent) > 4 * BALLAST_BYTES:
                with self._ballast.open("wb") as ballast:
                    os.posix_fallocate(ballast.fileno(), 0, BALLAST_BYTES)

    def drop_ballast(self) -> bool:
        """Give that room up, if the disk is what is full; whether there was any."""
        with suppress(OSError):
            if self._settings.path != MEMORY and _free_bytes(self._ballast.parent) < BALLAST_BYTES:
                self._ballast.unlink()
                return True
        return False

    @property
    def _ballast(self) -> Path:
        return Path(f"{self._settings.path}.ballast")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep the file from every other omniwatch meanwhile, without opening it. StoreInUse where one has it; OSError where it cannot be had."""
    guard = _lock(path)
    try:
        if os.geteuid() == 0:  # or whom the folder belongs to could not hold it later
            owner = path.parent.stat()
            os.fchown(guard, owner.st_uid, owner.st_gid)
        yield
    finally:
        os.close(guard)


def readable(source: sqlite3.Connection, tables: Sequence[str]) -> Content:
    """What can be read of `tables`: of each, the rows up to the first that cannot. The names come from this file alone."""
    content: Content = {}
    for table in tables:
        with suppress(sqlite3.Error):
            columns = tuple(row[1] for row in source.execute(f"PRAGMA table_info({table})"))[1 if table in COUNTED else 0 :]
            content[table] = columns, []
            content[table][1].extend(source.execute(f"SELECT {', '.join(columns)} FROM {table} LIMIT {MAX_CARRIED}"))  # noqa: S608
    return content


def write(target: sqlite3.Connection, content: Content) -> int:
    """Put it into another file, all or nothing, in the place of what is there under the same keys; how many rows that was."""
    target.execute("BEGIN")
    try:
        for table, (columns, rows) in content.items():
            marks = ", ".join("?" * len(columns))
            target.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608
        target.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            target.execute("ROLLBACK")
        raise
    return sum(len(rows) for _, rows in content.values())


def _lock(path: Path) -> int:
    """Hold the file for this process. A second appliance on it would be a second writer."""
    descriptor = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreInUse(f"another omniwatch uses {path}: stop it, or give this one a state directory of its own") from None
    return descriptor


def _problem(path: Path) -> Literal["damaged", "newer"] | None:
    """Why the file cannot be used; None if it can, or if there is none."""
    with closing(_private(path)) as connection:
        try:
            if version(connection) > VERSION:
                return "newer"
            findings = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in CORRUPT_CODES:
                raise
            return "damaged"
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


def _private(path: Path | Literal[":memory:"]) -> sqlite3.Connection:
    """A connection to a file that nobody else may read: SQLite alone would make one as open as the umask lets it. Its journals follow it."""
    if path != MEMORY:
        with suppress(OSError):  # SQLite says the same in its own words
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    return sqlite3.connect(path, isolation_level=None)


def connect(settings: DatabaseSettings) -> sqlite3.Connection:
    """A connection that is durable (WAL, FULL), bounded and migrated."""
    connection = _private(settings.path)
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "journal_size_limit = 16777216",
        "secure_delete = ON",  # as Debian's SQLite has it anyway
        "busy_timeout = 1000",
        f"max_page_count = {settings.max_bytes // page_bytes}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    migrate(connection)
    return connection


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
