import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from appliance.store.database import Database, DatabaseSettings, StoreFailed, StoreInUse
from appliance.store.database_file import MAX_KEPT_ASIDE
from appliance.store.migrations import VERSION, version


def test_a_disk_that_hangs_costs_a_deadline_and_not_the_event_loop() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:", deadline_s=0.2))
        stuck = threading.Event()
        hanging = asyncio.create_task(database.do(lambda _connection: stuck.wait(20)))
        turns = 0
        while not hanging.done():
            await asyncio.sleep(0.01)
            turns += 1
        with pytest.raises(StoreFailed, match=r"did not answer within 0\.2 s"):
            await hanging
        assert turns > 5
        with pytest.raises(StoreFailed):
            await database.do(version)
        stuck.set()
        assert await database.do(version) == VERSION, "it goes on when the disk does"
        await database.close()

    asyncio.run(story())


def test_behind_a_disk_that_hangs_only_the_first_waits_for_a_whole_deadline() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:", deadline_s=1.0))
        stuck = threading.Event()
        with pytest.raises(StoreFailed):
            await database.do(lambda _connection: stuck.wait(20))
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            with pytest.raises(StoreFailed):
                await database.do(version)
        assert asyncio.get_running_loop().time() - began < 3.0
        stuck.set()
        await database.close()

    asyncio.run(story())


def test_work_that_gathers_behind_a_hanging_disk_is_bounded() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:", deadline_s=0.5))
        stuck = threading.Event()
        results = await asyncio.gather(
            database.do(lambda _connection: stuck.wait(20)), *(database.do(version) for _ in range(600)), return_exceptions=True
        )
        assert all(isinstance(each, StoreFailed) for each in results)
        assert any("does not keep up" in str(each) for each in results)
        stuck.set()
        await database.close()

    asyncio.run(story())


def test_what_a_cancelled_task_had_asked_for_is_written_all_the_same() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:"))
        stuck = threading.Event()
        insert = "INSERT INTO gap (start_us, end_us, same_boot) VALUES (1, 2, 0)"
        hanging = asyncio.create_task(database.do(lambda _connection: stuck.wait(20)))
        stopped = asyncio.create_task(database.do(lambda connection: connection.execute(insert).rowcount))
        await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.wait([stopped])
        stuck.set()
        await hanging
        assert await database.do(lambda connection: connection.execute("SELECT count(*) FROM gap").fetchone()[0]) == 1
        await database.close()

    asyncio.run(story())


def test_of_work_that_shares_a_transaction_only_the_guilty_one_fails() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:"))
        insert = "INSERT INTO gap (start_us, end_us, same_boot) VALUES (?, ?, ?)"
        results = await asyncio.gather(
            *(database.do(lambda connection, n=n: connection.execute(insert, (n, n, 7 if n == 3 else 0)).rowcount) for n in range(6)),
            return_exceptions=True,
        )
        assert [isinstance(each, Exception) for each in results] == [n == 3 for n in range(6)]
        rows = await database.do(lambda connection: connection.execute("SELECT start_us FROM gap ORDER BY id").fetchall())
        assert [row[0] for row in rows] == [0, 1, 2, 4, 5]
        await database.close()

    asyncio.run(story())


def _breaks(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO gap (start_us, end_us, same_boot) VALUES (1, 2, 0)")
    raise KeyError("a mistake of ours")


def test_whatever_work_raises_goes_to_whoever_asked_and_the_thread_goes_on() -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=":memory:", deadline_s=1.0))
        with pytest.raises(KeyError, match="a mistake of ours"):
            await database.do(_breaks)
        results = await asyncio.gather(database.do(version), database.do(_breaks), database.do(version), return_exceptions=True)
        assert [results[0], results[2]] == [VERSION, VERSION], "those that share its transaction are done"
        assert isinstance(results[1], KeyError)
        assert await database.do(lambda connection: connection.execute("SELECT count(*) FROM gap").fetchone()[0]) == 0, "undone"
        await database.close()

    asyncio.run(story())


