"""The small model's shape and tokenizer: the real Qwen3-Omni thinker, with everything that makes it large made small. It knows no lesson.

It is not a cut-down copy of anybody's weights. What it can do, it learnt in `train.py`, and that is the demo's world alone.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration, WhisperFeatureExtractor
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeThinkerConfig

from analyzers.omni.folder import WINDOW

VOCABULARY = 1500
HIDDEN = 64
"""A multiple of 64, as all sides of the experts are: NF4 scales blocks of 64."""
ROPE_HALF = 8
"""Half a head's width: what the rotary embedding's sections share out between time, height and width."""
ANSWERS = ("yes", "no", "Yes", "No", " yes", " no", "YES", "NO")
"""Spellings that must be one token each, as they are in the real tokenizer."""
TAUGHT = {"length": "4s", "every": "2s", "fps": 1, "longest_side": 224}
"""The windows of the lessons, in a configuration's words. In others people have another size, and it does not know them."""
SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<think>",
    "</think>",
)
NAMED_SPECIALS = {
    "image_token": "<|image_pad|>",
    "audio_token": "<|audio_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
}


def tokenizer(texts: Iterable[str]) -> Qwen2Tokenizer:
    """A byte-level BPE like Qwen's, learnt from `texts`, with Qwen's special tokens."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=[], show_progress=False, min_frequency=1)
    spellings = [*ANSWERS, *(f"it is{answer}" for answer in ANSWERS if answer.startswith(" "))]
    learner.train_from_iterator([*texts, *(spelling for spelling in spellings for _ in range(50))], trainer)
    learnt = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) if not isinstance(pair, str) else tuple(pair.split(" ")) for pair in learnt["merges"]]
    tokens = Qwen2Tokenizer(
        vocab=learnt["vocab"],
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",  # noqa: S106  # a token of text, no password
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens=NAMED_SPECIALS,
    )
    tokens.add_tokens([AddedToken(special, special=True, normalized=False) for special in SPECIALS])
    for answer in ANSWERS:
        if len(tokens(answer).input_ids) != 1:
            raise ValueError(f"{answer!r} is not one token: give the tokenizer more merges")
    return tokens


def feature_extractor() -> WhisperFeatureExtractor:
    """The real model's feature extractor."""
    return WhisperFeatureExtractor(feature_size=128, sampling_rate=16_000, hop_length=160, chunk_length=300, n_fft=400, return_attention_mask=True)


AUDIO = {
    "d_model": 64,
    "encoder_layers": 1,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 256,
    "num_mel_bins": 128,
    "output_dim": HIDDEN,
    "n_window": 50,
    "n_window_infer": 800,
    "conv_chunksize": 500,
    "downsample_hidden_size": 16,
    "max_source_positions": 1500,
    "initializer_range": 0.04,
}
VISION = {
    "depth": 2,
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_heads": 4,
    "out_hidden_size": HIDDEN,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "num_position_embeddings": 256,
    "deepstack_visual_indexes": [0],
    "initializer_range": 0.04,
}


def config(tokens: Qwen2Tokenizer) -> Qwen3OmniMoeThinkerConfig:
    """The thinker's configuration. Every figure that the classes' defaults would get wrong is written out."""
    number = tokens.convert_tokens_to_ids
    return Qwen3OmniMoeThinkerConfig(
        audio_config=AUDIO,
        vision_config=VISION,
        text_config=_text(tokens),
        audio_token_id=number("<|audio_pad|>"),
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        audio_start_token_id=number("<|audio_start|>"),
        audio_end_token_id=number("<|audio_end|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        user_token_id=tokens("user").input_ids[0],
        position_id_per_seconds=13,
        seconds_per_chunk=2,
        initializer_range=0.04,
        dtype="float32",
    )


def _text(tokens: Qwen2Tokenizer) -> dict[str, Any]:
    rope = {
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": [ROPE_HALF - 4, 2, 2],
        "mrope_interleaved": True,
        "interleaved": True,
    }
    return {
        "vocab_size": (len(tokens) + 63) // 64 * 64,
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "moe_intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 2 * ROPE_HALF,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "norm_topk_prob": True,
        "max_position_embeddings": 32_768,
        "rope_parameters": rope,
        "pad_token_id": tokens.pad_token_id,
        "initializer_range": 0.04,
    }


def build(tokens: Qwen2Tokenizer) -> Qwen3OmniMoeThinkerForConditionalGeneration:
    """The model before its first lesson."""
    return Qwen3OmniMoeThinkerForConditionalGeneration(config(tokens))


def save(model: Qwen3OmniMoeThinkerForConditionalGeneration, tokens: Qwen2Tokenizer, folder: Path) -> None:
    """Write what a judge loads: configuration, weights, tokenizer and feature extractor; and the windows that it was taught on."""
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    feature_extractor().save_pretrained(folder)
    (folder / WINDOW).write_text(f"{json.dumps(TAUGHT)}\n")
