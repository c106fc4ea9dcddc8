"""What people are shown of a score."""

from math import inf

import pytest

from analyzers.judgement import JudgeKind, Verdict, verdict_of
from analyzers.policy import Policy, PolicyId, log_odds
from analyzers.score import shown, threshold_of

POLICY = Policy(id=PolicyId("smoke"), title="Smoke", ask="Smoke?", sensors=(), threshold=0.8)


@pytest.mark.parametrize(
    ("score", "threshold", "text"),
    [
        (log_odds(0.93), log_odds(0.8), "score 0.93, threshold 0.80"),
        (0.0, 0.0, "score 0.50, threshold 0.50"),
        (25.0, log_odds(0.995), "score over 0.99, threshold 0.995"),
        (-2000.0, log_odds(0.8125), "score under 0.01, threshold 0.8125"),
        (inf, 0.0, "score over 0.99, threshold 0.50"),
    ],
)
def test_people_see_score_and_threshold_in_one_unit_that_of_their_configuration(score: float, threshold: float, text: str) -> None:
    assert shown(score, threshold) == text


def test_a_models_answer_is_compared_with_the_policys_threshold_and_that_of_cues_with_their_figures() -> None:
    assert verdict_of(POLICY, threshold_of(POLICY, JudgeKind.OMNI), 1.0) == (Verdict.YES, None)
    assert threshold_of(POLICY, JudgeKind.CUES) == 0.0
