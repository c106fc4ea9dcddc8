"""The share of the judge's time: kept to in every minute, whatever the pieces, and no second is wasted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.share import SHARE, SPAN_S, Share


@given(st.lists(st.tuples(st.floats(0.001, 3.0), st.floats(0.0, 20.0)), max_size=120))
def test_no_minute_holds_more_than_its_share_and_one_piece(pieces: list[tuple[float, float]]) -> None:
    share, now, done = Share(), 0.0, list[tuple[float, float]]()
    for took, pause in pieces:
        now += share.wait_s(now) + pause
        assert share.wait_s(now) == 0
        now += took
        share.spend(now, took)
        done.append((now, took))
        spent = sum(took for at, took in done if now - at < SPAN_S - 1.0)  # what is entered together leaves together
        assert spent <= SHARE * SPAN_S + took + 1e-6


def test_what_is_over_is_waited_for_until_enough_of_it_is_a_minute_old() -> None:
    share = Share()
    share.spend(10.0, 5.0)
    share.spend(30.0, 6.9)
    assert share.wait_s(31.0) == 0
    share.spend(40.0, 1.0)
    assert share.wait_s(40.0) == pytest.approx(30.0)
    assert share.wait_s(70.0) == 0
