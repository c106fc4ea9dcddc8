"""What is remembered over restarts in a word or two, by name: the arm mode, the self-test's bands, what Home Assistant was told.

It knows the table `setting`, and nothing of what the values mean.
"""

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
