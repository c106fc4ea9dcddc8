"""ONVIF properties of policies that are gone are taken back from a real mosquitto, also what went while the box was off."""

import asyncio
import json
from pathlib import Path

import pytest

from alerts.channels.topics import onvif
from analyzers.policy import PolicyId
from appliance.broker.onvif_rules import SETTING, OnvifRules
from appliance.config.configuration import Configuration, load
from appliance.store.remembered import recalled
from appliance.store.store import MEMORY, Store
from appliance.watch import watch
from sensors.window import ViewId
from tests.alerts.mosquitto import Broker, Listener, now, running

CONFIG = """
site: plant-7
box: press-hall
timezone: UTC
sensors: {hall: {source: "rtsp://10.0.0.21/stream"}}
policies:
"""


def box(folder: Path, *policies: str) -> Configuration:
    """A box with these policies."""
    entries = "".join(f"  - {{id: {name}, ask: Is there {name}?, sensors: [hall]}}\n" for name in policies)
    (folder / "box.yaml").write_text(CONFIG + entries)
    return load(folder / "box.yaml")


TOPICS = {name: onvif("plant", PolicyId(name), ViewId("hall")) for name in ("smoke", "leak", "fire")}


async def held(store: Store) -> set[str]:
    """What the box believes the broker to hold."""
    remembered = json.loads(await recalled(store, SETTING) or "[]")
    return {name for name, topic in TOPICS.items() if topic in remembered}


async def run(port: int, store: Store, prefix: str | None, *configurations: Configuration) -> None:
    """A box is started, and its configuration changed so often."""
    async with running(port, store) as box_:
        rules = OnvifRules(box_.channel, store, prefix)
        task = asyncio.create_task(rules.run())
        for configuration in configurations:
            rules.configure(watch(configuration))
            names = {str(policy.id) for policy in configuration.policies} if prefix else set()
            async with asyncio.timeout(10):
                while await held(store) != names:  # noqa: ASYNC110 - what is waited for is in the store and tells nobody
                    await asyncio.sleep(0.005)
        task.cancel()


def kept(port: int) -> set[str]:
    """What somebody is given who comes now."""
    late = Listener(port, "plant/#")
    late.say("plant/end", b"")
    seen: set[str] = set()
    while (message := late.wait_for(lambda _each: True)).topic != "plant/end":
        seen |= {message.topic} if message.payload else set()
    late.close()
    return {name for name, topic in TOPICS.items() if topic in seen}


@pytest.mark.broker
def test_what_goes_is_taken_back_and_what_stays_is_left(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.start()
    before = Listener(broker.port, "plant/#")
    for topic in TOPICS.values():
        before.say(topic, b"{}", retain=True)
    before.close()

    async def story() -> None:
        store = await Store.open(MEMORY, now())
        await run(broker.port, store, "plant", box(tmp_path, "smoke", "leak", "fire"), box(tmp_path, "smoke", "leak"))
        assert await asyncio.to_thread(kept, broker.port) == {"smoke", "leak"}
        await run(broker.port, store, "plant", box(tmp_path, "smoke"))
        assert await asyncio.to_thread(kept, broker.port) == {"smoke"}, "it went while the box was off"
        await run(broker.port, store, None, box(tmp_path, "smoke"))
        assert await asyncio.to_thread(kept, broker.port) == set(), "there are no ONVIF events any more"

    asyncio.run(story())
    broker.kill()
