"""Scores the alarms that a subscriber heard against what the scene really held. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.demo.timeline import Due

EARLY_S = 0.5
LATE_S = 10.0
"""How long after its end an event may still open its alarm: a window's length, its stride and the judge's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One event of an alarm as a subscriber got it."""

    policy: str
    view: str
    change: str
    severity: str
    summary: str
    at_s: float
    """Seconds of the scene at which the window ended whose answer made it; for other changes, when it happened."""
    latency_s: float
    """From that window's end to the subscriber."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Hits, misses and false alarms."""

    hits: tuple[tuple[Due, Heard], ...]
    misses: tuple[Due, ...]
    false: tuple[Heard, ...]

    @property
    def is_perfect(self) -> bool:
        """Every alarm, and none other."""
        return not self.misses and not self.false


def score(heard: Iterable[Heard], due: Iterable[Due]) -> Score:
    """Match openings to what was due: an event is hit by an opening of its policy from EARLY_S before it to LATE_S after its end."""
    opened = [one for one in heard if one.change in ("opened", "reopened")]
    hits: list[tuple[Due, Heard]] = []
    misses: list[Due] = []
    for event in due:
        match = next((one for one in opened if one.policy == event.policy and event.start_s - EARLY_S <= one.at_s <= event.end_s + LATE_S), None)
        if match:
            opened.remove(match)
            hits.append((event, match))
        else:
            misses.append(event)
    return Score(hits=tuple(hits), misses=tuple(misses), false=tuple(opened))
