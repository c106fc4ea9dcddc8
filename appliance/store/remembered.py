"""What is remembered over restarts in a word or two, by name: the arm mode, the self-test's bands, what Home Assistant was told, orders in hand.

It knows the table `setting`, and nothing of what the values mean.
"""

import sqlite3
from collections.abc import Mapping

from appliance.store.store import Store

SET = "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


async def recalled(store: Store, name: str) -> str | None:
    """What was remembered under a name; None where nothing was. StoreFailed where that cannot be read."""
    found = await store.do(lambda connection: connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone())
    return str(found[0]) if found else None


async def remember(store: Store, values: Mapping[str, str]) -> None:
    """Remember these, by name, in place of what was there. StoreFailed where that cannot be written."""
    await store.do(lambda connection: connection.executemany(SET, values.items()))


def named(connection: sqlite3.Connection, start: str) -> list[tuple[str, str]]:
    """Names that begin with `start`, and what was remembered under them; for a transaction of somebody else's."""
    rows = connection.execute("SELECT name, value FROM setting WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name", (start,))
    return [(str(name), str(value)) for name, value in rows]


def forget(connection: sqlite3.Connection, name: str) -> None:
    """Remember no longer what is under a name, if anything is; for a transaction of somebody else's."""
    connection.execute("DELETE FROM setting WHERE name = ?", (name,))
