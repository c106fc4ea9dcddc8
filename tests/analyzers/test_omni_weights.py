"""Loading: what is asked for is what is held, by bytes; and what is held answers as the full precision does, nearly."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch.nn import functional  # noqa: E402

from analyzers.interview import JudgeSettings, Quantization  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.folder import ModelError, read  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.packed import PackedExperts, PackedLinear  # noqa: E402
from analyzers.omni.packing import PACKINGS  # noqa: E402
from analyzers.omni.plan import Machine, plan_of  # noqa: E402
from analyzers.omni.weights import held_bytes, load, verify  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

BOX = Machine(device="cpu", memory_bytes=8_000_000_000)


def load_as(folder: Path, quantization: Quantization) -> "Loaded":
    return load(JudgeSettings(model=str(folder), quantization=quantization, device="cpu"))


DTYPES = [(Quantization.NF4, torch.uint8), (Quantization.NF4_DOUBLE, torch.uint8), (Quantization.INT8, torch.int8)]


@pytest.mark.parametrize(("quantization", "dtype"), DTYPES)
def test_experts_are_quantized_as_well_as_attention_and_the_rest_is_not(tiny_folder: Path, quantization: Quantization, dtype: torch.dtype) -> None:
    model = load_as(tiny_folder, quantization).model
    types = {name: parameter.dtype for name, parameter in model.named_parameters()}
    packed = [name for name in types if name.endswith((".gate_up_proj", ".down_proj", "q_proj.weight", "o_proj.weight"))]
    text = [name for name in packed if "language_model" in name]
    assert len(text) == 2 * 4
    assert {types[name] for name in text} == {dtype}
    rest = {types[name] for name in types if name not in text and ("visual" in name or "audio_tower" in name or "gate.weight" in name)}
    assert rest | {types["lm_head.weight"], types["model.language_model.embed_tokens.weight"]} == {torch.float32}


@pytest.mark.parametrize("quantization", list(Quantization))
def test_the_bytes_of_every_part_are_those_of_the_plan(tiny_folder: Path, quantization: Quantization) -> None:
    found = load_as(tiny_folder, quantization)
    planned = plan_of(read(tiny_folder).thinker, quantization, BOX)
    # The scales' own scales are fewer by a hair in matrices that do not divide into groups of 256.
    assert held_bytes(found.model) == pytest.approx(planned.part_bytes, rel=0.005 if quantization is Quantization.NF4_DOUBLE else 0)
    assert found.weight_bytes == sum(held_bytes(found.model).values())


def test_a_model_that_is_not_what_was_asked_for_is_refused_with_the_figures(loaded: "Loaded", tiny_folder: Path) -> None:
    planned = plan_of(read(tiny_folder).thinker, Quantization.NF4, BOX)
    with pytest.raises(ModelError, match=r"was to be nf4, and its experts take 0\.8 MB, not 0\.1 MB"):
        verify(loaded.model, planned)


def test_bitsandbytes_alone_would_leave_the_experts_as_they_are(tiny_folder: Path) -> None:
    from transformers import BitsAndBytesConfig, Qwen3OmniMoeThinkerForConditionalGeneration  # noqa: PLC0415

    plain = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", llm_int8_skip_modules=["model.visual", "model.audio_tower", "lm_head"])
    model = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(tiny_folder, quantization_config=plain, local_files_only=True)
    # Where this fails, the plug-in has become unnecessary.
    with pytest.raises(ModelError, match="experts"):
        verify(model, plan_of(read(tiny_folder).thinker, Quantization.NF4, BOX))


WORST_WEIGHT = {Quantization.NF4: 0.155, Quantization.NF4_DOUBLE: 0.16, Quantization.INT8: 0.006}  # half of NF4's widest gap, and a little


@pytest.mark.parametrize("quantization", WORST_WEIGHT)
def test_packed_experts_do_what_the_fused_ones_do_with_the_unpacked_weights(quantization: Quantization) -> None:
    fused = tiny.thinker(tiny.tokenizer()).model.language_model.layers[0].mlp.experts
    packed = PackedExperts(fused, PACKINGS[quantization], torch.float32)
    for name in ("gate_up_proj", "down_proj"):
        tiny.fill(packed, name, list(getattr(fused, name).detach()))
        unpacked = torch.stack([packed.matrix(name, expert) for expert in range(8)])
        assert (unpacked - getattr(fused, name)).abs().max() < WORST_WEIGHT[quantization] * getattr(fused, name).abs().max()
        getattr(fused, name).data = unpacked
    hidden = torch.randn(40, tiny.HIDDEN)
    index = torch.stack([torch.randperm(8)[:2] for _ in range(40)])
    weights = functional.softmax(torch.randn(40, 2), dim=-1)
    assert torch.allclose(packed(hidden, index, weights), fused(hidden, index, weights), atol=1e-4)


@pytest.mark.parametrize("quantization", WORST_WEIGHT)
def test_a_packed_layer_is_the_product_with_its_unpacked_matrix(quantization: Quantization) -> None:
    linear, hidden = torch.nn.Linear(64, 192), torch.randn(50, 64)
    packed = PackedLinear(linear, PACKINGS[quantization], torch.float32)
    tiny.fill(packed, "weight", [linear.weight.detach()])
    matrix = packed.matrix("weight")
    assert (matrix - linear.weight).abs().max() < WORST_WEIGHT[quantization] * linear.weight.abs().max()
    assert torch.allclose(packed(hidden), hidden @ matrix.T + linear.bias, atol=1e-5)


def test_the_same_numbers_are_packed_the_same_in_sixteen_bits_and_in_thirty_two() -> None:
    exact = torch.randn(128, 192).to(torch.bfloat16)
    for packing in PACKINGS.values():
        half, full = packing.pack(exact), packing.pack(exact.float())
        assert all(torch.equal(half[field], full[field]) for field in full)


def test_a_matrix_that_cannot_be_packed_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"3x5 does not divide into blocks of 64; load this model with `quantization: int8`"):
        PackedLinear(torch.nn.Linear(5, 3), PACKINGS[Quantization.NF4], torch.float32)


# A random model's routing hangs on a hair, so four bits move it far; a trained one moves by hundredths.
WORST = {Quantization.NF4: 1.5, Quantization.NF4_DOUBLE: 1.5, Quantization.INT8: 0.1}


@pytest.mark.parametrize("quantization", WORST)
def test_a_quantized_model_answers_nearly_as_the_full_one(
    loaded: "Loaded", tiny_folder: Path, make_scene: Callable[..., Scene], quantization: Quantization
) -> None:
    scene = make_scene()
    asked = (Question(window=scene.window(), view=scene.whole, policies=tuple(policy(f"Is it {number}?") for number in range(8))),)
    found = [
        [each.log_odds or 0.0 for each in OmniJudge(one, {scene.sensor: scene.slots}).judge(asked)]
        for one in (loaded, load_as(tiny_folder, quantization))
    ]
    differences = [abs(full - quantized) for full, quantized in zip(*found, strict=True)]
    assert 0 < max(differences) < WORST[quantization]


def test_weights_that_are_missing_are_not_made_up(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    norm = weights.pop("model.norm.weight")
    weights["model.layers.1.other_norm.weight"] = norm  # the number of parameters is right
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights \(model.language_model.norm.weight"):
        load_as(folder, Quantization.NONE)


def test_a_graphics_card_that_is_not_there_is_told(tiny_folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ModelError, match=r"judge\.device is cuda"):
        load(JudgeSettings(model=str(tiny_folder), device="cuda"))


def test_a_full_checkpoint_gives_the_same_thinker(tiny_folder: Path, tmp_path: Path, loaded: "Loaded") -> None:
    import json  # noqa: PLC0415

    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    thinker = json.loads((folder / "config.json").read_text())
    whole = {"model_type": "qwen3_omni_moe", "thinker_config": thinker, "enable_audio_output": False}
    (folder / "config.json").write_text(json.dumps(whole))
    weights = {f"thinker.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights | {"talker.model.norm.weight": torch.ones(8)}, folder / "model.safetensors", metadata={"format": "pt"})
    found = load_as(folder, Quantization.NONE).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in loaded.model.state_dict().items())
