"""The outbox: tells every channel what waits for it in the store, oldest first, until the other end has said that it has it.

At least once, under the same id. It knows neither what a notification means nor how a channel tells it. Where the store could
not hold one, it lives in a bounded memory and is told at once, marked as such.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from alerts.notification import Channel, Delivery, Notification, Outcome
from appliance.second_tries import AT_A_TIME, SecondTries
from appliance.store.database import StoreFailed
from appliance.store.store import OutboxCounts, Store
from sensors.backoff import Backoff
from sensors.moment import Moment

ROWS_A_WAVE = 12
UNDURABLE_A_WAVE = 4
"""Notifications on their way to one channel at a time. With the channel's own messages: no more than the 20 that paho and brokers allow."""
LOOKED_AT = 64
"""Notifications of which a channel that is told one by one gets the most urgent."""
IDLE_S = 5.0
"""Looks again so often, whatever has been announced."""
BACKOFF = Backoff()
MAX_UNDURABLE = 256
MAX_UNWRITTEN = 1024
"""Outcomes that the store would not take yet. Beyond it nothing more of it is told: all would be told again and again."""

log = logging.getLogger("omniwatch.outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatistics:
    """How telling goes through one channel."""

    depth: int
    """What waits in the store, when it was last looked at."""
    oldest_age_s: float
    parked: Mapping[str, int]
    """What was refused, by the other end's reason; it is tried again now and then."""
    undurable: int
    """What waits in memory alone."""
    outcomes: Mapping[Outcome, int]
    """Attempts since the start, by what became of them."""
    dropped: int
    """Notifications that the memory had no room for: the only way in which one is lost, and it needs a store that fails as well."""


Heard = Callable[[Notification, Delivery], None]


class Outbox:
    """All channels, each drained by itself: one that hangs holds up no other."""

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], now: Callable[[], Moment], *, one_by_one: frozenset[str] = frozenset()
    ) -> None:
        """`channels` by the name that notifications are addressed to. `one_by_one`: those that are told slowly, the most urgent first."""
        self._rows = {name: _Rows(name, store, one_by_one=name in one_by_one) for name in channels}
        self._memories = {name: _Memory(name) for name in channels}
        self._lanes = {
            name: (_Lane(name, channel, self._rows[name], now), _Lane(name, channel, self._memories[name], now)) for name, channel in channels.items()
        }
        self._now = now

    async def run(self, heard: Heard, turned: Callable[[], None]) -> None:
        """Drain for ever. `heard` hears of every attempt; `turned` is called as the lanes turn, at least every few seconds."""
        async with asyncio.TaskGroup() as tasks:
            for name, lanes in self._lanes.items():
                for lane in lanes:
                    tasks.create_task(lane.run(heard, turned), name=f"outbox {name}")

    def wake(self) -> None:
        """Something was committed: look at once. A channel that must be waited for is not hurried."""
        for rows, _memory in self._lanes.values():
            rows.wake()

    def hurry(self, channel: str) -> None:
        """The channel is connected again: do not wait any longer, not even with what it refused."""
        self._rows[channel].tries.hurry()
        self._lanes[channel][0].wake()
        for lane in self._lanes[channel]:
            lane.hurry()

    def tell_undurable(self, notification: Notification) -> None:
        """Tell this at once although the store could not hold it."""
        self._memories[notification.channel].put(replace(notification, durable=False))
        self._lanes[notification.channel][1].wake()

    async def wait_drained(self, deadline_s: float) -> bool:
        """Wait until nothing more can be told now, as before an orderly stop; False if something still can at the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                for lanes in self._lanes.values():
                    for lane in lanes:
                        await lane.empty.wait()
        except TimeoutError:
            return False
        return True

    def statistics(self) -> Mapping[str, ChannelStatistics]:
        """How it goes, by channel."""
        now = self._now().utc
        return {name: self._of(name, now) for name in self._lanes}

    def _of(self, name: str, now: datetime) -> ChannelStatistics:
        counts, memory, (rows_lane, memory_lane) = self._rows[name].counts, self._memories[name], self._lanes[name]
        return ChannelStatistics(
            depth=counts.depth,
            oldest_age_s=max(0.0, (now - counts.oldest).total_seconds()) if counts.oldest else 0.0,
            parked=dict(counts.parked),
            undurable=memory.depth,
            outcomes=dict(rows_lane.outcomes + memory_lane.outcomes),
            dropped=memory.dropped,
        )


class _Source(Protocol):
    """Where notifications wait."""

    async def next(self) -> tuple[Notification, ...]: ...

    async def settle(self, deliveries: Sequence[Delivery]) -> None: ...


class _Rows:
    """What waits in the store for one channel."""

    def __init__(self, channel: str, store: Store, *, one_by_one: bool) -> None:
        self.counts = OutboxCounts()
        self._one_by_one = one_by_one
        self._channel = channel
        self._store = store
        self._unwritten: list[Delivery] = []
        self.tries = SecondTries()

    async def next(self) -> tuple[Notification, ...]:
        """The oldest whose outcome is not known, some that were refused before among them when their time has come."""
        try:
            if self.tries.are_due(now_s := asyncio.get_running_loop().time(), parked=bool(self.counts.parked)):
                self.tries.begin(await self._store.unpark(self._channel, AT_A_TIME), now_s)
            await self._write(())
            if len(self._unwritten) >= MAX_UNWRITTEN:
                return ()
            asked = (LOOKED_AT if self._one_by_one else ROWS_A_WAVE) + len(self._unwritten)
            self.counts, waiting = await asyncio.gather(self._store.counts(self._channel), self._store.pending(self._channel, asked))
        except StoreFailed as error:
            log.debug("%s: %s", self._channel, error)
            return ()
        known = {each.notification for each in self._unwritten}
        unknown = tuple(each for each in waiting if each.id not in known)
        return tuple(sorted(unknown, key=lambda each: each.alert.severity.urgency))[:1] if self._one_by_one else unknown

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Write what became of them. Where the store will not take that now, it is kept, and they are not told again meanwhile."""
        self.tries.settled(deliveries, asyncio.get_running_loop().time(), parked=bool(self.counts.parked))
        self._unwritten += [each for each in deliveries if each.outcome is not Outcome.RETRY]
        await self._write([each for each in deliveries if each.outcome is Outcome.RETRY])

    async def _write(self, retried: Sequence[Delivery]) -> None:
        if not self._unwritten and not retried:
            return
        try:
            await self._store.settle((*self._unwritten, *retried))
        except StoreFailed as error:
            log.debug("%s: %s", self._channel, error)
            return
        self._unwritten.clear()


