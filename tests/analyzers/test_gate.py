"""The gate, as a table of reasons and a few short stories."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analyzers.gate import EVENTFUL, SENSE_OF, WAKES_AT, GateState, Passage, Refusal, ask, unanswered
from analyzers.judgement import Cause, JudgeKind, Verdict
from analyzers.policy import CueRule, Policy, PolicyId
from analyzers.schedule import parse
from sensors.cues import CueName, Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

HALL = ViewId("hall")
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
QUIET = Cues(motion=0.0, changed=0.0, dark=0.99, covered=0.0, frozen=0.0, moved=0.0, loud=-60.0, onset=0.0, tone=0.0, silence=0.0)
STIRRED = Cues(motion=0.05, changed=0.05, loud=-60.0, onset=0.0, tone=0.0)
BANG = Cues(motion=0.0, changed=0.0, loud=-15.0, onset=20.0, tone=0.0)


def policy(**fields: Any) -> Policy:  # noqa: ANN401 - whatever a row varies
    return Policy(id=PolicyId("presence"), title="", ask="?", sensors=(SensorId("hall"),), **fields)


def at(seconds: float) -> Moment:
    return Moment(utc=NOON, boot_ns=0, boot_id=BootId("b")).plus(timedelta(seconds=seconds))


def window(cues: Cues, end_s: float = 0.0, senses: frozenset[Sense] = frozenset(Sense)) -> Window:
    view = View(id=HALL, height=0, width=0, cues=cues)
    return Window(
        id=WindowId(f"hall/0/{end_s}"), sensor=SensorId("hall"), epoch=0, first_pair=0,
        start=at(end_s - 2), end=at(end_s), slots=(), senses=senses, views=(view,),
    )  # fmt: skip


def passage(  # noqa: PLR0913 - all that it hangs on
    asked: Policy,
    seen: Window,
    state: GateState | None = None,
    *,
    normal: bool = True,
    armed: bool = True,
    free: bool = False,
    stirs: bool | None = None,
) -> Passage:
    return ask(asked, seen.view(HALL), seen, state or GateState(), normal=normal, armed=armed, free=free, stirs=stirs)


SIGHT, SOUND = frozenset({Sense.SIGHT}), frozenset({Sense.SOUND})
NIGHT = parse("mon-fri 22:00-06:00", "UTC")
DAY = parse("mon-fri 06:00-22:00", "UTC")
ROWS: list[tuple[str, dict[str, Any], Cues, Cause | None]] = [
    ("nothing stirs", {}, QUIET, Cause.QUIET),
    ("any cue wakes a policy that names none", {}, STIRRED, None),
    ("and so does a sound", {}, BANG, None),
    ("a dark night is no event: it must be named", {"wake": frozenset({CueName.DARK})}, QUIET, None),
    ("only the cues that are named wake", {"wake": frozenset({CueName.MOTION})}, BANG, Cause.QUIET),
    ("a policy for the eye is not woken by the ear", {"senses": SIGHT}, BANG, Cause.QUIET),
    ("nor the other way round", {"senses": SOUND}, STIRRED, Cause.QUIET),
    ("a fallback below the gate's own figure wakes", {"fallback": CueRule(at_least={CueName.CHANGED: 0.001})}, Cues(changed=0.001), None),
    ("outside its schedule it is not asked, whatever stirs", {"active": NIGHT}, STIRRED, Cause.OFF_SCHEDULE),
    ("within its schedule it is", {"active": DAY}, STIRRED, None),
    ("a cue that was not measured wakes nobody", {"wake": frozenset({CueName.ONSET})}, Cues(motion=1.0), Cause.QUIET),
    ("without a patrol nobody is asked in quiet", {"patrol": None}, QUIET, Cause.QUIET),
    ("a patrol that never was is due", {"patrol": timedelta(minutes=5)}, QUIET, None),
]


@pytest.mark.parametrize(("reason", "fields", "cues", "cause"), ROWS, ids=[row[0] for row in ROWS])
def test_who_is_asked(reason: str, fields: dict[str, Any], cues: Cues, cause: Cause | None) -> None:
    refusal = passage(policy(**fields), window(cues)).refusal
    assert (refusal.cause if refusal else None) is cause, reason


CAMERA: list[tuple[str, dict[str, Any], Cues, bool, bool]] = [
    ("the camera sees what the box's cues do not", {}, QUIET, True, True),
    ("what the box's cues see and the camera does not is not asked about", {}, STIRRED, False, False),
    ("of sounds a camera's motion says nothing", {}, BANG, False, True),
    ("nor to a policy for the ear alone", {"senses": SOUND}, QUIET, True, False),
    ("nor of the lens", {"wake": frozenset({CueName.DARK})}, QUIET, False, True),
    ("a policy that does not wake for motion is not woken by it", {"wake": frozenset({CueName.MOVED})}, QUIET, True, False),
    ("a fallback's figure for motion is the box's own cue too", {"fallback": CueRule(at_least={CueName.CHANGED: 0.001})}, STIRRED, False, False),
    ("a patrol is due all the same", {"patrol": timedelta(minutes=5)}, QUIET, False, True),
]


@pytest.mark.parametrize(("reason", "fields", "cues", "stirs", "asked"), CAMERA, ids=[row[0] for row in CAMERA])
def test_a_cameras_own_word_takes_the_place_of_the_cues_for_motion(
    reason: str, fields: dict[str, Any], cues: Cues, *, stirs: bool, asked: bool
) -> None:
    assert (passage(policy(**fields), window(cues), stirs=stirs).refusal is None) is asked, reason


def test_a_camera_that_says_no_closes_nothing_that_is_open_or_owed() -> None:
    assert passage(policy(), window(STIRRED), normal=False, stirs=False).refusal is None
    assert passage(policy(), window(STIRRED), GateState(owed=True), stirs=False).refusal is None


def test_a_track_that_is_not_normal_is_always_asked() -> None:
    assert passage(policy(wake=frozenset({CueName.MOTION})), window(QUIET), normal=False).refusal is None


def test_an_open_alarm_is_asked_on_when_its_hours_end_or_the_box_is_disarmed() -> None:
    """Else it could never clear. The rules open nothing out of hours or disarmed."""
    assert passage(policy(), window(QUIET), normal=False, armed=False).refusal is None
    assert passage(policy(), window(STIRRED), armed=False).refusal == Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.DISARMED)
    assert passage(policy(active=NIGHT), window(QUIET), normal=False).refusal is None
    assert passage(policy(active=NIGHT), window(STIRRED)).refusal == Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.OFF_SCHEDULE)


def test_what_costs_nothing_is_never_too_quiet_to_ask_but_keeps_to_its_hours_and_modes() -> None:
    assert passage(policy(), window(QUIET), free=True).refusal is None
    assert passage(policy(active=NIGHT), window(STIRRED), free=True).refusal == Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.OFF_SCHEDULE)
    assert passage(policy(), window(STIRRED), free=True, armed=False).refusal == Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.DISARMED)


def test_a_missing_sense_is_no_data_and_never_quiet() -> None:
    refusal = passage(policy(senses=SOUND), window(QUIET, senses=SIGHT)).refusal
    assert refusal == Refusal(verdict=Verdict.NO_DATA, cause=Cause.SENSE_MISSING)


def test_a_patrol_asks_at_least_so_often_and_any_question_counts_as_one() -> None:
    guard = policy(patrol=timedelta(seconds=60))
    state, asked = GateState(), []
    for second in range(0, 200, 10):
        answer = passage(guard, window(STIRRED if second == 40 else QUIET, second), state)
        state = answer.state
        asked += [second] if answer.refusal is None else []
    assert asked == [0, 40, 100, 160]


def test_what_was_dropped_before_its_turn_is_asked_next_time() -> None:
    woken = passage(policy(), window(STIRRED, 10))
    assert woken.refusal is None
    again = passage(policy(), window(QUIET, 12), woken.state.dropped())
    assert again.refusal is None
    assert passage(policy(), window(QUIET, 14), again.state).refusal is not None


def test_a_refusal_leaves_the_memory_as_it_was() -> None:
    state = GateState(asked=at(1), owed=True)
    assert passage(policy(), window(STIRRED, 10), state, armed=False).state == state


def test_every_cue_has_a_figure_and_a_sense() -> None:
    assert set(WAKES_AT) == set(SENSE_OF) == set(CueName)
    assert set(CueName) >= EVENTFUL


def test_nobody_asked_is_a_judgement_too() -> None:
    seen = window(QUIET, 10)
    judgement = unanswered(policy(), seen, HALL, Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.SUPERSEDED))
    assert (judgement.verdict, judgement.cause, judgement.by, judgement.log_odds) == (Verdict.NOT_ASKED, Cause.SUPERSEDED, JudgeKind.GATE, None)
    assert (judgement.window, judgement.start, judgement.end) == (seen.id, seen.start, seen.end)
