"""Descriptions in the rows of alerts: taken out of all of them where somebody has them forgotten. SQL and JSON; it decides nothing.

What is on record of an alert is otherwise never changed. That it was described stays on record: the update that told it is a row of its own.
"""

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from alerts.alert import Alert, AlertId
from appliance.config.sensor_form import MAX_LENGTH
from appliance.store.rows import ALERT, read
from sensors.window import SensorId

PLACES = (("alert", "$"), ("transition", "$"), ("outbox", "$.alert"), ("track", "$.alert"))
"""Tables whose bodies hold alerts, and where in them."""
KEYS = {"alert": "id = ?", "transition": "alert = ? AND number = ?", "outbox": "number = ?", "track": "policy = ? AND view = ?"}
COLUMNS = {"alert": "id", "transition": "alert, number", "outbox": "number", "track": "policy, view"}


def forget(connection: sqlite3.Connection, sensor: SensorId, start: datetime, end: datetime) -> tuple[AlertId, ...]:
    """Take out what was said of a sensor's windows between two times; the alerts of which it was said."""
    found: dict[AlertId, None] = {}
    for table, path in PLACES:
        for key, alert in list(_said(connection, table, path, sensor)):
            if is_said_of(alert, start, end):
                query = f"UPDATE {table} SET body = json_set(body, ?, json('null')) WHERE {KEYS[table]}"  # noqa: S608 - names of this file
                connection.execute(query, (f"{path}.description", *key))
                found[alert.id] = None
    return tuple(found)


def is_said_of(alert: Alert, start: datetime, end: datetime) -> bool:
    """Whether an alert has a description, of a window that may have begun before `end` and ended behind `start`."""
    ended = alert.window_end
    return alert.description is not None and ended is not None and ended.utc >= start and ended.utc - MAX_LENGTH <= end


def _said(connection: sqlite3.Connection, table: str, path: str, sensor: SensorId) -> Iterator[tuple[tuple[str | int, ...], Alert]]:
    """The rows of a table in which something is said of a sensor: their keys, and the alerts in them."""
    query = f"""SELECT json_extract(body, '{path}'), {COLUMNS[table]} FROM {table}
      WHERE json_extract(body, '{path}.sensor') = ? AND json_extract(body, '{path}.description') IS NOT NULL"""  # noqa: S608 - names of this file
    for body, *key in connection.execute(query, (sensor,)):
        alert = read(ALERT, body)
        if alert is not None:
            yield tuple(key), alert
