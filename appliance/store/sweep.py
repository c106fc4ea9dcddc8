"""How long history is kept, and the sweep that deletes what is older: a bounded number of rows at a time.

It knows the tables that hold history. Open alerts, tracks and what may still be told are not history.
"""

import sqlite3
from dataclasses import dataclass
from datetime import timedelta

from appliance.store.rows import us
from sensors.moment import Moment

STEP = timedelta(hours=1)
LONG_OFF = timedelta(days=60)
AFTER_START, AFTER_STEP = timedelta(hours=1), timedelta(days=1)
SWEEP_ROWS = 500
"""Rows a table and sweep: a sweep must not hold up an alarm."""
ROOM = 0.9
"""Of the file's largest size. Beyond it the oldest judgements make room, however young: an alarm must always find some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long history is kept."""

    judgements: timedelta = timedelta(days=30)
    transitions: timedelta = timedelta(days=400)
    """Also gaps, deliveries, and alerts that are over."""
    orders: int = 100_000
    """Rows of the audit trail; beyond it the oldest make room, however young."""
    undelivered: timedelta = timedelta(days=30)
    """A notification that is older is dropped from the outbox and counted as expired: nobody acts on last month's alarm."""
    waiting: int = 50_000
    """Notifications in the outbox, parked ones too; beyond it the oldest are dropped and counted likewise."""


class WallClock:
    """Whether the wall clock may be believed so far that anything is deleted for its age.

    A box that boots with a wrong clock, and is set right by its time server, would else take what it has just promised to tell for
    decades old; one whose clock runs ahead for an hour would delete all its history. So nothing is too old for a day after a step of
    more than an hour, or after a start that lies before the last sign of life or long after it; and for an hour after any start.
    """

    def __init__(self, start: Moment, alive: Moment | None) -> None:
        """`alive`: the last sign of life before this start."""
        is_odd = alive is not None and not timedelta(0) <= start.utc - alive.utc <= LONG_OFF
        self._from = start.plus(AFTER_STEP if is_odd else AFTER_START)
        self._last = start

    def is_believed(self, now: Moment) -> bool:
        """Whether it has gone evenly for long enough at `now`. To be asked once a minute or so."""
        step = (now.utc - self._last.utc) - now.since(self._last)
        if abs(step) > STEP:
            self._from = now.plus(AFTER_STEP)
        self._last = now
        return now.since(self._from) >= timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep has deleted."""

    expired: int = 0
    """Notifications that were never delivered."""
    more: bool = False
    """It stopped at its bound, and there is more to delete."""


def sweep(connection: sqlite3.Connection, retention: Retention, now: Moment, *, by_age: bool = True) -> Swept:
    """Delete some of what is too old (`by_age`) or too much. What leaves the outbox undelivered is put on record as expired first."""
    full = _delete(connection, "span", "id <= (SELECT min(id) FROM span) + ?", SWEEP_ROWS) if _is_nearly_full(connection) else 0
    expired = _expire(connection, "number <= (SELECT number FROM outbox ORDER BY number DESC LIMIT 1 OFFSET ?)", retention.waiting, now)
    _delete(connection, "audit", "number <= (SELECT max(number) FROM audit) - ?", retention.orders)
    aged = _sweep_aged(connection, retention, now) if by_age else Swept()
    return Swept(expired=expired + aged.expired, more=aged.more or SWEEP_ROWS in (full, expired))


def _sweep_aged(connection: sqlite3.Connection, retention: Retention, now: Moment) -> Swept:
    judgements, transitions, undelivered = (us(now.utc - span) for span in (retention.judgements, retention.transitions, retention.undelivered))
    deleted = (
        _delete(connection, "span", "end_us < ?", judgements),
        _delete(connection, "transition", "at_us < ? AND alert NOT IN (SELECT id FROM alert WHERE state <> 'normal')", transitions),
        _delete(connection, "alert", "state = 'normal' AND changed_us < ?", transitions),
        _delete(connection, "delivery", "at_us < ?", transitions),
        _delete(connection, "gap", "end_us < ?", transitions),
        _delete(connection, "audit", "at_us < ? AND number < (SELECT max(number) FROM audit)", transitions),
        _delete(connection, "outage", "end_us < ?", transitions),
    )
    expired = _expire(connection, "created_us < ?", undelivered, now)
    return Swept(expired=expired, more=SWEEP_ROWS in (*deleted, expired))


def _is_nearly_full(connection: sqlite3.Connection) -> bool:
    pages, free, most = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "max_page_count"))
    return bool(pages - free > ROOM * most)


def _delete(connection: sqlite3.Connection, table: str, condition: str, bound: int) -> int:
    """Delete a bounded number of rows; the names come from this file alone."""
    query = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {condition} LIMIT {SWEEP_ROWS})"  # noqa: S608
    return connection.execute(query, (bound,)).rowcount


def _expire(connection: sqlite3.Connection, condition: str, bound: int, now: Moment) -> int:
    """Drop a bounded number of notifications, each with a delivery row that says so; the conditions come from this file alone."""
    query = f"SELECT id, channel, coalesce(parked, 'never taken') FROM outbox WHERE {condition} ORDER BY number LIMIT {SWEEP_ROWS}"  # noqa: S608
    old = connection.execute(query, (bound,)).fetchall()
    record = "INSERT INTO delivery (notification, channel, outcome, reason, at_us) VALUES (?, ?, 'expired', ?, ?)"
    connection.executemany(record, [(*row, us(now.utc)) for row in old])
    connection.executemany("DELETE FROM outbox WHERE id = ?", [(row[0],) for row in old])
    return len(old)
