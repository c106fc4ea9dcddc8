"""The audit trail: what was written shows, and so does every later change."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

import pytest

from analyzers.cue_judge import CueJudge
from analyzers.queue import Queue
from appliance.control.arming import Arming
from appliance.control.audit import CHECKED_AT_A_TIME, CUT_OFF, INTENDED, AuditTrail, Entry
from appliance.control.orders import Answer, Drill, Forget, Origin, Request, done
from appliance.control.status import Status
from appliance.control.track_orders import Reach
from appliance.control.verbs import Means, Verbs
from appliance.deliveries import Deliveries
from appliance.pipeline import Pipeline
from appliance.store.remembered import recalled, remember
from appliance.store.store import MEMORY, Store, StoreFailed
from appliance.store.sweep import Retention, sweep
from sensors.moment import BootId, Moment
from sensors.window import SensorId
from tests.appliance.test_pipeline import Hands

NOW = Moment(utc=datetime(2026, 5, 4, 12, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))


def story(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: object, **named: object) -> None:
        asyncio.run(test(*args, **named))

    return run


def entry(number: int, **fields: str) -> Entry:
    told = {"origin": "control", "who": "anna", "verb": "ack", "about": '{"what": "smoke"}', "why": "", "outcome": f"done: {number}", **fields}
    return Entry(at=NOW, **told)


async def trail_of(count: int) -> tuple[Store, AuditTrail]:
    store = await Store.open(MEMORY, NOW)
    trail = AuditTrail(store)
    for number in range(count):
        await trail.add(entry(number))
    return store, trail


@story
async def test_what_people_said_is_read_back_in_order() -> None:
    store, trail = await trail_of(5)
    answer = await trail.read(3)
    assert [row.outcome for row in answer.rows] == ["done: 2", "done: 3", "done: 4"]
    assert (answer.checked, answer.begun, answer.broken) == (5, 1, "")
    await store.close(NOW)


CHANGES = [
    ("a word is changed", "UPDATE audit SET who = 'bob' WHERE number = 3"),
    ("a row is taken out", "DELETE FROM audit WHERE number = 3"),
    ("two rows change places", "UPDATE audit SET outcome = CASE number WHEN 2 THEN 'done: 2' ELSE 'done: 1' END WHERE number IN (2, 3)"),
    ("a time is changed", "UPDATE audit SET at_us = at_us + 1 WHERE number = 5"),
    ("a row is put in", "INSERT INTO audit SELECT 9, at_us, origin, who, verb, about, why, 'done: 9', chain FROM audit WHERE number = 5"),
]


@pytest.mark.parametrize(("why", "change"), CHANGES, ids=[row[0] for row in CHANGES])
@story
async def test_it_shows_when(why: str, change: str) -> None:
    store, trail = await trail_of(5)
    await store.do(lambda connection: connection.execute(change))
    assert (await trail.read(1)).broken, why
    await store.close(NOW)


@story
async def test_rows_that_grew_too_old_and_were_deleted_break_nothing() -> None:
    store, trail = await trail_of(5)
    await store.do(lambda connection: connection.execute("DELETE FROM audit WHERE number < 3"))
    assert (await trail.read(10)).broken == ""
    await store.close(NOW)


@story
async def test_a_trail_that_began_anew_in_another_file_is_told_as_such() -> None:
    store, trail = await trail_of(2)
    names = "at_us, origin, who, verb, about, why, outcome, chain"
    again = f"INSERT INTO audit ({names}) SELECT {names} FROM audit ORDER BY number"  # noqa: S608 - names of ours
    await store.do(lambda connection: connection.execute(again))
    await trail.add(entry(9))
    answer = await trail.read(1)
    assert (answer.checked, answer.begun, answer.broken) == (5, 2, "")
    await store.close(NOW)


@story
async def test_a_long_trail_is_checked_to_its_end() -> None:
    store, trail = await trail_of(CHECKED_AT_A_TIME + 1)
    await store.do(lambda connection: connection.execute("UPDATE audit SET why = 'x' WHERE number = (SELECT max(number) FROM audit)"))
    assert (await trail.read(1)).broken
    await store.close(NOW)


@story
async def test_what_a_failing_store_would_not_take_is_written_with_the_next(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "omniwatch.db", NOW)
    trail = AuditTrail(store)
    await store.do(lambda connection: connection.execute("PRAGMA query_only = 1"))
    await trail.add(entry(1))
    await store.do(lambda connection: connection.execute("PRAGMA query_only = 0"))
    await trail.add(entry(2))
    assert [row.outcome for row in (await trail.read(5)).rows] == ["done: 1", "done: 2"]
    await store.close(NOW)


@story
async def test_the_trail_is_bounded_and_stays_whole() -> None:
    store, trail = await trail_of(50)
    swept = Retention(orders=20, transitions=timedelta(0))
    await store.do(lambda connection: sweep(connection, swept, NOW, by_age=False))
    assert (await trail.read(1)).checked == 20
    await store.do(lambda connection: sweep(connection, swept, NOW.plus(timedelta(days=1))))
    await trail.add(entry(50))
    answer = await trail.read(1)
    assert (answer.checked, answer.broken) == (2, ""), "the newest row stays, so that the next is chained to it"
    await store.close(NOW)


@pytest.mark.parametrize("error", [StoreFailed("the disk does not answer"), OSError(5, "Input/output error")], ids=["store", "disk"])
@story
async def test_a_forgetting_that_fails_is_answered_and_on_record(error: Exception) -> None:
    class Clock:
        def now(self) -> Moment:
            return NOW

    async def fails(_sensor: SensorId, _start: datetime, _end: datetime) -> Sequence[str]:
        raise error

    store, trail = await trail_of(0)
    reach = Reach(pipeline=None, policies=dict, deliveries=None, clock=Clock(), timezone=lambda: "UTC")
    means = Means(reach=reach, arming=None, trail=trail, status=None, sensors=lambda: ("door",), remove=fails, drill=None, speak=None, name="s/b")
    forget = Forget(sensor="door", start=NOW.utc - timedelta(hours=1), end=NOW.utc)
    answer = await Verbs(means).execute(Request(order=forget), "anna", Origin.CONTROL)
    assert not answer.done
    assert str(error) in answer.says[0]
    assert [row.outcome for row in (await trail.read(1)).rows] == [f"refused: {answer.says[0]}"]
    await store.close(NOW)


@story
async def test_an_order_over_which_the_box_ends_is_on_record_at_the_next_start(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "omniwatch.db", NOW)
    trail = AuditTrail(store)
    await trail.add(entry(1), await trail.intend(entry(1, outcome="")))
    await trail.intend(entry(2, who="bob", outcome=""))
    await store.close(NOW)
    store = await Store.open(tmp_path / "omniwatch.db", NOW)
    for _ in range(2):  # a start, and one more: it is told once
        trail = AuditTrail(store)
        await trail.begin()
    answer = await trail.read(5)
    assert [(row.who, row.outcome.partition(":")[0]) for row in answer.rows] == [("anna", "done"), ("bob", "cut off")]
    assert (answer.checked, answer.broken) == (2, "")
    await store.close(NOW)


@story
async def test_an_intention_that_cannot_be_read_any_more_keeps_no_box_from_starting() -> None:
    store = await Store.open(MEMORY, NOW)
    await remember(store, {f"{INTENDED}1": "{", f"{INTENDED}2": "[]", "arm mode": "night"})
    trail = AuditTrail(store)
    await trail.begin()
    assert (await trail.read(5)).checked == 0
    assert await recalled(store, "arm mode") == "night"
    await store.close(NOW)


@story
async def test_an_order_is_remembered_while_it_is_done() -> None:
    store = await Store.open(MEMORY, NOW)
    begun = asyncio.Event()

    async def drill() -> Answer:
        begun.set()
        await asyncio.Event().wait()
        return done()

    clock = Hands()
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=None, ledger=store, teller=None, queue=Queue(capacity=1, max_age=timedelta(seconds=1)))
    reach = Reach(pipeline=pipeline, policies=dict, deliveries=Deliveries(), clock=clock, timezone=lambda: "UTC")
    means = Means(
        reach=reach, arming=Arming(store, ("home",), lambda _armed: None), trail=AuditTrail(store), status=Status, sensors=tuple, remove=None,
        drill=drill, speak=None, name="plant/hall",
    )  # fmt: skip
    order = asyncio.create_task(Verbs(means).execute(Request(order=Drill(why="a new lens")), "anna", Origin.CONTROL))
    await begun.wait()
    trail = AuditTrail(store)
    await trail.begin()  # as the next start would
    (row,) = (await trail.read(5)).rows
    assert (row.verb, row.who, row.why, row.outcome) == ("drill", "anna", "a new lens", CUT_OFF)
    order.cancel()
    await asyncio.gather(order, return_exceptions=True)
    await store.close(NOW)
