"""How many parameters a thinker has, by part: counted from its configuration, or from the names and shapes of its weights. Pure arithmetic."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any


class Part(StrEnum):
    """What a thinker is made of. Only experts and attention are ever quantized: the rest is small, or suffers from it."""

    EXPERTS = "experts"
    ATTENTION = "attention"
    """The matrices of attention, and of layers without experts."""
    EMBEDDINGS = "embeddings"
    HEAD = "head"
    SIGHT = "sight"
    SOUND = "sound"
    REST = "rest"
    """Norms and routers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Parameters of a part, and the rows that its matrices have together (int8 keeps a scale for each)."""

    parameters: int = 0
    rows: int = 0

    def __add__(self, other: "Size") -> "Size":
        """Both together."""
        return Size(parameters=self.parameters + other.parameters, rows=self.rows + other.rows)


Sizes = Mapping[Part, Size]

_PARTS = (
    (re.compile(r"(^|\.)(talker|code2wav)\."), None),
    (re.compile(r"(^|\.)audio_tower\."), Part.SOUND),
    (re.compile(r"(^|\.)visual\."), Part.SIGHT),
    (re.compile(r"\.mlp\.experts\."), Part.EXPERTS),
    (re.compile(r"\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)\.weight(_[a-z]+)?$"), Part.ATTENTION),
    (re.compile(r"(^|\.)embed_tokens\."), Part.EMBEDDINGS),
    (re.compile(r"(^|\.)lm_head\."), Part.HEAD),
)


def part_of(name: str) -> Part | None:
    """The part that a weight of this name belongs to, in a file or in a loaded model; None where it is not the thinker's."""
    for pattern, part in _PARTS:
        if pattern.search(name):
            return part
    return Part.REST


def count(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> Sizes:
    """Sizes by part, from names and shapes. A shape's last side is a row's length."""
    sizes = dict.fromkeys(Part, Size())
    for name, shape in tensors:
        part = part_of(name)
        if part is not None:
            sizes[part] += Size(parameters=prod(shape), rows=prod(shape[:-1]))
    return sizes


def expected(thinker: Mapping[str, Any]) -> Sizes:
    """Sizes by part, from a thinker's configuration. KeyError or TypeError where a figure is missing or is none."""
    text, sight, sound = thinker["text_config"], thinker["vision_config"], thinker["audio_config"]
    hidden, layers, words = text["hidden_size"], text["num_hidden_layers"], text["vocab_size"]
    expert_layers = sum(
        layer not in (text.get("mlp_only_layers") or ()) and (layer + 1) % text.get("decoder_sparse_step", 1) == 0 for layer in range(layers)
    )
    dense = layers - expert_layers
    inner, experts = text["moe_intermediate_size"], text["num_experts"]
    queries = text["num_attention_heads"] * text["head_dim"]
    keys = text["num_key_value_heads"] * text["head_dim"]
    attention = _matrix(queries, hidden) + _matrix(keys, hidden) + _matrix(keys, hidden) + _matrix(hidden, queries)
    plain = _matrix(2 * text["intermediate_size"], hidden) + _matrix(hidden, text["intermediate_size"])
    biases = queries + 2 * keys + hidden if text.get("attention_bias") else 0
    return {
        Part.EXPERTS: _times(_matrix(2 * inner, hidden) + _matrix(hidden, inner), experts * expert_layers),
        Part.ATTENTION: _times(attention, layers) + _times(plain, dense),
        Part.EMBEDDINGS: _matrix(words, hidden),
        Part.HEAD: Size() if thinker.get("tie_word_embeddings") else _matrix(words, hidden),
        Part.SIGHT: Size(parameters=_sight(sight)),
        Part.SOUND: Size(parameters=_sound(sound)),
        Part.REST: Size(parameters=layers * (2 * hidden + 2 * text["head_dim"] + biases) + hidden + expert_layers * experts * hidden),
    }


def _matrix(rows: int, columns: int) -> Size:
    return Size(parameters=rows * columns, rows=rows)


def _times(size: Size, number: int) -> Size:
    return Size(parameters=size.parameters * number, rows=size.rows * number)


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _sight(config: Mapping[str, Any]) -> int:
    hidden, inner, merged = config["hidden_size"], config["intermediate_size"], config["hidden_size"] * config["spatial_merge_size"] ** 2
    patch = 3 * config["temporal_patch_size"] * config["patch_size"] ** 2
    block = 4 * hidden + _linear(hidden, 3 * hidden) + _linear(hidden, hidden) + _linear(hidden, inner) + _linear(inner, hidden)
    merger = _linear(merged, merged) + _linear(merged, config["out_hidden_size"])
    deep = len(config["deepstack_visual_indexes"])
    norms = 2 * hidden + deep * 2 * merged
    return int(_linear(patch, hidden) + config["num_position_embeddings"] * hidden + config["depth"] * block + (deep + 1) * merger + norms)


def _sound(config: Mapping[str, Any]) -> int:
    width, inner, channels = config["d_model"], config["encoder_ffn_dim"], config["downsample_hidden_size"]
    bands = config["num_mel_bins"]
    for _ in range(3):
        bands = (bands + 1) // 2
    convolutions = _linear(9, channels) + 2 * _linear(9 * channels, channels) + channels * bands * width
    layer = 4 * _linear(width, width) + _linear(width, inner) + _linear(inner, width) + 4 * width
    return int(convolutions + config["encoder_layers"] * layer + 2 * width + _linear(width, width) + _linear(width, config["output_dim"]))
