"""A model's folder without a model: a true configuration, and a header of weights that are not there. Enough to be planned, not to be loaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analyzers.omni.parameters import Part, expected

PUBLISHED: Mapping[str, Any] = json.loads((Path(__file__).parents[2] / "benchmarks" / "published_model.json").read_text())
"""The thinker of Qwen3-Omni-30B-A3B, as far as a plan and a random model of its size need it."""
NAMES = {
    Part.EXPERTS: "thinker.model.layers.0.mlp.experts.0.up_proj.weight",
    Part.ATTENTION: "thinker.model.layers.0.self_attn.q_proj.weight",
    Part.EMBEDDINGS: "thinker.model.embed_tokens.weight",
    Part.HEAD: "thinker.lm_head.weight",
    Part.SIGHT: "thinker.visual.pos_embed.weight",
    Part.SOUND: "thinker.audio_tower.proj1.weight",
    Part.REST: "thinker.model.norm.weight",
}


def sized(experts: int, layers: int = 2) -> dict[str, Any]:
    """The published configuration with other numbers of experts and layers."""
    return {**PUBLISHED, "text_config": {**PUBLISHED["text_config"], "num_experts": experts, "num_hidden_layers": layers}}


def lay(folder: Path, thinker: Mapping[str, Any] = PUBLISHED) -> Path:
    """Make `folder`; itself."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_omni_moe", "thinker_config": thinker}))
    shapes = {NAMES[part]: size.parameters for part, size in expected(thinker).items()} | {"talker.codec_head.weight": 1000}
    header = json.dumps({name: {"dtype": "BF16", "shape": [count], "data_offsets": [0, 0]} for name, count in shapes.items()}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "preprocessor_config.json").write_text("{}")
    return folder
