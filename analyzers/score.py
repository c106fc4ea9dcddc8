"""A score: natural log-odds of yes against no. What it is compared with, and how people are shown both.

People get its logistic, which runs from 0 to 1 as their `threshold` does. It is called a score and not a probability: nobody has calibrated it.
"""

from math import tanh

from analyzers.judgement import JudgeKind
from analyzers.policy import Policy

CUE_THRESHOLD = 0.0
"""A score of cues is 0 at the figures of the policy's `fallback`; its `threshold` is the model's."""


def threshold_of(policy: Policy, by: JudgeKind) -> float:
    """The score from which on an answer of this judge is a yes."""
    return CUE_THRESHOLD if by is JudgeKind.CUES else policy.threshold_log_odds


def logistic(log_odds: float) -> float:
    """0..1. Of any number: exp() would overflow."""
    return (1.0 + tanh(log_odds / 2.0)) / 2.0


def shown(log_odds: float, threshold: float) -> str:
    """Both, for people: `score 0.93, threshold 0.80`."""
    return f"score {_rounded(logistic(log_odds))}, threshold {_as_written(logistic(threshold))}"


def _rounded(share: float) -> str:
    """Two places: more would claim too much. The ends are not reached."""
    return "over 0.99" if share > 0.995 else "under 0.01" if share < 0.005 else f"{share:.2f}"


def _as_written(share: float) -> str:
    """As its owner wrote it, with two places at least."""
    return f"{share:.4f}".rstrip("0").ljust(4, "0")
