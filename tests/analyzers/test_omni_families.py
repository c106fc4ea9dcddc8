"""Each family against transformers' own classes and processor: patches, resizing, sound, positions, the tower, files, answers."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for operator in ("nms", "qnms"):
    # torchvision's wheel for CUDA declares these only where its library loads, which it does not beside a torch for CPUs.
    with suppress(RuntimeError):
        torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import _get_feat_extract_output_lengths  # noqa: E402

from analyzers.interview import JudgeSettings, Quantization  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.family import FAMILIES, QWEN2_5_OMNI, QWEN3_OMNI  # noqa: E402
from analyzers.omni.folder import read  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.media import mel, patches, sight_tokens  # noqa: E402
from analyzers.omni.plan import Machine, plan_of  # noqa: E402
from analyzers.omni.prompt import Prompt  # noqa: E402
from analyzers.omni.quantize import quantize  # noqa: E402
from analyzers.omni.sight import resized  # noqa: E402
from analyzers.omni.tower import features, quicken  # noqa: E402
from analyzers.omni.tree import Branch, lay_out  # noqa: E402
from analyzers.omni.weights import held_bytes, load  # noqa: E402
from tests.analyzers import tiny, tiny25  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

MODELS = pytest.mark.parametrize("model", [tiny, tiny25], ids=["qwen3", "qwen2.5"])


def frames(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def load_as(folder: Path, quantization: Quantization) -> "Loaded":
    return load(JudgeSettings(model=str(folder), quantization=quantization, device="cpu"))


def processor() -> Any:  # noqa: ANN401 - transformers has no types
    """Qwen2.5-Omni's own, with its published constants and the tiny model's tokenizer. It needs torchvision and Pillow, the product does not."""
    for needed in ("torchvision", "PIL"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; the official processor needs it")
    from transformers import Qwen2_5OmniProcessor, Qwen2VLVideoProcessor  # noqa: PLC0415
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: PLC0415

    return Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessorPil(),
        video_processor=Qwen2VLVideoProcessor(do_sample_frames=False, cap_pixels_per_frame=False),
        feature_extractor=tiny.extractor(),
        tokenizer=tiny25.tokenizer(),
        chat_template="",
    )


@pytest.mark.parametrize("sides", [(320, 576), (308, 588), (96, 64)], ids=["a sensor's", "whole tokens", "a small zone"])
def test_a_window_becomes_what_the_makers_processor_makes_of_it(sides: tuple[int, int]) -> None:
    official_processor, pictures = processor(), frames(8, *sides)
    sound = (np.random.default_rng(1).standard_normal(8 * 16_000) * 0.1).astype(np.float32)
    text = "<|audio_bos|><|AUDIO|><|audio_eos|><|vision_bos|><|VIDEO|><|vision_eos|>"
    size = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 768}
    official = official_processor(text=[text], videos=[pictures], audio=[sound], return_tensors="np", videos_kwargs={"fps": 1.0, "size": size})
    found, grid = patches(resized(pictures, *QWEN2_5_OMNI.fitted(*sides)), QWEN2_5_OMNI)
    assert tuple(official["video_grid_thw"][0]) == grid
    mean, deviation = (np.repeat(each, found.shape[1] // 3) for each in (QWEN2_5_OMNI.mean, QWEN2_5_OMNI.deviation))
    assert np.abs(official["pixel_values_videos"] - (found - mean) / deviation).max() < 1e-6
    heard = mel(sound, tiny.extractor(), QWEN2_5_OMNI)
    assert official["feature_attention_mask"][0].sum() == heard.shape[1]
    assert np.abs(official["input_features"][0][:, : heard.shape[1]] - heard).max() < 1e-6
    prompt = Prompt(tiny25.tokenizer(), QWEN2_5_OMNI.marks)
    sound_tokens = QWEN2_5_OMNI.sound_tokens(heard.shape[1])
    assert tuple(official["input_ids"][0]) == prompt.root(sound_tokens)[len(prompt.root(0)) :] + prompt.branch(sight_tokens(grid))


def test_sound_takes_as_many_tokens_as_the_tower_gives() -> None:
    lengths = np.arange(3, 1700)
    assert [QWEN2_5_OMNI.sound_tokens(int(length)) for length in lengths] == [int(_get_feat_extract_output_lengths(length)) for length in lengths]
    assert [QWEN2_5_OMNI.sound_tokens(few) for few in (0, 1, 2)] == [0, 0, 0]


def test_frames_of_whole_tokens_stay_what_they_are() -> None:
    pictures = frames(2, 64, 96)
    for family in FAMILIES:
        height, width = family.fitted(64, 96)
        assert (height % family.side, width % family.side) == (0, 0)
        assert resized(frames(2, height, width), height, width).shape == (2, height, width, 3)
    assert QWEN3_OMNI.fitted(64, 96) == (64, 96)
    assert resized(pictures, 64, 96) is pictures
    assert QWEN2_5_OMNI.fitted(1, 13) == (28, 28), "no picture is too small"


@MODELS
@pytest.mark.parametrize("pair_s", [1.0, 2.0])
@pytest.mark.parametrize("senses", ["both", "sight", "sound"])
def test_positions_are_those_that_the_model_itself_gives_to_a_question_alone(model: ModuleType, pair_s: float, senses: str) -> None:
    family, tokens = model.FAMILY, model.tokenizer()
    thinker, prompt, grid = model.thinker(tokens), Prompt(tokens, family.marks), (3, 4, 6)
    mel_frames = 0 if senses == "sight" else 700
    root = prompt.root(family.sound_tokens(mel_frames))
    sight = () if senses == "sound" else prompt.branch(sight_tokens(grid))
    leaf = prompt.leaf(policy("Is there a person?"))
    row = lay_out(root, [Branch(tokens=sight, grid=grid if sight else None, leaves=(leaf,))], pair_s * thinker.config.position_id_per_seconds)
    ids = torch.tensor([root + sight + leaf])
    theirs, _ = thinker.model.get_rope_index(
        ids,
        video_grid_thw=torch.tensor([grid]) if sight else torch.zeros((0, 3), dtype=torch.long),
        attention_mask=torch.ones_like(ids),
        audio_seqlens=torch.tensor([mel_frames]) if mel_frames else None,
        second_per_grids=torch.tensor([pair_s]),
    )
    assert np.array_equal(row.positions, theirs[:, 0].numpy())


def test_pairs_that_go_through_together_are_what_the_original_tower_makes_of_each_alone() -> None:
    original = tiny25.thinker(tiny25.tokenizer()).double().model.visual
    quick = deepcopy(original)
    quicken(quick, QWEN2_5_OMNI)
    read = [patches(frames(2, 140, 84, seed), QWEN2_5_OMNI)[0] for seed in range(3)]  # 5 x 3 tokens, so windows have four sizes
    together = features(quick, read, (10, 6), QWEN2_5_OMNI)
    for each, ours in zip(read, together, strict=True):
        (theirs,) = features(original, [each], (10, 6), QWEN2_5_OMNI)
        assert (ours.pooled - theirs.pooled).abs().max() < 1e-12
        assert ours.deep == ()


@pytest.mark.parametrize("quantization", list(Quantization))
def test_a_model_without_experts_is_held_in_the_bytes_of_its_plan(tiny25_folder: Path, quantization: Quantization) -> None:
    found = load_as(tiny25_folder, quantization)
    planned = plan_of(read(tiny25_folder).thinker, quantization, Machine(device="cpu", memory_bytes=8_000_000_000))
    assert held_bytes(found.model) == pytest.approx(planned.part_bytes, rel=0.005 if quantization is Quantization.NF4_DOUBLE else 0)


def published(folder: Path) -> Path:
    """Rewrite a thinker's folder as its makers lay a whole checkpoint out."""
    thinker = json.loads((folder / "config.json").read_text())
    text = thinker["text_config"]
    rope = text.pop("rope_parameters")
    text |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": {**rope, "type": "default"}}
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni", "thinker_config": thinker, "enable_audio_output": True}))
    weights = {f"thinker.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    others = {"talker.model.norm.weight": torch.ones(8), "token2wav.code2wav_dit_model.norm_out.linear.bias": torch.ones(8)}
    save_file(weights | others, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_whole_checkpoint_gives_the_same_thinker(tiny25_folder: Path, tmp_path: Path, loaded25: "Loaded") -> None:
    folder = published(Path(shutil.copytree(tiny25_folder, tmp_path / "model")))
    weights = load_file(folder / "model.safetensors")
    for name in ("thinker.model.layers.0.self_attn.q_proj.bias", "thinker.visual.blocks.0.attn.q.weight", "thinker.audio_tower.conv1.weight"):
        assert name in weights, "so they are called in the published files"
    found = load_as(folder, Quantization.NONE).model
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in loaded25.model.state_dict().items())
    assert found.config.text_config.rope_parameters["mrope_section"] == loaded25.model.config.text_config.rope_parameters["mrope_section"]


@pytest.mark.parametrize("quantization", [Quantization.NF4, Quantization.INT8])
def test_an_artefact_is_the_model_that_its_source_gives(
    tiny25_folder: Path, tmp_path: Path, make_scene: Callable[..., Scene], quantization: Quantization
) -> None:
    quantize(tiny25_folder, tmp_path / "out", quantization, lambda *_: None)
    scene = make_scene()
    asked = (Question(window=scene.window(), view=scene.whole, policies=tuple(policy(f"Is it {number}?") for number in range(4))),)
    said, wanted = (
        [each.log_odds for each in OmniJudge(load_as(folder, quantization), {scene.sensor: scene.slots}).judge(asked)]
        for folder in (tmp_path / "out", tiny25_folder)
    )
    assert said == wanted
    assert len(set(said)) == 4


def test_a_batch_says_what_each_question_says_alone(loaded25: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    judge = OmniJudge(loaded25, {scene.sensor: scene.slots})
    asked = [
        Question(window=scene.window((0, 1)), view=scene.whole, policies=(policy("Is there a person?"), policy("Does glass break?"))),
        Question(window=scene.window((0, 1)), view=scene.door, policies=(policy("Is there smoke?", unless="Steam rises."),)),
        Question(window=scene.window((1, 2, 3)), view=scene.whole, policies=(policy("Is there a person?"),)),
    ]
    together = [each.log_odds for each in judge.judge(tuple(asked))]
    alone = [each.log_odds for one in asked for each in OmniJudge(loaded25, {scene.sensor: scene.slots}).judge((one,))]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(together)) == 4
