"""The audit trail: what people told the box to do, who, when and why, and what became of it, each row chained to the one before.

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

from appliance.control.orders import MAX_SHOWN, AuditAnswer, AuditRow
from appliance.store.rows import us, utc
from appliance.store.store import Store, StoreFailed
from sensors.moment import Moment

MAX_OWED = 100
"""Rows that wait for a store that has failed; the journal has them all."""
CHECKED_AT_A_TIME = 2000
MAX_OUTCOME = 400
COLUMNS = "number, at_us, origin, who, verb, about, why, outcome, chain"

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

    def fields(self) -> tuple[int | str, ...]:
        """As they lie in the table."""
        return (us(self.at.utc), self.origin, self.who, self.verb, self.about, self.why, self.outcome[:MAX_OUTCOME])


class AuditTrail:
    """The trail in the store of a running box."""

    def __init__(self, store: Store) -> None:
        """Rows that the store will not take wait in memory for the next."""
        self._store = store
        self._owed: deque[Entry] = deque(maxlen=MAX_OWED)
        self._writing = asyncio.Lock()

    async def add(self, entry: Entry) -> None:
        """Write a row. A store that fails delays no order: the row is in the journal, and is written with the next."""
        async with self._writing:
            self._owed.append(entry)
            owed = tuple(self._owed)
            try:
                ends = await self._store.do(lambda connection: [_add(connection, each) for each in owed])
            except StoreFailed as error:
                log.error("not in the audit trail yet (%s): %s", error, json.dumps(entry.fields()))  # noqa: TRY400 - no trace
                return
            self._owed.clear()
        number, chain = ends[-1]
        log.info("%d %s %s %s %s: %s [%s]", number, entry.origin, entry.who, entry.verb, entry.about, entry.outcome[:MAX_OUTCOME], chain)

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


def _add(connection: sqlite3.Connection, entry: Entry) -> tuple[int, str]:
    found = connection.execute("SELECT chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    fields = entry.fields()
    chain = chained(found[0] if found else "", fields)
    names = COLUMNS.removeprefix("number, ")
    added = connection.execute(f"INSERT INTO audit ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*fields, chain))  # noqa: S608 - our own names
    return added.lastrowid or 0, chain


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
