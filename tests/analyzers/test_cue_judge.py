"""The judge of cues: where yes ends and no begins, and every way of not being able to tell."""

from datetime import UTC, datetime
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.cue_judge import CueJudge, score
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.policy import CueRule, Policy, PolicyId
from sensors.cues import CueName, Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

HALL = ViewId("hall")
BOTH = frozenset(Sense)


def policy(fallback: dict[CueName, float] | None, senses: frozenset[Sense] = frozenset(), name: str = "presence") -> Policy:
    rule = None if fallback is None else CueRule(at_least=fallback)
    # A threshold of 0.99 is the model's: it must not matter here.
    return Policy(id=PolicyId(name), title="", ask="?", sensors=(SensorId("hall"),), senses=senses, threshold=0.99, fallback=rule)


def window(cues: Cues, senses: frozenset[Sense] = BOTH) -> Window:
    moment = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
    view = View(id=HALL, height=0, width=0, cues=cues)
    return Window(
        id=WindowId("hall/0/0"), sensor=SensorId("hall"), epoch=0, first_pair=0, start=moment, end=moment, slots=(), senses=senses, views=(view,)
    )


def judge(asked: Policy, cues: Cues, senses: frozenset[Sense] = BOTH) -> Judgement:
    (judgement,) = CueJudge().judge((Question(window=window(cues, senses), view=HALL, policies=(asked,)),))
    return judgement


ROWS = [
    ({CueName.CHANGED: 0.02}, Cues(changed=0.02), Verdict.YES, "the figure itself is a yes"),
    ({CueName.CHANGED: 0.02}, Cues(changed=0.0199), Verdict.UNSURE, "just below the figure is neither yes nor no"),
    ({CueName.CHANGED: 0.02}, Cues(changed=0.0141), Verdict.UNSURE, "a share is a no only under 0.7 of its figure"),
    ({CueName.CHANGED: 0.02}, Cues(changed=0.0139), Verdict.NO, "clearly below"),
    ({CueName.CHANGED: 0.02}, Cues(changed=0.0), Verdict.NO, "nothing at all has no logarithm and is a no"),
    ({CueName.ONSET: 8.0}, Cues(onset=8.0), Verdict.YES, "decibels: the figure itself"),
    ({CueName.ONSET: 8.0}, Cues(onset=5.1), Verdict.UNSURE, "decibels: within 3 dB"),
    ({CueName.ONSET: 8.0}, Cues(onset=4.9), Verdict.NO, "decibels: by difference, not by ratio"),
    ({CueName.LOUD: -40.0}, Cues(loud=-30.0), Verdict.YES, "a negative figure is exceeded from above"),
    ({CueName.LOUD: -40.0}, Cues(loud=-50.0), Verdict.NO, "and a lower level is a no, though its ratio is above 1"),
    ({CueName.ONSET: 8.0, CueName.LOUD: -40.0}, Cues(onset=20.0, loud=-60.0), Verdict.NO, "every cue must reach its figure"),
    ({CueName.ONSET: 8.0, CueName.LOUD: -40.0}, Cues(onset=20.0, loud=-41.0), Verdict.UNSURE, "the one that is least decides"),
    ({CueName.FROZEN: 30.0}, Cues(frozen=31.0), Verdict.YES, "seconds go by ratio"),
    ({CueName.MOVED: 0.0}, Cues(moved=0.0), Verdict.YES, "a figure of 0 is always reached"),
    ({CueName.CHANGED: 0.02}, Cues(changed=nan), Verdict.FAILED, "a cue that is not a number is a fault, never a no"),
    ({CueName.CHANGED: 0.02, CueName.DARK: 0.1}, Cues(changed=nan, dark=1.0), Verdict.FAILED, "wherever it stands"),
    ({CueName.DARK: 0.1, CueName.ONSET: 3.0}, Cues(dark=1.0, onset=inf), Verdict.FAILED, "infinite neither"),
    ({CueName.CHANGED: 0.02}, Cues(onset=9.0), Verdict.NO_DATA, "a cue that was not measured is no data"),
]


@pytest.mark.parametrize(("fallback", "cues", "verdict", "reason"), ROWS, ids=[row[3] for row in ROWS])
def test_a_rule_answers_as_its_figures_say(fallback: dict[CueName, float], cues: Cues, verdict: Verdict, reason: str) -> None:
    assert judge(policy(fallback), cues).verdict is verdict, reason


def test_without_a_rule_nobody_is_asked() -> None:
    rules: tuple[dict[CueName, float] | None, ...] = (None, {})
    for rule in rules:
        judgement = judge(policy(rule), Cues(changed=1.0))
        assert (judgement.verdict, judgement.cause, judgement.log_odds) == (Verdict.NOT_ASKED, Cause.NO_FALLBACK, None)


def test_a_sense_that_the_policy_needs_and_the_window_lacks_is_no_data() -> None:
    judgement = judge(policy({CueName.CHANGED: 0.02}, BOTH), Cues(changed=0.5), frozenset({Sense.SIGHT}))
    assert (judgement.verdict, judgement.cause) == (Verdict.NO_DATA, Cause.SENSE_MISSING)


def test_a_judgement_says_who_judged_what() -> None:
    judgement = judge(policy({CueName.CHANGED: 0.02}), Cues(changed=0.04))
    assert (judgement.by, judgement.policy, judgement.view, judgement.window) == (JudgeKind.CUES, "presence", HALL, "hall/0/0")
    assert judgement.senses == BOTH
    assert judgement.log_odds == pytest.approx(1.943, abs=0.001)


def test_a_batch_is_answered_in_its_order() -> None:
    first, second = policy({CueName.CHANGED: 0.02}, name="a"), policy(None, name="b")
    question = Question(window=window(Cues(changed=0.5)), view=HALL, policies=(first, second))
    other = Question(window=window(Cues(changed=0.0)), view=HALL, policies=(second, first))
    judgements = CueJudge().judge((question, other))
    assert [(one.policy, one.verdict.value) for one in judgements] == [("a", "yes"), ("b", "not_asked"), ("b", "not_asked"), ("a", "no")]


@given(st.floats(0.001, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_of_a_cue_never_scores_less(figure: float, one: float, other: float) -> None:
    low, high = (judge(policy({CueName.CHANGED: figure}), Cues(changed=value)).log_odds for value in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert -10.0 <= low <= high <= 10.0


@pytest.mark.parametrize(
    ("dark", "verdict"),
    [
        (0.96, Verdict.YES),
        (0.94, Verdict.UNSURE),  # hovers at the figure
        (0.90, Verdict.NO),  # a night under street lamps: twice the light that the figure allows, and the alarm must clear
    ],
)
def test_darkness_is_compared_by_the_light_that_is_left(dark: float, verdict: Verdict) -> None:
    rule = CueRule(at_least={CueName.DARK: 0.95})
    found = score(rule, Cues(dark=dark))
    assert found is not None
    assert (found >= 0, found < -1) == (verdict is Verdict.YES, verdict is Verdict.NO)
