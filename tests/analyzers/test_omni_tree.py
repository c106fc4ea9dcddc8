"""One forward for a tree of policies, against the model asked about each policy alone, with the model's own positions and attention."""

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from analyzers.omni.media import Grid, mel, patches, sight_tokens, sound_tokens  # noqa: E402
from analyzers.omni.prompt import Prompt  # noqa: E402
from analyzers.omni.sight import Seen, features, quicken  # noqa: E402
from analyzers.omni.tree import ATTENTION, Branch, Media, Row, heard, lay_out, run  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.scene import policy  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

pytestmark = pytest.mark.model

QUESTIONS = ("Is there a person?", "Does glass break?", "Is the door open, or smoke seen?", "Fire?", "Is somebody shouting while a bell rings?")
SIDES = ((32, 32), (64, 96), (96, 64), (32, 128))


Sight = tuple[np.ndarray, Grid]
"""Patches and grid of a view."""


class Case:
    """Windows with their views and questions, and both ways of asking."""

    def __init__(self, prompt: Prompt, rng: np.random.Generator) -> None:
        """Nothing yet."""
        self.prompt, self.rng = prompt, rng
        self.rows: list[Row] = []
        self.sights: list[Sight] = []
        self.sounds: list[np.ndarray] = []
        self.alone: list[tuple[tuple[int, ...], Sight | None, np.ndarray | None, float]] = []

    def add(self, *, views: list[int], pairs: int, seconds: float, questions: list[int], pair_s: float = 1.0) -> None:
        """A window of `views` (sides by number; none: no picture) with so much sound; every view is asked all `questions`."""
        sound = mel((self.rng.standard_normal(int(seconds * 16_000)) * 0.1).astype(np.float32), tiny.extractor()) if seconds else None
        heard = sound_tokens(sound.shape[1]) if sound is not None else 0
        root = self.prompt.root(heard)
        leaves = tuple(self.prompt.leaf(policy(f"{QUESTIONS[number % len(QUESTIONS)]} {number}")) for number in questions)
        branches = []
        for sides in [SIDES[view] for view in views] or [None]:
            sight = patches(self.rng.integers(0, 255, (2 * pairs, *sides, 3), dtype=np.uint8)) if sides else None
            tokens = self.prompt.branch(sight_tokens(sight[1])) if sight else ()
            branches.append(Branch(tokens=tokens, grid=sight[1] if sight else None, leaves=leaves))
            self.sights += [sight] if sight else []
            self.alone += [(root + tokens + leaf, sight, sound, pair_s) for leaf in leaves]
        self.sounds += [] if sound is None else [sound]
        self.rows.append(lay_out(root, branches, pair_s * 13))

    def together(self, model: "Qwen3OmniMoeThinkerForConditionalGeneration") -> "Tensor":
        """One forward for all."""
        model.set_attn_implementation({"text_config": ATTENTION})
        tower = deepcopy(model.model.visual)
        quicken(tower)
        seen = tuple(_whole(features(tower, np.split(values, grid[0]), (grid[1] * 16, grid[2] * 16))) for values, grid in self.sights)
        return run(model, self.rows, Media(sights=seen, sounds=tuple(self.sounds)))

    def each(self, model: "Qwen3OmniMoeThinkerForConditionalGeneration") -> "Tensor":
        """A forward a question, in which the model makes of patches what it wants."""
        model.set_attn_implementation({"text_config": "sdpa"})
        return torch.stack(list(self._each(model)))

    def _each(self, model: "Qwen3OmniMoeThinkerForConditionalGeneration") -> "Iterator[Tensor]":
        for ids, sight, sound, pair_s in self.alone:
            tensor = torch.tensor([ids])
            media = {} if sound is None else heard(Media(sights=(), sounds=(sound,)), model)
            if sight:
                values = torch.from_numpy(sight[0]).to(model.dtype) / 127.5 - 1.0
                media |= {"pixel_values_videos": values, "video_grid_thw": torch.tensor([sight[1]]), "video_second_per_grid": torch.tensor([pair_s])}
            with torch.inference_mode():
                said = model.model(input_ids=tensor, attention_mask=torch.ones_like(tensor), use_cache=False, **media)
            yield said.last_hidden_state[0, -1]


