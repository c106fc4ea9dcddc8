"""The share of a judge's time that second steps may take. Pure: time is handed to it."""

from collections import deque

SHARE = 0.2
SPAN_S = 60.0
"""Within any such time it is kept to, but for the last piece of work."""


class Share:
    """What was spent in the last while, second by second."""

    def __init__(self, share: float = SHARE, span_s: float = SPAN_S) -> None:
        """Nothing spent yet."""
        self._most_s = share * span_s
        self._span_s = span_s
        self._spent: deque[tuple[float, float]] = deque()

    def spend(self, now_s: float, took_s: float) -> None:
        """A piece of work of `took_s` ended at `now_s`."""
        self._forget(now_s)
        if self._spent and now_s - self._spent[-1][0] < 1.0:  # one entry a second at most
            self._spent[-1] = (self._spent[-1][0], self._spent[-1][1] + took_s)
        else:
            self._spent.append((now_s, took_s))

    def wait_s(self, now_s: float) -> float:
        """How long until another piece of work may begin; 0: now."""
        self._forget(now_s)
        excess = sum(took for _, took in self._spent) - self._most_s
        if excess < 0:
            return 0.0
        for at, took in self._spent:
            excess -= took
            if excess < 0:
                return at + self._span_s - now_s
        return self._span_s

    def _forget(self, now_s: float) -> None:
        while self._spent and now_s - self._spent[0][0] >= self._span_s:
            self._spent.popleft()
