"""The absolute grid of a sensor: which instants frames belong to, which pairs they make, and which windows end where. Pure.

Instant k lies at k / fps seconds of the sensor's time, pair n holds the instants 2n and 2n + 1 and covers [n, n + 1) * 2 / fps.
A window begins at a pair whose number its stride divides, so that all windows of all sensors with one shape lie alike.
"""

from dataclasses import dataclass

from sensors.moment import NANOSECONDS
from sensors.settings import FRAMES_A_PAIR, SAMPLE_RATE_HZ, WindowShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The grid of one window shape."""

    shape: WindowShape

    @property
    def samples(self) -> int:
        """Sound samples a pair."""
        return round(self.shape.pair_s * SAMPLE_RATE_HZ)

    @property
    def stale_ns(self) -> int:
        """A frame that is further from an instant than this does not stand in for a missing one."""
        return round(max(1.5 / self.shape.fps, 1.5) * NANOSECONDS)

    def instant_ns(self, instant: int) -> int:
        """When an instant is."""
        return instant * NANOSECONDS // self.shape.fps

    def next_instant(self, at_ns: int) -> int:
        """The first instant at or after a time."""
        return -(-at_ns * self.shape.fps // NANOSECONDS)

    def pair_of(self, instant: int) -> tuple[int, int]:
        """The pair of an instant, and its place in it: 0 or 1."""
        return divmod(instant, FRAMES_A_PAIR)

    def pair_start_ns(self, pair: int) -> int:
        """When a pair begins."""
        return self.instant_ns(pair * FRAMES_A_PAIR)

    def pair_at(self, at_ns: int) -> int:
        """The pair that covers a time."""
        return at_ns * self.shape.fps // (NANOSECONDS * FRAMES_A_PAIR)

    def sample_at(self, at_ns: int) -> int:
        """The number of the sound sample at a time, counted from the sensor's time 0."""
        return round(at_ns * SAMPLE_RATE_HZ / NANOSECONDS)

    def window_ending_with(self, pair: int) -> int | None:
        """The first pair of the window that ends with `pair`; None where none does."""
        first = pair + 1 - self.shape.pairs
        return first if first % self.shape.stride_pairs == 0 else None

    def oldest_needed_after(self, pair: int) -> int:
        """Once the windows that end with `pair` are made, no later one needs a pair before this."""
        stride = self.shape.stride_pairs
        return -(-(pair + 2 - self.shape.pairs) // stride) * stride
