"""A second look: answers near a threshold are another model's, all others the first one's."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from analyzers.interview import CaptionerModel, JudgeSettings, Look, Quantization, SecondLook  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.beside import Beside, plan_judge  # noqa: E402
from analyzers.omni.folder import ModelError  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.plan import Machine, plan  # noqa: E402
from analyzers.omni.second_look import SecondOpinion, doubts  # noqa: E402
from analyzers.omni.weights import load  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.husk import lay  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

LOOK = SecondLook(model="second", quantization=Quantization.NONE, band=0.5, limit_s=60.0)


@pytest.fixture(scope="module")
def second_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Thinking model: its name says so."""
    return tiny.save(tmp_path_factory.mktemp("second") / "Qwen3-Omni-tiny-Thinking", seed=7)


@pytest.fixture(scope="module")
def second(second_folder: Path) -> "Loaded":
    return load(JudgeSettings(model=str(second_folder), quantization=Quantization.NONE, device="cpu"))


@pytest.fixture
def asked(loaded: "Loaded", make_scene: Callable[..., Scene]) -> tuple[Scene, tuple[Question, ...]]:
    """Two questions of four policies about two windows, each second policy with its threshold at the first model's own score, the others' far off."""
    scene = make_scene()
    plain = tuple(
        Question(window=scene.window(slots), view=scene.whole, policies=tuple(policy(f"Is it {number}?") for number in range(4)))
        for slots in ((0, 1), (2, 3))
    )
    scores = iter([each.log_odds or 0.0 for each in OmniJudge(loaded, {scene.sensor: scene.slots}).judge(plain)])
    off = (3.0, 0.2, 3.0, 0.2)
    near = [
        replace(each, policies=tuple(replace(one, threshold=sigmoid(next(scores) + by)) for one, by in zip(each.policies, off, strict=True)))
        for each in plain
    ]
    return scene, tuple(near)


def sigmoid(log_odds: float) -> float:
    return float(torch.sigmoid(torch.tensor(log_odds, dtype=torch.float64)))


def test_answers_in_doubt_are_the_second_models_and_all_others_the_firsts(
    loaded: "Loaded", second: "Loaded", asked: tuple[Scene, tuple[Question, ...]]
) -> None:
    scene, batch = asked
    slots = {scene.sensor: scene.slots}
    first = OmniJudge(loaded, slots).answer(batch)
    alone = OmniJudge(second, slots).answer(batch)
    found = SecondOpinion(second, LOOK).over(batch, first, slots)
    for place, (mine, theirs, got) in enumerate(zip(first.judgements, alone.judgements, found.judgements, strict=True)):
        if place % 2:
            assert got.fingerprint == theirs.fingerprint != mine.fingerprint
            assert got.log_odds == pytest.approx(theirs.log_odds, abs=1e-5)
            assert got.verdict is theirs.verdict
            assert got.took_s > mine.took_s
        else:
            assert got == mine
    assert found.cost.media_tokens == 2 * first.cost.media_tokens
    assert found.cost.took_s > first.cost.took_s
    changed = sum(mine.verdict is not got.verdict for mine, got in zip(first.judgements, found.judgements, strict=True))
    assert sum(found.cost.looks.values()) == 4
    assert found.cost.looks.get(Look.CHANGED, 0) == changed


def test_what_lies_outside_the_band_is_not_in_doubt(loaded: "Loaded", asked: tuple[Scene, tuple[Question, ...]]) -> None:
    scene, batch = asked
    judgements = OmniJudge(loaded, {scene.sensor: scene.slots}).judge(batch)
    assert [doubt.places for doubt in doubts(batch, judgements, 0.5)] == [(1, 3), (5, 7)]
    assert [doubt.places for doubt in doubts(batch, judgements, 5.0)] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert not list(doubts(batch, judgements, 0.1))
    unread = [replace(each, log_odds=None) for each in judgements]
    assert not list(doubts(batch, unread, 5.0)), "where nobody was asked there is no doubt"


