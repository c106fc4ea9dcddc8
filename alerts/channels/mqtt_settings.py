"""What the owner says of the MQTT broker: where it is, how to log in, and what is said and heard there besides alarms. It opens nothing."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sensors.secret import Secret


class Protocol(StrEnum):
    """The versions of MQTT that are spoken."""

    V5 = "5"
    V311 = "3.1.1"


def usual_port(*, tls: bool) -> int:
    """The broker's, as IANA has assigned them: 1883, with TLS 8883."""
    return 8883 if tls else 1883


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """How to reach the broker. ValueError for what cannot be.

    `protocol: 3.1.1` is for brokers that do not know version 5. What is then lost: a publish that the broker's access rules
    refuse looks as if it had been delivered; "nobody listens" is not said; retained state does not expire by itself, so that the
    state of a dead box stays until its `status` is looked at; and a late event is delivered however late it is.
    """

    host: str
    port: int = 1883
    tls: bool = False
    ca: Path | None = None
    """None: the authorities that the system trusts."""
    certificate: Path | None = None
    key: Path | None = None
    """The box's own certificate and its key, without a password, where the broker wants them."""
    username: str | None = None
    password: Secret | None = None
    protocol: Protocol = Protocol.V5
    keepalive_s: int = 30
    patience_s: float = 10.0
    """A broker that has not acknowledged within this time is not there: the connection is given up and made anew."""

    commands: bool = False
    """Whether people and machines may give orders over this broker. Who may is the broker's to say."""
    home_assistant: str | None = None
    """The prefix under which Home Assistant looks for devices; None: it is told of none."""
    onvif: str | None = None
    """What the topics of ONVIF events begin with; None: there are none."""

    def __post_init__(self) -> None:
        """Refuse what would fail much later, and far from its cause."""
        if not self.host or not 0 < self.port < 65536:
            raise ValueError(f"no broker at {self.host!r}, port {self.port}")
        self.host.encode("idna")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        if (self.ca or self.certificate) and not self.tls:
            raise ValueError("ca and certificate need tls: true")
        if self.password is not None and self.username is None:
            raise ValueError("a password needs a username")
