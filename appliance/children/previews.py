"""The newest preview of each sensor, until somebody takes it. It decides nothing and sends nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sensors.preview import Preview
from sensors.window import SensorId


class PictureFate(StrEnum):
    """What became of a camera's picture."""

    SENT = "sent"
    REPLACED = "replaced"
    """A newer one came before its turn."""
    LATE = "late"
    """It had waited for so long that it was no picture of now."""
    UNSENT = "unsent"
    """There was no connection, or it was busy with what matters more."""
    REFUSED = "refused"
    """The broker takes no message of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A preview, and since when it waits, on the event loop's clock."""

    preview: Preview
    since_s: float


class Previews:
    """At most one of each sensor."""

    def __init__(self, count: Callable[[PictureFate], None]) -> None:
        """`count` hears of each that was replaced."""
        self._count = count
        self._waiting: dict[SensorId, Waiting] = {}
        self._there = asyncio.Event()

    def put(self, preview: Preview) -> None:
        """It takes the place of the one before, also in the line."""
        if preview.sensor in self._waiting:
            self._count(PictureFate.REPLACED)
        self._waiting[preview.sensor] = Waiting(preview=preview, since_s=asyncio.get_running_loop().time())
        self._there.set()

    def drop(self, sensor: SensorId) -> None:
        """Nobody is to see it any more."""
        self._waiting.pop(sensor, None)

    async def take(self) -> Waiting:
        """The one whose sensor has waited longest, as soon as there is one."""
        while not self._waiting:
            self._there.clear()
            await self._there.wait()
        return self._waiting.pop(next(iter(self._waiting)))
