"""What policies are answered while the box itself speaks, as tables of reasons."""

from datetime import UTC, datetime

import pytest

from analyzers.cue_judge import CueJudge
from analyzers.gate import GateState, ask
from analyzers.judge import Question
from analyzers.judgement import Cause, Judgement, Verdict
from analyzers.policy import CueRule, Policy, PolicyId
from sensors.cues import CueName, Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

HALL = ViewId("hall")
NOW = Moment(utc=datetime(2026, 5, 4, 12, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
NONE: frozenset[Sense] = frozenset()
SIGHT, SOUND = frozenset({Sense.SIGHT}), frozenset({Sense.SOUND})
STIRRED, QUIET = Cues(motion=0.05, changed=0.05), Cues(motion=0.0, changed=0.0)


def policy(senses: frozenset[Sense], rule: dict[CueName, float] | None = None) -> Policy:
    fallback = CueRule(at_least=rule) if rule else None
    return Policy(id=PolicyId("presence"), title="", ask="?", sensors=(SensorId("hall"),), senses=senses, fallback=fallback)


def window(cues: Cues, senses: frozenset[Sense], own_voice: float) -> Window:
    view = View(id=HALL, height=0, width=0, cues=cues)
    return Window(
        id=WindowId("hall/0/0"), sensor=SensorId("hall"), epoch=0, first_pair=0, start=NOW, end=NOW, slots=(),
        senses=senses, own_voice=own_voice, views=(view,),
    )  # fmt: skip


Asked = tuple[str, frozenset[Sense], Cues, frozenset[Sense], tuple[Verdict, Cause] | None]
ASKED: list[Asked] = [
    ("a policy for the eye is asked", SIGHT, STIRRED, SIGHT, None),
    ("one for the ear is not, and nothing is said to be missing", SOUND, STIRRED, SIGHT, (Verdict.NOT_ASKED, Cause.OWN_VOICE)),
    ("one for both is not", SIGHT | SOUND, STIRRED, SIGHT, (Verdict.NOT_ASKED, Cause.OWN_VOICE)),
    ("one that takes what there is is asked about what there is", NONE, STIRRED, SIGHT, None),
    ("a microphone has nothing left to ask about", NONE, Cues(), NONE, (Verdict.NOT_ASKED, Cause.OWN_VOICE)),
    ("a picture that is missing is missing, whoever speaks", SIGHT, Cues(), NONE, (Verdict.NO_DATA, Cause.SENSE_MISSING)),
    ("that nothing stirred cannot be said of a place that was not heard", NONE, QUIET, SIGHT, (Verdict.NOT_ASKED, Cause.OWN_VOICE)),
    ("of what was seen it can", SIGHT, QUIET, SIGHT, (Verdict.NOT_ASKED, Cause.QUIET)),
]


@pytest.mark.parametrize("row", ASKED, ids=[row[0] for row in ASKED])
def test_who_is_asked_about_a_window_that_is_mostly_the_box_itself(row: Asked) -> None:
    why, needs, cues, has, refused = row
    seen = window(cues, has, 0.8)
    refusal = ask(policy(needs), seen.view(HALL), seen, GateState(), normal=True).refusal
    assert (refusal and (refusal.verdict, refusal.cause)) == refused, why


LOUD = {CueName.LOUD: -30.0}
MOTION = {CueName.MOTION: 0.02}
Answered = tuple[str, frozenset[Sense], dict[CueName, float], Cues, frozenset[Sense], float, Verdict, Cause | None]
ANSWERED: list[Answered] = [
    ("what was heard beside the voice counts", SOUND, LOUD, Cues(loud=-10.0), SOUND, 0.2, Verdict.YES, None),
    ("silence beside it does not", SOUND, LOUD, Cues(loud=-70.0), SOUND, 0.2, Verdict.UNSURE, Cause.OWN_VOICE),
    ("without a voice it does", SOUND, LOUD, Cues(loud=-70.0), SOUND, 0.0, Verdict.NO, None),
    ("sight sees as ever: yes", SIGHT, MOTION, Cues(motion=0.5), SIGHT, 0.9, Verdict.YES, None),
    ("sight sees as ever: no", SIGHT, MOTION, Cues(motion=0.0), SIGHT, 0.9, Verdict.NO, None),
    ("one that may listen is not told by sight alone that all is well", NONE, MOTION, Cues(motion=0.0), SIGHT, 0.9, Verdict.UNSURE, Cause.OWN_VOICE),
    ("but by sight alone that it is not", NONE, MOTION, Cues(motion=0.5), SIGHT, 0.9, Verdict.YES, None),
    ("a sound that was not measured is no loss", NONE, LOUD, Cues(motion=0.5), SIGHT, 0.9, Verdict.NOT_ASKED, Cause.OWN_VOICE),
    ("unless nobody spoke", NONE, LOUD, Cues(motion=0.5), SIGHT, 0.0, Verdict.NO_DATA, Cause.SENSE_MISSING),
]


@pytest.mark.parametrize("row", ANSWERED, ids=[row[0] for row in ANSWERED])
def test_what_cues_answer_beside_the_boxs_own_voice(row: Answered) -> None:
    why, needs, rule, cues, has, own, verdict, cause = row
    question = Question(window=window(cues, has, own), view=HALL, policies=(policy(needs, rule),))
    (judgement,) = CueJudge().judge((question,))
    assert isinstance(judgement, Judgement)
    assert (judgement.verdict, judgement.cause) == (verdict, cause), why
