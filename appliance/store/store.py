"""What the box must remember: tracks, alerts and what happened to them, judgements, and the outbox of what has still to be told.

It knows rows and JSON, not what any of it means. All that one event changes is one transaction, durable before anybody is told.
Only the world's faults leave it (`StoreFailed`), and no call waits longer than its deadline.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import TypeAdapter

from alerts.alert import Alert
from alerts.decision import Decision
from alerts.notification import Delivery, Notification, NotificationId
from alerts.track import Track
from analyzers.judgement import Judgement
from appliance.store import rows
from appliance.store.continuity import Found, Outages, begin
from appliance.store.database import MEMORY, Database, DatabaseSettings, StoreFailed
from appliance.store.rows import ALERT, MOMENT, NOTIFICATION, TRACK, Statement
from appliance.store.spans import Spans
from appliance.store.sweep import Retention, WallClock, sweep
from sensors.moment import Moment

__all__ = ["MEMORY", "DatabaseSettings", "Opened", "OutboxCounts", "Retention", "Store", "StoreFailed", "StoreStatistics"]

FLUSH_S = 2.0
ALIVE_EVERY = timedelta(minutes=1)
SWEEP_EVERY = timedelta(minutes=1)
MAX_OWED = 1000
"""Decisions that could not be written and are kept for the next try."""

log = logging.getLogger("omniwatch.store")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What was found at the start."""

    gap_from: Moment | None
    """The last sign of life before this start; None where there was no earlier one."""
    moved_aside: Path | None
    """Where a file that could not be used was kept: damaged, or of a newer version. History and open alarms are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How the outbox stands for one channel."""

    depth: int = 0
    oldest: datetime | None = None
    parked: Mapping[str, int] = field(default_factory=dict)
    """Rows that were refused, by the other end's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatistics:
    """How it has gone since the store was opened."""

    commits: int
    failures: int
    failing: str
    """What is wrong; '' while commits succeed."""
    owed: int
    """Decisions that wait in memory for the store to work again."""
    expired: int
    """Notifications that grew too old, or were too many, before they could be told."""


class Store:
    """The box's memory."""

    def __init__(self, database: Database, found: Found, retention: Retention) -> None:
        """Use `open`."""
        self.recalled: Callable[[tuple[Track, ...]], Awaitable[None]] | None = None
        """Is told what stood in a file that could not be had at the start and has come back."""
        self.opened = Opened(gap_from=found.gap_from, moved_aside=database.moved_aside)
        self._database = database
        self._retention = retention
        self._wall = WallClock(found.at, found.gap_from)
        self._spans = Spans(found.last_span)
        self._number = found.last_track
        self._newest: dict[tuple[str, str], Track] = {}
        self._tracks: dict[tuple[str, str], tuple[int, Track]] = {}
        self._owed: deque[tuple[int, Decision]] = deque(maxlen=MAX_OWED)
        self._alive: Moment | None = None
        self._swept: Moment | None = None
        self._began = found.at
        self._outages = Outages(found.at)
        if database.away or database.moved_aside:
            self._outages.failed(database.away or f"the database could not be used and is kept at {database.moved_aside}")
        self._files = database.opened
        self._commits = self._failures = self._expired = 0
        self._fails = False

    @classmethod
    async def open(cls, where: Path | Literal[":memory:"] | DatabaseSettings, now: Moment, *, retention: Retention | None = None) -> Self:
        """Open a file, or a store that forgets; put the gap since the last sign of life on record. StoreFailed if that cannot be."""
        database = await Database.open(where if isinstance(where, DatabaseSettings) else DatabaseSettings(path=where))
        found = await database.do(lambda connection: begin(connection, now, stands_in=bool(database.away)))
        return cls(database, found, retention or Retention())

    async def close(self, now: Moment) -> None:
        """Write what waits, and leave. A disk that will not have it is no reason to stay."""
        try:
            await self._flush(now)
        except StoreFailed as error:
            log.warning("closing without the last judgements: %s", error)
        await self._database.close()

    async def commit(self, decisions: Sequence[Decision], notifications: Sequence[Notification] = ()) -> None:
        """Make durable what happened, with what is to be told of it: all or nothing. StoreFailed if it is not known to be durable.

        After a failure the decisions are kept and written with the next that succeeds; the notifications are not: whoever asked has
        them, and sends them without the store.
        """
        numbered = [(self._next(), each) for each in decisions]
        self._newest.update({(each.track.policy, each.track.view): each.track for each in decisions})
        owed = (*self._owed, *numbered)
        self._owed.clear()
        try:
            await self._write(rows.happened(owed, notifications))
        except StoreFailed as error:
            self._owed.extend(owed)
            self._outages.failed(str(error), late=len(decisions), told=len(notifications))
            raise
        if self.away:
            self._outages.failed(self.away, told=len(notifications))

    @property
    def away(self) -> str:
        """Why what is committed is only remembered for as long as the box runs; empty where it is durable."""
        return self._database.away

    def noted(self, track: Track) -> None:
        """Keep a track that changed without a transition: the newest of each policy and view, written at the next upkeep."""
        key = (track.policy, track.view)
        if self._newest.get(key) != track:
            self._newest[key] = track
            self._tracks[key] = (self._next(), track)

    def judged(self, judgement: Judgement) -> None:
        """Keep a judgement, written at the next upkeep."""
        self._spans.add(judgement)

    async def tracks(self) -> tuple[Track, ...]:
        """Where every policy stood."""
        found = await self._bodies(TRACK, "SELECT body FROM track ORDER BY policy, view")
        self._newest = {(each.policy, each.view): each for each in found} | self._newest
        return found

    async def open_alerts(self) -> tuple[Alert, ...]:
        """The alerts that are not over, oldest first."""
        return await self._bodies(ALERT, "SELECT body FROM alert WHERE state <> 'normal' ORDER BY opened_us")

    async def pending(self, channel: str, limit: int) -> tuple[Notification, ...]:
        """What waits for `channel`, oldest first."""
        query = "SELECT id, body FROM outbox WHERE channel = ? AND parked IS NULL ORDER BY number LIMIT ?"
        found = await self._database.do(lambda connection: connection.execute(query, (channel, limit)).fetchall())
        read = {identity: rows.read(NOTIFICATION, body) for identity, body in found}
        unreadable = [(identity,) for identity, value in read.items() if value is None]
        if unreadable:  # parked, or they would stand before all others for ever
            await self._write((Statement("UPDATE outbox SET attempts = attempts + 1, parked = 'unreadable' WHERE id = ?", unreadable),))
        return tuple(value for value in read.values() if value is not None)

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Write what became of attempts: a promise that was kept leaves the outbox, one that was refused is parked, others wait on."""
        await self._write(rows.settled(deliveries))

    async def unpark(self, channel: str, limit: int) -> tuple[NotificationId, ...]:
        """Give some that `channel` refused another try, and say which: those that had the fewest, then the oldest."""
        found = await self._database.do(lambda connection: connection.execute(rows.UNPARK, (channel, limit)).fetchall())
        return tuple(NotificationId(identity) for (identity,) in found)

    async def do(self, work: Callable[[sqlite3.Connection], T], *, for_good: bool = False) -> T:
        """One transaction of whoever keeps something else in this database, `for_good` as `Database.do` says. StoreFailed as for the rest."""
        return await self._work(work, for_good=for_good)

    async def counts(self, channel: str) -> OutboxCounts:
        """How the outbox stands for `channel`."""
        return await self._database.do(lambda connection: _counts(connection, channel))

    async def upkeep(self, now: Moment) -> None:
        """One turn of the store's own work: write what waits, a sign of life, and delete some of what is too old."""
        if self._database.opened != self._files:
            await self._move_in()
        if self._spans.waiting or self._tracks or self._owed or self._outages.problem or _is_due(self._alive, ALIVE_EVERY, now):
            await self._flush(now)
        if _is_due(self._swept, SWEEP_EVERY, now):
            by_age = self._wall.is_believed(now)
            swept = await self._work(lambda connection: sweep(connection, self._retention, now, by_age=by_age))
            self._expired += swept.expired
            if swept.expired:
                log.warning("%d notifications that nobody took were dropped: they were too old, or too many", swept.expired)
            self._swept = self._swept if swept.more else now
        works = not (self._fails or self.away) and self._files == self._database.opened
        if works and (over := self._outages.turned(now, self._spans.dropped)):
            await self._write(over.statements())
            log.warning("the store works again; %s", over)
            self._outages.recorded(self._spans.dropped)

    async def run(self, now: Callable[[], Moment], turned: Callable[[], None]) -> None:
        """Upkeep for ever; `turned` is called after each turn, failed or not. Failures show in the statistics."""
        while True:
            try:
                await self.upkeep(now())
            except StoreFailed as error:
                log.debug("upkeep: %s", error)
            turned()
            await asyncio.sleep(FLUSH_S)

    def statistics(self) -> StoreStatistics:
        """How it has gone so far."""
        return StoreStatistics(
            commits=self._commits,
            failures=self._failures,
            failing=self._outages.problem,
            owed=len(self._owed),
            expired=self._expired,
        )

    async def _move_in(self) -> None:
        """Another file is in use than before: what stands is written into it, in the turn in which that can be. One that is back is asked first."""
        files, found = self._database.opened, self._database.found
        self._outages.failed("the database file was replaced")
        if self._files == 0 and found and self.recalled:
            left_off, tracks = found
            if left_off and (start := rows.read(MOMENT, left_off[0])):
                await self._work(lambda connection: rows.add_gap(connection, start, self._began))
            self._database.found = None
            await self.recalled(tuple(filter(None, (rows.read(TRACK, body) for body in tracks))))
        await self._write(rows.standing((self._next(), track) for track in self._newest.values()))
        self._files = files

    def _next(self) -> int:
        """Numbers what is written of tracks, so that an older value that was held up never replaces a newer one."""
        self._number += 1
        return self._number

    async def _flush(self, now: Moment) -> None:
        """Write what was only noted, and what is owed. What cannot be written waits on."""
        spans, tracks, owed = self._spans.fetch(), self._tracks, tuple(self._owed)
        self._tracks = {}
        self._owed.clear()
        try:
            await self._write((*rows.happened(owed, ()), rows.spans(spans), rows.tracks(tracks.values()), rows.alive(now)))
        except StoreFailed:
            self._spans.put_back(spans)
            self._tracks = tracks | self._tracks
            self._owed.extendleft(reversed(owed))
            raise
        self._alive = now

    async def _write(self, statements: Sequence[Statement]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for each in statements:
                connection.executemany(each.sql, each.rows)

        await self._work(work)

    async def _work(self, work: Callable[[sqlite3.Connection], T], *, for_good: bool = False) -> T:
        """Do it, and know how the store fares: an outage is logged once."""
        try:
            done = await self._database.do(work, for_good=for_good)
        except StoreFailed as error:
            self._failures += 1
            if not self._outages.problem:
                log.error("the store has failed; alarms go out without it: %s", error)  # noqa: TRY400 - no trace
            self._fails = True
            self._outages.failed(str(error))
            raise
        self._commits += 1
        self._fails = False
        return done

    async def _bodies(self, adapter: TypeAdapter[T], query: str) -> tuple[T, ...]:
        found = await self._database.do(lambda connection: connection.execute(query).fetchall())
        values = [rows.read(adapter, body) for (body,) in found]
        return tuple(value for value in values if value is not None)


def _is_due(last: Moment | None, every: timedelta, now: Moment) -> bool:
    return last is None or now.since(last) >= every


def _counts(connection: sqlite3.Connection, channel: str) -> OutboxCounts:
    query = "SELECT count(*), min(created_us) FROM outbox WHERE channel = ? AND parked IS NULL"
    depth, oldest = connection.execute(query, (channel,)).fetchone()
    query = "SELECT parked, count(*) FROM outbox WHERE channel = ? AND parked IS NOT NULL GROUP BY parked"
    parked = dict(connection.execute(query, (channel,)).fetchall())
    return OutboxCounts(depth=depth, oldest=None if oldest is None else rows.utc(oldest), parked=parked)
