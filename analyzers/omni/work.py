"""What loading a thinker and judging with it take besides its weights: arithmetic over its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from analyzers.omni.family import MERGE, QWEN3_OMNI, Family
from analyzers.omni.media import sight_tokens
from analyzers.omni.parameters import head_dim
from analyzers.transcript import MAX_TOKENS as MAX_SPOKEN_TOKENS

MAX_TOKENS = 8192
"""Of rows, padding included, that go through the model together. A window that has more goes alone."""
MEL_FRAMES_A_SECOND = 100
EXPERTS_AT_ONCE = 8
"""Packed experts that a GPU unpacks and multiplies together, in a scratch that all layers share. A CPU takes them one by one."""
GATED = 3
"""Widths of a gated layer that are alive at once: its gate, what it lets through, and their product."""
NOT_USED_AGAIN = 0.3
"""Of the smaller of what text and sight take, in a model without experts (measured): its blocks are large, and most are used by both in turn."""
PREAMBLE_TOKENS = 40
"""System text and the marks around sound and picture."""
DESCRIPTION_TOKENS = 256
"""Of a description: the longest policy's text around which it is asked for, and what is written."""
TRANSCRIPT_TOKENS = 24 + MAX_SPOKEN_TOKENS
"""Of a transcript: the text with which it is asked for, and what is written."""
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
    text = thinker["text_config"]
    read = occasion.tokens * _a_token(text)
    seen = occasion.pairs * prod(sides(occasion.height, occasion.width, occasion.family)) * _a_patch(thinker["vision_config"], occasion.family)
    heard = round((occasion.sound_s or 0.0) * MEL_FRAMES_A_SECOND) * _a_frame(thinker["audio_config"])
    together = read + seen if text.get("num_experts") else max(read, seen) + round(NOT_USED_AGAIN * min(read, seen))
    head = min(16_384, text["vocab_size"]) * text["hidden_size"] * 4 if number_bytes < 4 else 0
    cached = cache_bytes(thinker, number_bytes, occasion) if occasion.described else 0
    return int(occasion.windows * (together + heard) * number_bytes + head + scratch_bytes(text, number_bytes) + cached)


def _a_token(text: Mapping[str, Any]) -> int:
    """Numbers of the text model that are alive for each token."""
    heads = (2 * text["num_attention_heads"] + 4 * text["num_key_value_heads"]) * head_dim(text)
    if not text.get("num_experts"):
        return int(text["hidden_size"] * 6 + GATED * text["intermediate_size"] + heads)
    chosen = text["num_experts_per_tok"]
    return int(text["hidden_size"] * (6 + 2 * chosen) + 4 * chosen * text["moe_intermediate_size"] + heads)


def _a_patch(sight: Mapping[str, Any], family: Family) -> int:
    """Numbers of the vision tower that are alive for each patch."""
    merged = (2 + len(sight.get("deepstack_visual_indexes", ()))) * sight["out_hidden_size"] // MERGE**2
    return int(family.patch_values + 6 * sight["hidden_size"] + (GATED if family.gated else 2) * sight["intermediate_size"] + merged)


def _a_frame(sound: Mapping[str, Any]) -> int:
    """Numbers of the tower for sound that are alive for each mel frame: what its first convolutions make."""
    if "downsample_hidden_size" in sound:
        return int(2 * sound["downsample_hidden_size"] * sound["num_mel_bins"] // 4)
    return int(4 * sound["d_model"])


def scratch_bytes(text: Mapping[str, Any], number_bytes: int) -> int:
    """What unpacked matrices take at a time: on a GPU experts' scratch, which is as large as the larger of their two; on a CPU one expert.

    Without experts, one matrix of a layer.
    """
    if not text.get("num_experts"):
        return int(text["intermediate_size"] * text["hidden_size"] * number_bytes)
    one = text["moe_intermediate_size"] * text["hidden_size"]
    return int(EXPERTS_AT_ONCE * 2 * one * number_bytes if number_bytes < 4 else 3 * one * 4)


def cache_bytes(thinker: Mapping[str, Any], number_bytes: int, occasion: Occasion) -> int:
    """What the keys and values of a window take that is being described: they are kept from word to word, and batches come between.

    Those of its sound, behind which a transcript is written, come after them and not beside them.
    """
    text = thinker["text_config"]
    described = occasion.tokens - occasion.policies * occasion.question_tokens + DESCRIPTION_TOKENS
    sound = window_tokens(0, 0, 0, occasion.sound_s, family=occasion.family)
    tokens = max(described, PREAMBLE_TOKENS + sound + TRANSCRIPT_TOKENS if sound else 0)
    return int(tokens * text["num_hidden_layers"] * 2 * text["num_key_value_heads"] * head_dim(text) * number_bytes)


def loading_bytes(thinker: Mapping[str, Any], number_bytes: int) -> int:
    """What reading a checkpoint takes for a moment: a layer's experts are read one by one and stacked, and the stacks joined; else a matrix."""
    text = thinker["text_config"]
    if not text.get("num_experts"):
        return int(2 * text["intermediate_size"] * text["hidden_size"] * number_bytes)
    return int(2 * text["num_experts"] * 2 * text["moe_intermediate_size"] * text["hidden_size"] * number_bytes)
