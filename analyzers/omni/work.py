"""What loading a thinker and judging with it take besides its weights: arithmetic over its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from analyzers.omni.family import MERGE, QWEN3_OMNI, Family, family_of
from analyzers.omni.media import sight_tokens
from analyzers.omni.parameters import head_dim

MAX_TOKENS = 8192
"""Of rows, padding included, that go through the model together. A window that has more goes alone."""
MEL_FRAMES_A_SECOND = 100
EXPERTS_AT_ONCE = 8
"""Packed experts that a GPU unpacks and multiplies together, in a scratch that all layers share. A CPU takes them one by one."""
PREAMBLE_TOKENS = 40
"""System text and the marks around sound and picture."""
DESCRIPTION_TOKENS = 256
"""Of a description: the longest policy's text around which it is asked for, and what is written."""
PAIR_S = 2.0
"""Of a pair at one frame a second, which is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What is judged at once. The default is a large window with many policies."""

    height: int = 320
    width: int = 576
    pairs: int = 8
    sound_s: float | None = 16.0
    policies: int = 16
    question_tokens: int = 64
    windows: float = 1.0
    """How many such windows; a batch is filled up with others."""
    family: Family = QWEN3_OMNI
    described: bool = False
    """Whether one more such window is being described meanwhile."""

    @classmethod
    def lasting(cls, seconds: float, policies: int, family: Family) -> "Occasion":
        """A window of so many seconds, at the default rate and size."""
        return cls(pairs=ceil(seconds / PAIR_S), sound_s=seconds, policies=policies, family=family)

    @property
    def tokens(self) -> int:
        """Tokens of a window's row."""
        media = window_tokens(self.height, self.width, self.pairs, self.sound_s, family=self.family)
        return PREAMBLE_TOKENS + media + self.policies * self.question_tokens

    def batched(self) -> "Occasion":
        """As many such windows as go through the model together."""
        return replace(self, windows=max(1.0, MAX_TOKENS / self.tokens))


def window_tokens(height: int, width: int, pairs: int, seconds_of_sound: float | None, *, family: Family = QWEN3_OMNI) -> int:
    """Tokens that a window's media take. No picture where `pairs` is 0, no sound where there are no seconds."""
    sight = sight_tokens((pairs, *sides(height, width, family))) if pairs else 0
    sound = family.sound_tokens(round(seconds_of_sound * MEL_FRAMES_A_SECOND)) if seconds_of_sound else 0
    return sight + sound


def sides(height: int, width: int, family: Family) -> tuple[int, int]:
    """Rows and columns of patches that the family makes of a picture."""
    height, width = family.fitted(height, width)
    return height // family.patch, width // family.patch


def work_bytes(thinker: Mapping[str, Any], number_bytes: int, occasion: Occasion) -> int:
    """What text, sight and sound have alive in a forward, together, as what one has given back is seldom used again by the next.

    `benchmarks/memory.py` measures it; docs/performance.md says how near it comes.
    """
    text, sight, sound = thinker["text_config"], thinker["vision_config"], thinker["audio_config"]
    family = family_of(thinker)
    chosen, inner = _chosen(text)
    a_token = text["hidden_size"] * (6 + 2 * chosen) + 4 * chosen * inner
    a_token += (2 * text["num_attention_heads"] + 4 * text["num_key_value_heads"]) * head_dim(text)
    patches = occasion.pairs * prod(sides(occasion.height, occasion.width, family))
    a_patch = family.patch_values + 6 * sight["hidden_size"] + 2 * sight["intermediate_size"]
    a_patch += (2 + len(sight.get("deepstack_visual_indexes", ()))) * sight["out_hidden_size"] // MERGE**2
    frames = round((occasion.sound_s or 0.0) * MEL_FRAMES_A_SECOND)
    a_frame = 2 * sound["num_mel_bins"] * sound["downsample_hidden_size"] // 4 if "downsample_hidden_size" in sound else 4 * sound["d_model"]
    head = 16_384 * text["hidden_size"] * 4 if number_bytes < 4 else 0
    a_window = occasion.tokens * a_token + patches * a_patch + frames * a_frame
    cached = cache_bytes(thinker, number_bytes, occasion) if occasion.described else 0
    return int(occasion.windows * a_window * number_bytes + head + scratch_bytes(text, number_bytes) + cached)


def scratch_bytes(text: Mapping[str, Any], number_bytes: int) -> int:
    """What unpacked experts take at a time: on a GPU the scratch, which is as large as the larger of their two matrices; on a CPU one expert."""
    _, inner = _chosen(text)
    matrix = 2 * inner * text["hidden_size"]
    return int(EXPERTS_AT_ONCE * matrix * number_bytes if number_bytes < 4 else (matrix + matrix // 2) * 4)


def cache_bytes(thinker: Mapping[str, Any], number_bytes: int, occasion: Occasion) -> int:
    """What the keys and values of a window take that is being described: they are kept from word to word, and batches come between."""
    text = thinker["text_config"]
    tokens = occasion.tokens - occasion.policies * occasion.question_tokens + DESCRIPTION_TOKENS
    return int(tokens * text["num_hidden_layers"] * 2 * text["num_key_value_heads"] * head_dim(text) * number_bytes)


def loading_bytes(thinker: Mapping[str, Any], number_bytes: int) -> int:
    """What reading a checkpoint takes for a moment: a layer's experts are read one by one and stacked, and the stacks joined."""
    text = thinker["text_config"]
    _, inner = _chosen(text)
    return int(2 * text.get("num_experts", 1) * 2 * inner * text["hidden_size"] * number_bytes)


def _chosen(text: Mapping[str, Any]) -> tuple[int, int]:
    """Experts that a token goes to, and how wide one is. A layer without experts is like one that all go to."""
    return (text["num_experts_per_tok"], text["moe_intermediate_size"]) if text.get("num_experts") else (1, text["intermediate_size"])
