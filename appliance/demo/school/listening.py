"""Lessons for the ear: other noises than the demo's, in and across the edges of a window."""

from collections.abc import Iterator

import numpy as np

from appliance.demo.noises import sound
from appliance.demo.school.lesson import WINDOW_S, Heard
from appliance.demo.school.questions import Fact, Label
from appliance.demo.timeline import Act, Kind, Timeline

HEARD_KINDS = ((Fact.BELL, Kind.BELL), (Fact.GLASS, Kind.GLASS), (Fact.SHOUT, Kind.SHOUT))
NOISE_SHARES = (
    (Kind.BELL, 0.3),
    (Kind.GLASS, 0.28),
    (Kind.SHOUT, 0.3),
    (Kind.CLANK, 0.25),
    (Kind.FORKLIFT, 0.25),
    (Kind.DOOR, 0.15),
    (Kind.FLAME, 0.15),
)
LENGTHS_S = {
    Kind.BELL: (1.5, 6.0),
    Kind.GLASS: (1.2, 1.7),
    Kind.SHOUT: (0.6, 1.4),
    Kind.CLANK: (1.0, 1.5),
    Kind.FORKLIFT: (3.0, 7.0),
    Kind.DOOR: (2.5, 6.0),
}
SURE_S = {Kind.BELL: (0.4, 1.0), Kind.GLASS: (0.12, 0.45), Kind.SHOUT: (0.35, 1.0)}
"""Seconds that must be heard for a yes, and the share of the act's length that holds what is typical of it."""


def sounds(seed: int, count: int) -> Iterator[Heard]:
    """`count` windows of sound."""
    rng = np.random.default_rng((seed, 2))
    for _ in range(count):
        acts = tuple(act for kind, likely in NOISE_SHARES for act in _noise(rng, kind, likely))
        timeline = Timeline(length_s=WINDOW_S, acts=acts)
        hum, level = float(np.exp(rng.uniform(np.log(0.004), np.log(0.06)))), float(rng.uniform(0.45, 1.6))
        wave = sound(timeline, int(rng.integers(1 << 31)), hum, level)
        yield Heard(wave=wave, truth={fact: _audible(timeline, kind) for fact, kind in HEARD_KINDS})


def _noise(rng: np.random.Generator, kind: Kind, share: float) -> Iterator[Act]:
    """An act of `kind` in `share` of all windows, somewhere in it or across an edge."""
    if rng.random() < share:
        length = float(rng.uniform(*LENGTHS_S.get(kind, (2.0, 6.0))))
        start = float(rng.uniform(-length, WINDOW_S))
        yield Act(kind=kind, start_s=start, end_s=start + length)


def _audible(timeline: Timeline, kind: Kind) -> Label:
    """Whether the window holds enough of a noise to know it by."""
    answer: Label = False
    for act in timeline.of(kind):
        need, share = SURE_S[kind]
        core_end = act.start_s + (act.end_s - act.start_s) * share
        heard = min(core_end, WINDOW_S) - max(act.start_s, 0.0)
        if heard >= need:
            return True
        if min(act.end_s, WINDOW_S) - max(act.start_s, 0.0) > 0.0:
            answer = None
    return answer