class _Memory:
    """What the store could not hold, for one channel. It waits for no store."""

    def __init__(self, channel: str) -> None:
        self.dropped = 0
        self._channel = channel
        self._waiting: deque[Notification] = deque()

    @property
    def depth(self) -> int:
        return len(self._waiting)

    def put(self, notification: Notification) -> None:
        if len(self._waiting) == MAX_UNDURABLE:
            self._waiting.popleft()
            self.dropped += 1
            if self.dropped == 1:
                log.error("%s: notifications are lost: the store has failed, the channel takes none, and the memory is full", self._channel)
        self._waiting.append(notification)

    async def next(self) -> tuple[Notification, ...]:
        return tuple(self._waiting)[:UNDURABLE_A_WAVE]

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        over = {each.notification for each in deliveries if each.outcome is not Outcome.RETRY}
        self._waiting = deque(each for each in self._waiting if each.id not in over)


class _Lane:
    """From one source to one channel, wave after wave."""

    def __init__(self, name: str, channel: Channel, source: _Source, now: Callable[[], Moment]) -> None:
        self.empty = asyncio.Event()
        self.outcomes: Counter[Outcome] = Counter()
        self._news = asyncio.Event()
        self._again = asyncio.Event()
        self._name = name
        self._channel = channel
        self._source = source
        self._now = now

    def wake(self) -> None:
        self.empty.clear()
        self._news.set()

    def hurry(self) -> None:
        self._again.set()

    async def run(self, heard: Heard, turned: Callable[[], None]) -> None:
        failures = 0
        while True:
            turned()
            self._news.clear()
            self._again.clear()
            wave = await self._source.next()
            deliveries = await asyncio.gather(*(self._attempt(each) for each in wave))
            for notification, delivery in zip(wave, deliveries, strict=True):
                self.outcomes[delivery.outcome] += 1
                heard(notification, delivery)
            await self._source.settle(deliveries)
            failures = failures + 1 if any(each.outcome is Outcome.RETRY for each in deliveries) else 0
            if failures:
                await _wait(self._again, BACKOFF.wait_s(failures, random.random()), turned)  # noqa: S311 - jitter, not a secret
            elif not wave:
                if not self._news.is_set():
                    self.empty.set()
                await _wait(self._news, IDLE_S, turned)

    async def _attempt(self, notification: Notification) -> Delivery:
        now = self._now()
        if notification.not_after is not None and now.since(notification.not_after) > timedelta(0):
            return Delivery(notification=notification.id, channel=self._name, outcome=Outcome.EXPIRED, reason="too late to be of use", at=now)
        return await self._channel.send(notification)


async def _wait(event: asyncio.Event, longest_s: float, turned: Callable[[], None]) -> None:
    """Wait for `event`, for no longer than that; the lane turns meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + longest_s
    while not event.is_set() and (left := end - loop.time()) > 0:
        turned()
        try:
            async with asyncio.timeout(min(left, IDLE_S)):
                await event.wait()
        except TimeoutError:
            continue
