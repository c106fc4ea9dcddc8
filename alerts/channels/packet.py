"""What is published over MQTT, and the broker's word on it: values. They know no connection."""

from dataclasses import dataclass

FIRST_REFUSAL = 0x80
"""From here on a reason code says no, in every packet of version 5; that of a refused subscription says so in 3.1.1 too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None
    """The broker forgets it after this time (version 5)."""
    content_type: str = "application/json"
    may_be_lost: bool = False
    """Sent with QoS 0: the broker acknowledges nothing, and keeps it for nobody who is away. All else with QoS 1."""
    correlation: bytes = b""
    """Of an answer: what the question said to send back (version 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The broker's word on a message, or on a topic that is listened to: its reason code, and the name of it."""

    code: int
    name: str

    @property
    def is_refusal(self) -> bool:
        """Whether it says no."""
        return self.code >= FIRST_REFUSAL
