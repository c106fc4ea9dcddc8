"""Cameras' newest pictures on their way to the broker, one at a time, behind everything else. None of them is an alarm: what cannot go now is lost.

They go with QoS 0 and are not retained: no broker keeps a picture of anybody, and there is none to be taken back.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from alerts.channels.mqtt import MqttChannel
from alerts.channels.packet import Message
from alerts.notification import Outcome
from appliance.children.previews import PictureFate, Previews, Waiting

CONTENT_TYPE: Final = "image/jpeg"
REST, MAX_REST_S = 4.0, 20.0
"""Between two pictures the line is free for so many times as long as the first one took, within bounds: they take a fifth of it at most, or
a third where one takes the ten seconds after which the broker is given up."""
FATES = {Outcome.DELIVERED: PictureFate.SENT, Outcome.RETRY: PictureFate.UNSENT}

log = logging.getLogger("omniwatch.mqtt")


class Pictures:
    """The pictures of one box."""

    def __init__(self, channel: MqttChannel, previews: Previews, count: Callable[[PictureFate], None]) -> None:
        """`count` hears of each what became of it."""
        self._channel = channel
        self._previews = previews
        self._count = count
        self._said = False

    async def run(self) -> None:
        """Send the newest of each camera in turn, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            waiting = await self._previews.take()
            began_s = clock()
            self._count(await self._send(waiting, began_s))
            await asyncio.sleep(min(MAX_REST_S, REST * (clock() - began_s)))

    async def _send(self, waiting: Waiting, now_s: float) -> PictureFate:
        if now_s > waiting.until_s:
            return PictureFate.LATE
        preview = waiting.preview
        topic = self._channel.topics.picture(preview.sensor)
        message = Message(topic=topic, payload=preview.jpeg, content_type=CONTENT_TYPE, may_be_lost=True)
        outcome = await self._channel.offer(message, waiting.until_s - now_s, lambda: self._previews.is_wanted(waiting))
        if outcome is Outcome.REFUSED and not self._said:
            self._said = True
            log.error("mqtt: the broker takes no message as large as a picture of %s: make pictures smaller, with `bytes`", preview.sensor)
        return FATES.get(outcome, PictureFate.REFUSED)
