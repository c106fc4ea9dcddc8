"""A tiny random model of the real classes, with a tokenizer learnt on the spot: what a model folder holds, in a second."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration, WhisperFeatureExtractor
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeThinkerConfig

from analyzers.omni.family import QWEN3_OMNI
from analyzers.omni.packed import Packed, PackedLinear

FAMILY = QWEN3_OMNI
HIDDEN = 64
NAMED = {
    "image_token": "<|image_pad|>",
    "audio_token": "<|audio_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
}
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
TEXTS = ["system user assistant You watch and listen at a site.", "Answer yes or no. Yes No", "Is there a person, smoke or flame? Does glass break?"]


def tokenizer(named: Mapping[str, str] = NAMED, more: Sequence[str] = ()) -> Qwen2Tokenizer:
    """Byte-level BPE with Qwen's special tokens, those of sound and picture `named`. `more`: words that are single tokens too."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words = ("yes", "no", "YES", "left", "middle", "right", *more)
    learner.train_from_iterator([*TEXTS * 3, *words * 3], trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    tokens = Qwen2Tokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(pair) for pair in learnt["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",  # noqa: S106 - a token of text, no password
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens=dict(named),
    )
    tokens.add_tokens([AddedToken(special, special=True, normalized=False) for special in (*SPECIALS, *named.values())])
    return tokens


def config(tokens: Qwen2Tokenizer, *, experts: int = 8, layers: int = 2) -> Qwen3OmniMoeThinkerConfig:
    """A thinker's configuration with everything that makes one large made small."""
    number = tokens.convert_tokens_to_ids
    audio: dict[str, Any] = {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "num_mel_bins": 128}
    audio |= {"output_dim": HIDDEN, "n_window": 50, "n_window_infer": 800, "conv_chunksize": 500, "downsample_hidden_size": 16}
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": HIDDEN, "patch_size": 16}
    vision |= {"spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2], "mrope_interleaved": True, "interleaved": True}
    text: dict[str, Any] = {"vocab_size": (len(tokens) + 63) // 64 * 64, "hidden_size": HIDDEN, "intermediate_size": 64, "moe_intermediate_size": 64}
    text |= {"num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "rope_parameters": rope}
    text |= {"num_experts": experts, "num_experts_per_tok": 2, "norm_topk_prob": True, "max_position_embeddings": 32_768}
    return Qwen3OmniMoeThinkerConfig(
        audio_config=audio,
        vision_config=vision,
        text_config=text,
        audio_token_id=number("<|audio_pad|>"),
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        audio_start_token_id=number("<|audio_start|>"),
        audio_end_token_id=number("<|audio_end|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        position_id_per_seconds=13,
        dtype="float32",
    )


def extractor() -> WhisperFeatureExtractor:
    """The real model's feature extractor."""
    return WhisperFeatureExtractor(feature_size=128, hop_length=160, chunk_length=300, n_fft=400, return_attention_mask=True)


def thinker(tokens: Qwen2Tokenizer, seed: int = 0, experts: int = 8) -> Qwen3OmniMoeThinkerForConditionalGeneration:
    """A random model, the same for the same seed. Its weights are large enough that its answers differ."""
    torch.manual_seed(seed)
    made = Qwen3OmniMoeThinkerForConditionalGeneration(config(tokens, experts=experts)).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3 if "lm_head" in name else 0.1)
    return made


def fill(packed: Packed, name: str, matrices: Sequence[torch.Tensor]) -> None:
    """Pack `matrices` as those of this name: the one of a layer, or all of its experts'."""
    pieces = [packed.packing.pack(one) for one in matrices]
    for field in pieces[0]:
        whole = pieces[0][field] if isinstance(packed, PackedLinear) else torch.stack([piece[field] for piece in pieces])
        setattr(packed, f"{name}{field}", torch.nn.Parameter(whole, requires_grad=False))


def save(folder: Path, seed: int = 0) -> Path:
    """A whole model folder; `folder` itself."""
    tokens = tokenizer()
    thinker(tokens, seed).save_pretrained(folder)
    tokens.save_pretrained(folder)
    extractor().save_pretrained(folder)
    return folder