def _whole(seen: list[Seen]) -> Seen:
    deep = zip(*(each.deep for each in seen), strict=True)
    return Seen(pooled=torch.cat([each.pooled for each in seen]), deep=tuple(torch.cat(layer) for layer in deep))


@pytest.fixture(scope="module")
def exact() -> "Qwen3OmniMoeThinkerForConditionalGeneration":
    model = tiny.thinker(tiny.tokenizer()).double()
    model.set_experts_implementation("eager")  # grouped_mm knows no float64
    return model


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return Prompt(tiny.tokenizer())


window = st.fixed_dictionaries(
    {
        "views": st.lists(st.integers(0, len(SIDES) - 1), max_size=3),
        "pairs": st.integers(1, 2),
        "seconds": st.sampled_from([0.0, 1.0, 2.5, 4.0]),
        "questions": st.lists(st.integers(0, 99), min_size=1, max_size=32),
        "pair_s": st.sampled_from([0.5, 1.0, 2.0]),
    }
).filter(lambda one: one["views"] or one["seconds"])


@settings(max_examples=20, deadline=None)
@given(windows=st.lists(window, min_size=1, max_size=2), seed=st.integers(0, 2**32 - 1))
def test_one_forward_says_what_a_forward_a_policy_says(
    windows: list[dict], seed: int, exact: "Qwen3OmniMoeThinkerForConditionalGeneration", prompt: Prompt
) -> None:
    case = Case(prompt, np.random.default_rng(seed))
    for one in windows:
        case.add(**one)
    assert (case.together(exact) - case.each(exact)).abs().max() < 1e-12


@pytest.mark.parametrize("experts", [8, 128])
def test_in_float32_they_differ_by_rounding_only(experts: int, prompt: Prompt) -> None:
    model = tiny.thinker(tiny.tokenizer(), experts=experts)
    case = Case(prompt, np.random.default_rng(3))
    case.add(views=[1, 2], pairs=2, seconds=3.3, questions=[0, 1, 2])
    case.add(views=[], pairs=0, seconds=7.9, questions=[1, 4])
    case.add(views=[0, 1, 3], pairs=1, seconds=0.0, questions=[0, 2, 3, 4])
    assert (case.together(model) - case.each(model)).abs().max() < 1e-5


def test_a_token_sees_nothing_but_its_ancestors_and_what_stands_before_it_in_its_own_segment() -> None:
    row = lay_out(
        [7, 7, 7],
        [
            Branch(tokens=(1, 2, 3), grid=(1, 2, 2), leaves=((4, 4), (5, 5, 5))),
            Branch(tokens=(1, 2, 3), grid=(1, 2, 2), leaves=((6,),)),
            Branch(tokens=(), grid=None, leaves=((8, 8),)),
        ],
        13.0,
    )
    seen = np.zeros((len(row.ids), len(row.ids)), bool)
    for cut in row.cuts:
        keys = np.concatenate([np.arange(run.start, run.stop) for run in cut.keys])
        queries = np.arange(cut.queries.start, cut.queries.stop)
        mask = np.tri(len(queries), len(keys), dtype=bool) if cut.mask is None else cut.mask
        seen[np.ix_(queries, keys)] |= mask
    segments = [0] * 3 + [1] * 3 + [2] * 2 + [3] * 3 + [4] * 3 + [5] * 1 + [6] * 2
    ancestors = {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 1, 3}, 4: {0, 4}, 5: {0, 4, 5}, 6: {0, 6}}
    expected = [[key <= query and segments[key] in ancestors[segments[query]] for key in range(len(segments))] for query in range(len(segments))]
    assert seen.tolist() == expected
    assert row.ends == (7, 10, 14, 16)
