"""A model's folder without a model: a true configuration, and a header of weights that are not there. Enough to be planned, not to be loaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analyzers.omni.family import family_of
from analyzers.omni.parameters import Part
from analyzers.omni.talker_plan import PREFIXES, sizes_of

PUBLISHED: Mapping[str, Any] = json.loads((Path(__file__).parents[2] / "benchmarks" / "published_model.json").read_text())
"""The thinker of Qwen3-Omni-30B-A3B, as far as a plan and a random model of its size need it."""


TALKING: Mapping[str, Any] = json.loads((Path(__file__).parents[2] / "benchmarks" / "published_talker.json").read_text())
"""The talker and code2wav of Qwen3-Omni-30B-A3B-Instruct, as far as a plan and a random voice of its size need them."""
WHOLE: Mapping[str, Any] = {**TALKING, "thinker_config": PUBLISHED}


def _dense(hidden: int, **text: object) -> Mapping[str, Any]:
    """The thinker of a Qwen2.5-Omni. Both sizes have the same towers, which end in the text model's width."""
    return {
        "model_type": "qwen2_5_omni_thinker",
        "audio_config": {
            "d_model": 1280,
            "encoder_layers": 32,
            "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120,
            "num_mel_bins": 128,
            "n_window": 100,
            "max_source_positions": 1500,
            "output_dim": hidden,
        },
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
        "text_config": {
            "hidden_size": hidden,
            "tie_word_embeddings": False,
            "rope_scaling": {"rope_type": "default", "mrope_section": [16, 24, 24]},
            **text,
        },
        "position_id_per_seconds": 25,
    }


PUBLISHED_7B = _dense(
    3584, intermediate_size=18_944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, vocab_size=152_064
)
PUBLISHED_3B = _dense(
    2048, intermediate_size=11_008, num_hidden_layers=36, num_attention_heads=16, num_key_value_heads=2, vocab_size=151_936
)
"""The thinkers of Qwen2.5-Omni-7B and -3B, as far as a plan needs them. The 7B's figures are the defaults of transformers' configuration classes,
which name that checkpoint; the 3B's are those that other programs read from its config.json. Both give to the digit the number of parameters
that MTEB lists for thinkers tuned from them (LCO-Embedding-Omni, OmniEmbed)."""
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
    (folder / "config.json").write_text(json.dumps({"model_type": family_of(thinker).kind, "thinker_config": thinker}))
    sizes = family_of(thinker).sizes(thinker)
    shapes = {NAMES[part]: size.parameters for part, size in sizes.items() if size.parameters} | {"talker.codec_head.weight": 1000}
    header = json.dumps({name: {"dtype": "BF16", "shape": [count], "data_offsets": [0, 0]} for name, count in shapes.items()}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "preprocessor_config.json").write_text("{}")
    return folder


def speaking(folder: Path, config: Mapping[str, Any] = WHOLE) -> Path:
    """The published model as a configuration, and headers of weights that are not there."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    shapes = {f"{PREFIXES[part]}weight": number for part, number in sizes_of(WHOLE).items()} | {"thinker.lm_head.weight": 5}
    header = json.dumps({name: {"dtype": "BF16", "shape": [number], "data_offsets": [0, 0]} for name, number in shapes.items()}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder
