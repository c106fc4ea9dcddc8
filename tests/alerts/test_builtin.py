"""The policies that watch the watcher: that each opens for its cause, in time, and clears when it has gone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alerts import names
from alerts.builtin import CUES_ONLY, builtin
from alerts.event import Judged
from alerts.facts import BoxFacts, Gap, box_answers, listed, no_data, sensor_answer
from alerts.undecided import Tally, tallied, undecided
from analyzers.cue_judge import CueJudge
from analyzers.interview import JudgeCondition
from analyzers.judge import Question
from analyzers.judgement import Verdict
from analyzers.policy import Policy, PolicyId
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId
from tests.alerts.conftest import START, Story

DOOR, HALL, MICROPHONE = SensorId("door"), SensorId("hall"), SensorId("microphone")
POLICIES = {policy.id: policy for policy in builtin(sight=(DOOR, HALL), sound=(HALL, MICROPHONE))}
SECOND = timedelta(seconds=1)


def at(seconds: float) -> Moment:
    return START.plus(seconds * SECOND)


def test_every_sensor_is_watched_for_what_it_has() -> None:
    assert POLICIES[names.SENSOR_LOST].views() == ("door", "hall", "microphone")
    assert POLICIES[names.PICTURE_DARK].views() == ("door", "hall")
    assert POLICIES[names.MICROPHONE_DEAD].views() == ("hall", "microphone")
    assert POLICIES[names.JUDGE_DOWN].views() == ("box",)


def test_a_box_without_cameras_has_no_policy_about_pictures() -> None:
    ids = {policy.id for policy in builtin(sight=(), sound=(MICROPHONE,))}
    assert {policy for policy in CUES_ONLY if policy in ids} == {names.MICROPHONE_DEAD}


def test_every_name_has_a_policy_and_every_policy_on_the_box_an_answer() -> None:
    others = ("BOX", "BOX_SENSOR", "SELF_TEST", "SELF_TEST_SENSOR", "BLANK_SENSOR")
    every = {value for name, value in vars(names).items() if name.isupper() and name not in others}
    assert every == set(POLICIES)
    answered = {event.judgement.policy for event in box_answers(BoxFacts(), at(0))}
    on_box = {policy.id for policy in POLICIES.values() if policy.views() == ("box",)}
    assert on_box - answered == {names.ALARM_FLOOD, names.SENSORS_LOST}, "these are answered by their own folds"


def test_a_box_that_is_well_answers_no_to_everything() -> None:
    assert {event.judgement.verdict for event in box_answers(BoxFacts(), at(0))} == {Verdict.NO}


FACTS = [
    # policy, what is so, the verdict
    (names.JUDGE_DOWN, {"judge": JudgeCondition.READY, "judge_since": at(0)}, Verdict.NO),
    (names.JUDGE_DOWN, {"judge": JudgeCondition.DOWN, "judge_since": at(95)}, Verdict.UNSURE),
    (names.JUDGE_DOWN, {"judge": JudgeCondition.DOWN, "judge_since": at(90)}, Verdict.YES),
    (names.JUDGE_DOWN, {"judge": JudgeCondition.LOADING, "judge_since": at(0)}, Verdict.UNSURE),
    (names.JUDGE_DOWN, {"judge": JudgeCondition.LOADING, "judge_since": at(-500)}, Verdict.YES),
    (names.STORE_FAILED, {"store_problem": "the disk is full"}, Verdict.YES),
    (names.DISK_LOW, {"disk_free": 0.05}, Verdict.YES),
    (names.DISK_LOW, {"disk_free": 0.06}, Verdict.UNSURE),
    (names.DISK_LOW, {"disk_free": 0.07}, Verdict.NO),
    (names.DISK_LOW, {"disk_free": None}, Verdict.UNSURE),
    (names.BROKER_UNREACHABLE, {"broker_lost_since": at(41)}, Verdict.UNSURE),
    (names.BROKER_UNREACHABLE, {"broker_lost_since": at(40)}, Verdict.YES),
    (names.PUBLISH_REFUSED, {"refused_at": at(-499)}, Verdict.YES),
    (names.PUBLISH_REFUSED, {"refused_at": at(-500)}, Verdict.NO),
    (names.WINDOWS_SHED, {"shed_share": 0.6}, Verdict.YES),
    (names.WINDOWS_SHED, {"shed_share": 0.3}, Verdict.UNSURE),
    (names.CONFIG_RELOAD_FAILED, {"reload_failed": True}, Verdict.YES),
    (names.CLOCK_STEPPED, {"stepped_at": at(99)}, Verdict.YES),
    (names.WATCH_GAP, {"gap": Gap(start=at(10), end=at(99), restarted=True)}, Verdict.YES),
    (names.WATCH_GAP, {"gap": Gap(start=at(10), end=at(30), restarted=True)}, Verdict.NO),
    (names.UNDECIDED, {"undecided": (PolicyId("leak"),)}, Verdict.YES),
]


@pytest.mark.parametrize(("policy", "so", "verdict"), FACTS)
def test_facts_become_answers(policy: PolicyId, so: dict[str, Any], verdict: Verdict) -> None:
    answers = {event.judgement.policy: event.judgement.verdict for event in box_answers(BoxFacts(**so), at(100))}
    assert answers.pop(policy) is verdict
    assert set(answers.values()) == {Verdict.NO}, "a fact concerns one policy"


def told(policy: Policy, events: list[Judged]) -> list[str]:
    story = Story(policy, clear_after=policy.clear_after)
    for event in events:
        story.fold(event)
    return story.told


def test_a_lost_sensor_alarms_at_once_and_clears_when_it_has_been_back_for_five_seconds() -> None:
    lost = POLICIES[names.SENSOR_LOST]
    events = [sensor_answer(DOOR, at(second), lost=second < 10 or second == 12) for second in range(18)]
    assert told(lost, events) == ["opened"]
    events += [sensor_answer(DOOR, at(18), lost=False)]
    assert told(lost, events) == ["opened", "cleared"]


def test_policies_of_a_lost_sensor_have_no_data_and_those_of_others_are_left_alone() -> None:
    zoned = replace(POLICIES[names.PICTURE_DARK], id=PolicyId("entry"), zone="cell")
    events = no_data((*POLICIES.values(), zoned), DOOR, at(3))
    found = {(event.judgement.policy, event.judgement.view) for event in events}
    assert found == {(policy, "door") for policy in CUES_ONLY - {names.MICROPHONE_DEAD}} | {("entry", "door.cell")}
    assert {(event.judgement.verdict, event.judgement.cause) for event in events} == {("no_data", "sensor_lost")}


CUES = [
    (names.PICTURE_DARK, Cues(dark=0.97), "triggered"),
    (names.PICTURE_DARK, Cues(dark=0.5), "calm"),
    (names.PICTURE_COVERED, Cues(covered=0.9), "triggered"),
    (names.PICTURE_COVERED, Cues(covered=0.4), "calm"),
    (names.PICTURE_FROZEN, Cues(frozen=61.0), "triggered"),
    (names.PICTURE_FROZEN, Cues(frozen=20.0), "calm"),
    (names.CAMERA_MOVED, Cues(moved=0.08), "triggered"),
    (names.CAMERA_MOVED, Cues(moved=0.02), "calm"),
    (names.MICROPHONE_DEAD, Cues(digital_silence=61.0), "triggered"),
    (names.MICROPHONE_DEAD, Cues(digital_silence=20.0), "calm"),
]


@pytest.mark.parametrize(("name", "cues", "outcome"), CUES)
def test_cues_alone_answer_for_cameras_and_microphones(name: PolicyId, cues: Cues, outcome: str) -> None:
    policy = replace(POLICIES[name], sensors=(HALL,))
    story = Story(policy)
    for number in range(policy.trigger.of):
        end = story.at(8 + 4 * number)
        window = Window(
            id=WindowId(f"hall/0/{number}"),
            sensor=HALL,
            epoch=0,
            first_pair=2 * number,
            start=story.at(4 * number),
            end=end,
            slots=(),
            senses=frozenset(Sense),
            views=(View(id=ViewId("hall"), height=320, width=576, cues=cues),),
        )
        (judgement,) = CueJudge().judge((Question(window=window, view=ViewId("hall"), policies=(policy,)),))
        decision = story.fold(Judged(judgement=judgement, at=end))
    assert decision.reason == outcome


def asked(verdict: Verdict, second: float, tallies: tuple[Tally, ...]) -> tuple[Tally, ...]:
    (event,) = no_data((replace(POLICIES[names.PICTURE_DARK], id=PolicyId("leak"), sensors=(DOOR,)),), DOOR, at(second))
    return tallied(tallies, replace(event.judgement, verdict=verdict), at(second))


def tallies_of(letters: str, minutes: int) -> tuple[Tally, ...]:
    verdicts = {"?": Verdict.UNSURE, "f": Verdict.FAILED, "n": Verdict.NO, "-": Verdict.NOT_ASKED}
    tallies: tuple[Tally, ...] = ()
    for number in range(minutes * 12):
        tallies = asked(verdicts[letters[number % len(letters)]], number * 5, tallies)
    return tallies


@pytest.mark.parametrize(
    ("letters", "minutes", "found"),
    [
        ("?", 11, ("leak",)),
        ("?fn", 11, ("leak",)),  # two of three stay open
        ("?n", 11, ()),  # half is not over half
        ("?", 9, ()),  # not for ten minutes yet
        ("-", 11, ()),  # nobody was asked
        ("?" + "-" * 35, 11, ()),  # asked every three minutes: says nothing
    ],
)
def test_a_policy_without_answers_is_found(letters: str, minutes: int, found: tuple[str, ...]) -> None:
    assert undecided(tallies_of(letters, minutes), at(minutes * 60)) == found


def test_counts_of_undecided_policies_are_bounded_and_end_with_the_boot() -> None:
    tallies = tallies_of("?", 60)
    assert len(tallies[0].minutes) <= 11
    assert undecided(tallies, replace(at(3600), boot_id=BootId("second"))) == ()


def test_a_list_of_names_has_an_end() -> None:
    assert listed(f"cam-{number}" for number in range(12)).endswith("cam-9 and 2 more")
