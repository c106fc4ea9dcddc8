"""Makes Home Assistant find the box: describes it to the broker when it changes, and takes out what is there no more.

What the broker may still hold is remembered in the store, so that also what goes while the box is off is taken out.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from alerts.channels.homeassistant import BIRTH, Described, components, left_out, payload, platforms
from alerts.channels.listening import Heard
from alerts.channels.mqtt import MqttChannel
from alerts.channels.topics import Topics
from alerts.notification import Outcome
from appliance import __version__
from appliance.broker.presence import EXPIRY, HEARTBEAT_EXPIRY
from appliance.config.configuration import Configuration
from appliance.store.remembered import recalled, remember
from appliance.store.store import Store, StoreFailed
from appliance.watch import Watch

SETTING = "home assistant"

Shown = Mapping[str, Mapping[str, str]]
"""By topic: the platforms of its entities, by their ids."""
SHOWN: TypeAdapter[dict[str, dict[str, str]]] = TypeAdapter(dict[str, dict[str, str]])

log = logging.getLogger("omniwatch.mqtt")


class Discovery:
    """What Home Assistant is told of one box."""

    def __init__(self, channel: MqttChannel, store: Store, started: Configuration, born: Callable[[], None]) -> None:
        """`started`: the configuration that the box was started with. Where Home Assistant is not in it, what that was told before is taken back.

        `born` hears of each start of Home Assistant.
        """
        self._on_birth = born
        self._started = started
        self._channel = channel
        self._store = store
        self._prefix = prefix = started.mqtt.home_assistant if started.mqtt else None
        self._wanted: Described | None = None
        self._news = asyncio.Event()
        if prefix is not None:
            channel.listen(f"{prefix}/status", self._born)

    def configure(self, configuration: Configuration, watch: Watch) -> None:
        """What is there from now on; what a restart takes is as it was."""
        runs = replace(configuration, mqtt=self._started.mqtt, speech=self._started.speech)
        self._wanted = described(self._channel.topics, runs, watch)
        self._news.set()

    async def run(self) -> None:
        """Describe the box whenever there is news, for ever."""
        shown = await self._recall()
        while True:
            await self._news.wait()
            self._news.clear()
            shown = await self._show(shown)

    def _born(self, heard: Heard) -> None:
        """Home Assistant was started: it may have lost what the broker did not keep."""
        if heard.payload == BIRTH:
            self._news.set()
            self._on_birth()

    async def _show(self, shown: Shown) -> Shown:
        what = self._wanted if self._prefix is not None else None
        topic = what.topic(self._prefix) if what and self._prefix is not None else ""
        for old in shown.keys() - {topic}:
            await self._tell(old, b"")
        if what is None:
            await self._remember({})
            return {}
        entities = components(what)
        if missing := left_out(what, entities):
            log.warning("mqtt: Home Assistant is not shown %d alarms: there are too many for one device", missing)
        now = platforms(entities)
        gone = {name: platform for name, platform in shown.get(topic, {}).items() if name not in now}
        await self._remember({topic: {**gone, **now}})  # until the broker has the new one it may hold either
        if not await self._tell(topic, payload(what, entities, gone)):
            return {topic: {**gone, **now}}
        await self._remember({topic: now})
        return {topic: now}

    async def _tell(self, topic: str, message: bytes) -> bool:
        """Have the broker keep it; whether it does."""
        outcome = await self._channel.settle_state(topic, message)
        if outcome is Outcome.REFUSED:
            log.error("mqtt: Home Assistant cannot be told of this box: give it write access to %s", topic)
        return outcome is not Outcome.REFUSED

    async def _recall(self) -> Shown:
        try:
            found = await recalled(self._store, SETTING)
            return SHOWN.validate_json(found) if found else {}
        except (StoreFailed, ValidationError) as error:
            log.warning("what Home Assistant was told before cannot be read, so entities that are gone may stay there: %s", error)
            return {}

    async def _remember(self, shown: Shown) -> None:
        try:
            await remember(self._store, {SETTING: json.dumps(shown)})
        except StoreFailed as error:
            log.warning("what Home Assistant is told is not remembered, so entities that go may stay there: %s", error)


def described(topics: Topics, configuration: Configuration, watch: Watch) -> Described:
    """What there is to show of a configuration, and of what is watched under it."""
    return Described(
        topics=topics,
        version=__version__,
        sensors=tuple(sensor.settings.sensor for sensor in configuration.sensors),
        pictures=tuple(sensor.settings.sensor for sensor in configuration.sensors if sensor.preview),
        policies=watch.policies(),
        owners=frozenset(policy.id for policy in configuration.policies),
        modes=configuration.modes,
        commands=configuration.mqtt is not None and configuration.mqtt.commands,
        speaks=configuration.speech is not None,
        expiry_s=round(EXPIRY.total_seconds()),
        heartbeat_expiry_s=round(HEARTBEAT_EXPIRY.total_seconds()),
    )
