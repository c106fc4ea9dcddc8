"""The MQTT channel: tells alerts as events, and keeps current values as retained state, over a connection that is always renewed.

What the broker has said about a message is the only truth about it: nothing is delivered until its PUBACK says so. It keeps no
queue; what cannot be told now stays with whoever asked.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from alerts.channels.cloudevents import CONTENT_TYPE, encoded, event_of
from alerts.channels.connection import Connection
from alerts.channels.current import Presence, StatusData
from alerts.channels.current import encoded as encoded_current
from alerts.channels.listening import Heard
from alerts.channels.mqtt_settings import MqttSettings, Protocol
from alerts.channels.packet import Ack, Message
from alerts.channels.topics import Topics
from alerts.notification import ARRIVED, Delivery, Notification, Outcome
from sensors.backoff import Backoff
from sensors.moment import Moment

__all__ = ["MqttChannel", "MqttSettings", "MqttStatistics", "Protocol", "Retained"]

MAX_RETAINED = 8000
"""Values that a broker keeps: more than the largest configuration has, or the last ones, the heartbeat among them, would be told nobody."""
STATES_AT_A_TIME = 4
"""Of the messages that a broker takes at a time; the rest are for alerts."""
BACKOFF = Backoff(most_s=15.0, healthy_s=10.0)
LEAVE_S = 1.0
AGAIN_S = 1.0

OUTCOMES: Mapping[int, Outcome] = {
    0x00: Outcome.DELIVERED,
    0x10: Outcome.UNHEARD,  # no matching subscribers
    0x87: Outcome.REFUSED,  # not authorized
    0x90: Outcome.REFUSED,  # topic name invalid
    0x95: Outcome.REFUSED,  # packet too large
    0x97: Outcome.REFUSED,  # quota exceeded
    0x99: Outcome.REFUSED,  # payload format invalid
}
"""What a PUBACK's reason code means; any other is the broker's trouble of the moment."""
UNKNOWN_VERSION = "Unsupported protocol version"

log = logging.getLogger("omniwatch.mqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """A current value, kept by the broker for whoever comes later. The newest of a topic wins; an empty payload removes it."""

    topic: str
    payload: bytes
    expiry: timedelta | None
    """Published again before this is over, it stays; if the box dies, it goes. None: it stays until it is removed."""
    since_s: float
    """When it was true, on the event loop's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttStatistics:
    """How the channel stands."""

    connected: bool
    problem: str
    """Why it is not connected; '' while it is."""
    connections: int
    retained: int
    missed: int
    """Messages that came faster than they could be heard."""


