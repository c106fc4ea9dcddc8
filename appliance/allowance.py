"""An allowance: so much at once, and so much a second again. It reads no clock and says to nobody what it has refused."""


class Allowance:
    """What somebody may still do. What is refused costs nothing."""

    def __init__(self, most: float, rate_hz: float) -> None:
        """Begins with all of it."""
        self._most = self._left = most
        self._rate_hz = rate_hz
        self._since_s: float | None = None

    def takes(self, amount: float, now_s: float) -> bool:
        """Whether there is room for so much more; it is taken then."""
        self._grow(now_s)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def is_whole(self, now_s: float) -> bool:
        """Whether nothing was taken for a while."""
        self._grow(now_s)
        return self._left >= self._most

    def _grow(self, now_s: float) -> None:
        since_s = now_s if self._since_s is None else self._since_s
        self._left, self._since_s = min(self._most, self._left + (now_s - since_s) * self._rate_hz), now_s
