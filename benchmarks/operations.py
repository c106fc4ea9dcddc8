"""How much arithmetic a window asks of a Qwen3-Omni: multiplications and additions of its matrices, from a thinker's configuration.

What a program does besides (padding, pairs of tokens that are masked, unpacking) does not count: it is what a window needs, not what it gets.
"""

from collections.abc import Mapping
from typing import Any

from analyzers.omni.family import MERGE, QWEN3_OMNI
from analyzers.omni.media import sight_tokens
from analyzers.omni.parameters import Part, qwen3_omni
from analyzers.omni.work import MEL_FRAMES_A_SECOND, Occasion


def operations(thinker: Mapping[str, Any], occasion: Occasion) -> float:
    """Of all windows of an occasion."""
    towers = _sight(thinker["vision_config"], occasion) + _sound(thinker["audio_config"], occasion)
    return 2.0 * occasion.windows * (_text(thinker, occasion) + towers)


def _text(thinker: Mapping[str, Any], occasion: Occasion) -> float:
    text, sizes = thinker["text_config"], qwen3_omni(thinker)
    chosen = text["num_experts_per_tok"] / text["num_experts"]
    router = text["num_hidden_layers"] * text["num_experts"] * text["hidden_size"]
    a_token = sizes[Part.ATTENTION].parameters + sizes[Part.EXPERTS].parameters * chosen + router
    leaf, leaves = occasion.question_tokens, occasion.policies
    media = occasion.tokens - leaves * leaf
    seen = media * media / 2 + leaves * leaf * (media + leaf / 2)
    a_pair = 2 * text["num_attention_heads"] * text["head_dim"] * text["num_hidden_layers"]
    return occasion.tokens * a_token + seen * a_pair + leaves * text["vocab_size"] * text["hidden_size"]


def _sight(sight: Mapping[str, Any], occasion: Occasion) -> float:
    hidden, merged = sight["hidden_size"], sight["hidden_size"] * MERGE**2
    grid = (occasion.pairs, occasion.height // QWEN3_OMNI.patch, occasion.width // QWEN3_OMNI.patch)
    patches, in_pair = grid[0] * grid[1] * grid[2], grid[1] * grid[2]
    block = 4 * hidden * hidden + 2 * hidden * sight["intermediate_size"] + 2 * hidden * in_pair
    mergers = (len(sight["deepstack_visual_indexes"]) + 1) * (merged * merged + merged * sight["out_hidden_size"])
    return patches * (QWEN3_OMNI.patch_values * hidden + sight["depth"] * block) + sight_tokens(grid) * mergers


def _sound(sound: Mapping[str, Any], occasion: Occasion) -> float:
    frames = round((occasion.sound_s or 0.0) * MEL_FRAMES_A_SECOND)
    if not frames:
        return 0.0
    width, channels, bands = sound["d_model"], sound["downsample_hidden_size"], sound["num_mel_bins"]
    # Three convolutions of 3x3, each of which halves bands and frames; the first has one channel.
    convolved = sum(frames * bands / 4**step * 9 * channels * (1 if step == 1 else channels) for step in (1, 2, 3))
    layer = 4 * width * width + 2 * width * sound["encoder_ffn_dim"]
    a_token = channels * bands / 8 * width + sound["encoder_layers"] * layer + width * width + width * sound["output_dim"]
    return convolved + QWEN3_OMNI.sound_tokens(frames) * a_token
