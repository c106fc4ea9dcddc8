"""Patches and mel features, against the order written out longhand, transformers' own processor, and the real audio tower's count of tokens."""

import importlib.util
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for operator in ("nms", "qnms"):
    # torchvision's wheel for CUDA declares these only where its library loads, which it does not beside a torch for CPUs.
    with suppress(RuntimeError):
        torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
pytest.importorskip("transformers")

from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import _get_feat_extract_output_lengths  # noqa: E402

from analyzers.omni.family import QWEN3_OMNI  # noqa: E402
from analyzers.omni.media import mel, patches, sight_tokens  # noqa: E402
from analyzers.omni.prompt import Prompt  # noqa: E402
from tests.analyzers import tiny  # noqa: E402

pytestmark = pytest.mark.model


def frames(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def longhand(pictures: np.ndarray) -> np.ndarray:
    """Patch by patch and value by value."""
    count, height, width, _ = pictures.shape
    rows = []
    for pair in range(count // 2):
        for top in range(0, height, 32):
            for left in range(0, width, 32):
                for y, x in ((0, 0), (0, 16), (16, 0), (16, 16)):
                    part = pictures[2 * pair : 2 * pair + 2, top + y : top + y + 16, left + x : left + x + 16]
                    rows.append(np.concatenate([part[frame, :, :, channel].ravel() for channel in range(3) for frame in range(2)]))
    return np.stack(rows)


@pytest.mark.parametrize("sides", [(2, 32, 32), (4, 64, 96), (6, 96, 32)])
def test_patches_lie_in_the_order_that_the_tower_was_trained_on(sides: tuple[int, int, int]) -> None:
    pictures = frames(*sides)
    found, grid = patches(pictures)
    assert found.dtype == np.uint8
    assert grid == (sides[0] // 2, sides[1] // 16, sides[2] // 16)
    assert np.array_equal(found, longhand(pictures))


def test_patches_scaled_are_what_the_official_processor_makes_of_a_picture() -> None:
    pytest.importorskip("PIL", reason="the official processor needs Pillow, the product does not")
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: PLC0415

    one, half = frames(1, 64, 96), [0.5] * 3
    official = Qwen2VLImageProcessorPil(patch_size=16, merge_size=2, temporal_patch_size=2, image_mean=half, image_std=half, do_resize=False)
    expected = official(images=[one[0]], return_tensors="np")
    found, grid = patches(np.repeat(one, 2, axis=0))
    assert tuple(expected["image_grid_thw"][0]) == grid
    assert np.abs(expected["pixel_values"] - (found / 127.5 - 1.0)).max() < 1e-6


@pytest.mark.parametrize("sides", [(3, 32, 32), (2, 48, 32), (2, 32, 40)], ids=["half a pair", "height", "width"])
def test_frames_that_would_have_to_be_cut_or_filled_are_refused(sides: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        patches(frames(*sides))


def test_a_token_is_four_patches_of_a_pair() -> None:
    found, grid = patches(frames(8, 320, 576))
    assert found.shape == (4 * 20 * 36, QWEN3_OMNI.patch_values)
    assert sight_tokens(grid) == 4 * 10 * 18


def test_sound_takes_as_many_tokens_as_the_tower_gives() -> None:
    lengths = np.arange(1, 1700)
    assert [QWEN3_OMNI.sound_tokens(int(length)) for length in lengths] == [int(_get_feat_extract_output_lengths(length)) for length in lengths]
    assert QWEN3_OMNI.sound_tokens(0) == 0


def test_mel_features_have_a_frame_every_ten_milliseconds_and_hear_a_tone_where_it_is() -> None:
    time = np.arange(16_000 * 2) / 16_000
    low, high = (mel(np.sin(2 * np.pi * pitch * time).astype(np.float32) * 0.5, tiny.extractor()) for pitch in (300.0, 3000.0))
    assert low.shape == high.shape == (128, 200)
    assert low.dtype == np.float32
    assert low.mean(1).argmax() < high.mean(1).argmax()


def official_processor() -> Any:  # noqa: ANN401 - transformers has no types
    """Qwen3-Omni's own, with the tiny model's tokenizer. It needs torchvision and Pillow, the product does not."""
    for needed in ("torchvision", "PIL"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; the official processor needs it")
    from transformers import Qwen2VLVideoProcessor, Qwen3OmniMoeProcessor  # noqa: PLC0415
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: PLC0415

    sides = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_resize": False}
    return Qwen3OmniMoeProcessor(
        image_processor=Qwen2VLImageProcessorPil(**sides),
        video_processor=Qwen2VLVideoProcessor(**sides, do_sample_frames=False, cap_pixels_per_frame=False),
        feature_extractor=tiny.extractor(),
        tokenizer=tiny.tokenizer(),
        chat_template="",
    )


def test_a_window_becomes_what_the_official_processor_makes_of_it() -> None:
    processor, pictures = official_processor(), frames(8, 320, 576)
    sound = (np.random.default_rng(1).standard_normal(8 * 16_000) * 0.1).astype(np.float32)
    text = "<|audio_start|><|audio_pad|><|audio_end|><|vision_start|><|video_pad|><|vision_end|>"
    official = processor(text=[text], videos=[pictures], audio=[sound], return_tensors="np", videos_kwargs={"fps": 1.0, "do_resize": False})
    found, grid = patches(pictures)
    assert np.abs(official["pixel_values_videos"] - (found / 127.5 - 1.0)).max() < 1e-6
    assert tuple(official["video_grid_thw"][0]) == grid
    heard = mel(sound, tiny.extractor())
    assert np.abs(official["input_features"][0] - heard).max() < 1e-6
    prompt = Prompt(tiny.tokenizer())
    sound_tokens = QWEN3_OMNI.sound_tokens(heard.shape[1])
    assert tuple(official["input_ids"][0]) == prompt.root(sound_tokens)[len(prompt.root(0)) :] + prompt.branch(sight_tokens(grid))
