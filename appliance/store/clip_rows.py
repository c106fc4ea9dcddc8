"""The rows of clips: what is promised, kept and gone, as the table `clip` holds it. SQL and JSON; it decides nothing and touches no file."""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from pydantic import TypeAdapter

from alerts.alert import Alert, AlertId
from alerts.decision import LATE
from alerts.evidence import Clip
from alerts.reason import SILENCES, Reason
from appliance.store.rows import ALERT, read, text, us
from sensors.cues import Box
from sensors.moment import Moment
from sensors.window import SensorId

ClipId = NewType("ClipId", str)
"""`<AlertId>-<transition that it belongs to>`: made of validated names alone, and the name of its files."""
UNKNOWN_SENSOR = SensorId("")
"""Whose a clip is that was found without a row."""
MISSING = "its file is missing"
SILENT = (*sorted(SILENCES), Reason.UNTOLD)
"""Reasons of transitions that told nobody."""
MANY = 10_000
"""Rows of one state that are read at once at most. Of those that are kept a large quota holds more: see `page`."""
PAGE = 200
"""A thousand at once took 4 MB, which a process that is to run for years keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A clip that is still to be made."""

    segments: str
    """The folder of the sensor's segments, of the boot in which it was."""
    start: Moment
    end: Moment
    moment: Moment
    masks: tuple[Box, ...] = ()
    original: bool = False
    clip: Clip | None = None
    """It is made and on the disk, and has still to be given its name and to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Why there is no clip, or no longer; and what it was."""

    why: str
    clip: Clip | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """One row."""

    id: ClipId
    alert: AlertId
    sensor: SensorId
    state: str
    attempts: int
    bytes: int
    body: str

    def wanted(self) -> Wanted | None:
        """Its body while it is wanted; None where nobody can read it."""
        return read(WANTED, self.body)

    def clip(self) -> Clip | None:
        """Its body once it is kept."""
        return read(CLIP, self.body)

    def missing(self) -> Clip | None:
        """What it was, where it ended only because its file was not there."""
        gone = read(GONE, self.body) if self.state == "removed" else None
        return gone.clip if gone and gone.why == MISSING else None

    def about(self) -> Wanted | Clip | None:
        """What is wanted, kept or missing; None of what is gone for good."""
        match self.state:
            case "wanted":
                return self.wanted()
            case "kept":
                return self.clip()
            case _:
                return self.missing()


WANTED, CLIP, GONE = TypeAdapter(Wanted), TypeAdapter(Clip), TypeAdapter(Gone)
COLUMNS = "clip.id, clip.alert, clip.sensor, clip.state, clip.attempts, clip.bytes, clip.body"
UNSEEN = "coalesce(alert.state, 'normal') IN ('active', 'cleared_unacknowledged')"


def add(connection: sqlite3.Connection, row: ClipRow, at: Moment) -> bool:
    """Promise a clip, once; whether it is a new promise."""
    add_row = "INSERT INTO clip VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    values = (row.id, row.alert, row.sensor, row.state, us(at.utc), row.attempts, row.bytes, row.body)
    return connection.execute(add_row, values).rowcount > 0


def of_state(connection: sqlite3.Connection, state: str, limit: int = MANY) -> tuple[ClipRow, ...]:
    """The rows in a state, oldest first."""
    return _rows(connection.execute(f"SELECT {COLUMNS} FROM clip WHERE state = ? ORDER BY at_us LIMIT ?", (state, limit)))  # noqa: S608


def page(connection: sqlite3.Connection, after: ClipId, states: Collection[str]) -> tuple[ClipRow, ...]:
    """The next rows in these states, in the order of their ids: whoever begins with an empty one sees all, page by page."""
    query = f"SELECT {COLUMNS} FROM clip WHERE state IN ({_marks(states)}) AND id > ? ORDER BY id LIMIT {PAGE}"  # noqa: S608 - marks alone
    return _rows(connection.execute(query, (*states, after)))


def by_id(connection: sqlite3.Connection, clips: Collection[ClipId]) -> dict[ClipId, ClipRow]:
    """Those of these that have a row, whatever its state; a few hundred at once."""
    found = _rows(connection.execute(f"SELECT {COLUMNS} FROM clip WHERE id IN ({_marks(clips)})", (*clips,)))  # noqa: S608 - marks alone
    return {row.id: row for row in found}


def tried(connection: sqlite3.Connection, clip: ClipId) -> None:
    """It is tried once more. Written before, so that what ends the box is not tried for ever."""
    connection.execute("UPDATE clip SET attempts = attempts + 1 WHERE id = ?", (clip,))


def made(connection: sqlite3.Connection, clip: ClipId, wanted: Wanted, size: int) -> None:
    """It is on the disk and has still no name there."""
    connection.execute("UPDATE clip SET body = ?, bytes = ? WHERE id = ?", (text(WANTED, wanted), size, clip))


