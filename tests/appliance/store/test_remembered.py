"""What is remembered in a word, over a restart of the store."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from appliance.store.remembered import recalled, remember
from appliance.store.store import Store
from sensors.moment import BootId, Moment

NOW = Moment(utc=datetime(2026, 3, 2, tzinfo=UTC), boot_ns=0, boot_id=BootId("boot"))


def test_the_newest_word_is_there_after_a_restart_and_names_do_not_mix(tmp_path: Path) -> None:
    async def story() -> list[str | None]:
        store = await Store.open(tmp_path / "state.db", NOW)
        await remember(store, {"mode": "home", "band": "1"})
        await remember(store, {"mode": "night"})
        await store.close(NOW)
        store = await Store.open(tmp_path / "state.db", NOW)
        found = [await recalled(store, name) for name in ("mode", "band", "nothing")]
        await store.close(NOW)
        return found

    assert asyncio.run(story()) == ["night", "1", None]
