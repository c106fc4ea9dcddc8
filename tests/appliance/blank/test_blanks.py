"""What is asked about nothing and what its answers mean; and what is kept of them, as `check` reads it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from analyzers.interview import Quantization
from analyzers.omni.folder import read
from analyzers.omni.plan import this_machine
from analyzers.policy import Policy, PolicyId
from appliance.blank.blanks import Asking, Blank, Picture, Shape, Source, askings, blanks, worded
from appliance.blank.findings import FINDING, Finding, flags, outcome
from appliance.blank.hollow import hollow
from appliance.blank.kept import kept_flags
from appliance.config.configuration import Configuration, load
from appliance.store.remembered import remember
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.picture import cropped, fitted
from sensors.settings import SensorSettings, WindowShape, Zone
from sensors.slots import Slots
from sensors.window import Sense, SensorId, ViewId
from tests.appliance.test_pipeline import ASKED, CELL, HALL, IN_CELL, START, watching

MODEL = Path(__file__).parents[3] / "appliance" / "demo" / "model"
SHAPE = Shape(zone="", width=224, height=128, pairs=2, pair_s=2.0)
SEES, HEARS = Source(width=480, height=272, has_sound=False), Source(width=0, height=0, has_sound=True)
BOTH = replace(SEES, has_sound=True)
GREY, BLACK = Blank(shape=SHAPE, picture=Picture.GREY, silence=False), Blank(shape=SHAPE, picture=Picture.BLACK, silence=False)
SETTINGS = SensorSettings(
    sensor=HALL, source="file:x", window=WindowShape(length_s=4.0, every_s=2.0, fps=1, longest_side=224), slots=4,
    zones=(Zone(view=CELL, polygon=((0.552, 0.27), (0.952, 0.27), (0.952, 0.742), (0.552, 0.742))),),
)  # fmt: skip
FOUND = Finding(model="m", question=worded(ASKED), blank=GREY, log_odds=-5.0, label_mass=1.0, at=datetime(2026, 5, 4, tzinfo=UTC))


BOX = """\
site: s
box: b
timezone: UTC
state: state
sensors: {hall: {source: 'rtsp://10.0.0.1/a', window: {length: 4s, every: 2s, fps: 1, longest_side: 224}}}
judge: {kind: omni, model: MODEL, threads: 1}
policies:
  - {id: asked, ask: ASK, sensors: [hall], threshold: THRESHOLD}
