"""From a window's frames and samples to what the model's towers take, with numpy and the feature extractor alone.

The official processor needs torchvision; a test compares this with it where that can be imported. Patches stay uint8 until the
tower: as floats they would be four times the memory traffic, which is what this costs.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PATCH = 16
MERGE = 2
PAIR = 2
"""Frames that share a temporal patch."""
PATCH_VALUES = 3 * PAIR * PATCH * PATCH
SAMPLE_RATE_HZ = 16_000
HOP = 160
"""Samples a mel frame: 10 ms."""

Grid = tuple[int, int, int]
"""Temporal patches, rows and columns of patches."""


class FeatureExtractor(Protocol):
    """The part of transformers' WhisperFeatureExtractor that is used."""

    def __call__(self, raw_speech: NDArray[np.float32], **options: object) -> "dict[str, NDArray[np.float32]]":
        """Mel features of a sound."""
        ...


def patches(frames: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Grid]:
    """uint8[T, H, W, 3] (T even, sides multiples of 32) to uint8[T/2 * H/16 * W/16, 1536] and its grid.

    The order is that of Qwen2-VL's processor: by pair, then by blocks of 2 x 2 patches, within a patch channel, frame, row, column.
    """
    count, height, width, _ = frames.shape
    side = PATCH * MERGE
    if count % PAIR or height % side or width % side:
        raise ValueError(f"frames of {count}x{height}x{width}: whole pairs and sides of a multiple of {side} are needed")
    blocks = frames.reshape(count // PAIR, PAIR, height // side, MERGE, PATCH, width // side, MERGE, PATCH, 3)
    ordered = blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return np.ascontiguousarray(ordered).reshape(-1, PATCH_VALUES), (count // PAIR, height // PATCH, width // PATCH)


def sight_tokens(grid: Grid) -> int:
    """Tokens of a view's frames: one a block of 2 x 2 patches of a pair."""
    pairs, rows, columns = grid
    return pairs * (rows // MERGE) * (columns // MERGE)


def mel(sound: NDArray[np.float32], extractor: FeatureExtractor) -> NDArray[np.float32]:
    """float32[n] at 16 kHz to float32[128, n / 160]: one window at a time, since a batch's padding changes the last frames."""
    features = extractor(sound, sampling_rate=SAMPLE_RATE_HZ, padding=True, truncation=False, return_attention_mask=True, return_tensors="np")
    count = int(features["attention_mask"][0].sum())
    return np.asarray(features["input_features"][0][:, :count], np.float32)


def sound_tokens(mel_frames: int) -> int:
    """Tokens of so many mel frames: 13 a full second, and what three convolutions of stride 2 leave of the rest."""
    seconds, rest = divmod(mel_frames, 100)
    for _ in range(3):
        rest = (rest - 1) // 2 + 1
    return seconds * 13 + rest
