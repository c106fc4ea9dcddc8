"""How long to wait between tries of what is tried for ever. Pure: it neither waits nor rolls dice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from `first_s` to `most_s` and begin anew after `healthy_s` of doing well. All in seconds."""

    first_s: float = 0.5
    most_s: float = 30.0
    healthy_s: float = 60.0

    def wait_s(self, failures: int, chance: float) -> float:
        """How long to wait after the `failures`-th failure in a row; by `chance` (0..1) up to a fifth less, so that not all try in step."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 16)) * (1 - 0.2 * chance)