class MqttChannel:
    """A box's way to its broker. `run` keeps the connection; `send` and `publish_state` use it."""

    def __init__(
        self, settings: MqttSettings, topics: Topics, *, version: str, now: Callable[[], Moment], linked: Callable[[bool], None]
    ) -> None:
        """`linked` hears of every connection (True) and of its end (False)."""
        self.topics = topics
        self._settings = settings
        self._version = version
        self.now = now
        """The box's clock."""
        self._boot_id = now().boot_id
        self._linked = linked
        self._connection: Connection | None = None
        self._retained: dict[str, Retained] = {}
        self._ears: dict[str, Callable[[Heard], None]] = {}
        self._missed = 0
        self._states = asyncio.Semaphore(STATES_AT_A_TIME)
        self._problem = "not connected yet"
        self._is_out = False
        self._connections = 0

    @property
    def connected(self) -> bool:
        """Whether a broker has accepted us and has not been lost."""
        return self._connection is not None

    def statistics(self) -> MqttStatistics:
        """How it stands."""
        return MqttStatistics(
            connected=self.connected,
            problem=self._problem,
            connections=self._connections,
            retained=len(self._retained),
            missed=self._missed + (self._connection.missed if self._connection else 0),
        )

    def listen(self, topic: str, hear: Callable[[Heard], None]) -> None:
        """From the next connection on, hear what is published there. To be said before `run`."""
        self._ears[topic] = hear

    async def run(self) -> None:
        """Keep a connection for ever: an outage is logged once, and its end once. When cancelled, say `stopped` and leave."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            connection = Connection(self._settings, f"omniwatch-{self.topics.site}-{self.topics.box}", self._status(Presence.OFFLINE), self._ears)
            try:
                problem = await self._live(connection)
            finally:
                if not connection.ended.done():  # cancelled
                    await self._leave(connection)
            self._missed += connection.missed
            failures = 1 if loop.time() - began >= BACKOFF.healthy_s else failures + 1
            self._went(problem)
            await asyncio.sleep(BACKOFF.wait_s(failures, random.random()))  # noqa: S311 - jitter

    async def send(self, notification: Notification) -> Delivery:
        """Tell an alert's change as an event, and wait for the broker's word."""
        return await self.tell(notification, self._event)

    async def tell(self, notification: Notification, written: Callable[[Notification], Message]) -> Delivery:
        """Tell an alert's change as `written`, and wait for the broker's word."""
        try:
            message = written(notification)
        except ValueError as error:  # a name that is no topic: it will be none tomorrow either
            return self._delivery(notification, Outcome.REFUSED, str(error))
        ack = await self._publish(message)
        if ack is None:
            return self._delivery(notification, Outcome.RETRY, self._problem or "not acknowledged")
        return self._delivery(notification, OUTCOMES.get(ack.code, Outcome.RETRY), ack.name)

    async def publish(self, message: Message) -> Outcome:
        """Tell something that is neither an alert nor a state, if there is a connection."""
        ack = await self._publish(message)
        return OUTCOMES.get(ack.code, Outcome.RETRY) if ack else Outcome.RETRY

    async def offer(self, message: Message, within_s: float, is_wanted: Callable[[], bool]) -> Outcome:
        """Publish what may be lost, behind all else: only where nothing is on its way, and the call ends when none of it is any more.

        So whoever offers one thing after the other holds an alarm back by one of them at most, also where the line is slow and the
        kernel would take many. RETRY: there is no connection, it had no room for it `within_s`, nobody wants it any more then, or the other
        end did not take it in `patience_s`.
        """
        connection = self._connection
        if connection is None:
            return Outcome.RETRY
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.patience_s):
                async with asyncio.timeout(within_s):
                    await connection.wait_idle()
                if not is_wanted():
                    return Outcome.RETRY
                ack = await connection.publish(message)
                await connection.wait_sent()
                return OUTCOMES.get(ack.code, Outcome.RETRY) if ack else Outcome.RETRY
        return Outcome.RETRY

    async def publish_state(self, topic: str, payload: bytes, expiry: timedelta | None) -> Outcome:
        """Keep a current value with the broker, now and after each new connection, for as long as it is not stale."""
        if topic not in self._retained and len(self._retained) >= MAX_RETAINED:
            return Outcome.REFUSED
        self._retained[topic] = Retained(topic=topic, payload=payload, expiry=expiry, since_s=asyncio.get_running_loop().time())
        return await self._refresh(topic)

    async def settle_state(self, topic: str, payload: bytes) -> Outcome:
        """Keep a value that does not expire with the broker, and wait for its last word on it; never RETRY."""
        while True:
            outcome = await self.publish_state(topic, payload, None) if self.connected else Outcome.RETRY
            if outcome is not Outcome.RETRY:
                return outcome
            await asyncio.sleep(AGAIN_S)

    async def _live(self, connection: Connection) -> str:
        """One connection's life, and why it ended."""
        connection.start()
        try:
            async with asyncio.timeout(2 * self._settings.patience_s):  # to find, reach and greet it
                refusal = await asyncio.shield(connection.accepted)
        except TimeoutError:
            connection.drop("the broker does not answer")
            return await asyncio.shield(connection.ended)
        if not refusal:
            await self._came(connection)
        return await asyncio.shield(connection.ended)

    async def _came(self, connection: Connection) -> None:
        """Say that we are here; then tell what is so now, and let the others know that they may."""
        held = dict(self._retained)  # what comes from here on tells itself, and would be told twice
        self._connection = connection
        self._connections += 1
        connection.listening.add_done_callback(_say_unheard)
        log.log(logging.WARNING if self._is_out else logging.INFO, "mqtt: connected to %s:%d", self._settings.host, self._settings.port)
        self._is_out = False
        self._problem = ""
        ack = await self._publish(self._status(Presence.ONLINE))
        if ack is not None and OUTCOMES.get(ack.code) is Outcome.REFUSED:
            log.error("mqtt: we may not write %s (%s): give the box write access to %s/#", self.topics.status, ack.name, self.topics.root)
        self._linked(True)
        async with asyncio.TaskGroup() as tasks:
            for topic, value in held.items():
                if self._retained.get(topic) is value:
                    tasks.create_task(self._refresh(topic))

    def _went(self, problem: str) -> None:
        if UNKNOWN_VERSION in problem:
            problem = f"{problem}: it may know only `protocol: 3.1.1`"
        if not self._is_out:
            log.warning("mqtt: no connection to %s:%d: %s; trying again", self._settings.host, self._settings.port, problem)
        self._is_out = True
        self._problem = problem
        if self._connection is not None:
            self._connection = None
            self._linked(False)

    async def _leave(self, connection: Connection) -> None:
        """Say `stopped` and goodbye; not for longer than a broker that is there would need."""
        greets = self._connection is connection
        self._connection, self._problem = None, "stopped"
        try:
            async with asyncio.timeout(LEAVE_S):
                if greets:
                    await connection.publish(self._status(Presence.STOPPED))
                    connection.leave()
                else:
                    connection.drop("stopped")
                await asyncio.shield(connection.ended)
        except TimeoutError:
            connection.drop("stopped")

    async def _publish(self, message: Message) -> Ack | None:
        """The broker's word, or None where there is none to be had."""
        connection = self._connection
        if connection is None:
            return None
        try:
            async with asyncio.timeout(self._settings.patience_s):
                return await connection.publish(message)
        except TimeoutError:
            connection.drop(f"no acknowledgement within {self._settings.patience_s:g} s")
            return None

    async def _refresh(self, topic: str) -> Outcome:
        """Publish the newest value of a topic, unless it is stale: then nobody stands by it any more."""
        async with self._states:
            now_s = asyncio.get_running_loop().time()
            held = self._retained.get(topic)
            left_s = held.expiry.total_seconds() - (now_s - held.since_s) if held and held.expiry is not None else None
            if held is None or (left_s is not None and left_s <= 0):
                self._retained.pop(topic, None)
                return Outcome.EXPIRED
            ack = await self._publish(Message(topic=topic, payload=held.payload, retain=True, expiry_s=None if left_s is None else ceil(left_s)))
        outcome = OUTCOMES.get(ack.code, Outcome.RETRY) if ack else Outcome.RETRY
        if outcome in ARRIVED and not held.payload and self._retained.get(topic) is held:
            del self._retained[topic]
        return outcome

    def _event(self, notification: Notification) -> Message:
        limit = notification.not_after
        return Message(
            topic=self.topics.alert(notification.alert.policy, notification.alert.view),
            payload=encoded(event_of(notification, self.topics, self._boot_id)),
            expiry_s=max(1, ceil(limit.since(self.now()).total_seconds())) if limit else None,
            content_type=CONTENT_TYPE,
        )

    def _status(self, status: Presence) -> Message:
        data = StatusData(status=status, boot_id=self._boot_id, version=self._version)
        return Message(topic=self.topics.status, payload=encoded_current(data), retain=True)

    def _delivery(self, notification: Notification, outcome: Outcome, reason: str) -> Delivery:
        return Delivery(notification=notification.id, channel=notification.channel, outcome=outcome, reason=reason, at=self.now())


def _say_unheard(answered: asyncio.Future[Mapping[str, Ack]]) -> None:
    """What the broker does not let us listen to."""
    for topic, ack in answered.result().items():
        if ack.is_refusal:
            log.error("mqtt: we may not read %s (%s): give the box read access to it", topic, ack.name)
