"""A tiny random Qwen3-Omni of the real classes that speaks: thinker, talker and code2wav in one checkpoint, as a hub lays it out."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import Qwen3OmniMoeConfig, Qwen3OmniMoeForConditionalGeneration
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from tests.analyzers import tiny

SPOKEN = ("<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")
ROLES = ("system", "user", "assistant")
SPREADS = {"code2wav.": 0.1, "embed": 1.0, "codec_head": 0.4, "_proj.": 1.0}
"""Of random weights, by a part of their name; of the others 0.3. With these, sentences and voices differ, can be heard and come to an end."""
SPECIAL_CODES = ("codec_bos_id", "codec_eos_token_id", "codec_nothink_id", "codec_pad_id", "codec_think_bos_id", "codec_think_eos_id")
CODES = 16
"""Codes a group: so few that a talker of random weights comes upon the one that ends its sentence, within seconds."""
FIRST = CODES
"""The talker's special codes lie behind those that are sound."""
SPEAKERS = {"chelsie": FIRST + 6, "ethan": FIRST + 7, "aiden": FIRST + 8}


def tokenizer() -> Qwen2Tokenizer:
    """Qwen's special tokens, those of speech too."""
    tokens = tiny.tokenizer(more=ROLES)
    tokens.add_tokens([AddedToken(special, special=True, normalized=False) for special in SPOKEN])
    return tokens


def config(tokens: Qwen2Tokenizer, **changes: object) -> Qwen3OmniMoeConfig:
    """Everything that makes one large made small. `changes`: of the talker."""
    number = tokens.convert_tokens_to_ids
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6}
    small: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    text = {**small, "vocab_size": CODES + 1024, "num_hidden_layers": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24}
    text |= {"num_local_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True, "mlp_only_layers": []}
    text |= {"rope_parameters": {**rope, "mrope_section": [4, 2, 2], "interleaved": True}}
    predictor = {**small, "vocab_size": CODES, "num_hidden_layers": 1, "num_code_groups": 4, "rope_parameters": rope}
    codes = {name: FIRST + number for number, name in enumerate(SPECIAL_CODES)}
    talker: dict[str, Any] = {"accept_hidden_layer": 1, "num_code_groups": 4, "thinker_hidden_size": tiny.HIDDEN, "spatial_merge_size": 2, **codes}
    talker |= {"speaker_id": SPEAKERS, "text_config": text, "code_predictor_config": predictor, **changes}
    code2wav: dict[str, Any] = {**small, "num_key_value_heads": 2, "codebook_size": CODES}
    code2wav |= {"num_hidden_layers": 1, "num_quantizers": 4, "decoder_dim": 32, "sliding_window": 72, "rope_parameters": {**rope, "rope_theta": 1e4}}
    return Qwen3OmniMoeConfig(
        thinker_config=tiny.config(tokens).to_dict(),
        talker_config=talker,
        code2wav_config={**code2wav, "upsample_rates": [8, 5, 4, 3], "upsampling_ratios": [2, 2]},
        im_start_token_id=number("<|im_start|>"),
        im_end_token_id=number("<|im_end|>"),
        tts_pad_token_id=number(SPOKEN[0]),
        tts_bos_token_id=number(SPOKEN[1]),
        tts_eos_token_id=number(SPOKEN[2]),
        **{f"{role}_token_id": number(role) for role in ROLES},
    )


def whole(tokens: Qwen2Tokenizer, **changes: object) -> Qwen3OmniMoeForConditionalGeneration:
    """A random model, always the same. Its weights are large enough that its sentences differ and can be heard."""
    torch.manual_seed(0)
    made = Qwen3OmniMoeForConditionalGeneration(config(tokens, **changes)).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=next((std for part, std in SPREADS.items() if part in name), 0.3))
    return made


def save(folder: Path, **changes: object) -> Path:
    """A whole model folder; `folder` itself."""
    tokens = tokenizer()
    whole(tokens, **changes).save_pretrained(folder)
    tokens.save_pretrained(folder)
    tiny.extractor().save_pretrained(folder)
    return folder
