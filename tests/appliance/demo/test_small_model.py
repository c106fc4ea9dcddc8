"""The small model that ships with the demo: it knows the demo's world, by looking and by listening, and nothing else is claimed of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analyzers.omni.family import QWEN3_OMNI
from analyzers.omni.media import patches, sight_tokens
from appliance.demo.school.exam import SENSES, Mark, Swap, examine, open_pupil, right
from appliance.demo.school.pool import CELL, HALL, Pool, load
from appliance.demo.school.pupil import Batch, Pupil, Senses, policy
from appliance.demo.school.questions import TOPICS, Asked, Fact, Topic
from appliance.demo.school.train import corpus
from appliance.demo.small_model import ANSWERS, tokenizer

pytestmark = pytest.mark.model

FOLDER = Path(__file__).parents[3] / "appliance" / "demo" / "model"
SEED = 31_337
"""Of halls that neither the lessons nor the examination hold."""


@pytest.fixture(scope="module")
def pupil() -> Iterator[Pupil]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield open_pupil(FOLDER)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return load(tmp_path_factory.mktemp("lessons"), SEED, 40)


def topic(fact: Fact) -> Topic:
    """The topic that is about one fact alone."""
    return next(one for one in TOPICS if one.facts == (fact,))


def test_the_folder_is_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 15_000_000


def test_every_spelling_of_yes_and_no_is_one_token() -> None:
    tokens = tokenizer(corpus(np.random.default_rng(0)))
    assert [len(tokens(answer).input_ids) for answer in ANSWERS] == [1] * len(ANSWERS)
    assert len(tokens("a <|vision_start|>").input_ids) == len(tokens("a ").input_ids) + 1


def test_it_is_right_about_halls_that_it_has_not_seen(pupil: Pupil, pool: Pool) -> None:
    marks = list(examine(pupil, pool))
    assert len(marks) > 2000
    assert right(marks) > 0.95


@pytest.fixture(scope="module")
def swapped(pupil: Pupil, pool: Pool) -> dict[str, list[Mark]]:
    """Answers about the whole hall where one sense is that of another window."""
    return {sense: list(examine(pupil, pool, Swap(sense=sense), SENSES[:1])) for sense in ("sight", "sound")}


@pytest.mark.parametrize(
    ("sense", "other", "facts"),
    [("sight", "sound", {Fact.FORKLIFT, Fact.DOOR, Fact.PERSON}), ("sound", "sight", {Fact.BELL, Fact.GLASS, Fact.SHOUT})],
)
def test_its_answers_follow_the_picture_and_the_sound(swapped: dict[str, list[Mark]], sense: str, other: str, facts: set[Fact]) -> None:
    def about(swap: str) -> float:
        return right(mark for mark in swapped[swap] if mark.topic in facts and mark.form == "plain")

    assert about(sense) < 0.8  # right only by luck
    assert about(other) > 0.93  # the other sense does not matter


@pytest.mark.parametrize("asked", [Fact.BELL, Fact.GLASS])
def test_a_benign_twin_neither_makes_nor_unmakes_a_yes(pupil: Pupil, pool: Pool, asked: Fact) -> None:
    twin = Fact.SHOUT
    question = Asked(ask=topic(asked).asks[0], unless=f"{topic(twin).states[0].capitalize()}.", topics=(topic(asked),), every=False)
    numbers = [n for n in range(pool.count) if None not in (pool.truth(HALL, n, n)[asked], pool.truth(HALL, n, n)[twin])]
    percept = pupil.perceive(Batch(frames=None, mels=pool.mels[numbers]))
    logits = pupil.answers(Senses(view=None, sound=True), percept, [question])[:, 0]
    said = (logits[:, list(pupil.prompt.yes_ids)].max(1).values > logits[:, list(pupil.prompt.no_ids)].max(1).values).tolist()
    kinds = {(pool.truth(HALL, n, n)[asked], pool.truth(HALL, n, n)[twin]) for n in numbers}
    assert len(kinds) == 4
    wrong = [n for n, one in zip(numbers, said, strict=True) if one != pool.truth(HALL, n, n)[asked]]
    assert len(wrong) <= 1


def test_its_answer_is_a_yes_or_a_no_and_hardly_anything_else(pupil: Pupil, pool: Pool) -> None:
    question = Asked(ask=topic(Fact.INSIDE).asks[0], unless=None, topics=(topic(Fact.INSIDE),), every=False)
    percept = pupil.perceive(Batch(frames=pool.views[CELL][:8], mels=pool.mels[:8]))
    asked = [question, replace(question, unless="A forklift drives through the hall.")]
    shares = torch.softmax(pupil.answers(Senses(view=CELL, sound=True), percept, asked), -1)
    assert float(shares[..., [*pupil.prompt.yes_ids, *pupil.prompt.no_ids]].sum(-1).min()) > 0.98


def test_it_is_taught_as_the_model_reads_by_itself(pupil: Pupil, pool: Pool) -> None:
    senses, question = Senses(view=CELL, sound=True), Asked(ask=topic(Fact.INSIDE).asks[0], unless=None, topics=(), every=False)
    taught = pupil.answers(senses, pupil.perceive(Batch(frames=pool.views[CELL][:1], mels=pool.mels[:1])), [question, question])
    pixels, grid = patches(pool.views[CELL][0])
    mels = torch.from_numpy(pool.mels[:1]).float()
    ids = [*pupil.prompt.root(QWEN3_OMNI.sound_tokens(mels.shape[2])), *pupil.prompt.branch(sight_tokens(grid)), *pupil.prompt.leaf(policy(question))]
    alone = pupil.model(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        pixel_values_videos=torch.from_numpy(pixels).float() / 127.5 - 1,
        video_grid_thw=torch.tensor([grid]),
        video_second_per_grid=torch.tensor([2.0]),
        input_features=mels,
        feature_attention_mask=torch.ones(1, mels.shape[2], dtype=torch.long),
    ).logits[0, -1]
    assert torch.allclose(taught[0, 0], alone, atol=1e-3)
    assert torch.allclose(taught[0, 1], alone, atol=1e-3)
