"""What happens in the demo's hall and when: the truth that pictures and sound are made from, and that alarms are scored against."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from appliance.demo.hall import Cell

Waypoint = tuple[float, float, float]
"""Seconds after the act's start, and x and z on the floor in metres."""


class Kind(StrEnum):
    """What an act can be. The docstring under each says what is seen or heard."""

    PERSON = "person"
    """Somebody walks along the act's waypoints; where two are at the same spot, they stand."""
    FORKLIFT = "forklift"
    """A driverless forklift rolls along the waypoints; seen and heard."""
    SMOKE = "smoke"
    """Smoke rises; it hangs about for four seconds after the act's end."""
    FLAME = "flame"
    """Flames, above the smoke's source."""
    DOOR = "door"
    """The sliding door opens in the act's first second and closes in its last."""
    BELL = "bell"
    """An alarm bell rings."""
    GLASS = "glass"
    """Glass breaks at the act's start and its pieces settle."""
    SHOUT = "shout"
    """Somebody shouts."""
    CLANK = "clank"
    """Metal falls on the floor: harmless, and only in lessons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that happens, from `start_s` to `end_s` on the timeline."""

    kind: Kind
    start_s: float
    end_s: float
    path: tuple[Waypoint, ...] = ()

    def runs(self, at_s: float) -> bool:
        """Whether it is going on at `at_s`."""
        return self.start_s <= at_s < self.end_s

    def place(self, at_s: float) -> tuple[float, float]:
        """Where on the floor it is at `at_s`."""
        when, x, z = np.array(self.path).T
        return float(np.interp(at_s - self.start_s, when, x)), float(np.interp(at_s - self.start_s, when, z))

    def course(self, at_s: float) -> tuple[float, float]:
        """The way that it goes at `at_s`: metres along x and z of the leg that it is on; the leg before where it stands."""
        way = (1.0, 0.0)
        for before, after in pairwise(self.path):
            if before[1:] != after[1:]:
                way = (after[1] - before[1], after[2] - before[2])
            if at_s - self.start_s < after[0]:
                break
        return way

    def gone_m(self, at_s: float) -> float:
        """How far it has come by `at_s`."""
        when, x, z = np.array(self.path).T
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
        return float(np.interp(at_s - self.start_s, when, along))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All acts of a film, in any order, and how long it is."""

    length_s: float
    acts: tuple[Act, ...]

    def of(self, kind: Kind) -> tuple[Act, ...]:
        """The acts of one kind."""
        return tuple(act for act in self.acts if act.kind is kind)


def walk(kind: Kind, start_s: float, *path: Waypoint) -> Act:
    """An act that lasts until its last waypoint."""
    return Act(kind=kind, start_s=start_s, end_s=start_s + path[-1][0], path=path)


DEMO = Timeline(
    length_s=68.0,
    acts=(
        walk(Kind.PERSON, 5.5, (0.0, -7.6, 8.0), (7.8, 7.6, 7.9)),
        walk(
            Kind.PERSON,
            14.5,
            (0.0, -7.6, 8.1),
            (5.0, 2.2, 8.5),
            (6.2, 2.3, 10.5),
            (7.0, 3.4, 10.9),
            (11.2, 3.4, 10.9),
            (12.0, 2.3, 10.5),
            (13.2, 2.3, 8.5),
            (16.2, 7.8, 8.0),
        ),
        walk(Kind.FORKLIFT, 32.0, (0.0, -9.6, 8.1), (5.2, 9.6, 8.0)),
        Act(kind=Kind.SMOKE, start_s=38.5, end_s=47.0),
        Act(kind=Kind.FLAME, start_s=41.0, end_s=47.5),
        Act(kind=Kind.DOOR, start_s=52.0, end_s=56.0),
        Act(kind=Kind.BELL, start_s=57.0, end_s=60.5),
        Act(kind=Kind.GLASS, start_s=62.0, end_s=63.5),
        Act(kind=Kind.SHOUT, start_s=65.0, end_s=66.0),
    ),
)
"""What `scripts/demo` plays: every alarm has a harmless twin before or after it, and quiet around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An alarm that the timeline asks for: a policy of the demo, and the span in which what it asks about is there."""

    policy: str
    start_s: float
    end_s: float


ALARMS = {Kind.BELL: "alarm-bell", Kind.GLASS: "breaking-glass", Kind.SHOUT: "shouting"}
"""The demo's policies that ask about the presence of one kind of act."""
LOOK_EVERY_S = 0.1


def truth(timeline: Timeline, cell: Cell) -> tuple[Due, ...]:
    """The alarms that the demo's policies owe to `timeline`, in order; an alarm at any other time is false."""
    due = [Due(policy=ALARMS[act.kind], start_s=act.start_s, end_s=act.end_s) for act in timeline.acts if act.kind in ALARMS]
    for act in timeline.of(Kind.PERSON):
        inside = [t for t in np.arange(act.start_s, act.end_s, LOOK_EVERY_S) if cell.holds(*act.place(float(t)))]
        if inside:
            due.append(Due(policy="press-cell-entry", start_s=float(inside[0]), end_s=float(inside[-1]) + LOOK_EVERY_S))
    fires = [*timeline.of(Kind.SMOKE), *timeline.of(Kind.FLAME)]
    if fires:
        due.append(Due(policy="smoke-or-flame", start_s=min(act.start_s for act in fires), end_s=max(act.end_s for act in fires) + 4.0))
    return tuple(sorted(due, key=lambda one: one.start_s))
