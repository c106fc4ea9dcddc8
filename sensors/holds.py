"""Who holds which slot: pairs that windows to come may need, and windows that nobody has released yet. Nothing is written into a held slot.

Two threads use it: the one that assembles takes and drops, the one that listens to the supervisor releases.
"""

import threading
from collections import Counter
from collections.abc import Sequence

MAX_WINDOWS = 4096


class Holds:
    """The slots of one sensor process."""

    def __init__(self, count: int) -> None:
        """All `count` slots are free."""
        self._free = list(range(count))
        self._held: Counter[int] = Counter()
        self._windows: dict[str, tuple[int, ...]] = {}
        self._changed = threading.Condition()

    def take(self, *, wait: bool) -> int | None:
        """A free slot, held once; with `wait`, as soon as there is one, else None where there is none."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._free)
            if not self._free:
                return None
            slot = self._free.pop()
            self._held[slot] = 1
            return slot

    def hold(self, window: str, slots: Sequence[int]) -> None:
        """A window holds its slots until it is released."""
        with self._changed:
            if len(self._windows) >= MAX_WINDOWS:
                raise RuntimeError(f"{MAX_WINDOWS} windows were never released")
            self._windows[window] = tuple(slots)
            self._held.update(slots)

    def drop(self, slot: int) -> None:
        """One hold less."""
        with self._changed:
            self._let_go(slot)

    def release(self, window: str) -> None:
        """A window's holds are over; one that is not known was of a process before this one."""
        with self._changed:
            for slot in self._windows.pop(window, ()):
                self._let_go(slot)

    def _let_go(self, slot: int) -> None:
        self._held[slot] -= 1
        if self._held[slot] <= 0:
            del self._held[slot]
            self._free.append(slot)
            self._changed.notify_all()
