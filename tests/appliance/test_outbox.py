import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.notification import Delivery, Notification, Outcome, notification_id
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from appliance.outbox import MAX_UNDURABLE, ROWS_A_WAVE, Outbox
from appliance.second_tries import AT_A_TIME
from appliance.store.store import MEMORY, DatabaseSettings, Store, StoreFailed
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    return Moment(utc=START + timedelta(seconds=seconds), boot_ns=round(seconds * 1e9), boot_id=BootId("boot"))


def now() -> Moment:
    return at(100)


def note(number: int, channel: str = "mqtt", not_after: Moment | None = None) -> Notification:
    alert = Alert(
        id=AlertId(f"{number:026d}"),
        policy=PolicyId("fire"),
        sensor=SensorId("hall"),
        view=ViewId("hall"),
        severity=Severity.HIGH,
        state=AlertState.ACTIVE,
        transition=1,
        opened=at(0),
        changed=at(0),
        by=JudgeKind.OMNI,
        summary="Smoke in the hall " * 10,
    )
    return Notification(
        id=notification_id(alert, channel), channel=channel, change=Change.OPENED, alert=alert, created=at(number), not_after=not_after
    )


@dataclass
class Scripted:
    """A channel that answers as it was told to, and remembers what it was asked to tell."""

    answer: Callable[[Notification], Outcome] = lambda _notification: Outcome.DELIVERED
    shut: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: it takes what it is asked to tell, and never answers."""
    sent: list[Notification] = field(default_factory=list)
    on_the_way: int = 0
    most: int = 0

    async def send(self, notification: Notification) -> Delivery:
        self.sent.append(notification)
        self.on_the_way += 1
        self.most = max(self.most, self.on_the_way)
        await asyncio.sleep(0)
        if self.shut.is_set():
            await asyncio.Event().wait()
        self.on_the_way -= 1
        return Delivery(notification=notification.id, channel=notification.channel, outcome=self.answer(notification), reason="so it is", at=now())

    @property
    def numbers(self) -> list[int]:
        return [int(each.alert.id) for each in self.sent]


@asynccontextmanager
async def running(store: Store, **channels: Scripted) -> AsyncIterator[tuple[Outbox, list[Delivery]]]:
    heard: list[Delivery] = []
    outbox = Outbox(store, channels, now)
    task = asyncio.create_task(outbox.run(lambda _notification, delivery: heard.append(delivery), lambda: None))
    try:
        yield outbox, heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def committed(store: Store, outbox: Outbox | None, notes: Sequence[Notification]) -> None:
    await store.commit([], notes)
    if outbox:
        outbox.wake()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for is elsewhere and tells nobody
            await asyncio.sleep(0.005)


def test_what_waits_is_told_oldest_first_and_only_so_much_of_it_is_on_its_way() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted()
        await committed(store, None, [note(n) for n in range(100)])
        async with running(store, mqtt=mqtt) as (outbox, heard):
            assert await outbox.wait_drained(5)
            assert mqtt.numbers == list(range(100))
            assert mqtt.most == ROWS_A_WAVE
            assert len(heard) == 100
            assert outbox.statistics()["mqtt"].outcomes == {Outcome.DELIVERED: 100}
            assert (await store.counts("mqtt")).depth == 0

    asyncio.run(story())


def test_what_is_committed_later_is_told_at_once() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted()
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            assert await outbox.wait_drained(5)
            began = asyncio.get_running_loop().time()
            await committed(store, outbox, [note(1)])
            await until(lambda: mqtt.numbers == [1])
            assert asyncio.get_running_loop().time() - began < 1

    asyncio.run(story())


def test_a_channel_that_is_away_is_asked_again_at_once_when_it_is_back() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted(lambda _notification: Outcome.RETRY)
        await committed(store, None, [note(n) for n in range(30)])
        async with running(store, mqtt=mqtt) as (outbox, heard):
            for tries in range(1, 7):
                await until(lambda: len(heard) >= tries * ROWS_A_WAVE)  # noqa: B023 - waited for here
                outbox.hurry("mqtt")  # by the sixth the wait would be 16 s
            assert set(mqtt.numbers) == set(range(ROWS_A_WAVE)), "the oldest stay first"
            mqtt.answer = lambda _notification: Outcome.DELIVERED
            mqtt.sent.clear()
            began = asyncio.get_running_loop().time()
            outbox.hurry("mqtt")
            assert await outbox.wait_drained(5)
            assert mqtt.numbers == list(range(30))
            assert asyncio.get_running_loop().time() - began < 1

    asyncio.run(story())


def test_new_alarms_do_not_hurry_a_channel_that_is_away() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted(lambda _notification: Outcome.RETRY)
        async with running(store, mqtt=mqtt) as (outbox, heard):
            for n in range(20):
                await committed(store, outbox, [note(n)])
                await until(lambda: len(heard) > 0)
            assert set(mqtt.numbers) == {0}

    asyncio.run(story())


def test_what_is_refused_is_parked_counted_and_tried_once_more_after_a_restart() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted(lambda each: Outcome.REFUSED if int(each.alert.id) % 2 else Outcome.DELIVERED)
        await committed(store, None, [note(n) for n in range(10)])
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            assert await outbox.wait_drained(5)
            await committed(store, outbox, [note(10)])
            await until(lambda: 10 in mqtt.numbers)
            assert await outbox.wait_drained(5)
            assert sorted(mqtt.numbers) == list(range(11)), "nothing was told twice"
            assert outbox.statistics()["mqtt"].parked == {"so it is": 5}
            assert outbox.statistics()["mqtt"].depth == 0
        healed = Scripted()
        async with running(store, mqtt=healed) as (outbox, _heard):
            assert await outbox.wait_drained(5)
            assert healed.numbers == [1, 3, 5, 7, 9]
            assert outbox.statistics()["mqtt"].parked == {}

    asyncio.run(story())


def test_what_is_refused_is_tried_again_when_the_channel_is_connected_again_but_not_with_each_of_many_connections() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted(lambda _notification: Outcome.REFUSED)
        await committed(store, None, [note(n) for n in range(30)])
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            await until(lambda: outbox.statistics()["mqtt"].parked == {"so it is": 30})
            mqtt.sent.clear()
            outbox.hurry("mqtt")
            await until(lambda: len(mqtt.sent) == AT_A_TIME)
            await until(lambda: outbox.statistics()["mqtt"].parked == {"so it is": 30})
            outbox.hurry("mqtt")
            await committed(store, outbox, [note(99)])
            await until(lambda: 99 in mqtt.numbers)
            assert len(mqtt.sent) == AT_A_TIME + 1, "a broker that comes and goes is not told all of it each time"

    asyncio.run(story())


def test_what_is_too_late_to_be_of_use_is_dropped_and_counted() -> None:
    async def story() -> None:
        store, speech = await Store.open(MEMORY, at(0)), Scripted()
        await committed(store, None, [note(1, "speech", not_after=at(99)), note(2, "speech", not_after=at(101))])
        async with running(store, speech=speech) as (outbox, heard):
            assert await outbox.wait_drained(5)
            assert speech.numbers == [2]
            assert [each.outcome for each in heard] == [Outcome.EXPIRED, Outcome.DELIVERED]
            assert outbox.statistics()["speech"].outcomes == {Outcome.EXPIRED: 1, Outcome.DELIVERED: 1}

    asyncio.run(story())


def test_an_outcome_that_was_not_written_before_a_crash_means_the_same_id_again() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted()
        await committed(store, None, [note(1)])
        mqtt.shut.set()
        async with running(store, mqtt=mqtt):
            await until(lambda: mqtt.on_the_way == 1)
        after = Scripted()
        async with running(store, mqtt=after) as (outbox, _heard):
            assert await outbox.wait_drained(5)
        assert [each.id for each in mqtt.sent] == [each.id for each in after.sent]

    asyncio.run(story())


def test_a_channel_that_hangs_holds_up_no_other() -> None:
    async def story() -> None:
        store, mqtt, speech = await Store.open(MEMORY, at(0)), Scripted(), Scripted()
        speech.shut.set()
        async with running(store, mqtt=mqtt, speech=speech) as (outbox, _heard):
            await committed(store, outbox, [note(1, "speech"), note(2)])
            await until(lambda: mqtt.numbers == [2] and speech.numbers == [1])
            assert not await outbox.wait_drained(0.05)

    asyncio.run(story())


def test_what_could_not_be_stored_is_told_at_once_and_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        store, mqtt = await _full_store(tmp_path), Scripted(lambda _notification: Outcome.RETRY)
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            await until(lambda: len(mqtt.sent) > 0)
            outbox.tell_undurable(note(7777))
            await until(lambda: 7777 in mqtt.numbers)
            assert outbox.statistics()["mqtt"].undurable == 1
            mqtt.answer = lambda each: Outcome.RETRY if each.durable else Outcome.DELIVERED
            outbox.hurry("mqtt")
            await until(lambda: outbox.statistics()["mqtt"].undurable == 0)
            assert {each.durable for each in mqtt.sent if each.alert.id == note(7777).alert.id} == {False}

    asyncio.run(story())


def test_the_memory_for_what_could_not_be_stored_is_bounded_and_a_loss_counted() -> None:
    async def story() -> None:
        store, mqtt = await Store.open(MEMORY, at(0)), Scripted(lambda _notification: Outcome.RETRY)
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            for n in range(MAX_UNDURABLE + 3):
                outbox.tell_undurable(note(n))
            statistics = outbox.statistics()["mqtt"]
            assert (statistics.undurable, statistics.dropped) == (MAX_UNDURABLE, 3)

    asyncio.run(story())


class CannotSettle(Store):
    """A store on a disk that can be read and no longer written."""

    broken = True

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        if self.broken:
            raise StoreFailed("database or disk is full")
        await super().settle(deliveries)


def test_what_was_told_but_cannot_be_settled_is_not_told_again_and_again() -> None:
    async def story() -> None:
        store, mqtt = await CannotSettle.open(MEMORY, at(0)), Scripted()
        await committed(store, None, [note(n) for n in range(50)])
        async with running(store, mqtt=mqtt) as (outbox, _heard):
            assert await outbox.wait_drained(5)
            for _ in range(20):
                outbox.wake()
                await asyncio.sleep(0.005)
            assert mqtt.numbers == list(range(50)), "each once"
            assert (await store.counts("mqtt")).depth == 50
            store.broken = False
            outbox.wake()
            assert await outbox.wait_drained(5)
            assert (await store.counts("mqtt")).depth == 0
            assert len(mqtt.sent) == 50

    asyncio.run(story())


async def _full_store(tmp_path: Path) -> Store:
    """A store with no room left."""
    store = await Store.open(DatabaseSettings(path=tmp_path / "state.db", max_bytes=250_000), at(0))
    for n in range(1000):
        try:
            await store.commit([], [note(n)])
        except StoreFailed:
            break
    return store


def test_a_channel_that_is_told_one_by_one_gets_the_most_urgent_of_what_waits_first() -> None:
    async def story() -> None:
        store, speech = await Store.open(MEMORY, at(0)), Scripted()
        urgencies = {1: Severity.LOW, 2: Severity.HIGH, 3: Severity.CRITICAL, 4: Severity.HIGH}
        notes = [replace(each, alert=replace(each.alert, severity=urgencies[n])) for n in urgencies for each in (note(n, "speech"),)]
        await committed(store, None, notes)
        outbox = Outbox(store, {"speech": speech}, now, one_by_one=frozenset({"speech"}))
        task = asyncio.create_task(outbox.run(lambda _notification, _delivery: None, lambda: None))
        assert await outbox.wait_drained(5)
        task.cancel()
        assert (speech.numbers, speech.most) == ([3, 2, 4, 1], 1)

    asyncio.run(story())
