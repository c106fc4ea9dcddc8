import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.decision import Decision
from alerts.notification import Delivery, Notification, Outcome, notification_id
from alerts.reason import Reason
from alerts.track import Track
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import PolicyId, Severity
from appliance.store.database import Database
from appliance.store.rows import tracks
from appliance.store.store import MEMORY, DatabaseSettings, Retention, Store, StoreFailed
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRE, HALL, VIEW = PolicyId("fire"), SensorId("hall"), ViewId("hall")


def at(seconds: float, boot: str = "boot") -> Moment:
    return Moment(utc=START + timedelta(seconds=seconds), boot_ns=round(seconds * 1e9), boot_id=BootId(boot))


def alert(number: int, state: AlertState = AlertState.ACTIVE, transition: int = 1, seconds: float = 0) -> Alert:
    return Alert(
        id=AlertId(f"{number:026d}"),
        policy=FIRE,
        sensor=HALL,
        view=VIEW,
        severity=Severity.HIGH,
        state=state,
        transition=transition,
        opened=at(0),
        changed=at(seconds),
        by=JudgeKind.OMNI,
        summary="Smoke in the hall " * 10,
    )


def track(state: AlertState = AlertState.NORMAL, note: str = "") -> Track:
    return Track(policy=FIRE, sensor=HALL, view=VIEW, state=state, note=note)


def decided(what: Alert, change: Change = Change.OPENED) -> Decision:
    return Decision(track=track(what.state), reason=Reason.TRIGGERED, change=change, alert=what, told=True)


def told(what: Alert, channel: str = "mqtt", created: float = 0) -> Notification:
    return Notification(id=notification_id(what, channel), channel=channel, change=Change.OPENED, alert=what, created=at(created))


def outcome(of: Notification, word: Outcome, reason: str = "") -> Delivery:
    return Delivery(notification=of.id, channel=of.channel, outcome=word, reason=reason, at=at(1))


def judgement(seconds: float, verdict: Verdict = Verdict.NO) -> Judgement:
    return Judgement(
        policy=FIRE, sensor=HALL, view=VIEW, window=None, start=at(seconds), end=at(seconds + 8), verdict=verdict, log_odds=-1.0, by=JudgeKind.OMNI
    )


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_what_was_committed_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import *
async def die():
    store = await Store.open(Path(sys.argv[1]), at(0))
    what = alert(1)
    await store.commit([decided(what)], [told(what), told(what, "speech")])
    print("committed", flush=True)
    sys.stdin.read()
