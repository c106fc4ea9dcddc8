"""What the store says of times in which it could not be relied on, and how it goes on from a file that has come back."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from alerts.alert import Change
from alerts.decision import Decision
from alerts.notification import Outcome
from alerts.track import Track
from appliance.control.audit import AuditTrail, Entry
from appliance.store.database import MEMORY, DatabaseSettings
from appliance.store.rows import add_gap
from appliance.store.store import Store, StoreFailed
from tests.appliance.store.test_store import alert, at, decided, fill, outcome, told
from tests.appliance.test_pipeline import Way, story

OUTAGES = "SELECT problem, late, told, (end_us - start_us) / 1000000 FROM outage"


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def opened(number: int, policy: str = "fire") -> Decision:
    """A decision whose track holds its alert, as those of the rules do."""
    plain = decided(alert(number))
    return replace(plain, track=replace(plain.track, policy=policy, alert=plain.alert))


def settings(path: Path) -> DatabaseSettings:
    return DatabaseSettings(path=path, stands_in=True, renew_after_s=0.0)


def _hang(connection: sqlite3.Connection, table: str, goes_on: Event) -> None:
    """From now on the disk hangs after each new row of `table`, until it goes on."""
    connection.create_function("hang", 0, lambda: int(goes_on.wait(20)))
    connection.execute(f"CREATE TEMP TRIGGER hangs AFTER INSERT ON {table} BEGIN SELECT hang(); END")


async def _answers(store: Store) -> None:
    """Wait until the disk is through with what it hung in."""
    while True:
        with suppress(StoreFailed):
            return await store.do(lambda _connection: None)


async def _add_gap(store: Store) -> None:
    await store.do(lambda connection: add_gap(connection, at(1), at(5)))


async def _settle(store: Store) -> None:
    await store.settle((outcome(told(alert(1)), Outcome.REFUSED, "Not authorized"),))


async def _audit(store: Store) -> None:
    """As a trail does that still owes the row."""
    await AuditTrail(store).add(Entry(at=at(3), origin="control", who="anna", verb="ack", about="{}", why="", outcome="done"))


WRITTEN_AGAIN = [("gap", _add_gap), ("delivery", _settle), ("audit", _audit)]


@pytest.mark.parametrize(("table", "write"), WRITTEN_AGAIN, ids=[row[0] for row in WRITTEN_AGAIN])
def test_what_was_given_up_and_written_late_is_not_there_twice_when_it_is_tried_again(table: str, write: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        store, goes_on = await Store.open(DatabaseSettings(path=MEMORY, deadline_s=0.2), at(0)), Event()
        await store.do(lambda connection: _hang(connection, table, goes_on))
        with suppress(StoreFailed):
            await write(store)
        assert store.statistics().failing, "it was given up"
        goes_on.set()
        await _answers(store)
        await write(store)
        assert len(await store.do(lambda connection: connection.execute(f"SELECT * FROM {table}").fetchall())) == 1  # noqa: S608 - of the table above
        await store.close(at(10))

    asyncio.run(run())


def test_an_outage_whose_record_was_given_up_and_written_late_is_on_record_once_and_with_its_end() -> None:
    async def run() -> None:
        store, goes_on = await Store.open(DatabaseSettings(path=MEMORY, deadline_s=0.3), at(0)), Event()
        await store.do(lambda connection: _hang(connection, "outage", goes_on))
        await store.do(lambda connection: connection.execute("PRAGMA query_only = 1").fetchall())
        with pytest.raises(StoreFailed):
            await store.commit([opened(1)])
        await store.do(lambda connection: connection.execute("PRAGMA query_only = 0").fetchall())
        for n in (2, 4):
            await store.upkeep(at(n))
        with pytest.raises(StoreFailed, match="did not answer"):
            await store.upkeep(at(6))
        goes_on.set()
        await _answers(store)
        for n in (8, 10, 12):
            await store.upkeep(at(n))
        assert store.statistics().failing == ""
        record = await store.do(lambda connection: connection.execute(OUTAGES).fetchall())
        assert record == [("the store: attempt to write a readonly database", 1, 0, 8)]
        await store.close(at(14))

    asyncio.run(run())


def test_after_an_outage_the_record_says_what_was_missed_and_from_when_to_when(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state.db"

    async def run() -> None:
        store = await Store.open(DatabaseSettings(path=path), at(0))
        await store.commit([opened(1)], [told(alert(1))])
        await store.upkeep(at(10))
        await store.do(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
        number = await fill(store)
        with pytest.raises(StoreFailed):
            await store.commit([decided(alert(number + 1))], [told(alert(number + 1)), told(alert(number + 1, transition=2))])
        await store.do(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchall())
        for n in (40, 42, 44):
            assert store.statistics().failing
            await store.upkeep(at(n))
        assert store.statistics().failing == ""
        await store.close(at(44))

    asyncio.run(run())
    assert rows(path, OUTAGES) == [("the store: database or disk is full", 2, 3, 30)]
    assert "2 transitions were written late, 3 notifications told from memory alone" in caplog.text


def test_a_store_that_was_not_there_at_the_start_is_one_again_and_what_it_held_is_handed_on(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    path = place / "state.db"
    recalled: list[Track] = []

    async def before() -> None:
        place.mkdir()
        store = await Store.open(settings(path), at(0))
        await store.commit([opened(1)], [told(alert(1))])
        await store.close(at(5))
        place.rename(tmp_path / "elsewhere")
        place.write_text("no disk is mounted here")

    async def keep(tracks: Sequence[Track]) -> None:
        recalled.extend(tracks)

    async def after() -> None:
        store = await Store.open(settings(path), at(100))
        store.recalled = keep
        assert store.away
        await store.commit([opened(2, "theft")], [told(alert(2))])
        place.unlink()
        (tmp_path / "elsewhere").rename(place)
        await store.upkeep(at(130))
        assert store.away == ""
        assert {each.id for each in await store.pending("mqtt", 10)} == {told(alert(1)).id, told(alert(2)).id}
        for n in (132, 134, 136):
            await store.upkeep(at(n))
        await store.close(at(140))

    asyncio.run(before())
    asyncio.run(after())
    assert [track.alert for track in recalled] == [alert(1)]
    assert rows(path, "SELECT policy FROM track ORDER BY policy") == [("fire",), ("theft",)]
    assert rows(path, "SELECT start_us, end_us FROM gap") == [(_us(5), _us(100))], "nobody watched between the two"
    assert [row[1:] for row in rows(path, OUTAGES)] == [(0, 1, 32)]


def test_the_newest_word_on_a_track_is_the_memorys_and_not_the_files(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    path = place / "state.db"

    async def run() -> None:
        place.mkdir()
        store = await Store.open(settings(path), at(0))
        for n in range(50):
            store.noted(Track(policy="fire", sensor="hall", view="hall", note=f"old {n}"))
        await store.close(at(5))
        place.rename(tmp_path / "elsewhere")
        place.write_text("no disk is mounted here")
        store = await Store.open(settings(path), at(100))
        store.noted(Track(policy="fire", sensor="hall", view="hall", note="new"))
        await store.upkeep(at(102))
        place.unlink()
        (tmp_path / "elsewhere").rename(place)
        await store.upkeep(at(104))
        assert [track.note for track in await store.tracks()] == ["new"]
        await store.close(at(106))

    asyncio.run(run())


def test_a_file_that_was_damaged_while_it_was_used_is_followed_by_one_that_holds_what_stands(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def run() -> None:
        store = await Store.open(settings(path), at(0))
        await store.commit([opened(1)], [told(alert(1))])
        path.write_bytes(b"this was a database" * 4096)
        await store.commit([opened(2, "theft")])
        await store.upkeep(at(10))
        assert [each.alert for each in await store.tracks()] == [alert(1), alert(2)]
        assert await store.pending("mqtt", 10) == (told(alert(1)),)
        assert await store.open_alerts() == (alert(1), alert(2))
        for n in (12, 14, 16):
            await store.upkeep(at(n))
        await store.close(at(18))

    asyncio.run(run())
    assert "the database file was replaced" in str(rows(path, OUTAGES))


def test_what_a_file_that_has_come_back_held_is_handed_on_even_if_the_disk_hangs_once_more(tmp_path: Path) -> None:
    place, answers = tmp_path / "disk", Event()
    path = place / "state.db"
    recalled: list[Track] = []

    async def keep(tracks: Sequence[Track]) -> None:
        recalled.extend(tracks)

    async def run() -> None:
        place.mkdir()
        store = await Store.open(settings(path), at(0))
        await store.commit([opened(1)])
        await store.close(at(5))
        place.rename(tmp_path / "elsewhere")
        place.write_text("no disk is mounted here")
        store = await Store.open(replace(settings(path), deadline_s=0.2), at(100))
        store.recalled = keep
        place.unlink()
        (tmp_path / "elsewhere").rename(place)
        await store.upkeep(at(130))
        assert store.away == ""
        hangs = asyncio.create_task(store.do(lambda _connection: answers.wait(10)))
        await asyncio.sleep(0)  # so that it is the first
        with pytest.raises(StoreFailed):
            await store.upkeep(at(132))
        answers.set()
        await asyncio.wait({hangs})
        assert hangs.exception()
        for n in (134, 136):
            await store.upkeep(at(n))
        await store.close(at(140))

    asyncio.run(run())
    assert [track.alert for track in recalled] == [alert(1)], "once"


@story
async def test_what_a_store_that_is_back_held_goes_on_unless_another_alert_has_opened_since() -> None:
    way = await Way().begin()
    await way.see(1)
    await way.pipeline.judge_once()
    mine = way.pipeline.tracks()[0]
    assert mine.alert
    older = replace(mine, alert=replace(mine.alert, id="older"))
    await way.pipeline.recall([older])
    ended = way.ledger.written[-1][0]
    assert (ended.change, ended.alert.id if ended.alert else "") == (Change.CLEARED, "older")
    assert [track.alert for track in way.pipeline.tracks()] == [mine.alert], "the one that is open stays"


@story
async def test_of_what_a_store_that_is_back_held_a_test_ends_and_the_alert_as_well() -> None:
    way = await Way().begin()
    await way.see(1)
    await way.pipeline.judge_once()
    mine = way.pipeline.tracks()[0]
    assert mine.alert
    older = replace(mine, alert=replace(mine.alert, id="older"), test=replace(mine.alert, id="trial", test=True))
    await way.pipeline.recall([older])
    ends = [(decision.change, decision.alert.id) for decision, _ in way.ledger.written[-2:] if decision.alert]
    assert ends == [(Change.CLEARED, "trial"), (Change.CLEARED, "older")]


@story
async def test_an_alert_of_a_store_that_is_back_is_taken_up_where_none_is_open() -> None:
    way = await Way().begin()
    await way.see(1)
    await way.pipeline.judge_once()
    track = way.pipeline.tracks()[0]
    fresh = await Way().begin()
    await fresh.pipeline.recall([track, replace(track, alert=None)])
    assert [each.alert for each in fresh.pipeline.tracks()] == [track.alert]
    assert fresh.ledger.written == [], "it is not told again"


def _us(seconds: float) -> int:
    return round(at(seconds).utc.timestamp() * 1e6)


