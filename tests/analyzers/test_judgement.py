"""What a score means: the bands of a policy, and everything that is no score."""

from math import inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.judgement import MIN_LABEL_MASS, Cause, JudgeKind, Verdict, verdict_of
from analyzers.policy import CLEAR_MARGIN, Policy, PolicyId, log_odds
from sensors.window import SensorId


def policy(threshold: float = 0.8, clear_below: float | None = None) -> Policy:
    return Policy(id=PolicyId("p"), title="", ask="?", sensors=(SensorId("hall"),), threshold=threshold, clear_below=clear_below)


AT = policy().threshold_log_odds  # of 0.8: the natural logarithm of 4
ROWS = [
    (policy(), AT, 1.0, Verdict.YES, None, "the threshold itself is a yes"),
    (policy(), AT - 1e-9, 1.0, Verdict.UNSURE, Cause.IN_BAND, "just below is unsure"),
    (policy(), AT - CLEAR_MARGIN + 1e-9, 1.0, Verdict.UNSURE, Cause.IN_BAND, "to the end of the margin"),
    (policy(), AT - CLEAR_MARGIN - 1e-9, 1.0, Verdict.NO, None, "below it is a no"),
    (policy(clear_below=0.5), -1e-9, 1.0, Verdict.NO, None, "the owner's own bound counts instead"),
    (policy(clear_below=0.5), 0.0, 1.0, Verdict.UNSURE, Cause.IN_BAND, "and is not part of the no"),
    (policy(clear_below=0.8), AT - 1e-9, 1.0, Verdict.NO, None, "without a band there is no unsure"),
    (policy(), 9.0, MIN_LABEL_MASS - 0.01, Verdict.UNSURE, Cause.LOW_MASS, "a model that wanted to say something else has not said yes"),
    (policy(), -9.0, MIN_LABEL_MASS - 0.01, Verdict.UNSURE, Cause.LOW_MASS, "nor no"),
    (policy(), -9.0, MIN_LABEL_MASS, Verdict.NO, None, "enough mass is enough"),
    (policy(), nan, 1.0, Verdict.FAILED, Cause.NOT_FINITE, "not a number is a fault"),
    (policy(), -inf, 1.0, Verdict.FAILED, Cause.NOT_FINITE, "minus infinity is no no"),
    (policy(), -9.0, nan, Verdict.FAILED, Cause.NOT_FINITE, "nor is a no whose mass is unreadable"),
]


@pytest.mark.parametrize(("asked", "score", "mass", "verdict", "cause", "reason"), ROWS, ids=[row[5] for row in ROWS])
def test_what_a_score_means(asked: Policy, score: float, mass: float, verdict: Verdict, cause: Cause | None, reason: str) -> None:  # noqa: PLR0917 - a row
    assert verdict_of(asked, score, mass) == (verdict, cause), reason


@given(st.floats(), st.floats(), st.floats(0.01, 0.99))
def test_nothing_but_a_readable_score_below_the_band_is_a_no(score: float, mass: float, threshold: float) -> None:
    asked = policy(threshold)
    verdict, cause = verdict_of(asked, score, mass)
    assert (verdict is Verdict.NO) == (score < asked.clear_log_odds and score > -inf and MIN_LABEL_MASS <= mass < inf)
    assert (cause is None) == (verdict in {Verdict.YES, Verdict.NO})


@given(st.floats(0.001, 0.999))
def test_log_odds_are_odd_around_a_half(probability: float) -> None:
    assert log_odds(probability) == pytest.approx(-log_odds(1 - probability), abs=1e-9)


def test_log_odds_are_natural() -> None:
    assert log_odds(0.8) == pytest.approx(log(4.0))


def test_cues_rank_below_models_and_above_nobody() -> None:
    assert JudgeKind.OMNI.rank == JudgeKind.SERVER.rank > JudgeKind.CUES.rank > JudgeKind.GATE.rank == JudgeKind.SUPERVISOR.rank