asyncio.run(die())
"""
    path = tmp_path / "state.db"
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"committed\n"
    child.kill()
    child.wait(10)
    child.stdin.close()
    child.stdout.close()

    async def story() -> None:
        store = await Store.open(path, at(60))
        assert await store.pending("mqtt", 10) == (told(alert(1)),)
        assert await store.pending("speech", 10) == (told(alert(1), "speech"),)
        assert await store.open_alerts() == (alert(1),)
        assert await store.tracks() == (track(AlertState.ACTIVE),)
        assert store.opened.gap_from == at(0)
        await store.close(at(61))

    asyncio.run(story())


def test_the_outbox_gives_the_oldest_first_and_forgets_what_was_delivered() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        notes = [told(alert(n), created=n) for n in range(5)]
        for n, note in enumerate(notes):
            await store.commit([decided(alert(n))], [note])
        assert await store.pending("mqtt", 3) == tuple(notes[:3])
        await store.settle([outcome(notes[0], Outcome.DELIVERED), outcome(notes[1], Outcome.RETRY), outcome(notes[2], Outcome.UNHEARD)])
        await store.settle([outcome(notes[3], Outcome.EXPIRED)])
        assert await store.pending("mqtt", 9) == (notes[1], notes[4])
        counts = await store.counts("mqtt")
        assert (counts.depth, counts.oldest, counts.parked) == (2, at(1).utc, {})
        assert await store.pending("speech", 9) == ()
        await store.close(at(9))

    asyncio.run(story())


def test_what_was_refused_is_parked_with_its_reason_until_it_gets_another_try() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        notes = [told(alert(n)) for n in range(3)]
        await store.commit([decided(alert(n)) for n in range(3)], notes)
        await store.settle([outcome(notes[0], Outcome.REFUSED, "Not authorized"), outcome(notes[1], Outcome.REFUSED, "x" * 1000 + "\udc80")])
        assert await store.pending("mqtt", 9) == (notes[2],)
        assert (await store.counts("mqtt")).parked == {"Not authorized": 1, "x" * 120: 1}
        assert await store.unpark("mqtt", 9) == (notes[0].id, notes[1].id)
        assert await store.pending("mqtt", 9) == tuple(notes)
        await store.close(at(9))

    asyncio.run(story())


def test_every_transition_and_every_final_outcome_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0))
        first, second = alert(1), alert(1, AlertState.NORMAL, 2, seconds=30)
        await store.commit([decided(first)], [told(first)])
        await store.commit([decided(second, Change.CLEARED)], [told(second)])
        await store.commit([decided(second, Change.CLEARED)], [told(second)])  # once more: harmless
        assert await store.open_alerts() == ()
        await store.settle([outcome(told(first), Outcome.RETRY, "offline")])
        await store.settle([outcome(told(first), Outcome.DELIVERED, "Success"), outcome(told(second), Outcome.REFUSED, "Quota exceeded")])
        await store.close(at(60))

    asyncio.run(story())
    assert rows(path, "SELECT number, change, reason FROM transition ORDER BY number") == [(1, "opened", "triggered"), (2, "cleared", "triggered")]
    assert rows(path, "SELECT outcome, reason FROM delivery ORDER BY id") == [("delivered", "Success"), ("refused", "Quota exceeded")]
    assert rows(path, "SELECT id, attempts, parked FROM outbox") == [(told(alert(1, transition=2)).id, 1, "Quota exceeded")]


def test_a_full_disk_fails_the_commit_whole_and_what_is_owed_is_written_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> int:
        store = await Store.open(DatabaseSettings(path=path, max_bytes=400_000), at(0))
        number = await fill(store)
        assert "full" in store.statistics().failing
        assert store.statistics().owed == 1
        held = await store.pending("mqtt", 1000)
        assert [each.alert for each in held] == [alert(n) for n in range(1, number)], "of the commit that failed there is nothing"
        await store.settle([outcome(each, Outcome.DELIVERED) for each in held])
        await store.upkeep(at(2))
        assert store.statistics().owed == 0
        for n in range(3, 6):
            await store.upkeep(at(n))
        assert store.statistics().failing == ""
        assert len(await store.open_alerts()) == number
        await store.close(at(3))
        return number

    number = asyncio.run(story())
    assert rows(path, "SELECT count(*) FROM transition") == [(number,)]


def test_an_older_state_that_was_held_up_never_replaces_a_newer_one() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        store.noted(track(note="older"))
        await store.commit([decided(alert(1, AlertState.ACKNOWLEDGED, 2))])
        await store.commit([decided(alert(1, AlertState.ACTIVE, 1))])  # the alert's row is that of the higher transition
        store.noted(track(AlertState.PENDING, note="newest"))
        await store.upkeep(at(2))
        assert (await store.tracks())[0].note == "newest"
        assert (await store.open_alerts())[0].state is AlertState.ACKNOWLEDGED
        await store.close(at(3))

    asyncio.run(story())


def test_of_two_writes_of_a_track_the_one_that_was_decided_later_wins_in_whatever_order_they_come() -> None:
    async def story() -> str:
        database = await Database.open(DatabaseSettings(path=MEMORY))
        for number, note in ((2, "newer"), (1, "older")):
            statement = tracks([(number, track(note=note))])
            await database.do(lambda connection, each=statement: connection.executemany(each.sql, each.rows).rowcount)
        found = await database.do(lambda connection: connection.execute("SELECT body FROM track").fetchone()[0])
        await database.close()
        return str(found)

    assert "newer" in asyncio.run(story())


def test_what_was_only_noted_waits_while_the_disk_is_full_and_is_written_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(DatabaseSettings(path=path, max_bytes=600_000), at(0))
        await fill(store)
        held = await store.pending("mqtt", 1000)
        store.noted(track(AlertState.PENDING, note="kept"))
        for n in range(1000):
            store.judged(judgement(4.0 * n, Verdict.YES if n % 2 else Verdict.NO))
        with pytest.raises(StoreFailed, match="full"):
            await store.upkeep(at(2))
        await store.settle([outcome(each, Outcome.DELIVERED) for each in held])
        await store.upkeep(at(4))
        assert [each.note for each in await store.tracks()] == ["kept"]
        await store.close(at(6))

    asyncio.run(story())
    assert rows(path, "SELECT max(id) FROM span") == [(1000,)], "written; the oldest may have made room since"


def test_a_track_that_stands_still_is_not_written_again(tmp_path: Path) -> None:
    async def story() -> None:
        store = await Store.open(tmp_path / "state.db", at(0))
        for second in range(10):
            store.noted(track())
            await store.upkeep(at(second))
        writes = store.statistics().commits
        assert writes == 2, "the track with a sign of life, and the sweep"
        await store.close(at(11))

    asyncio.run(story())


def test_judgements_are_rows_of_equal_outcome_that_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0))
        for n in range(30):
            store.judged(judgement(4.0 * n, Verdict.YES if n == 10 else Verdict.NO))
            await store.upkeep(at(4.0 * n))
        await store.close(at(200))
        store = await Store.open(path, at(300))
        store.judged(judgement(300))
        await store.close(at(310))

    asyncio.run(story())
    found = rows(path, "SELECT verdict, windows, scored, least, (end_us - start_us) / 1e6 FROM span ORDER BY id")
    assert found == [("no", 10, 10, -1.0, 44.0), ("yes", 1, 1, -1.0, 8.0), ("no", 19, 19, -1.0, 80.0), ("no", 1, 1, -1.0, 8.0)]


def test_the_time_in_which_the_box_was_not_running_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0))
        assert store.opened.gap_from is None
        await store.upkeep(at(30))
        await store.upkeep(at(60))  # less than a minute later: no write for its own sake
        await store.upkeep(at(95))
        store = await Store.open(_copy(path), at(400, "another boot"))  # as after a power cut
        assert store.opened.gap_from == at(95)
        await store.close(at(400, "another boot"))

    asyncio.run(story())
    assert rows(path.with_name("copy.db"), "SELECT start_us, end_us, same_boot FROM gap") == [(_us(95), _us(400), 0)]


def test_history_is_deleted_when_it_is_too_old_and_what_is_open_is_not(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    day = 86400.0

    async def story() -> None:
        kept = Retention(judgements=timedelta(days=1), transitions=timedelta(days=2), undelivered=timedelta(days=3))
        store = await Store.open(path, at(0), retention=kept)
        store.judged(judgement(0))
        await store.commit([decided(alert(1)), decided(alert(2))], [told(alert(1)), told(alert(2))])
        await store.commit([decided(alert(2, AlertState.NORMAL, 2, seconds=60), Change.CLEARED)])
        await store.settle([outcome(told(alert(2)), Outcome.DELIVERED)])
        await store.upkeep(at(0.5 * day))
        assert rows(path, "SELECT count(*) FROM span") == [(1,)]
        await store.upkeep(at(1.5 * day))
        assert rows(path, "SELECT count(*) FROM span") == [(0,)]
        assert rows(path, "SELECT count(*) FROM transition") == [(3,)]
        await store.upkeep(at(2.5 * day))
        assert rows(path, "SELECT alert FROM transition UNION SELECT id FROM alert") == [(alert(1).id,)]
        assert rows(path, "SELECT count(*) FROM delivery") == [(0,)]
        assert (await store.counts("mqtt")).depth == 1
        await store.upkeep(at(3.5 * day))
        assert (await store.counts("mqtt")).depth == 0
        assert store.statistics().expired == 1
        assert rows(path, "SELECT outcome, reason FROM delivery") == [("expired", "never taken")]
        assert await store.open_alerts() == (alert(1),)
        await store.close(at(4 * day))

    asyncio.run(story())


def test_an_outbox_that_nobody_takes_from_is_bounded_and_the_oldest_make_room(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0), retention=Retention(waiting=10))
        await store.commit([], [told(alert(n)) for n in range(25)])
        await store.upkeep(at(2))
        assert await store.pending("mqtt", 99) == tuple(told(alert(n)) for n in range(15, 25))
        assert store.statistics().expired == 15
        await store.close(at(3))

    asyncio.run(story())
    assert [line.message for line in caplog.records] == ["15 notifications that nobody took were dropped: they were too old, or too many"]


def test_a_sweep_deletes_a_bounded_number_and_the_next_turn_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0), retention=Retention(judgements=timedelta(seconds=1)))
        for n in range(1200):
            store.judged(judgement(4.0 * n, Verdict.YES if n % 2 else Verdict.NO))
        left = []
        for turn in range(4):
            await store.upkeep(at(90_000 + 2 * turn))
            left.append(rows(path, "SELECT count(*) FROM span")[0][0])
        assert left == [700, 200, 0, 0]
        await store.close(at(99_000))

    asyncio.run(story())


def test_judgements_make_room_before_the_file_is_full(tmp_path: Path) -> None:
    async def story() -> None:
        store = await Store.open(DatabaseSettings(path=tmp_path / "state.db", max_bytes=400_000), at(0))
        for n in range(5000):
            store.judged(judgement(4.0 * n, Verdict.YES if n % 2 else Verdict.NO))
            if n % 20 == 0:
                await store.upkeep(at(100.0 * n))
        await store.commit([decided(alert(1))], [told(alert(1))])
        assert store.statistics().failures == 0
        await store.close(at(600_000))

    asyncio.run(story())


def test_a_row_that_cannot_be_read_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0))
        await store.commit([decided(alert(n)) for n in range(3)], [told(alert(n)) for n in range(3)])
        await store.close(at(1))
        connection = sqlite3.connect(path)
        connection.execute("UPDATE outbox SET body = '{}' WHERE number < 3")
        connection.execute("UPDATE track SET body = 'rubbish'")
        connection.commit()
        connection.close()
        store = await Store.open(path, at(2))
        assert await store.pending("mqtt", 2) == ()
        assert await store.pending("mqtt", 2) == (told(alert(2)),)
        assert (await store.counts("mqtt")).parked == {"unreadable": 2}
        assert await store.tracks() == ()
        await store.close(at(3))

    asyncio.run(story())


async def fill(store: Store) -> int:
    """Commit until there is no more room; the number of the alert for which there was none."""
    for number in range(1, 1000):
        try:
            await store.commit([decided(alert(number))], [told(alert(number))])
        except StoreFailed:
            return number
    raise AssertionError("the disk never filled up")


def _copy(path: Path) -> Path:
    """The file and its journal as a power cut would leave them, past the lock of the store that still has it."""
    for suffix in ("", "-wal"):
        path.with_name(f"copy.db{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    return path.with_name("copy.db")


def _us(seconds: float) -> int:
    return round((START.timestamp() + seconds) * 1e6)


DAY = 86400.0


def stepped(seconds: float, step: float) -> Moment:
    """`seconds` after the beginning, by a wall clock that has been set forward by `step` seconds since."""
    return replace(at(seconds), utc=at(seconds + step).utc)


def test_a_clock_that_is_set_right_after_the_boot_makes_nothing_old_at_once() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        await store.commit([], [told(alert(1))])
        await store.upkeep(at(2 * 3600))
        years = 20 * 365 * DAY
        await store.upkeep(stepped(2 * 3600 + 60, years))
        await store.upkeep(stepped(2 * 3600 + 0.9 * DAY, years))
        assert (await store.counts("mqtt")).depth == 1, "promised two hours ago, whatever the clock said then"
        await store.upkeep(stepped(3600 * 3 + DAY, years))
        assert store.statistics().expired == 1
        await store.close(stepped(2 * DAY, years))

    asyncio.run(story())


def test_a_start_far_in_the_future_deletes_no_history_before_the_clock_has_been_set(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def story() -> None:
        store = await Store.open(path, at(0))
        store.judged(judgement(0))
        await store.close(at(10))
        wrong = 3 * 365 * DAY
        store = await Store.open(path, at(wrong, "next"))
        await store.upkeep(at(wrong + 3 * 3600, "next"))
        right = replace(at(wrong + 4 * 3600, "next"), utc=at(3600).utc)
        await store.upkeep(right)
        assert rows(path, "SELECT count(*) FROM span") == [(1,)]
        await store.close(right)

    asyncio.run(story())
