"""Which windows somebody still needs: their slots are released when nobody does. It asks nobody and decides nothing."""

from collections.abc import Callable

from sensors.window import SensorId, Window, WindowId


class Holding:
    """Holds on windows, counted."""

    def __init__(self) -> None:
        """Nobody needs anything yet."""
        self._held: dict[WindowId, tuple[Window, int]] = {}
        self.release: Callable[[SensorId, WindowId], None] = lambda _sensor, _window: None

    def hold(self, window: Window) -> None:
        """Somebody more needs it."""
        _, count = self._held.get(window.id, (window, 0))
        self._held[window.id] = (window, count + 1)

    def let_go(self, window: Window) -> None:
        """Somebody needs it no longer."""
        _, count = self._held[window.id]
        if count > 1:
            self._held[window.id] = (window, count - 1)
            return
        del self._held[window.id]
        self.release(window.sensor, window.id)

    def find(self, window: WindowId) -> Window | None:
        """The window, if somebody needs it still."""
        found = self._held.get(window)
        return found[0] if found else None
