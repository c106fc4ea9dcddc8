"""Has a message of its own come back by way of the broker: what the broker says to each step of that, and how long it took.

It goes under a client id of its own, since a broker throws out whoever comes second under one: the box may be running. What it says
is no alarm's: it has a topic to itself, is never retained, and is forgotten by the broker within seconds.
"""

import asyncio
import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from alerts.channels.connection import Connection
from alerts.channels.listening import Heard
from alerts.channels.mqtt_settings import MqttSettings
from alerts.channels.packet import Ack, Message

PATIENCE_S = 5.0
"""For the greeting, and then for all that follows."""
LEAVE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeData:
    """Sent by `omniwatch setup` and `omniwatch doctor` to themselves. It says nothing about the box or the site."""

    nonce: str
    """32 hexadecimal digits by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What came of it, step by step. None: the step was not reached, or not answered in time."""

    greeting: Ack | None = None
    """The broker's word on us."""
    reading: Ack | None = None
    """Its word on our listening. A broker may take it and serve us nothing all the same, as mosquitto does."""
    writing: Ack | None = None
    """Its word on our message. That of 3.1.1 is yes also where the broker has thrown it away."""
    took_s: float | None = None
    """From sending it to its coming back."""
    problem: str = ""
    """Why the connection did not come about, or ended; '' where it stood to the last."""


class _Probe:
    """One message, and its way."""

    def __init__(self, settings: MqttSettings, topic: str) -> None:
        loop = asyncio.get_running_loop()
        self._now_s = loop.time
        self._back: asyncio.Future[float] = loop.create_future()
        self._topic = topic
        self._payload = json.dumps(asdict(ProbeData(nonce=secrets.token_hex(16)))).encode()
        name = f"omniwatch-doctor-{secrets.token_hex(4)}"
        self._connection = Connection(settings, name, will=None, ears={topic: self._hear}, hears_itself=True)

    async def go(self) -> Probed:
        """All of it; the connection is over then."""
        connection = self._connection
        connection.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                refusal = await asyncio.shield(connection.accepted)
            return Probed(greeting=connection.greeting, problem=refusal) if refusal else await self._round_trip()
        except TimeoutError:
            return Probed(problem=f"did not answer within {PATIENCE_S:g} s")
        finally:
            await self._leave()

    async def _round_trip(self) -> Probed:
        """Once it is connected. The message is sent also where we may not listen, so that all that is refused is known at once."""
        connection = self._connection
        probed, sent_s = Probed(greeting=connection.greeting), self._now_s()
        with suppress(TimeoutError):  # what was not answered is None
            async with asyncio.timeout(PATIENCE_S):
                probed = replace(probed, reading=(await asyncio.shield(connection.listening)).get(self._topic))
                sent_s = self._now_s()
                message = Message(topic=self._topic, payload=self._payload, expiry_s=ceil(PATIENCE_S))
                probed = replace(probed, writing=await connection.publish(message))
                if probed.writing and not probed.writing.is_refusal and probed.reading and not probed.reading.is_refusal:
                    over: set[asyncio.Future[Any]] = {self._back, connection.ended}
                    await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        took_s = self._back.result() - sent_s if self._back.done() else None
        return replace(probed, took_s=took_s, problem=connection.ended.result() if connection.ended.done() else "")

    async def _leave(self) -> None:
        """With a goodbye, where there is somebody to say it to."""
        connection = self._connection
        if connection.greeting and not connection.ended.done():
            connection.leave()
            await asyncio.wait({connection.ended}, timeout=LEAVE_S)
        connection.drop("the doctor leaves")

    def _hear(self, heard: Heard) -> None:
        """Another's message on that topic, or an old one that was retained, is none of ours."""
        if heard.payload == self._payload and not self._back.done():
            self._back.set_result(self._now_s())


async def probe(settings: MqttSettings, topic: str) -> Probed:
    """Connect, listen to `topic`, send a message there and wait for it; in little more than twice PATIENCE_S."""
    return await _Probe(settings, topic).go()
