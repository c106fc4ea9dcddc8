"""Patches and mel features, against the order written out longhand, transformers' own processor, and the real audio tower's count of tokens."""

import numpy as np
import pytest

pytest.importorskip("transformers")

from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import _get_feat_extract_output_lengths

from analyzers.omni.media import PATCH_VALUES, mel, patches, sight_tokens, sound_tokens
from tests.analyzers import tiny

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
    assert found.shape == (4 * 20 * 36, PATCH_VALUES)
    assert sight_tokens(grid) == 4 * 10 * 18


def test_sound_takes_as_many_tokens_as_the_tower_gives() -> None:
    lengths = np.arange(1, 1700)
    assert [sound_tokens(int(length)) for length in lengths] == [int(_get_feat_extract_output_lengths(length)) for length in lengths]
    assert sound_tokens(0) == 0


def test_mel_features_have_a_frame_every_ten_milliseconds_and_hear_a_tone_where_it_is() -> None:
    time = np.arange(16_000 * 2) / 16_000
    low, high = (mel(np.sin(2 * np.pi * pitch * time).astype(np.float32) * 0.5, tiny.extractor()) for pitch in (300.0, 3000.0))
    assert low.shape == high.shape == (128, 200)
    assert low.dtype == np.float32
    assert low.mean(1).argmax() < high.mean(1).argmax()
