"""As `tiny`, of the Qwen2.5-Omni classes: no experts, another tokenizer, towers of another build."""

from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

from analyzers.omni.family import QWEN2_5_OMNI
from tests.analyzers import tiny

FAMILY = QWEN2_5_OMNI
HIDDEN = 64
NAMED = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}


def tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE with Qwen2.5-Omni's special tokens."""
    return tiny.tokenizer(NAMED)


def config(tokens: Qwen2Tokenizer) -> Qwen2_5OmniThinkerConfig:
    """A thinker's configuration with everything that makes one large made small. A window of a picture is 2 x 2 tokens, one of sound 80 ms."""
    number = tokens.convert_tokens_to_ids
    audio: dict[str, Any] = {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "num_mel_bins": 128}
    audio |= {"output_dim": HIDDEN, "n_window": 100, "max_source_positions": 1500}
    vision: dict[str, Any] = {"depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": HIDDEN, "patch_size": 14}
    vision |= {"spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 56, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
    text: dict[str, Any] = {"vocab_size": (len(tokens) + 63) // 64 * 64, "hidden_size": HIDDEN, "intermediate_size": 128, "rope_parameters": rope}
    text |= {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32_768}
    return Qwen2_5OmniThinkerConfig(
        audio_config=audio,
        vision_config=vision,
        text_config=text,
        audio_token_index=number("<|AUDIO|>"),
        image_token_index=number("<|IMAGE|>"),
        video_token_index=number("<|VIDEO|>"),
        audio_start_token_id=number("<|audio_bos|>"),
        audio_end_token_id=number("<|audio_eos|>"),
        vision_start_token_id=number("<|vision_bos|>"),
        vision_end_token_id=number("<|vision_eos|>"),
        position_id_per_seconds=25,
        dtype="float32",
    )


def thinker(tokens: Qwen2Tokenizer, seed: int = 0) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """A random model, the same for the same seed. Its weights are large enough that its answers differ."""
    torch.manual_seed(seed)
    made = Qwen2_5OmniThinkerForConditionalGeneration(config(tokens)).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3 if "lm_head" in name else 0.1)
    return made


def save(folder: Path) -> Path:
    """A whole model folder; `folder` itself."""
    tokens = tokenizer()
    thinker(tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    tiny.extractor().save_pretrained(folder)
    return folder
