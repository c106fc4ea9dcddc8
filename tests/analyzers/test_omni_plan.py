"""What a model will take, from its configuration and headers, against published figures and against the model itself."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.interview import Quantization
from analyzers.omni.family import QWEN2_5_OMNI
from analyzers.omni.folder import read
from analyzers.omni.parameters import Part, count
from analyzers.omni.plan import Machine, ModelError, Occasion, amount, plan, plan_of, window_tokens
from analyzers.omni.work import DESCRIPTION_TOKENS, MAX_TOKENS, TRANSCRIPT_TOKENS, cache_bytes
from tests.analyzers.husk import PUBLISHED, PUBLISHED_3B, PUBLISHED_7B, lay, sized

CARD = Machine(device="cuda", memory_bytes=80_000_000_000)
BOX = Machine(device="cpu", memory_bytes=64_000_000_000)


@pytest.mark.parametrize(("thinker", "parameters"), [(PUBLISHED, 31_719_205_488), (PUBLISHED_7B, 8_931_813_888), (PUBLISHED_3B, 4_703_464_448)])
def test_published_models_have_their_published_number_of_parameters(thinker: dict, parameters: int) -> None:
    assert plan_of(thinker, Quantization.NF4, CARD).parameters == parameters  # what MTEB lists for models of these shapes


@pytest.mark.parametrize(
    ("quantization", "machine", "gigabytes", "why"),
    [
        (Quantization.NONE, CARD, 63.4, "two bytes each"),
        (Quantization.NF4, CARD, 20.5, "18.8 with the towers in four bits too; they stay in bfloat16"),
        (Quantization.INT8, CARD, 33.6, "a byte each, and a scale a row"),
        (Quantization.NONE, BOX, 126.9, "a CPU computes in float32"),
        (Quantization.NF4, BOX, 24.1, "so do the towers, embeddings and head"),
        (Quantization.NF4_DOUBLE, CARD, 19.1, "a byte for each 64 weights instead of four"),
    ],
)
def test_the_published_models_weights_take_what_was_measured(quantization: Quantization, machine: Machine, gigabytes: float, why: str) -> None:
    assert plan_of(PUBLISHED, quantization, machine).weight_bytes / 1e9 == pytest.approx(gigabytes, rel=0.01), why


@pytest.mark.parametrize(
    ("thinker", "quantization", "gigabytes", "why"),
    [
        (PUBLISHED_7B, Quantization.NONE, 17.86, "two bytes each, as the files of a thinker alone say of themselves"),
        (PUBLISHED_7B, Quantization.NF4, 8.48, "6.5 billion in 4.5 bits, the towers, embeddings and head in 16"),
        (PUBLISHED_3B, Quantization.NF4, 5.42, "2.8 billion in 4.5 bits, and as much again of the rest as in the 7B"),
    ],
)
def test_a_model_without_experts_is_planned_by_its_layers(thinker: dict, quantization: Quantization, gigabytes: float, why: str) -> None:
    planned = plan_of(thinker, quantization, CARD)
    assert planned.weight_bytes / 1e9 == pytest.approx(gigabytes, rel=0.002), why
    assert planned.part_bytes[Part.EXPERTS] == 0
    assert "experts" not in str(planned)


def test_with_the_towers_in_four_bits_it_would_be_the_figure_that_others_give() -> None:
    planned = plan_of(PUBLISHED, Quantization.NF4, CARD)
    towers = planned.part_bytes[Part.SIGHT] + planned.part_bytes[Part.SOUND]
    assert (planned.weight_bytes - towers * (1 - 0.5625 / 2)) / 1e9 == pytest.approx(18.8, rel=0.01)


def test_a_folder_is_planned_from_its_headers(tmp_path: Path) -> None:
    planned = plan(lay(tmp_path / "model"), Quantization.NF4, CARD)
    assert planned.fits
    assert str(planned).startswith("31.72 billion parameters, nf4, experts too, on cuda: 20.5 GB of weights, about 2")


def test_files_that_do_not_belong_to_the_configuration_are_found(tmp_path: Path) -> None:
    folder = lay(tmp_path / "model", sized(4))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_omni_moe", "thinker_config": sized(8)}))
    with pytest.raises(ModelError, match=r"parameters of experts.*download the folder again"):
        plan(folder, Quantization.NF4, CARD)


def test_a_model_that_is_too_big_says_what_would_fit(tmp_path: Path) -> None:
    folder = lay(tmp_path / "model")
    with pytest.raises(ModelError, match="with `quantization: nf4` it takes 2"):
        plan(folder, Quantization.NONE, Machine(device="cuda", memory_bytes=25_000_000_000))
    with pytest.raises(ModelError, match="with `quantization: nf4-double` it takes 22"):
        plan(folder, Quantization.NF4, Machine(device="cuda", memory_bytes=23_500_000_000))
    with pytest.raises(ModelError, match="it needs a GPU with 23 GB, or a smaller model"):
        plan(folder, Quantization.NF4, Machine(device="cuda", memory_bytes=12_000_000_000))


def spoil_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "model.safetensors"}}))


def climb(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../other/model.safetensors"}}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is not what its name says"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "qwen2_5_omni"}'), "has no thinker_config"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "qwen3_omni_moe"}'), "has no thinker_config"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "qwen3_omni_moe_thinker"}'), "describe a qwen3_omni_moe_thinker"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"a": '), "tokenizer.json cannot be read"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "has no feature extractor"),
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks 1 of 1 files"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "no safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 100), "no safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes((4).to_bytes(8, "little") + b"[{}]"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes((50).to_bytes(8, "little") + b'{"a": '), "cannot be read"),
        (spoil_index, r"lacks 1 of 2 files of weights \(one.safetensors"),
        (climb, "names files outside the folder"),
    ],
)
def test_a_folder_that_is_not_whole_says_what_is_wrong(tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
    folder = lay(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelError, match=says):
        plan(folder, Quantization.NF4, CARD)


def test_half_a_download_is_found_by_its_size(tmp_path: Path) -> None:
    folder = lay(tmp_path / "model")
    header = b'{"a": {"dtype": "BF16", "shape": [100], "data_offsets": [0, 200]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
    with pytest.raises(ModelError, match=f"has {8 + len(header) + 100} of its {8 + len(header) + 200} bytes"):
        read(folder)


@pytest.mark.parametrize(
    "written",
    [
        {"model_type": "gemma4", "architectures": ["Gemma4ForConditionalGeneration"]},
        {"model_type": "NemotronH_Nano_Omni_Reasoning_V3"},
        {"model_type": "qwen3_vl_moe"},
        {"model_type": "qwen2_5_vl"},
        {"architectures": ["LlamaForCausalLM"]},
    ],
)
def test_a_model_that_cannot_judge_is_told_from_those_that_can(tmp_path: Path, written: dict) -> None:
    folder = lay(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps(written))
    kind = f"model of type '{written['model_type']}'" if "model_type" in written else "names no `model_type`"
    with pytest.raises(ModelError, match=rf"{kind}, which cannot judge here; Qwen3-Omni and Qwen2.5-Omni models can: take Qwen3-Omni-30B-A3B-Inst"):
        read(folder)


def test_a_checkpoint_that_others_have_quantized_is_told_before_it_is_read(tmp_path: Path) -> None:
    folder = lay(tmp_path / "Qwen2.5-Omni-7B-AWQ", PUBLISHED_7B)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq", "bits": 4}}))
    with pytest.raises(ModelError, match=r"has been quantized by others \(awq\).*in 16 bits, and name a `quantization`"):
        read(folder)


def test_a_captioner_is_refused_with_the_reason_and_a_thinking_model_is_known(tmp_path: Path) -> None:
    thinking = tmp_path / "models--Qwen--Qwen3-Omni-30B-A3B-Thinking" / "snapshots" / "0123abcd"
    thinking.parent.mkdir(parents=True)
    assert read(lay(thinking)).thinks
    assert not read(lay(tmp_path / "Qwen3-Omni-30B-A3B-Instruct")).thinks
    with pytest.raises(ModelError, match=r"is a Captioner model: .*takes no question.*Instruct"):
        read(lay(tmp_path / "Qwen3-Omni-30B-A3B-Captioner"))


def test_a_model_called_instruct_in_a_folder_called_thinking_does_not_think(tmp_path: Path) -> None:
    (tmp_path / "thinking").mkdir()
    assert not read(lay(tmp_path / "thinking" / "Qwen3-Omni-30B-A3B-Instruct")).thinks


def test_the_digest_changes_with_a_weight_and_with_the_tokenizer(tmp_path: Path) -> None:
    folder = lay(tmp_path / "model")
    header = b'{"a": {"dtype": "U8", "shape": [5000000], "data_offsets": [0, 5000000]}}'
    weights = bytearray(len(header).to_bytes(8, "little") + header + bytes(5_000_000))
    (folder / "model.safetensors").write_bytes(weights)
    before = read(folder).digest()
    assert read(folder).digest() == before
    weights[2_000_000] = 1
    (folder / "model.safetensors").write_bytes(weights)
    after = read(folder).digest()
    (folder / "tokenizer.json").write_text('{"other": 1}')
    assert len({before, after, read(folder).digest()}) == 3


def test_tokens_of_a_window_are_those_that_the_official_processor_makes() -> None:
    assert window_tokens(360 // 32 * 32, 640, 4, None) == 880
    assert window_tokens(320, 576, 4, 4.0) == 720 + 52
    assert window_tokens(0, 0, 0, 10.0) == 130
    assert window_tokens(0, 0, 0, 0.5) == 7
    assert window_tokens(0, 0, 0, None) == 0
    assert window_tokens(320, 576, 4, 4.0, family=QWEN2_5_OMNI) == 4 * 11 * 21 + 100, "frames of 588x308, and 25 tokens a second"
    assert window_tokens(0, 0, 0, 0.5, family=QWEN2_5_OMNI) == 12


@pytest.mark.model
@pytest.mark.parametrize("folder", ["tiny_folder", "tiny25_folder"])
def test_a_configuration_and_the_files_that_a_model_writes_give_the_same_figures(folder: str, request: pytest.FixtureRequest) -> None:
    found = read(request.getfixturevalue(folder))
    by_name = count((name, stored.shape) for name, stored in found.tensors.items())
    by_configuration = found.family.sizes(found.thinker)
    assert {part: size.parameters for part, size in by_name.items()} == {part: size.parameters for part, size in by_configuration.items()}
    assert by_name[Part.EXPERTS].rows == by_configuration[Part.EXPERTS].rows
    assert (found.path / "model.safetensors").stat().st_size >= 4 * sum(size.parameters for size in by_name.values())


def test_a_batch_is_filled_with_as_many_windows_as_go_together() -> None:
    small, large = Occasion(pairs=4, sound_s=8.0, policies=4), Occasion(pairs=60, sound_s=120.0)
    assert small.batched().windows * small.tokens == pytest.approx(MAX_TOKENS)
    assert large.batched() == large, "what is larger goes alone"
    alone, batch = (plan_of(PUBLISHED, Quantization.NF4, CARD, each).work_bytes for each in (small, small.batched()))
    assert alone < batch < alone * small.batched().windows


def test_a_window_that_is_described_keeps_its_keys_and_values_beside_the_batch() -> None:
    usual = Occasion().batched()
    alone, described = (plan_of(PUBLISHED, Quantization.NF4, CARD, each).work_bytes for each in (usual, replace(usual, described=True)))
    tokens = usual.tokens - 16 * 64 + 256
    assert described - alone == tokens * 48 * 2 * 4 * 128 * 2, "48 layers, 4 heads of 128 keys and values, 16 bits each"


def test_a_transcript_takes_no_more_than_the_description_before_it_had() -> None:
    ear = Occasion(pairs=0, policies=1)
    assert cache_bytes(PUBLISHED, 2, ear) == (40 + 208 + 256) * 48 * 2 * 4 * 128 * 2, "16 s of sound are 208 tokens"
    assert TRANSCRIPT_TOKENS <= DESCRIPTION_TOKENS, "it is read behind the same sound, without the picture"


def test_what_is_advised_of_a_captioner_is_enough_for_a_captioner(tmp_path: Path) -> None:
    folder = lay(tmp_path / "Qwen3-Omni-30B-A3B-Captioner")
    packed = plan(folder, Quantization.NF4, Machine(device="cuda", memory_bytes=80_000_000_000), captions=True)
    machine = Machine(device="cuda", memory_bytes=packed.need_bytes)
    with pytest.raises(ModelError, match=f"with `quantization: nf4` it takes {amount(packed.peak_bytes)}"):
        plan(folder, Quantization.NONE, machine, captions=True)
