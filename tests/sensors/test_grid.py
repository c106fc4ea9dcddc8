from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.grid import Grid
from sensors.moment import NANOSECONDS
from sensors.settings import WindowShape

# Eight seconds in steps of four at one frame a second, a short one at two, and windows that do not overlap.
SHAPES = [
    WindowShape(length_s=8, every_s=4, fps=1, longest_side=320),
    WindowShape(length_s=2, every_s=1, fps=2, longest_side=320),
    WindowShape(length_s=4, every_s=4, fps=2, longest_side=320),
    WindowShape(length_s=6, every_s=2, fps=1, longest_side=320),
]
TIMES = st.integers(min_value=-3600 * NANOSECONDS, max_value=2 * 365 * 86400 * NANOSECONDS)


@given(at_ns=TIMES, shape=st.sampled_from(SHAPES))
def test_the_next_instant_is_the_first_that_is_not_before_a_time(at_ns: int, shape: WindowShape) -> None:
    grid = Grid(shape=shape)
    instant = grid.next_instant(at_ns)
    assert grid.instant_ns(instant - 1) < at_ns <= grid.instant_ns(instant)


@given(at_ns=TIMES, shape=st.sampled_from(SHAPES))
def test_every_time_is_covered_by_exactly_the_pair_that_is_named(at_ns: int, shape: WindowShape) -> None:
    grid = Grid(shape=shape)
    pair = grid.pair_at(at_ns)
    assert grid.pair_start_ns(pair) <= at_ns < grid.pair_start_ns(pair + 1)


@given(pair=st.integers(min_value=-100, max_value=10**8), shape=st.sampled_from(SHAPES))
def test_a_pair_has_two_instants_and_its_samples_without_a_gap(pair: int, shape: WindowShape) -> None:
    grid = Grid(shape=shape)
    start_ns, end_ns = grid.pair_start_ns(pair), grid.pair_start_ns(pair + 1)
    inside = [instant for instant in range(2 * pair - 2, 2 * pair + 4) if start_ns <= grid.instant_ns(instant) < end_ns]
    assert [grid.pair_of(instant) for instant in inside] == [(pair, 0), (pair, 1)]
    assert grid.sample_at(end_ns) - grid.sample_at(start_ns) == grid.samples
    assert grid.sample_at(start_ns) == pair * grid.samples


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_begin_where_their_stride_divides_the_pair(shape: WindowShape) -> None:
    grid = Grid(shape=shape)
    firsts = [first for pair in range(1000, 1040) if (first := grid.window_ending_with(pair)) is not None]
    assert [b - a for a, b in pairwise(firsts)] == [shape.stride_pairs] * (len(firsts) - 1)
    assert all(first % shape.stride_pairs == 0 for first in firsts)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pair_is_kept_exactly_as_long_as_a_window_to_come_needs_it(shape: WindowShape) -> None:
    grid = Grid(shape=shape)
    for pair in range(500, 540):
        later = [first for end in range(pair + 1, pair + 50) if (first := grid.window_ending_with(end)) is not None]
        assert grid.oldest_needed_after(pair) == min(later)


def test_a_picture_stands_in_for_a_second_and_a_half_at_most() -> None:
    assert Grid(shape=SHAPES[0]).stale_ns == 1.5 * NANOSECONDS
    assert Grid(shape=SHAPES[1]).stale_ns == 1.5 * NANOSECONDS
