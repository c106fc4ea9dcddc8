"""One forward for a tree of policies, against the model asked about each policy alone, with the model's own positions and attention."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from analyzers.omni.media import Grid, mel, patches, sight_tokens  # noqa: E402
from analyzers.omni.prompt import Prompt  # noqa: E402
from analyzers.omni.tower import Seen, features, quicken  # noqa: E402
from analyzers.omni.tree import ATTENTION, Branch, Media, Row, heard, lay_out, run  # noqa: E402
from tests.analyzers import tiny, tiny25  # noqa: E402
from tests.analyzers.scene import policy  # noqa: E402

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor
    from transformers import PreTrainedModel

pytestmark = pytest.mark.model

QUESTIONS = ("Is there a person?", "Does glass break?", "Is the door open, or smoke seen?", "Fire?", "Is somebody shouting while a bell rings?")
SIDES = ((1, 1), (2, 3), (3, 2), (1, 4))
"""In tokens."""
UNITS = {"Qwen3-Omni": 13, "Qwen2.5-Omni": 25}
"""Positions a second."""


Sight = tuple[np.ndarray, Grid]
"""Patches and grid of a view."""


@cache
def prompt(model: "ModuleType") -> Prompt:
    return Prompt(model.tokenizer(), model.FAMILY.marks)


class Case:
    """Windows with their views and questions, and both ways of asking."""

    def __init__(self, model: "ModuleType", rng: np.random.Generator) -> None:
        """Nothing yet. `model`: of which family."""
        self.family, self.prompt, self.rng = model.FAMILY, prompt(model), rng
        self.rows: list[Row] = []
        self.sights: list[Sight] = []
        self.sounds: list[np.ndarray] = []
        self.alone: list[tuple[tuple[int, ...], Sight | None, np.ndarray | None, float]] = []

    def add(self, *, views: list[int], pairs: int, seconds: float, questions: list[int], pair_s: float = 1.0) -> None:
        """A window of `views` (sides by number; none: no picture) with so much sound; every view is asked all `questions`."""
        sound = mel((self.rng.standard_normal(int(seconds * 16_000)) * 0.1).astype(np.float32), tiny.extractor(), self.family) if seconds else None
        heard = self.family.sound_tokens(sound.shape[1]) if sound is not None else 0
        root = self.prompt.root(heard)
        leaves = tuple(self.prompt.leaf(policy(f"{QUESTIONS[number % len(QUESTIONS)]} {number}")) for number in questions)
        branches = []
        for sides in [tuple(self.family.side * side for side in SIDES[view]) for view in views] or [None]:
            sight = patches(self.rng.integers(0, 255, (2 * pairs, *sides, 3), dtype=np.uint8), self.family) if sides else None
            tokens = self.prompt.branch(sight_tokens(sight[1])) if sight else ()
            branches.append(Branch(tokens=tokens, grid=sight[1] if sight else None, leaves=leaves))
            self.sights += [sight] if sight else []
            self.alone += [(root + tokens + leaf, sight, sound, pair_s) for leaf in leaves]
        self.sounds += [] if sound is None else [sound]
        self.rows.append(lay_out(root, branches, pair_s * UNITS[self.family.name]))

    def together(self, model: "PreTrainedModel") -> "Tensor":
        """One forward for all."""
        model.set_attn_implementation({"text_config": ATTENTION})
        tower = deepcopy(model.model.visual)
        quicken(tower, self.family)
        seen = tuple(_whole(features(tower, np.split(values, grid[0]), grid[1:], self.family)) for values, grid in self.sights)
        return run(model, self.rows, Media(sights=seen, sounds=tuple(self.sounds)))

    def each(self, model: "PreTrainedModel") -> "Tensor":
        """A forward a question, in which the model makes of patches what it wants."""
        model.set_attn_implementation({"text_config": "sdpa"})
        return torch.stack(list(self._each(model)))

    def _each(self, model: "PreTrainedModel") -> "Iterator[Tensor]":
        for ids, sight, sound, pair_s in self.alone:
            tensor = torch.tensor([ids])
            media = {} if sound is None else heard(Media(sights=(), sounds=(sound,)), model)
            if sight:
                values = self._scaled(sight[0]).to(model.dtype)
                media |= {"pixel_values_videos": values, "video_grid_thw": torch.tensor([sight[1]]), "video_second_per_grid": torch.tensor([pair_s])}
            with torch.inference_mode():
                said = model.model(input_ids=tensor, attention_mask=torch.ones_like(tensor), use_cache=False, **media)
            yield said.last_hidden_state[0, -1]


    def _scaled(self, values: np.ndarray) -> "Tensor":
        """As the makers' processor scales them, longhand."""
        colours = values.astype(np.float64).reshape(len(values), 3, -1)
        for place, (mean, deviation) in enumerate(zip(self.family.mean, self.family.deviation, strict=True)):
            colours[:, place] = (colours[:, place] - mean) / deviation
        return torch.from_numpy(colours.reshape(len(values), -1))


def _whole(seen: list[Seen]) -> Seen:
    deep = zip(*(each.deep for each in seen), strict=True)
    return Seen(pooled=torch.cat([each.pooled for each in seen]), deep=tuple(torch.cat(layer) for layer in deep))


@cache
def exact(model: "ModuleType") -> "PreTrainedModel":
    """The model in float64."""
    made = model.thinker(model.tokenizer()).double()
    made.set_experts_implementation("eager")  # grouped_mm knows no float64
    return made


window = st.fixed_dictionaries(
    {
        "views": st.lists(st.integers(0, len(SIDES) - 1), max_size=3),
        "pairs": st.integers(1, 2),
        "seconds": st.sampled_from([0.0, 1.0, 2.5, 4.0]),
        "questions": st.lists(st.integers(0, 99), min_size=1, max_size=32),
        "pair_s": st.sampled_from([1.0, 2.0]),  # a pair lasts no other time, and Qwen2.5-Omni would round positions down
    }
).filter(lambda one: one["views"] or one["seconds"])


@pytest.mark.parametrize("model", [tiny, tiny25], ids=["qwen3", "qwen2.5"])
@settings(max_examples=20, deadline=None)
@given(windows=st.lists(window, min_size=1, max_size=2), seed=st.integers(0, 2**32 - 1))
def test_one_forward_says_what_a_forward_a_policy_says(windows: list[dict], seed: int, model: "ModuleType") -> None:
    case = Case(model, np.random.default_rng(seed))
    for one in windows:
        case.add(**one)
    assert (case.together(exact(model)) - case.each(exact(model))).abs().max() < 1e-12


@pytest.mark.parametrize(("model", "sized"), [(tiny, {"experts": 8}), (tiny, {"experts": 128}), (tiny25, {})], ids=["8", "128", "qwen2.5"])
def test_in_float32_they_differ_by_rounding_only(model: "ModuleType", sized: dict[str, int]) -> None:
    thinker = model.thinker(model.tokenizer(), **sized)
    case = Case(model, np.random.default_rng(3))
    case.add(views=[1, 2], pairs=2, seconds=3.3, questions=[0, 1, 2])
    case.add(views=[], pairs=0, seconds=7.9, questions=[1, 4])
    case.add(views=[0, 1, 3], pairs=1, seconds=0.0, questions=[0, 2, 3, 4])
    assert (case.together(thinker) - case.each(thinker)).abs().max() < 1e-5


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
