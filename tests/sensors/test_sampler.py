"""Which frame stands for which instant: the nearest, and none for what lies in a long gap."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.grid import Grid
from sensors.moment import NANOSECONDS
from sensors.picture import Pixels
from sensors.sampler import Sampler
from sensors.settings import WindowShape

SECONDS = Grid(shape=WindowShape(length_s=8, every_s=4, fps=1, longest_side=320))


@dataclass(frozen=True)
class Taken:
    """A frame that is told by when it was taken."""

    at_s: float

    def luma(self) -> Pixels:
        return np.zeros((1, 1), np.uint8)

    def rgb(self) -> Pixels:
        return np.zeros((1, 1, 3), np.uint8)


def sampled(*at_s: float) -> list[tuple[int, float]]:
    """Instants, and when the frames that stand for them were taken."""
    sampler, out = Sampler(SECONDS), []
    for each in at_s:
        out += list(sampler.see(round(each * NANOSECONDS), Taken(each)))
    out += list(sampler.end())
    assert all(isinstance(each.frame, Taken) for each in out)
    return [(each.instant, each.frame.at_s) for each in out if isinstance(each.frame, Taken)]


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        ((), []),
        ((0.0, 1.0, 2.0), [(0, 0.0), (1, 1.0), (2, 2.0)]),
        ((0.05, 1.05), [(0, 0.05), (1, 1.05), (2, 1.05)]),  # a first one is a little late; the last one was shown for a second
        ((0.2, 1.1), [(1, 1.1)]),  # too late to stand for what was before
        ((0.0, 0.6, 1.3, 1.9), [(0, 0.0), (1, 1.3), (2, 1.9)]),
        ((0.0, 0.8, 1.3), [(0, 0.0), (1, 0.8)]),
        ((0.0, 3.0), [(0, 0.0), (1, 0.0), (2, 3.0), (3, 3.0), (4, 3.0)]),
        ((0.0, 100.0), [(0, 0.0), (1, 0.0), (99, 100.0), (100, 100.0), (101, 100.0)]),  # a gap: what is further away is nobody's
        ((10.0, 9.6, 10.2, 11.0), [(10, 10.0), (11, 11.0)]),  # out of order: no instant comes twice
    ],
)
def test_each_instant_gets_the_frame_that_is_nearest(at_s: tuple[float, ...], expected: list[tuple[int, float]]) -> None:
    assert sampled(*at_s) == expected


@given(st.lists(st.floats(-0.5, 5.0), min_size=1, max_size=20))
def test_instants_go_up_and_no_frame_stands_for_what_is_far_from_it(steps: list[float]) -> None:
    found = sampled(*np.cumsum(steps).tolist())
    instants = [instant for instant, _ in found]
    assert instants == sorted(set(instants))
    assert all(abs(instant - at_s) <= SECONDS.stale_ns / NANOSECONDS + 1e-6 for instant, at_s in found)
