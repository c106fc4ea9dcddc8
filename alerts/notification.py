"""A notification: one change of one alert, to be told through one channel. What became of an attempt is a delivery."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NewType, Protocol

from alerts.alert import Alert, Change
from sensors.moment import Moment

NotificationId = NewType("NotificationId", str)
"""`<alert id>-<transition number>-<channel>`: telling twice is harmless, since whoever listens drops repeats by it."""


class Outcome(StrEnum):
    """What became of an attempt to tell. A closed set: metrics use it as a label."""

    DELIVERED = "delivered"
    UNHEARD = "unheard"
    """Delivered, and the broker said that nobody is subscribed."""
    RETRY = "retry"
    """Not now (offline, timed out); it stays in the outbox."""
    REFUSED = "refused"
    """The other end does not take it as it is (no permission, quota, format): parked, reported, and tried again now and then."""
    EXPIRED = "expired"
    """It was not worth telling any more; dropped and counted."""
    REPEATED = "repeated"
    """The same had been told a moment ago; not told again, and counted."""


ARRIVED = frozenset({Outcome.DELIVERED, Outcome.UNHEARD})
"""The other end has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What to tell one channel."""

    kind: Literal["notification"] = "notification"
    id: NotificationId
    channel: str
    change: Change
    alert: Alert
    created: Moment
    not_after: Moment | None = None
    """After this it is dropped and counted; None: told however late."""
    durable: bool = True
    """False: the store could not hold it, so it lives in memory alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt and its outcome."""

    notification: NotificationId
    channel: str
    outcome: Outcome
    reason: str = ""
    """The other end's own word for it, e.g. `Not authorized`."""
    at: Moment


class Channel(Protocol):
    """A way out. One method that waits for the other end's word; the outbox is its only caller."""

    async def send(self, notification: Notification) -> Delivery:
        """Tell it. Never raises for what the world does: that is an outcome."""
        ...


def notification_id(alert: Alert, channel: str) -> NotificationId:
    """The id under which `channel` is told of `alert`'s newest transition."""
    return NotificationId(f"{alert.id}-{alert.transition}-{channel}")