def kept(connection: sqlite3.Connection, row: ClipId, clip: Clip) -> None:
    """All is done: it has its name, and was told."""
    connection.execute("UPDATE clip SET state = 'kept', body = ? WHERE id = ?", (text(CLIP, clip), row))


def returned(connection: sqlite3.Connection, row: ClipId, clip: Clip, size: int) -> None:
    """Its file was missing, and is there again."""
    kept(connection, row, clip)
    connection.execute("UPDATE clip SET bytes = ? WHERE id = ?", (size, row))


def ended(connection: sqlite3.Connection, clip: ClipId, state: str, gone: Gone) -> None:
    """There is none (`failed`), or no longer (`removed`)."""
    connection.execute("UPDATE clip SET state = ?, bytes = 0, body = ? WHERE id = ?", (state, text(GONE, gone), clip))


def kept_bytes(connection: sqlite3.Connection) -> int:
    """What all clips and posters take."""
    found: int = connection.execute("SELECT coalesce(sum(bytes), 0) FROM clip").fetchone()[0]
    return found


def spare(connection: sqlite3.Connection, limit: int) -> tuple[ClipRow, ...]:
    """Those that may make room, in the order in which they do: of alerts that are over, then of those that somebody has seen."""
    query = f"""SELECT {COLUMNS} FROM clip LEFT JOIN alert ON alert.id = clip.alert WHERE clip.state = 'kept' AND NOT {UNSEEN}
      ORDER BY coalesce(alert.state, 'normal') <> 'normal', clip.at_us LIMIT ?"""  # noqa: S608 - names of this file alone
    return _rows(connection.execute(query, (limit,)))


def aged(connection: sqlite3.Connection, before: datetime, limit: int) -> tuple[tuple[ClipRow, bool], ...]:
    """Those that are older, oldest first, and whether nobody has seen to their alert yet."""
    query = f"""SELECT {UNSEEN}, {COLUMNS} FROM clip LEFT JOIN alert ON alert.id = clip.alert WHERE clip.state = 'kept' AND clip.at_us < ?
      ORDER BY clip.at_us LIMIT ?"""  # noqa: S608 - names of this file alone
    found = connection.execute(query, (us(before), limit)).fetchall()
    return tuple(zip(_rows(row[1:] for row in found), (bool(row[0]) for row in found), strict=True))


def forgotten(connection: sqlite3.Connection, before: datetime) -> None:
    """Rows of clips that have been gone for so long go as well."""
    connection.execute("DELETE FROM clip WHERE state IN ('failed', 'removed') AND at_us < ?", (us(before),))


def unpromised(connection: sqlite3.Connection, since: Moment, ago: timedelta) -> tuple[Alert, ...]:
    """Alerts as they opened in the last time, whose clip nobody has promised: the box died in between, or the store was away."""
    query = f"""SELECT body FROM transition WHERE at_us >= ? AND change IN ('opened', 'reopened') AND reason NOT IN ({_marks(LATE)})
      AND NOT EXISTS (SELECT 1 FROM clip WHERE id = transition.alert || '-' || transition.number) LIMIT 100"""  # noqa: S608 - marks alone
    found = connection.execute(query, (us(since.utc - ago), *LATE)).fetchall()
    return tuple(alert for (body,) in found if (alert := read(ALERT, body)) is not None)


def alert_of(connection: sqlite3.Connection, alert: AlertId) -> tuple[Alert, bool] | None:
    """An alert as it stands, and whether anything of it has been told."""
    found = connection.execute("SELECT body FROM alert WHERE id = ?", (alert,)).fetchone()
    value = read(ALERT, found[0]) if found else None
    if value is None:
        return None
    query = f"SELECT EXISTS (SELECT 1 FROM transition WHERE alert = ? AND reason NOT IN ({_marks(SILENT)}))"  # noqa: S608 - marks alone
    return value, bool(connection.execute(query, (alert, *SILENT)).fetchone()[0])


def wanted_row(alert: Alert, wanted: Wanted) -> ClipRow:
    """The promise of a clip for an alert as it stands."""
    number = ClipId(f"{alert.id}-{alert.transition}")
    return ClipRow(id=number, alert=alert.id, sensor=alert.sensor, state="wanted", attempts=0, bytes=0, body=text(WANTED, wanted))


def found_row(clip: ClipId, made_clip: Clip, size: int) -> ClipRow:
    """A row for a clip that lies there and is in no row: the database was lost. Nobody knows any more whose it is."""
    alert = AlertId(clip.rpartition("-")[0])
    return ClipRow(id=clip, alert=alert, sensor=UNKNOWN_SENSOR, state="kept", attempts=0, bytes=size, body=text(CLIP, made_clip))


def _rows(found: Iterable[tuple[str | int, ...]]) -> tuple[ClipRow, ...]:
    names = ClipRow.__dataclass_fields__
    return tuple(ClipRow(**dict(zip(names, row, strict=True))) for row in found)  # type: ignore[arg-type] # columns have the types of the schema


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