def test_what_is_not_reached_in_time_keeps_the_first_answer(
    loaded: "Loaded", second: "Loaded", asked: tuple[Scene, tuple[Question, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    scene, batch = asked
    slots = {scene.sensor: scene.slots}
    first = OmniJudge(loaded, slots).answer(batch)
    seconds: Iterator[int] = count()
    found = SecondOpinion(second, replace(LOOK, limit_s=3.0), lambda: float(next(seconds))).over(batch, first, slots)
    assert [got == mine for got, mine in zip(found.judgements, first.judgements, strict=True)] == [True, False, True, False, True, True, True, True]
    assert found.cost.looks[Look.LATE] == 2
    assert "no time was left for a second look at 2 answers in doubt" in caplog.text


def test_that_no_time_is_left_is_said_once_and_its_end_once(
    loaded: "Loaded", second: "Loaded", asked: tuple[Scene, tuple[Question, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    scene, batch = asked
    slots = {scene.sensor: scene.slots}
    first = OmniJudge(loaded, slots).answer(batch)
    hours: Iterator[int] = count(step=3600)
    is_slow = True
    opinion = SecondOpinion(second, LOOK, lambda: float(next(hours)) if is_slow else 0.0)
    for _ in range(3):
        opinion.over(batch, first, slots)
    is_slow = False
    for _ in range(2):
        opinion.over(batch, first, slots)
        opinion.over((), replace(first, judgements=()), slots)
    assert [line.message for line in caplog.records if "second look" in line.message] == [
        "no time was left for a second look at 4 answers in doubt: the first stands, and the metric counts from here on",
        "there is time for second looks again",
    ]


def test_a_second_model_that_fails_leaves_the_first_answers(loaded: "Loaded", second: "Loaded", asked: tuple[Scene, tuple[Question, ...]]) -> None:
    scene, batch = asked
    first = OmniJudge(loaded, {scene.sensor: scene.slots}).answer(batch)
    found = SecondOpinion(second, LOOK).over(batch, first, {})
    assert found.judgements == first.judgements
    assert found.cost.looks == {Look.FAILED: 4}


def test_a_second_model_is_planned_in_the_memory_that_the_first_leaves(tmp_path: Path) -> None:
    one, other = lay(tmp_path / "Qwen3-Omni-30B-A3B-Instruct"), lay(tmp_path / "Qwen3-Omni-30B-A3B-Thinking")
    look = SecondLook(model=str(other))
    large, small = (Machine(device="cuda", memory_bytes=size) for size in (80_000_000_000, 40_000_000_000))
    first = plan(one, Quantization.NF4, large)
    both = plan_judge(one, Quantization.NF4, large, Beside(look=look), describes=False)
    assert both.first == first
    assert both.second
    assert both.second.machine.memory_bytes == 80_000_000_000 - first.weight_bytes - first.work_bytes
    assert both.peak_bytes == pytest.approx(2 * first.weight_bytes + 2 * first.work_bytes + 500_000_000, rel=0.01)
    with pytest.raises(ModelError, match=r"judge\.second_look, in what the others leave of the memory: .*Thinking is too big for this machine"):
        plan_judge(one, Quantization.NF4, small, Beside(look=look), describes=False)


def test_a_captioner_is_planned_in_the_memory_that_is_left_then(tmp_path: Path) -> None:
    one, other, ear = (lay(tmp_path / f"Qwen3-Omni-30B-A3B-{kind}") for kind in ("Instruct", "Thinking", "Captioner"))
    large, small = (Machine(device="cuda", memory_bytes=size) for size in (80_000_000_000, 45_000_000_000))
    beside = Beside(look=SecondLook(model=str(other)), captioner=CaptionerModel(model=str(ear)))
    three = plan_judge(one, Quantization.NF4, large, beside, describes=True)
    assert three.second
    assert three.captioner
    taken = sum(each.weight_bytes + each.work_bytes for each in (three.first, three.second))
    assert three.captioner.machine.memory_bytes == 80_000_000_000 - taken
    assert three.captioner.work_bytes < three.second.work_bytes, "it hears one sound at a time"
    assert three.peak_bytes == taken + three.captioner.peak_bytes
    with pytest.raises(ModelError, match=r"judge\.describe\.captioner, in what the others leave of the memory: .*Captioner is too big"):
        plan_judge(one, Quantization.NF4, small, replace(beside, look=None), describes=True)
