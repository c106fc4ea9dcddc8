"""Whether and how the box is armed. The mode outlives a restart; who set it is remembered with it. It asks no policy."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from appliance.store.remembered import recalled, remember
from appliance.store.store import Store, StoreFailed
from sensors.moment import Moment

SETTING = "arm mode"

log = logging.getLogger("omniwatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """The mode of a box."""

    mode: str
    """The one it is armed in, or was armed in last."""
    on: bool = True
    """False: it is disarmed."""
    since: Moment | None = None
    """None: nobody has ever said."""
    who: str = ""

    @property
    def in_force(self) -> str | None:
        """The mode in which policies watch; None: disarmed."""
        return self.mode if self.on else None


ARMED = TypeAdapter(Armed)


class Arming:
    """The mode of a running box, and where it is remembered."""

    def __init__(self, store: Store, modes: tuple[str, ...], changed: Callable[[Armed], None]) -> None:
        """`changed` is told the mode at the start and with every change; the first of `modes` is that of a box that nobody has armed yet."""
        self._store = store
        self._changed = changed
        self.modes = modes
        self.now = Armed(mode=modes[0])

    async def begin(self) -> None:
        """Take up the mode that was set before the restart."""
        try:
            found = await recalled(self._store, SETTING)
            self.now = ARMED.validate_json(found) if found else self.now
        except (StoreFailed, ValidationError) as error:
            log.error("the arm mode that was set before cannot be read, so it is %s: %s", self.now.mode, error)  # noqa: TRY400 - no trace
        self.offer(self.modes)

    async def recall(self) -> None:
        """The store has come back: take up what was set before, unless somebody has said something since."""
        if self.now.since is None:
            await self.begin()

    def offer(self, modes: tuple[str, ...]) -> None:
        """From now on there are these modes. A box armed in another is armed in the first: rather that than in none that is watched."""
        self.modes = modes
        if self.now.mode not in modes:
            log.warning("there is no arm mode %s any more; it is %s now", self.now.mode, modes[0])
            self.now = replace(self.now, mode=modes[0])
        self._changed(self.now)

    async def set(self, armed: Armed) -> bool:
        """Be armed so; whether that will be remembered over a restart."""
        self.now = armed
        self._changed(armed)
        try:
            await remember(self._store, {SETTING: ARMED.dump_json(armed).decode()})
        except StoreFailed as error:
            log.error("the arm mode will be forgotten at the next start: %s", error)  # noqa: TRY400 - no trace
            return False
        return not self._store.away
