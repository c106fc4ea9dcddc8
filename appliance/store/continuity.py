"""What the store knows of times in which it was not written: where a file leaves off, and what it missed while it could not be relied on.

It knows rows and moments, and neither waits nor reads a clock.
"""

import sqlite3
from dataclasses import dataclass

from appliance.store import rows
from appliance.store.rows import MOMENT
from sensors.moment import Moment

STEADY_TURNS = 3
"""Turns of the store without a failure after which it is taken to work again."""
DROP_OUTAGE = "DELETE FROM outage WHERE start_us = ?"
ADD_OUTAGE = "INSERT INTO outage (start_us, end_us, problem, late, told, spans) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file holds that the store must know to go on."""

    at: Moment
    gap_from: Moment | None
    """The last sign of life before this start."""
    last_span: int
    last_track: int


def begin(connection: sqlite3.Connection, now: Moment, *, stands_in: bool) -> Found:
    """Put the gap before this start on record, and find where to go on.

    What stands in for a file counts from now in microseconds: above all that the file may hold, so that what is carried into it later
    is newer than what it finds there.
    """
    found = connection.execute("SELECT at FROM alive").fetchone()
    gap_from = rows.read(MOMENT, found[0]) if found else None
    if gap_from is not None:
        rows.add_gap(connection, gap_from, now)
    connection.executemany(rows.SET_ALIVE, rows.alive(now).rows)
    if stands_in:
        return Found(at=now, gap_from=gap_from, last_span=rows.us(now.utc), last_track=rows.us(now.utc))
    last_span = connection.execute("SELECT coalesce(max(id), 0) FROM span").fetchone()[0]
    last_track = connection.execute("SELECT coalesce(max(number), 0) FROM track").fetchone()[0]
    return Found(at=now, gap_from=gap_from, last_span=last_span, last_track=last_track)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which the store could not be relied on, and what that cost. `start` and `end` are when it last and first did well."""

    start: Moment
    end: Moment
    problem: str
    late: int
    """Transitions that were written late, after they had been told."""
    told: int
    """Notifications that were told from memory alone, marked so."""
    spans: int
    """Spans of judgements that are missing."""

    def __str__(self) -> str:
        """For people."""
        since, until = (each.utc.isoformat(timespec="seconds") for each in (self.start, self.end))
        costs = f"{self.late} transitions were written late, {self.told} notifications told from memory alone, {self.spans} judgements are missing"
        return f"it could not be relied on from {since} to {until} ({self.problem}): {costs}"

    def statements(self) -> tuple[rows.Statement, ...]:
        """Put it on record, in the place of a try that was given up and written all the same: it went on, and ends later."""
        start, numbers = rows.us(self.start.utc), (self.late, self.told, self.spans)
        record = (start, rows.us(self.end.utc), rows.reason(self.problem), *numbers)
        return rows.Statement(DROP_OUTAGE, [(start,)]), rows.Statement(ADD_OUTAGE, [record])


class Outages:
    """Keeps account of the outage that lasts, if one does. It is over after some turns in which all was well: time to be seen and told."""

    def __init__(self, now: Moment) -> None:
        """All is well so far."""
        self.problem = ""
        """What is, or was until just now, wrong; empty while all is well."""
        self._well = self._since = now
        self._turns = self._late = self._told = self._dropped = 0

    def failed(self, problem: str, *, late: int = 0, told: int = 0) -> None:
        """The store would not take something, or only remembers it."""
        self.problem = self.problem or problem
        self._turns = 0
        self._late += late
        self._told += told

    def turned(self, now: Moment, dropped: int) -> Outage | None:
        """All is well `now`. The outage that is over with it, to be put on record; `dropped` spans of judgements in all."""
        self._since = self._since if self._turns else now
        self._turns += 1
        if not self.problem:
            self.recorded(dropped)
        if not self.problem or self._turns < STEADY_TURNS:
            return None
        spans = dropped - self._dropped
        return Outage(start=self._well, end=self._since, problem=self.problem, late=self._late, told=self._told, spans=spans)

    def recorded(self, dropped: int) -> None:
        """It is on record, or there was none."""
        self._well, self._dropped, self.problem, self._late, self._told, self._turns = self._since, dropped, "", 0, 0, 0
