"""The audit trail: what people told the box to do, who, when and why, and what became of it, each row chained to the one before.

What is to be done is remembered before it is, so that also an order over which the box ended has its row, at the next start.
It shows that a row was changed or taken out, unless whoever did it wrote all later ones anew: against that, the journal has each
row's chain as well. It knows no order; rows are written by whoever takes orders.
"""

import asyncio
import json
import logging
import sqlite3
from collections import deque
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from appliance.control.orders import MAX_SHOWN, AuditAnswer, AuditRow
from appliance.store.remembered import forget, named, remember
from appliance.store.rows import us, utc
from appliance.store.store import Store, StoreFailed
from sensors.moment import Moment

MAX_OWED = 100
"""Rows that wait for a store that has failed; the journal has them all."""
CHECKED_AT_A_TIME = 2000
MAX_OUTCOME = 400
INTENDED = "order in hand "
"""Begins the names under which orders are remembered while they are done."""
CUT_OFF = "cut off: the box ended before it was over; whether it was done is not known"
COLUMNS = "number, at_us, origin, who, verb, about, why, outcome, chain"
KNOWN = "SELECT number, chain FROM audit WHERE at_us = ? AND origin = ? AND who = ? AND verb = ? AND about = ? AND why = ? AND outcome = ?"
"""An order happens at one microsecond: a second row that says all the same is the first one, written again."""

log = logging.getLogger("omniwatch.audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An order that was done or refused."""

    at: Moment
    origin: str
    who: str
    verb: str
    about: str
    """The order's arguments, JSON."""
    why: str
    outcome: str

    def fields(self) -> "Fields":
        """As they lie in the table."""
        return (us(self.at.utc), self.origin, self.who, self.verb, self.about, self.why, self.outcome[:MAX_OUTCOME])


Fields = tuple[int, str, str, str, str, str, str]
FIELDS: TypeAdapter[Fields] = TypeAdapter(Fields)


class AuditTrail:
    """The trail in the store of a running box."""

    def __init__(self, store: Store) -> None:
        """Rows that the store will not take wait in memory for the next."""
        self._store = store
        self._owed: deque[tuple[Fields, str]] = deque(maxlen=MAX_OWED)
        self._intended = 0
        self._writing = asyncio.Lock()

    async def begin(self) -> None:
        """Write the rows of orders over which the box ended."""
        try:
            for added in await self._store.do(_cut_off):
                _put_down(added)
        except StoreFailed as error:
            log.error("what was ordered just before the last end of the box cannot be read: %s", error)  # noqa: TRY400 - no trace

    async def intend(self, entry: Entry) -> str:
        """Remember an order before it is done; what to call that when its row is written. A store that fails keeps nobody from it."""
        self._intended += 1
        name = f"{INTENDED}{us(entry.at.utc)} {self._intended}"
        try:
            await remember(self._store, {name: json.dumps(entry.fields())})
        except StoreFailed as error:
            log.error("not remembered before it is done (%s): %s", error, json.dumps(entry.fields()))  # noqa: TRY400 - no trace
        return name

    async def add(self, entry: Entry, intended: str = "") -> None:
        """Write a row, in place of what was intended. A store that fails delays no order: the row is in the journal, and is written with the next."""
        async with self._writing:
            self._owed.append((entry.fields(), intended))
            owed = tuple(self._owed)
            try:
                ends = await self._store.do(lambda connection: [_add(connection, *each) for each in owed])
            except StoreFailed as error:
                log.error("not in the audit trail yet (%s): %s", error, json.dumps(entry.fields()))  # noqa: TRY400 - no trace
                return
            self._owed.clear()
        _put_down(ends[-1])

    async def read(self, last: int) -> AuditAnswer:
        """The last rows, oldest first, and whether the whole trail is as it was written. StoreFailed where it cannot be read."""
        rows = await self._store.do(lambda connection: _last(connection, last))
        done = _Checked()
        while True:
            before = done
            done = await self._store.do(partial(_check, done=before))
            if done.broken or done.checked < before.checked + CHECKED_AT_A_TIME:
                return AuditAnswer(rows=rows, checked=done.checked, begun=done.begun, broken=done.broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """How far the trail has been checked."""

    checked: int = 0
    begun: int = 0
    number: int = 0
    chain: str = ""
    broken: str = ""


def chained(before: str, fields: tuple[int | str, ...]) -> str:
    """The chain of a row: over the chain of the row before, and all that the row says."""
    return sha256(json.dumps([before, *fields]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Added:
    """A row that was written."""

    number: int
    fields: Fields
    chain: str


def _put_down(row: _Added) -> None:
    """The row for the journal."""
    _, origin, who, verb, about, _, outcome = row.fields
    log.info("%d %s %s %s %s: %s [%s]", row.number, origin, who, verb, about, outcome, row.chain)


def _add(connection: sqlite3.Connection, fields: Fields, intended: str) -> _Added:
    """A new row, or the one that is there: what the disk was given up over may have been written all the same."""
    forget(connection, intended)
    known = connection.execute(KNOWN, fields).fetchone()
    if known:
        return _Added(known[0], fields, known[1])
    found = connection.execute("SELECT chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    chain = chained(found[0] if found else "", fields)
    names = COLUMNS.removeprefix("number, ")
    added = connection.execute(f"INSERT INTO audit ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*fields, chain))  # noqa: S608 - our own names
    return _Added(added.lastrowid or 0, fields, chain)


def _cut_off(connection: sqlite3.Connection) -> list[_Added]:
    """Rows of all that was intended, in the order in which it was."""
    added = []
    for name, value in named(connection, INTENDED):
        try:
            fields = FIELDS.validate_json(value)
        except ValidationError:
            forget(connection, name)
            continue
        added.append(_add(connection, (*fields[:-1], CUT_OFF), name))
    return added


def _last(connection: sqlite3.Connection, count: int) -> tuple[AuditRow, ...]:
    query = f"SELECT {COLUMNS} FROM audit ORDER BY number DESC LIMIT ?"  # noqa: S608 - our own names
    names = [name for name in COLUMNS.split(", ") if name != "at_us"]
    rows = connection.execute(query, (min(count, MAX_SHOWN),)).fetchall()
    return tuple(AuditRow(at=utc(row[1]), **dict(zip(names, (row[0], *row[2:]), strict=True))) for row in reversed(rows))


def _check(connection: sqlite3.Connection, done: _Checked) -> _Checked:
    """Check the rows after those that are. The oldest row that is left is believed: those before it have grown too old and were deleted.

    A trail begins anew in a new file, or in what stood in for one while the disk was away.
    """
    query = f"SELECT {COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT {CHECKED_AT_A_TIME}"  # noqa: S608 - our own names
    for number, *fields, chain in connection.execute(query, (done.number,)).fetchall():
        row = tuple(fields)
        begins = chain == chained("", row)
        fits = begins or done.checked == 0 or chain == chained(done.chain, row)
        broken = done.broken or ("" if fits else f"row {number}, or the one before it, is not as it was written")
        done = _Checked(checked=done.checked + 1, begun=done.begun + begins, number=number, chain=chain, broken=broken)
    return done
