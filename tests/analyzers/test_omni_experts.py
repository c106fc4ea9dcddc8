"""Experts in slices, as a GPU takes them, against experts one by one. The same code runs on a CPU, so that it can be compared without a card."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from analyzers.interview import JudgeSettings, Quantization  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.folder import read  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.packed import FUSED, PackedExperts, slice_experts  # noqa: E402
from analyzers.omni.packing import PACKINGS, Packing  # noqa: E402
from analyzers.omni.scratch import Slice, slices  # noqa: E402
from analyzers.omni.weights import load  # noqa: E402
from analyzers.omni.work import EXPERTS_AT_ONCE, Occasion, scratch_bytes, work_bytes  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.husk import PUBLISHED  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

pytestmark = pytest.mark.model

EXPERTS, CHOSEN = 16, 8
NOWHERE = EXPERTS
WAYS = [Quantization.NF4, Quantization.NF4_DOUBLE, Quantization.INT8]


def packed(packing: Packing, dtype: torch.dtype = torch.float32) -> PackedExperts:
    fused = tiny.thinker(tiny.tokenizer(), experts=EXPERTS).model.language_model.layers[0].mlp.experts
    made = PackedExperts(fused, packing, dtype)
    for name in FUSED:
        tiny.fill(made, name, list(getattr(fused, name).detach()))
    return made


def routed(tokens: int, *, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    index = torch.stack([torch.randperm(EXPERTS)[:CHOSEN] for _ in range(tokens)])
    return torch.randn(tokens, tiny.HIDDEN).to(dtype), index, functional.softmax(torch.randn(tokens, CHOSEN), -1).to(dtype)


def both(experts: PackedExperts, routing: tuple[torch.Tensor, ...], most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One by one, and in slices of at most so many."""
    experts.scratch = None
    one_by_one = experts(*routing)
    slice_experts(experts, most)
    return one_by_one, experts(*routing)


@pytest.mark.parametrize(
    ("counts", "most", "expected"),
    [
        ([1, 1, 2, 1], 2, [((0, 1), (1, 2)), ((2, 3), (2, 3))]),
        ([0, 3, 0, 0, 2, 5], 8, [((1, 4, 5), (3, 5, 10))]),
        ([0, 0, 7], 1, [((2,), (7,))]),
        ([0, 0], 4, []),
    ],
    ids=["a prefill hits every expert", "a step hits few", "all tokens go to one", "none goes anywhere"],
)
def test_slices_hold_the_experts_that_are_hit(counts: list[int], most: int, expected: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    assert [(each.experts, each.ends) for each in slices(counts, most)] == expected


def test_experts_side_by_side_are_unpacked_at_one_stroke() -> None:
    assert list(Slice(experts=(0, 1, 2, 3), ends=(1, 2, 3, 4)).runs()) == [(0, slice(0, 4))]
    assert list(Slice(experts=(1, 4, 5, 9), ends=(1, 2, 3, 4)).runs()) == [(0, slice(1, 2)), (1, slice(4, 6)), (3, slice(9, 10))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("quantization", WAYS)
def test_what_an_expert_makes_in_a_slice_is_the_same_bit_for_bit(quantization: Quantization, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    experts = packed(PACKINGS[quantization], dtype)
    hidden, index, _ = routed(50, dtype=dtype)
    index[3] = NOWHERE  # as transformers calls a token that no expert here is for
    for place in range(CHOSEN):  # all weight on one expert: then nothing is added up, and nothing rounded
        weights = functional.one_hot(torch.full((50,), place), CHOSEN).to(dtype)
        for most in (1, 3, EXPERTS):
            one_by_one, sliced = both(experts, (hidden, index, weights), most)
            assert torch.equal(one_by_one, sliced)
            assert not sliced[3].any()


@pytest.mark.parametrize("tokens", [1, 2, 300])
@pytest.mark.parametrize("quantization", WAYS)
def test_sums_over_experts_differ_by_their_order_alone(quantization: Quantization, tokens: int) -> None:
    torch.manual_seed(2)
    experts = packed(PACKINGS[quantization])
    hidden, index, weights = routed(tokens)
    alone = [both(experts, (hidden, index, functional.one_hot(torch.full((tokens,), place), CHOSEN).float()), 1)[0] for place in range(CHOSEN)]
    sizes = sum((made * weights[:, place, None]).abs() for place, made in enumerate(alone))
    # A product and at most seven sums round each term, by half a step, on either side.
    bound = CHOSEN * torch.finfo(torch.float32).eps * sizes
    for most in (1, 4, EXPERTS):
        one_by_one, sliced = both(experts, (hidden, index, weights), most)
        assert ((one_by_one - sliced).abs() <= bound).all()


def test_a_step_unpacks_the_experts_that_it_hits_and_a_prefill_each_once_and_never_more_than_a_slice() -> None:
    strokes: list[int] = []
    packing = PACKINGS[Quantization.NF4]

    def unpack(fields: Mapping[str, torch.Tensor], sides: tuple[int, int], dtype: torch.dtype, out: torch.Tensor | None) -> torch.Tensor:
        strokes.append(sides[0] * sides[1])
        return packing.unpack(fields, sides, dtype, out)

    experts = packed(replace(packing, unpack=unpack))
    scratch = slice_experts(experts, 4)
    assert scratch
    expert = sum(2 * tiny.HIDDEN * tiny.HIDDEN if name == "gate_up_proj" else tiny.HIDDEN * tiny.HIDDEN for name in FUSED)
    for tokens in (1, 500):
        strokes.clear()
        routing = routed(tokens)
        experts(*routing)
        assert sum(strokes) == len(routing[1].unique()) * expert
        assert max(strokes) <= scratch.bytes // 4
    assert len(strokes) == 2 * EXPERTS // 4, "a prefill takes each slice at one stroke"


def test_the_layers_share_one_scratch_that_is_as_large_as_the_plan_says(tiny_folder: Path) -> None:
    text = read(tiny_folder).thinker["text_config"]
    model = load(JudgeSettings(model=str(tiny_folder), device="cpu")).model
    scratch = slice_experts(model)
    assert scratch
    assert {each.scratch for each in model.modules() if isinstance(each, PackedExperts)} == {scratch}
    # The plan counts two bytes a number on a GPU, and this is a CPU with four.
    assert scratch.bytes == 2 * scratch_bytes(text, 2) == EXPERTS_AT_ONCE * 2 * text["moe_intermediate_size"] * text["hidden_size"] * 4
    assert slice_experts(load(JudgeSettings(model=str(tiny_folder), quantization=Quantization.NONE, device="cpu")).model) is None


def test_the_plan_of_a_card_counts_the_scratch() -> None:
    head = 16_384 * 2048 * 4
    assert work_bytes(PUBLISHED, 2, Occasion(windows=0)) == head + 50_331_648, "eight experts' gate and up in bfloat16"
    assert work_bytes(PUBLISHED, 4, Occasion(windows=0)) == 18_874_368, "a CPU has one expert at a time"


def test_a_model_answers_the_same_in_slices(tiny_folder: Path, make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    asked = (Question(window=scene.window(), view=scene.whole, policies=tuple(policy(f"Is it {number}?") for number in range(8))),)
    loaded = load(JudgeSettings(model=str(tiny_folder), device="cpu"))

    def answers() -> list[float]:
        return [each.log_odds or 0.0 for each in OmniJudge(loaded, {scene.sensor: scene.slots}).judge(asked)]

    one_by_one = answers()
    slice_experts(loaded.model)
    assert len(set(one_by_one)) == 8
    assert answers() == pytest.approx(one_by_one, abs=1e-5)
