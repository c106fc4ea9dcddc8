"""Takes ONVIF properties back whose policy is gone: the broker would keep them for ever.

What the broker may hold is remembered in the store, so that also what goes while the box is off is taken back.
"""

import asyncio
import logging

from pydantic import TypeAdapter, ValidationError

from alerts.channels.mqtt import MqttChannel
from alerts.channels.topics import onvif
from alerts.notification import Outcome
from appliance.store.remembered import recalled, remember
from appliance.store.store import Store, StoreFailed
from appliance.watch import Watch

SETTING = "onvif"
TOPICS = TypeAdapter(frozenset[str])

log = logging.getLogger("omniwatch.mqtt")


class OnvifRules:
    """The topics of one box's ONVIF events."""

    def __init__(self, channel: MqttChannel, store: Store, prefix: str | None) -> None:
        """`prefix` None: there are none, and what was told before is taken back."""
        self._channel = channel
        self._store = store
        self._prefix = prefix
        self._wanted: frozenset[str] = frozenset()
        self._news = asyncio.Event()

    def configure(self, watch: Watch) -> None:
        """What there is from now on."""
        prefix = self._prefix
        self._wanted = frozenset(onvif(prefix, *key) for key in watch.policies()) if prefix is not None else frozenset()
        self._news.set()

    async def run(self) -> None:
        """Take back what goes, for ever."""
        held = await self._recall()
        while True:
            await self._news.wait()
            self._news.clear()
            wanted = self._wanted
            if wanted == held:
                continue
            await self._remember(held | wanted)  # until the broker has let go of them
            for topic in sorted(held - wanted):
                if await self._channel.settle_state(topic, b"") is Outcome.REFUSED:
                    log.error("mqtt: what was told of a policy that is gone cannot be taken back: give the box write access to %s", topic)
            await self._remember(wanted)
            held = wanted

    async def _recall(self) -> frozenset[str]:
        try:
            found = await recalled(self._store, SETTING)
            return TOPICS.validate_json(found) if found else frozenset()
        except (StoreFailed, ValidationError) as error:
            log.warning("which ONVIF events were told before cannot be read, so those of policies that are gone may stay at the broker: %s", error)
            return frozenset()

    async def _remember(self, topics: frozenset[str]) -> None:
        try:
            await remember(self._store, {SETTING: TOPICS.dump_json(topics).decode()})
        except StoreFailed as error:
            log.warning("which ONVIF events are told is not remembered, so those of policies that go may stay at the broker: %s", error)
