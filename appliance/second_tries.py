"""When what a channel refused is tried again: at the start, as it connects again, and after pauses, as the other end may have meant a moment.

Pure: it neither stores nor reads a clock. Some at a time are tried; while one of those is refused again, the next wait.
"""

from collections.abc import Collection, Sequence
from math import inf

from alerts.notification import Delivery, NotificationId, Outcome

AT_A_TIME = 12
LEAST_S, MOST_S = 60.0, 480.0
"""Between two tries: the pause doubles. The longest is shorter than a refusal keeps `publish-refused` open: that stands for as long as it is so."""


class SecondTries:
    """The tries of one channel. Times are in seconds, of any steady clock."""

    def __init__(self) -> None:
        """The first is due at once."""
        self._due_s = self._tried_s = -inf
        self._pause_s = LEAST_S
        self._out: frozenset[NotificationId] = frozenset()
        """What is tried, and of which nothing is known yet."""
        self._is_new = True

    def are_due(self, now_s: float, *, parked: bool) -> bool:
        """Whether to try `AT_A_TIME` now. `parked`: whether any were refused; at the start that need not be known."""
        return now_s >= self._due_s and (parked or self._is_new)

    def begin(self, tried: Collection[NotificationId], now_s: float) -> None:
        """These are tried now."""
        self._is_new = False
        self._out = frozenset(tried)
        if tried:
            self._tried_s, self._due_s = now_s, now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, MOST_S)

    def settled(self, deliveries: Sequence[Delivery], now_s: float, *, parked: bool) -> None:
        """Some were told, with these outcomes. `parked`: whether any had been refused before."""
        refused = any(each.outcome is Outcome.REFUSED for each in deliveries)
        over = frozenset(each.notification for each in deliveries if each.outcome is not Outcome.RETRY) & self._out
        if refused and not parked and not self._out:  # the first that it refuses
            self._pause_s = LEAST_S
            self._due_s = now_s + LEAST_S
        if refused:
            self._out = frozenset()
        elif over:
            self._out -= over
            if not self._out:  # all of them: the next at once
                self._pause_s = LEAST_S
                self._due_s = now_s

    def hurry(self) -> None:
        """It is connected again: the next are due, but for a channel that comes and goes."""
        self._due_s = min(self._due_s, self._tried_s + LEAST_S)
