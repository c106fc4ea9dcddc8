"""What breaks under a running database, or is not there when it begins, is put right without a restart. Real files, a real full disk."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.database import Database, DatabaseSettings, StoreFailed
from appliance.store.database_file import BALLAST_BYTES

ADD_GAP = "INSERT INTO gap (start_us, end_us, same_boot) VALUES (?, ?, 0)"
ADD_OUTBOX = "INSERT INTO outbox (id, channel, created_us, body) VALUES (?, 'mqtt', 0, '{}')"
MANY = 200_000
"""Rows enough that SQLite cannot hold all of their pages in its memory."""


def settings(path: Path) -> DatabaseSettings:
    return DatabaseSettings(path=path, stands_in=True, renew_after_s=0.0)


async def add(database: Database, sql: str, *rows: tuple[object, ...]) -> None:
    await database.do(lambda connection: connection.executemany(sql, rows).rowcount)


async def count(database: Database, table: str) -> int:
    return int(await database.do(lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))  # noqa: S608


SHOW = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*(row[0] for row in connection.execute("SELECT id FROM outbox ORDER BY number")))
connection.close()
"""


def shown(path: Path) -> list[str]:
    """What another process finds in the outbox."""
    return subprocess.run([sys.executable, "-c", SHOW, str(path)], check=True, capture_output=True, text=True).stdout.split()


def rot(path: Path, first_page: int) -> None:
    """What a dying flash does: pages of the file turn to rubbish behind the program's back."""
    with path.open("r+b") as file:
        for page in range(first_page, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk takes root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    rest = folder / "rest"
    with rest.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    return rest


def test_a_file_that_is_damaged_while_it_is_used_is_replaced_and_what_waits_is_taken_along(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        database = await Database.open(settings(path))
        await add(database, ADD_OUTBOX, ("first",))
        await add(database, ADD_GAP, *((n, n) for n in range(MANY)))
        await database.do(lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
        rot(path, 200)
        assert await count(database, "gap") < MANY, "the work that met the damage was done on the new file"
        assert database.opened == 2
        await add(database, ADD_OUTBOX, ("second",))
        assert await count(database, "outbox") == 2, "what had still to be told was read from the damaged file"
        assert database.moved_aside
        assert database.moved_aside.exists()
        await database.close()

    asyncio.run(story())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


def _delete(path: Path) -> None:
    path.unlink()


def _overwrite(path: Path) -> None:
    path.write_bytes(b"\0" * 8192)


def _put_another(path: Path) -> None:
    other = path.with_name("other.db")
    asyncio.run(_made(other))
    other.replace(path)


async def _made(path: Path) -> None:
    database = await Database.open(DatabaseSettings(path=path))
    await database.close()


@pytest.mark.parametrize("replace", [_delete, _overwrite, _put_another])
def test_what_is_written_after_the_file_was_replaced_is_in_the_file_that_is_there(tmp_path: Path, replace: Callable[[Path], None]) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=path, stands_in=True))
        await add(database, ADD_OUTBOX, ("before",))
        await asyncio.to_thread(replace, path)
        await add(database, ADD_OUTBOX, ("after",))
        assert await asyncio.to_thread(shown, path) == ["before", "after"]
        assert database.opened == 2
        await database.close()

    asyncio.run(story())


def test_whoever_looks_into_the_file_while_the_box_runs_takes_nothing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        database = await Database.open(settings(path))
        await add(database, ADD_OUTBOX, ("first",))
        await add(database, ADD_OUTBOX, ("second",))
        assert await asyncio.to_thread(shown, path) == ["first", "second"]
        assert await asyncio.to_thread(Path(f"{path}-wal").exists), "the last one to leave takes the journal along, and the box has not left"
        await add(database, ADD_OUTBOX, ("third",))
        assert await asyncio.to_thread(shown, path) == ["first", "second", "third"]
        await database.close()

    asyncio.run(story())


def test_a_memory_stands_in_until_the_file_can_be_had_and_is_carried_into_it(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    path = place / "state.db"

    async def before() -> None:
        place.mkdir()
        database = await Database.open(settings(path))
        await add(database, ADD_OUTBOX, ("told before",))
        await database.close()
        place.rename(tmp_path / "elsewhere")
        place.write_text("what lies here is no folder: the disk is not mounted")

    async def story() -> None:
        database = await Database.open(settings(path))
        assert "cannot open the store" in database.away
        await add(database, ADD_OUTBOX, ("told meanwhile",))
        assert await count(database, "outbox") == 1
        place.unlink()
        (tmp_path / "elsewhere").rename(place)
        assert await count(database, "outbox") == 2
        assert database.away == ""
        assert database.found == ((), ())
        await database.close()

    asyncio.run(before())
    asyncio.run(story())
    with closing(sqlite3.connect(path)) as connection:
        assert [row[0] for row in connection.execute("SELECT id FROM outbox ORDER BY number")] == ["told before", "told meanwhile"]


def test_without_leave_to_stand_in_a_file_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("no folder")
    with pytest.raises(StoreFailed, match="cannot open the store"):
        asyncio.run(Database.open(DatabaseSettings(path=tmp_path / "disk" / "state.db")))


def test_a_file_that_has_refused_everything_is_let_go_and_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        database = await Database.open(settings(path))
        await database.do(lambda connection: connection.execute("SELECT 1").fetchone())
        with pytest.raises(StoreFailed, match="readonly"):
            await database.do(_refuse)
        await add(database, ADD_GAP, (1, 1))
        assert (database.opened, database.away) == (2, "")
        await database.close()

    def _refuse(connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")  # the pragma below has no effect within a transaction
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        connection.execute(ADD_GAP, (0, 0))

    asyncio.run(story())


def test_on_a_full_disk_the_room_that_was_put_aside_keeps_commits_durable_and_is_put_aside_again(disk: Path) -> None:
    path = disk / "state.db"
    ballast = disk / "state.db.ballast"

    async def story() -> None:
        database = await Database.open(settings(path))
        assert ballast.stat().st_blocks * 512 >= BALLAST_BYTES
        rest = fill(disk)
        written = 0
        while (refused := await _refusal(database, written)) is None:
            written += 10
        assert "full" in refused
        assert not ballast.exists()
        assert written > 1000
        rest.unlink()
        await add(database, ADD_OUTBOX, ("when there is room",))
        assert await count(database, "outbox") == written + 1
        assert ballast.exists()
        await database.close()

    async def _refusal(database: Database, written: int) -> str | None:
        try:
            await add(database, ADD_OUTBOX, *((f"{written}-{n}",) for n in range(10)))
        except StoreFailed as error:
            return str(error)
        return None

    asyncio.run(story())
