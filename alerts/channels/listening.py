"""What is heard from a broker, and how it comes from the network thread to the event loop: bounded, and dropped where nobody keeps up."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from paho.mqtt.client import MQTTMessage, topic_matches_sub

MAX_WAITING = 32
MAX_PAYLOAD = 4096
"""Bytes. Of what is longer one more is kept, so that whoever reads it sees that it was too long."""
MAX_CORRELATION = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What somebody has published. Anybody may have, so it is only data."""

    topic: str
    payload: bytes
    retained: bool
    """The broker keeps it: it was said once, no telling when, and will come again with every connection."""
    response_topic: str = ""
    """Where its sender wants to be answered (version 5)."""
    correlation: bytes = b""
    """What the answer has to carry, so that its sender knows it."""


Ears = Mapping[str, Callable[[Heard], None]]
"""Who listens, by topic or pattern of topics."""
DEAF: Ears = MappingProxyType({})


class Inbox:
    """Between the two threads. Whoever is slow misses the newest; how many is counted."""

    def __init__(self, ears: Ears) -> None:
        """`ears` are called in the event loop."""
        self._ears = ears
        self._waiting: deque[Heard] = deque()
        self.missed = 0

    def put(self, message: MQTTMessage) -> bool:
        """In the network thread. Whether the loop has to be told that something waits."""
        if len(self._waiting) >= MAX_WAITING:
            self.missed += 1
            return False
        properties = message.properties
        correlation = bytes(getattr(properties, "CorrelationData", b""))
        self._waiting.append(
            Heard(
                topic=message.topic,
                payload=bytes(message.payload[: MAX_PAYLOAD + 1]),
                retained=bool(message.retain),
                response_topic=str(getattr(properties, "ResponseTopic", "")),
                correlation=correlation if len(correlation) <= MAX_CORRELATION else b"",
            )
        )
        return len(self._waiting) == 1

    def take(self) -> None:
        """In the event loop: hand on all that waits."""
        while self._waiting:
            heard = self._waiting.popleft()
            for topic, hear in self._ears.items():
                if topic_matches_sub(topic, heard.topic):
                    hear(heard)
