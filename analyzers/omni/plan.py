"""What a model needs, worked out from its folder before anything is loaded: arithmetic over config.json and safetensors headers.

It imports neither torch nor transformers, so that `check` can use it. Bytes are those of the weights as this project holds them:
the fused experts and the text model's Linear layers quantized, the towers, router, embeddings and lm_head not.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzers.interview import Quantization
from analyzers.omni.media import sound_tokens

MODEL_TYPES = frozenset({"qwen3_omni_moe", "qwen3_omni_moe_thinker"})
BLOCK = 64
"""Weights that share a scale in NF4."""
BITS: Mapping[Quantization, float] = {Quantization.NF4: 4 + 32 / BLOCK, Quantization.INT8: 8.0, Quantization.NONE: 16.0}
"""A quantized weight's bits, its share of the float32 scale included."""
PLAIN_BYTES = 2
WORKING_BYTES = 1_500_000_000
"""What Python, torch and a forward's activations take beside the weights, roughly; `benchmarks/judge.py` measures it."""
MAX_HEADER = 64 * 1024 * 1024


class ModelError(Exception):
    """A model folder that cannot be used; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Parameters of the thinker by part."""

    experts: int = 0
    attention: int = 0
    """The text model's Linear layers."""
    vision: int = 0
    audio: int = 0
    embeddings: int = 0
    """Embeddings and lm_head."""
    other: int = 0
    """Norms and routers."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.experts + self.attention + self.vision + self.audio + self.embeddings + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a model will take."""

    folder: Path
    quantization: Quantization
    parts: Parts
    plain_bytes: int = PLAIN_BYTES
    """Bytes of a weight that is not quantized: 2 on a GPU, 4 where a CPU computes in float32."""

    @property
    def quantized_bytes(self) -> int:
        """Bytes of the weights that are quantized."""
        share = BITS[self.quantization] / 8 if self.quantization is not Quantization.NONE else self.plain_bytes
        return round((self.parts.experts + self.parts.attention) * share)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        plain = self.parts.total - self.parts.experts - self.parts.attention
        return self.quantized_bytes + plain * self.plain_bytes

    @property
    def needed_bytes(self) -> int:
        """Memory that the judge process will want."""
        return self.weight_bytes + WORKING_BYTES

    def __str__(self) -> str:
        """One line for people."""
        size = f"{self.parts.total / 1e9:.1f} B" if self.parts.total >= 1e8 else f"{self.parts.total / 1e6:.1f} M"
        weights = f"{self.weight_bytes / 1e9:.1f} GB" if self.weight_bytes >= 1e8 else f"{self.weight_bytes / 1e6:.1f} MB"
        return f"{self.folder.name}: {size} parameters, {weights} as {self.quantization.value}, {self.needed_bytes / 1e9:.1f} GB of memory in all"


def plan(folder: Path, quantization: Quantization, *, plain_bytes: int = PLAIN_BYTES) -> Plan:
    """The plan of a folder that can be loaded. ModelError for one that cannot."""
    config = thinker_config(folder)
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise ModelError(f"{folder} holds no weights (*.safetensors): download the model's files into it, all of them")
    _check_index(folder, shards)
    counted = _from_headers(shards)
    parts = counted if counted.total else parts_of(config)
    return Plan(folder=folder, quantization=quantization, parts=parts, plain_bytes=plain_bytes)


def thinker_config(folder: Path) -> Mapping[str, Any]:
    """The thinker's part of a model's configuration. ModelError where the folder is not that of a model that can judge."""
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}: put the model there, or say in judge.model where it is")
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({error}): is this a model's folder, completely downloaded?") from None
    kind = config.get("model_type", "")
    if kind not in MODEL_TYPES:
        raise ModelError(f"a model of the type {kind!r} is not supported; Qwen3-Omni is ({', '.join(sorted(MODEL_TYPES))})")
    if "captioner" in folder.name.lower():
        raise ModelError(f"{folder.name} describes sounds and answers no questions: take the Instruct model")
    thinker: Mapping[str, Any] = config.get("thinker_config", config)
    return thinker


