"""From a window's frames and samples to what the model's towers take, with numpy and the feature extractor alone.

The official processor needs torchvision; a test compares this with it where that can be imported. Patches stay uint8 until the
tower: as floats they would be four times the memory traffic, which is what this costs.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analyzers.omni.family import MERGE, PAIR, QWEN3_OMNI, Family

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


def patches(frames: NDArray[np.uint8], family: Family = QWEN3_OMNI) -> tuple[NDArray[np.uint8], Grid]:
    """uint8[T, H, W, 3] (T even, sides whole tokens of the family) to uint8[T/2 * rows * columns, values of a patch] and its grid.

    The order is that of Qwen2-VL's processor: by pair, then by blocks of 2 x 2 patches, within a patch channel, frame, row, column.
    """
    count, height, width, _ = frames.shape
    side, patch = family.side, family.patch
    if count % PAIR or height % side or width % side:
        raise ValueError(f"frames of {count}x{height}x{width}: whole pairs and sides of a multiple of {side} are needed")
    blocks = frames.reshape(count // PAIR, PAIR, height // side, MERGE, patch, width // side, MERGE, patch, 3)
    ordered = blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return np.ascontiguousarray(ordered).reshape(-1, family.patch_values), (count // PAIR, height // patch, width // patch)


def sight_tokens(grid: Grid) -> int:
    """Tokens of a view's frames: one a block of 2 x 2 patches of a pair."""
    pairs, rows, columns = grid
    return pairs * (rows // MERGE) * (columns // MERGE)


def mel(sound: NDArray[np.float32], extractor: FeatureExtractor, family: Family = QWEN3_OMNI) -> NDArray[np.float32]:
    """float32[n] at 16 kHz to float32[128, n / 160]: one window at a time, since a batch's padding changes the last frames."""
    heard = np.pad(sound, (0, family.tail))
    features = extractor(heard, sampling_rate=SAMPLE_RATE_HZ, padding=True, truncation=False, return_attention_mask=True, return_tensors="np")
    count = int(features["attention_mask"][0].sum()) - family.tail // HOP
    return np.asarray(features["input_features"][0][:, :count], np.float32)