def test_a_commit_is_on_the_disk_and_not_only_on_its_way_there(tmp_path: Path) -> None:
    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=tmp_path / "state.db"))
        assert await database.do(lambda connection: connection.execute("PRAGMA synchronous").fetchone()[0]) == 2, "2 is FULL"
        assert await database.do(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
        await database.close()

    asyncio.run(story())


def test_a_second_appliance_on_the_same_file_is_refused(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from appliance.store.database import Database, DatabaseSettings
async def hold():
    await Database.open(DatabaseSettings(path=Path(sys.argv[1])))
    print("open", flush=True)
    sys.stdin.read()
asyncio.run(hold())
"""
    path = tmp_path / "state.db"
    other = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreInUse, match="another omniwatch uses"):
            asyncio.run(Database.open(DatabaseSettings(path=path)))
    finally:
        other.stdin.close()
        other.wait(10)
        other.stdout.close()


def test_a_missing_directory_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="cannot open the store"):
        asyncio.run(Database.open(DatabaseSettings(path=tmp_path / "not mounted" / "state.db")))


def test_the_folder_and_the_database_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "state" / "omniwatch.db"
        database = await Database.open(DatabaseSettings(path=path, stands_in=True))
        files = (path, Path(f"{path}-wal"), Path(f"{path}-shm"))
        assert [oct(each.stat().st_mode & 0o777) for each in (path.parent, *files)] == ["0o700", "0o600", "0o600", "0o600"]
        await database.close()

    before = os.umask(0o022)
    try:
        asyncio.run(story())
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"this is no database, and long enough to be taken for one" * 100, "not a database at all"),
        (b"SQLite format 3\x00" + b"\xff" * 8000, "the header of one, and rubbish behind it"),
    ],
)
def test_a_damaged_file_is_kept_aside_and_a_fresh_one_begun(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)

    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=path))
        assert database.moved_aside is not None, why
        assert database.moved_aside.read_bytes() == content
        assert await database.do(version) == VERSION
        await database.close()

    asyncio.run(story())


def test_a_page_that_rots_in_a_good_file_is_noticed_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    asyncio.run(_fill(path))
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(content)

    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=path))
        assert database.moved_aside is not None
        assert (await database.do(lambda connection: connection.execute("SELECT count(*) FROM gap").fetchone()[0])) == 0
        await database.close()

    asyncio.run(story())


def test_no_more_than_a_few_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for n in range(MAX_KEPT_ASIDE + 3):
        (tmp_path / f"state.db.damaged-2026010{n}T000000").write_bytes(b"old")
    path.write_bytes(b"rubbish" * 1000)
    asyncio.run(_fill(path))
    assert len(list(tmp_path.glob("state.db.damaged-*"))) == MAX_KEPT_ASIDE


def test_a_file_of_a_newer_version_is_kept_aside_untouched(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        database = await Database.open(DatabaseSettings(path=path))
        await database.do(lambda connection: connection.execute(f"PRAGMA user_version = {VERSION + 1}"))
        await database.close()
        database = await Database.open(DatabaseSettings(path=path))
        assert database.moved_aside is not None
        assert "newer" in database.moved_aside.name
        await database.close()

    asyncio.run(story())


def test_an_empty_file_is_migrated_from_version_0_to_the_newest_and_not_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()

    async def story() -> None:
        for _ in range(2):
            database = await Database.open(DatabaseSettings(path=path))
            assert database.moved_aside is None
            assert await database.do(version) == VERSION
            await database.close()

    asyncio.run(story())


def test_every_table_and_column_says_what_it_means() -> None:
    async def story() -> list[str]:
        database = await Database.open(DatabaseSettings(path=":memory:"))
        query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
        return [row[0] for row in await database.do(lambda connection: connection.execute(query).fetchall())]

    for sql in asyncio.run(story()):
        for line in sql.splitlines()[:-1]:
            assert "--" in line or line.strip().startswith("PRIMARY KEY"), line


async def _fill(path: Path) -> None:
    database = await Database.open(DatabaseSettings(path=path))
    insert = "INSERT INTO gap (start_us, end_us, same_boot) VALUES (?, ?, 0)"
    await database.do(lambda connection: connection.executemany(insert, [(n, n) for n in range(5000)]).rowcount)
    await database.close()
