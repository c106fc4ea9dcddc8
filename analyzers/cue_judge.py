"""The judge of last resort: a policy's `fallback` figures over cues alone. It understands nothing and needs nothing.

Its score is how far the cues are from the figures, laid out like log-odds so that 0 is the figure itself and -1 the point under
which the answer is a no: 3 dB below for cues in dB, 0.7 times the figure for shares and seconds, for
darkness 1 / 0.7 times the light. Between them it is unsure, so a
cue that hovers at its figure neither chatters nor clears. The policy's `threshold` is the model's and plays no part here.
"""

from math import exp, isfinite, log

from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.own_voice import believed, missing
from analyzers.policy import CueRule, Policy
from analyzers.score import CUE_THRESHOLD
from sensors.cues import CueName, Cues

DECIBELS = frozenset({CueName.LOUD, CueName.ONSET})
"""Cues whose figures are compared by difference; all others by ratio."""
CLEAR_DB = 3.0
CLEAR_RATIO = 0.7
CLEAR_SCORE = -1.0
FARTHEST = 10.0
"""Scores end here: a share of 0 has no logarithm."""


class CueJudge:
    """Answers from cues alone, at once."""

    def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """The judgements of `batch`: one for each policy of each question, in their order."""
        return tuple(_judgement(question, policy) for question in batch for policy in question.policies)


def score(rule: CueRule, cues: Cues) -> float | None:
    """How far the cues are over their figures, by the one that is least; None where a cue was not measured."""
    scores = []
    for name, figure in rule.at_least.items():
        value = cues.value(name)
        if value is None:
            return None
        scores.append(_one(name, value, figure))
    # min() lets a NaN pass or not, depending on its place.
    return min(scores) if all(map(isfinite, scores)) else float("nan")


def _one(name: CueName, value: float, figure: float) -> float:
    if name in DECIBELS:
        return _decibels(value, figure)
    if name is CueName.DARK:
        # Darkness has an upper end: what is compared is the light that is left. 0.7 of 0.95 would be broad daylight.
        return -_ratio(1.0 - value, 1.0 - figure)
    return _ratio(value, figure)


def _decibels(value: float, figure: float) -> float:
    return _bounded((value - figure) / CLEAR_DB)


def _ratio(value: float, figure: float) -> float:
    if not isfinite(value) or not isfinite(figure):
        return float("nan")
    if figure <= 0.0:
        return FARTHEST if value >= figure else -FARTHEST
    smallest = figure * exp(-FARTHEST)
    return _bounded(log(max(value, smallest) / figure) / -log(CLEAR_RATIO))


def _bounded(value: float) -> float:
    return value if not isfinite(value) else max(-FARTHEST, min(FARTHEST, value))


def _outcome(policy: Policy, question: Question) -> tuple[Verdict, Cause | None, float | None]:
    if policy.fallback is None or not policy.fallback.at_least:
        return Verdict.NOT_ASKED, Cause.NO_FALLBACK, None
    if policy.senses - question.window.senses:
        return *missing(policy, question.window), None
    found = score(policy.fallback, question.window.view(question.view).cues)
    if found is None:
        return *missing(policy, question.window), None
    if not isfinite(found):
        return Verdict.FAILED, Cause.NOT_FINITE, None
    if found >= CUE_THRESHOLD:
        return Verdict.YES, None, found
    return (Verdict.NO, None, found) if found < CLEAR_SCORE else (Verdict.UNSURE, Cause.IN_BAND, found)


def _judgement(question: Question, policy: Policy) -> Judgement:
    window = question.window
    verdict, cause, log_odds = _outcome(policy, question)
    verdict, cause = believed(policy, window, verdict, cause)
    return Judgement(
        policy=policy.id,
        sensor=window.sensor,
        view=question.view,
        window=window.id,
        start=window.start,
        end=window.end,
        verdict=verdict,
        cause=cause,
        log_odds=log_odds,
        senses=window.senses,
        by=JudgeKind.CUES,
    )
