"""How many sensors to try next, and when enough is known. Pure: it has tried nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

HEADROOM = 0.15
"""Of what was just held, this much stays free: other things go on in a box too, and its summer is warm."""
UP, FURTHER_UP, DOWN = 1.3, 2.0, 0.7
"""How much more is tried after a load that holds, first and then, and how much less after one that does not."""
NEAR = 20
"""It is known well enough where the first load that does not hold is less than a twentieth above the last that does."""
MAX_STEPS = 12
CONFIRMATIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a load."""

    sensors: int
    answered: int
    """Questions, each about one view of one window."""
    p95: float
    """Time to a judgement that 95 of 100 questions kept, as a share of `every`: from the window's end to its answer, its way included."""
    p95_s: float
    late_s: float
    """How much of that windows took at most to come from their sensors, 95 of 100 of them."""
    lost: int
    """Questions that a newer window overtook before their turn, or that grew too old."""
    silent: int
    """Sensor processes that gave nothing: they broke, or there was no memory for them."""
    cores: float
    """Of the processor, that one sensor's process took."""

    @property
    def holds(self) -> bool:
        """Whether the box keeps up: each window is judged before the next one of its sensor comes."""
        return bool(self.answered) and not self.lost and not self.silent and self.p95 <= 1.0


def next_load(tried: Sequence[Tried], first: int, most: int) -> int | None:
    """The number of sensors to try next; None where enough is known. Begins near `first`, never above `most`."""
    if not tried:
        return max(1, min(first, most))
    held, failed = held_by(tried), min((each.sensors for each in tried if not each.holds), default=None)
    if len(tried) >= MAX_STEPS:
        return None
    if failed is None:
        return None if held >= most else min(most, max(held + 1, ceil(held * (UP if len(tried) == 1 else FURTHER_UP))))
    if failed - held <= max(1, held // NEAR):
        return None
    return (held + failed) // 2 if held else max(1, int(failed * DOWN))


def first_load(held: int, cores: float, processors: int) -> int:
    """A load to begin with: the judge alone should hold `held`, decoding one takes `cores`, and both may want the same processors."""
    return int(1 / (1 / held + cores / processors)) if held else 0


def held_by(tried: Sequence[Tried]) -> int:
    """The most sensors that held, below every load that did not; 0 where none did."""
    failed = min((each.sensors for each in tried if not each.holds), default=None)
    return max((each.sensors for each in tried if each.holds and (failed is None or each.sensors < failed)), default=0)


def with_headroom(sensors: int) -> int:
    """What may be promised of what was held."""
    return int(sensors * (1 - HEADROOM))
