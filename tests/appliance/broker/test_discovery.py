"""Home Assistant finds the box at a real broker: described once, again at its birth, and taken out when it is gone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alerts.channels.mqtt import MqttChannel
from alerts.channels.topics import Topics
from appliance.broker.discovery import Discovery
from appliance.config.configuration import Configuration, load
from appliance.store.store import MEMORY, Store
from appliance.watch import watch
from tests.alerts.mosquitto import Broker, Listener, now, until

pytestmark = pytest.mark.broker
DESCRIPTION = "homeassistant/device/omniwatch_plant-7_press-hall/config"
Shown = dict[str, dict[str, Any]]
FILE = """\
site: plant-7
box: {box}
timezone: UTC
sensors: {{hall: {{source: "rtsp://10.0.0.1/x"}}}}
policies:
  - {{id: {policy}, title: {title}, ask: Is it so?, sensors: [hall], fallback: {{changed: 0.1}}}}
notify: {{mqtt: {{host: 127.0.0.1, port: {port}, commands: {commands}, home_assistant: {shown}}}}}
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


class Site:
    """A box's file, and what Home Assistant hears of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._file = folder / "box.yaml"
        self._port = port
        self._ear = Listener(port, "homeassistant/device/#")

    def written(self, **said: str) -> Configuration:
        usual = {"box": "press-hall", "policy": "smoke", "title": "Smoke", "commands": "true", "shown": "true"}
        self._file.write_text(FILE.format(port=self._port, **{**usual, **said}))
        return load(self._file)

    async def heard(self, wanted: Callable[[Shown], bool] = bool) -> Shown:
        """The next description that is as wanted; it may come more than once."""
        while True:
            message = await asyncio.to_thread(self._ear.wait_for, lambda _: True)
            shown = json.loads(message.payload)["components"] if message.payload else {}
            if message.topic == DESCRIPTION and wanted(shown):
                return shown

    async def birth(self, word: str) -> None:
        self._ear._client.publish("homeassistant/status", word, 1)  # noqa: SLF001 - its connection will do

    def close(self) -> None:
        self._ear.close()


def take(discovery: Discovery, configuration: Configuration) -> None:
    discovery.configure(configuration, watch(configuration))


@asynccontextmanager
async def running(configuration: Configuration, store: Store, born: Callable[[], None] = lambda: None) -> AsyncIterator[Discovery]:
    assert configuration.mqtt
    topics = Topics(site=configuration.site, box=configuration.box)
    channel = MqttChannel(configuration.mqtt, topics, version="1.2.3", now=now, linked=lambda _up: None)
    discovery = Discovery(channel, store, configuration, born)
    take(discovery, configuration)
    tasks = [asyncio.create_task(channel.run()), asyncio.create_task(discovery.run())]
    await until(lambda: channel.connected)
    try:
        yield discovery
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    site = Site(tmp_path, broker.port)
    yield site
    site.close()


def test_the_box_is_described_and_again_when_home_assistant_is_born(site: Site) -> None:
    async def story() -> None:
        births: list[str] = []
        async with running(site.written(), await Store.open(MEMORY, now()), lambda: births.append("born")) as discovery:
            shown = await site.heard()
            assert shown["alarm_smoke_hall"]["name"] == "Smoke on hall"
            assert {"running", "alarms", "arm", "sensor_hall", "acknowledge_smoke_hall", "alarm_disk-low_box"} <= shown.keys()
            take(discovery, site.written(title="Rauch"))
            again = await site.heard(lambda shown: shown["alarm_smoke_hall"]["name"] == "Rauch on hall")
            await site.birth("online")
            assert await site.heard() == again
            assert births == ["born"]
            await site.birth("offline")
            take(discovery, site.written(title="Smoke"))
            await site.heard(lambda shown: shown["alarm_smoke_hall"]["name"] == "Smoke on hall")
            assert births == ["born"], "its last will is none"

    asyncio.run(story())


def test_what_leaves_the_configuration_is_taken_out_and_a_new_title_is_none(site: Site) -> None:
    async def story() -> None:
        async with running(site.written(), await Store.open(MEMORY, now())) as discovery:
            before = await site.heard()
            take(discovery, site.written(title="Rauch"))
            renamed = await site.heard(lambda shown: shown["alarm_smoke_hall"]["name"] == "Rauch on hall")
            assert renamed["alarm_smoke_hall"] == {**before["alarm_smoke_hall"], "name": "Rauch on hall"}
            assert renamed.keys() == before.keys()
            take(discovery, site.written(policy="fire"))
            after = await site.heard(lambda shown: "alarm_fire_hall" in shown)
            assert after["alarm_smoke_hall"] == {"platform": "binary_sensor"}
            assert after["acknowledge_smoke_hall"] == {"platform": "button"}
            take(discovery, site.written(policy="fire", title="Fire"))
            assert "alarm_smoke_hall" not in await site.heard(lambda shown: shown["alarm_fire_hall"]["name"] == "Fire on hall"), (
                "it has been taken out"
            )

    asyncio.run(story())


def test_what_takes_effect_at_the_next_start_is_shown_then(site: Site) -> None:
    async def story() -> None:
        async with running(site.written(commands="false"), await Store.open(MEMORY, now())) as discovery:
            before = await site.heard()
            assert "mode" in before
            take(discovery, site.written(commands="true", title="Rauch"))
            after = await site.heard(lambda shown: shown["alarm_smoke_hall"]["name"] == "Rauch on hall")
            assert after.keys() == before.keys(), "buttons that nobody hears would be shown"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("then", "gone"),
    [
        ({"policy": "fire"}, {"alarm_smoke_hall", "acknowledge_smoke_hall"}),
        ({"commands": "false"}, {"arm", "acknowledge_smoke_hall", "acknowledge_camera-moved_hall"}),
    ],
)
def test_what_went_while_the_box_was_off_is_taken_out_when_it_starts(site: Site, then: dict[str, str], gone: set[str]) -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, now())
        async with running(site.written(), store):
            await site.heard()
        async with running(site.written(**then), store):
            await site.heard(lambda shown: gone <= {name for name, each in shown.items() if each.keys() == {"platform"}})

    asyncio.run(story())


@pytest.mark.parametrize("then", [{"shown": "false"}, {"box": "paint-shop"}, {"shown": "{prefix: ha}"}])
def test_a_box_that_is_shown_no_more_or_elsewhere_is_taken_back_whole(site: Site, then: dict[str, str]) -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, now())
        async with running(site.written(), store):
            await site.heard()
        async with running(site.written(**then), store):
            await site.heard(lambda shown: not shown)

    asyncio.run(story())


def test_what_the_broker_does_not_let_it_say_is_logged_with_the_topic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite omniwatch/#\n")
    broker = Broker(tmp_path, "allow_anonymous true", f"acl_file {rules}")
    broker.start()
    site = Site(tmp_path, broker.port)

    async def story() -> None:
        async with running(site.written(), await Store.open(MEMORY, now())):
            await until(lambda: "give it write access to homeassistant/device/omniwatch_plant-7_press-hall/config" in caplog.text)

    asyncio.run(story())
    site.close()
    broker.kill()