def window_tokens(height: int, width: int, pairs: int, sound_s: float | None) -> int:
    """Media tokens of one view of a window; `height` 0: no picture, `sound_s` None: no sound."""
    sight = pairs * (height // 32) * (width // 32)
    return sight + (sound_tokens(round(sound_s * 100)) if sound_s else 0)


def parts_of(config: Mapping[str, Any]) -> Parts:
    """The thinker's parameters by part, from its configuration alone."""
    text = config["text_config"]
    hidden, layers, heads, head = text["hidden_size"], text["num_hidden_layers"], text["num_attention_heads"], text["head_dim"]
    keys = text["num_key_value_heads"]
    experts = layers * text["num_experts"] * 3 * hidden * text["moe_intermediate_size"]
    attention = layers * head * hidden * 2 * (heads + keys)
    other = layers * (text["num_experts"] * hidden + 2 * hidden + 2 * head) + hidden
    embeddings = text["vocab_size"] * hidden * (1 if text.get("tie_word_embeddings") else 2)
    return Parts(
        experts=experts,
        attention=attention,
        vision=_vision(config["vision_config"]),
        audio=_audio(config["audio_config"]),
        embeddings=embeddings,
        other=other,
    )


def _vision(vision: Mapping[str, Any]) -> int:
    hidden, inner = vision["hidden_size"], vision["intermediate_size"]
    patch = vision.get("in_channels", 3) * vision["temporal_patch_size"] * vision["patch_size"] ** 2 * hidden + hidden
    block = 4 * hidden + hidden * 3 * hidden + 3 * hidden + hidden * hidden + hidden + 2 * hidden * inner + inner + hidden
    merged = hidden * vision["spatial_merge_size"] ** 2
    mixer = merged * merged + merged + merged * vision["out_hidden_size"] + vision["out_hidden_size"]
    deep = len(vision["deepstack_visual_indexes"]) * (2 * merged + mixer)
    return int(patch + vision["num_position_embeddings"] * hidden + vision["depth"] * block + 2 * hidden + mixer + deep)


def _audio(audio: Mapping[str, Any]) -> int:
    model, inner, down = audio["d_model"], audio["encoder_ffn_dim"], audio["downsample_hidden_size"]
    mel = audio["num_mel_bins"]
    for _ in range(3):
        mel = (mel + 1) // 2
    convolutions = down * 9 + down + 2 * (down * down * 9 + down) + down * mel * model
    layer = 4 * (model * model + model) + 4 * model + 2 * model * inner + inner + model
    return int(convolutions + audio["encoder_layers"] * layer + 2 * model + model * model + model + model * audio["output_dim"] + audio["output_dim"])


def _check_index(folder: Path, shards: list[Path]) -> None:
    """Every shard that the index names must be there."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return
    named = set(json.loads(index.read_text())["weight_map"].values())
    missing = sorted(named - {shard.name for shard in shards})
    if missing:
        raise ModelError(f"{folder} is incomplete: {len(missing)} of {len(named)} files are missing, the first is {missing[0]}")


def _from_headers(shards: list[Path]) -> Parts:
    counts = dict.fromkeys(Parts.__dataclass_fields__, 0)
    for name, shape in _tensors(shards):
        part = _part_of(name)
        if part:
            count = 1
            for side in shape:
                count *= side
            counts[part] += count
    return Parts(**counts)


def _tensors(shards: list[Path]) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes in safetensors files: 8 bytes of length, then a JSON header (github.com/huggingface/safetensors)."""
    for shard in shards:
        with shard.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= MAX_HEADER:
                raise ModelError(f"{shard} is no safetensors file: download it again")
            try:
                header = json.loads(file.read(length))
            except ValueError:
                raise ModelError(f"{shard} is damaged: download it again") from None
        yield from ((name, tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


MARKS = (("audio_tower.", "audio"), ("visual.", "vision"), (".experts.", "experts"), ("embed_tokens", "embeddings"), ("lm_head", "embeddings"))
"""What tells a tensor's part, in this order: towers have attention of their own."""


def _part_of(name: str) -> str | None:
    """The part that a tensor of a full checkpoint, or of a thinker alone, belongs to. None: not the thinker's."""
    if name.startswith(("talker.", "code2wav.")):
        return None
    for mark, part in (
        ("audio_tower.", "audio"),
        ("visual.", "vision"),
        (".experts.", "experts"),
        ("embed_tokens", "embeddings"),
        ("lm_head", "embeddings"),
    ):
        if mark in name:
            return part
    return "attention" if "_proj.weight" in name else "other"