"""


def configured(folder: Path, ask: str = "Is it so?", threshold: float = 0.5) -> Configuration:
    (folder / "box.yaml").write_text(BOX.replace("MODEL", str(MODEL)).replace("ASK", ask).replace("THRESHOLD", str(threshold)))
    return load(folder / "box.yaml")


# What is asked.


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SEES, ["a grey picture without sound", "a black picture without sound"]),
        (HEARS, ["silence"]),
        (BOTH, ["a grey picture and silence", "a black picture and silence", "a grey picture without sound", "a black picture without sound"]),
        (Source(width=0, height=0, has_sound=False), []),
    ],
    ids=["sight", "sound", "both", "neither"],
)
def test_windows_of_nothing_have_the_senses_of_real_ones(source: Source, said: list[str]) -> None:
    assert [str(blank) for blank in blanks(SHAPE, source)] == said


def asked_of(policies: Iterable[Policy], source: Source = BOTH, model: str = "m") -> tuple[Asking, ...]:
    return askings(watching(*policies), [SETTINGS], {HALL: source}, model)


def test_a_policy_is_asked_only_with_the_senses_that_it_needs() -> None:
    hears, sees = (replace(ASKED, id=PolicyId(sense), senses=frozenset({sense})) for sense in (Sense.SOUND, Sense.SIGHT))
    found = asked_of([ASKED, hears, sees])
    assert {policy: sum(each.policy.id == policy for each in found) for policy in ("asked", "sound", "sight")} == {"asked": 4, "sound": 2, "sight": 4}
    assert all(each.blank.silence for each in found if each.policy is hears)


@pytest.mark.parametrize(("width", "height"), [(480, 272), (1920, 1080), (333, 777), (100, 60)])
def test_a_view_has_the_size_that_the_sensor_gives_it(width: int, height: int) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    real = {view: fitted(part, 224).shape[:2] for view, part in (("", picture), (".cell", cropped(picture, SETTINGS.zones[0])))}
    found = asked_of([ASKED, IN_CELL], Source(width=width, height=height, has_sound=False))
    assert {each.blank.shape.zone: (each.blank.shape.height, each.blank.shape.width) for each in found} == real


def test_sensors_of_one_shape_and_cues_cost_nothing_more_and_a_sensor_that_never_opened_is_not_guessed_at() -> None:
    yard = SensorId("yard")
    both = replace(ASKED, sensors=(HALL, yard))
    everywhere = Watch(by_view={ViewId(HALL): (both,), ViewId(yard): (both,)}, by_facts={}, strides={})
    one, other = SETTINGS, replace(SETTINGS, sensor=yard)
    assert len(askings(everywhere, [one, other], {HALL: SEES, yard: SEES}, "m")) == 2
    assert len(askings(everywhere, [one, other], {HALL: SEES, yard: replace(SEES, width=272)}, "m")) == 4
    assert askings(everywhere, [one, other], {}, "m") == ()


def test_what_a_score_depends_on_makes_another_question_and_a_threshold_does_not() -> None:
    def keys(policy: Policy = ASKED, source: Source = SEES, model: str = "m") -> set[str]:
        return {each.key for each in asked_of([policy], source, model)}

    same = keys()
    assert keys(replace(ASKED, threshold=0.9, title="?")) == same
    others = [keys(replace(ASKED, ask="!")), keys(replace(ASKED, unless="!")), keys(model="n"), keys(source=replace(SEES, height=480))]
    assert not any(other & same for other in others)


# What comes of it.


def test_a_policy_that_says_yes_to_nothing_is_flagged_at_its_own_threshold() -> None:
    asked = asked_of([replace(ASKED, threshold=0.8)], SEES)
    no, yes = (replace(FOUND, log_odds=score) for score in (1.3, 1.4))  # the threshold is 1.386
    found = {asked[0].key: no, asked[1].key: replace(no, log_odds=-7.0)}
    assert outcome(asked, found, ()).flags == ()
    now = outcome(asked, found | {asked[1].key: yes}, ())
    assert [str(flag) for flag in now.flags] == ["asked says yes to a grey picture without sound (score 0.80, threshold 0.80)"]
    assert (now.policies, now.asked, now.unanswered, now.scores) == (1, 1, 0, {"asked": 1.4})


@pytest.mark.parametrize("finding", [replace(FOUND, log_odds=9.0, label_mass=0.4), replace(FOUND, log_odds=None, label_mass=None)])
def test_what_is_neither_yes_nor_no_flags_nothing_and_is_no_score(finding: Finding) -> None:
    asked = asked_of([ASKED], SEES)
    now = outcome(asked, {each.key: finding for each in asked}, ())
    assert (now.asked, now.flags, now.scores) == (1, (), {})


def test_what_was_not_asked_and_what_was_not_answered_are_said_apart() -> None:
    asked = asked_of([ASKED, replace(ASKED, id=PolicyId("other"), ask="other")], SEES)
    first = {each.key: FOUND for each in asked if each.policy.id == "asked"}
    assert (outcome(asked, first, ()).asked, outcome(asked, first, ()).unanswered) == (1, 0)
    broke = outcome(asked, first, {each.key for each in asked} - first.keys())
    assert (broke.asked, broke.unanswered) == (2, 1)
    words = "policies were asked about windows that hold nothing"
    assert str(outcome(asked, first, ())) == f"1 of 2 {words}"
    assert str(broke) == f"2 of 2 {words}, of which 1 got no answer somewhere: none of the others says yes"
    assert str(outcome(asked, {}, {each.key for each in asked})) == f"2 of 2 {words}, of which 2 got no answer somewhere"
    assert str(outcome(asked, {each.key: FOUND for each in asked}, ())) == f"2 of 2 {words}: none says yes"
    yes = replace(FOUND, log_odds=1.0)
    assert str(outcome(asked, {each.key: yes for each in asked}, ())) == f"2 of 2 {words}: 2 say yes"


def test_what_is_kept_flags_a_policy_only_under_this_model_and_in_these_words() -> None:
    yes = replace(FOUND, log_odds=3.0)
    assert [flag.policy.id for flag in flags([ASKED], [FOUND, yes], "m")] == ["asked"]
    assert flags([ASKED], [yes], "n") == flags([replace(ASKED, unless="!")], [yes], "m") == flags([replace(ASKED, threshold=0.99)], [yes], "m") == ()
    assert flags([replace(ASKED, senses=frozenset({Sense.SOUND}))], [yes], "m") == (), "it is never asked of pictures alone"


@pytest.mark.parametrize(("blank", "level"), [(GREY, 128), (BLACK, 0)], ids=["grey", "black"])
def test_a_window_of_nothing_can_be_read_like_any_other_and_holds_nothing(blank: Blank, level: int) -> None:
    silent = replace(blank, silence=True)
    with hollow(silent) as made:
        question, slots = made.question(7, START, (ASKED,)), Slots(made.layout, os.dup(made.memory), writable=False)
        seen = slots.window_frames(question.window.slots, question.view, 128, 224)
        assert (seen.shape, set(np.unique(seen))) == ((4, 128, 224, 3), {level})
        heard = slots.window_sound(question.window.slots)
        assert (heard.shape, np.any(heard)) == ((64_000,), np.False_)
    assert question.window.senses == {Sense.SIGHT, Sense.SOUND}
    assert question.window.end.since(question.window.start) == timedelta(seconds=4)


# What is kept, as others read it.


def test_check_and_doctor_read_what_was_kept_beside_a_running_box(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    assert kept_flags(configuration) == ()
    configuration.state.mkdir()

    async def checked() -> str:
        store = await Store.open(configuration.state / "omniwatch.db", START)
        (policy,) = configuration.policies
        model = read(MODEL).fingerprint(Quantization.NF4, this_machine("auto").device)
        found = replace(FOUND, model=model, question=worded(policy), log_odds=2.0)
        await remember(store, {"blank x": FINDING.dump_json(found).decode()})
        command = [sys.executable, "-m", "appliance", "check", str(tmp_path / "box.yaml")]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
        await store.close(START)
        return " ".join(done.stdout.split())

    assert "warning asked says yes to a grey picture without sound (score 0.88, threshold 0.50): the model likely agrees" in asyncio.run(checked())


def test_a_store_that_cannot_be_read_keeps_nothing(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    configuration.state.mkdir()
    (configuration.state / "omniwatch.db").write_bytes(b"no database" * 100)
    assert kept_flags(configuration) == ()
