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
    (re.compile(r"(^|\.)(talker|code2wav|token2wav)\."), None),
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


def qwen3_omni(thinker: Mapping[str, Any]) -> Sizes:
    """Sizes by part, from the configuration of a Qwen3-Omni thinker. KeyError or TypeError where a figure is missing or is none."""
    text = thinker["text_config"]
    queries, keys = _widths(text)
    biases = queries + 2 * keys + text["hidden_size"] if text.get("attention_bias") else 0
    sight, sound = _deep_sight(thinker["vision_config"]), _convolved_sound(thinker["audio_config"])
    return _sizes(thinker, beside=2 * text["head_dim"] + biases, sight=sight, sound=sound)


def qwen2_5_omni(thinker: Mapping[str, Any]) -> Sizes:
    """Sizes by part, from the configuration of a Qwen2.5-Omni thinker. KeyError or TypeError where a figure is missing or is none."""
    queries, keys = _widths(thinker["text_config"])
    sight, sound = _gated_sight(thinker["vision_config"]), _pooled_sound(thinker["audio_config"])
    return _sizes(thinker, beside=queries + 2 * keys, sight=sight, sound=sound)


def head_dim(text: Mapping[str, Any]) -> int:
    """The width of an attention head, which not every configuration names."""
    return int(text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"])


def _widths(text: Mapping[str, Any]) -> tuple[int, int]:
    """Of all queries, and of all keys."""
    return text["num_attention_heads"] * head_dim(text), text["num_key_value_heads"] * head_dim(text)


def _sizes(thinker: Mapping[str, Any], *, beside: int, sight: int, sound: int) -> Sizes:
    """Sizes by part. `beside`: a layer's biases and norms in its attention; `sight`, `sound`: the towers' parameters."""
    text = thinker["text_config"]
    hidden, layers, words, experts = text["hidden_size"], text["num_hidden_layers"], text["vocab_size"], text.get("num_experts", 0)
    dense_layers, step = text.get("mlp_only_layers") or (), text.get("decoder_sparse_step", 1)
    expert_layers = sum(layer not in dense_layers and (layer + 1) % step == 0 for layer in range(layers)) if experts else 0
    inner = text["moe_intermediate_size"] if expert_layers else 0
    queries, keys = _widths(text)
    attention = _matrix(queries, hidden) + _matrix(keys, hidden) + _matrix(keys, hidden) + _matrix(hidden, queries)
    plain = _matrix(2 * text["intermediate_size"], hidden) + _matrix(hidden, text["intermediate_size"])
    return {
        Part.EXPERTS: _times(_matrix(2 * inner, hidden) + _matrix(hidden, inner), experts * expert_layers),
        Part.ATTENTION: _times(attention, layers) + _times(plain, layers - expert_layers),
        Part.EMBEDDINGS: _matrix(words, hidden),
        Part.HEAD: Size() if thinker.get("tie_word_embeddings") else _matrix(words, hidden),
        Part.SIGHT: Size(parameters=sight),
        Part.SOUND: Size(parameters=sound),
        Part.REST: Size(parameters=layers * (2 * hidden + beside) + hidden + expert_layers * experts * hidden),
    }


def _matrix(rows: int, columns: int) -> Size:
    return Size(parameters=rows * columns, rows=rows)


def _times(size: Size, number: int) -> Size:
    return Size(parameters=size.parameters * number, rows=size.rows * number)


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _patch(config: Mapping[str, Any]) -> int:
    return int(3 * config["temporal_patch_size"] * config["patch_size"] ** 2)


def _deep_sight(config: Mapping[str, Any]) -> int:
    """A tower with learnt positions, and mergers behind some of its layers too."""
    hidden, inner, merged = config["hidden_size"], config["intermediate_size"], config["hidden_size"] * config["spatial_merge_size"] ** 2
    block = 4 * hidden + _linear(hidden, 3 * hidden) + _linear(hidden, hidden) + _linear(hidden, inner) + _linear(inner, hidden)
    merger = _linear(merged, merged) + _linear(merged, config["out_hidden_size"])
    deep = len(config["deepstack_visual_indexes"])
    norms = 2 * hidden + deep * 2 * merged
    first = _linear(_patch(config), hidden) + config["num_position_embeddings"] * hidden
    return int(first + config["depth"] * block + (deep + 1) * merger + norms)


def _gated_sight(config: Mapping[str, Any]) -> int:
    """A tower with rotary positions alone, gated layers, and norms without biases."""
    hidden, inner, merged = config["hidden_size"], config["intermediate_size"], config["hidden_size"] * config["spatial_merge_size"] ** 2
    block = 2 * hidden + 4 * _linear(hidden, hidden) + 2 * _linear(hidden, inner) + _linear(inner, hidden)
    merger = hidden + _linear(merged, merged) + _linear(merged, config["out_hidden_size"])
    return int(_patch(config) * hidden + config["depth"] * block + merger)


def _convolved_sound(config: Mapping[str, Any]) -> int:
    """A tower behind three convolutions in time and pitch."""
    width, channels, bands = config["d_model"], config["downsample_hidden_size"], config["num_mel_bins"]
    for _ in range(3):
        bands = (bands + 1) // 2
    convolutions = _linear(9, channels) + 2 * _linear(9 * channels, channels) + channels * bands * width
    layers = config["encoder_layers"] * _sound_layer(config, biases=4)
    return int(convolutions + layers + 2 * width + _linear(width, width) + _linear(width, config["output_dim"]))


def _pooled_sound(config: Mapping[str, Any]) -> int:
    """A tower behind two convolutions in time; its keys have no bias, and it holds two marks that are not used."""
    width = config["d_model"]
    convolutions = _linear(3 * config["num_mel_bins"], width) + _linear(3 * width, width)
    layers = config["encoder_layers"] * _sound_layer(config, biases=3)
    return int(convolutions + layers + 2 * width + _linear(width, config["output_dim"]) + 2 * config["output_dim"])


def _sound_layer(config: Mapping[str, Any], biases: int) -> int:
    width, inner = config["d_model"], config["encoder_ffn_dim"]
    return int(4 * width * width + biases * width + _linear(width, inner) + _linear(inner, width) + 4 * width)
