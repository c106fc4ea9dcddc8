"""The newest preview of each sensor, until somebody takes it. It decides nothing and sends nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sensors.preview import Preview
from sensors.window import SensorId

ASKS_EVERY_S = 1.0
LATE_S = 2.0
"""So much later than the next one was due: that did not come, and the camera may be gone."""


class PictureFate(StrEnum):
    """What became of a camera's picture."""

    SENT = "sent"
    REPLACED = "replaced"
    """A newer one came before its turn."""
    LATE = "late"
    """It was still there when the next one should have come, and is no picture of now."""
    UNSENT = "unsent"
    """There was no connection, or it was busy with what matters more."""
    REFUSED = "refused"
    """The broker takes no message of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A preview, and until when it may be shown, on the event loop's clock."""

    preview: Preview
    until_s: float


class Previews:
    """At most one of each sensor."""

    def __init__(self, count: Callable[[PictureFate], None], ask: Callable[[], None]) -> None:
        """`count` hears of each that was replaced; `ask` has every sensor that is shown make one now."""
        self._count = count
        self._ask = ask
        self._asked_s = -ASKS_EVERY_S
        self._waiting: dict[SensorId, Waiting] = {}
        self._taken: Waiting | None = None
        self._there = asyncio.Event()

    def ask(self) -> None:
        """Somebody looks on who has seen none yet, and should not wait for the next. Somebody who comes too often waits all the same."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._asked_s >= ASKS_EVERY_S:
            self._asked_s = now_s
            self._ask()

    def put(self, preview: Preview, next_s: float) -> None:
        """It takes the place of the one before, also in the line. The next one is due in `next_s`."""
        if preview.sensor in self._waiting:
            self._count(PictureFate.REPLACED)
        self._waiting[preview.sensor] = Waiting(preview=preview, until_s=asyncio.get_running_loop().time() + next_s + LATE_S)
        self._there.set()

    def drop(self, sensor: SensorId) -> None:
        """Nobody is to see it any more."""
        self._waiting.pop(sensor, None)
        if self._taken and self._taken.preview.sensor == sensor:
            self._taken = None

    def is_wanted(self, waiting: Waiting) -> bool:
        """Whether the one that was taken last may still be shown: whoever has taken it may have had to wait."""
        return waiting is self._taken

    async def take(self) -> Waiting:
        """The one whose sensor has waited longest, as soon as there is one."""
        while not self._waiting:
            self._there.clear()
            await self._there.wait()
        self._taken = self._waiting.pop(next(iter(self._waiting)))
        return self._taken
