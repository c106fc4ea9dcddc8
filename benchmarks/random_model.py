"""A random model with the published one's 128 experts a layer and everything else smaller: `python benchmarks/random_model.py FOLDER`.

Its shape is in `random_model.json`. Its answers mean nothing; what it costs, and what a quantization does to it, can be measured.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeThinkerConfig

from analyzers.omni.prompt import SYSTEM, question
from analyzers.policy import Policy, PolicyId
from appliance.demo.small_model import save, tokenizer
from sensors.window import SensorId

SHAPE = Path(__file__).with_name("random_model.json")
THINGS = ("person", "forklift", "flame", "open door", "ringing bell", "pane of glass", "shout", "ladder", "puddle", "helmet", "pallet", "parcel")
PLACES = ("near the gate", "behind the press", "on the stairs", "at the dock", "in the aisle", "beside the rack", "under the crane", "by the exit")
NAMES = {"audio": "audio_pad", "image": "image_pad", "video": "video_pad"}
MARKS = ("audio_start", "audio_end", "vision_start", "vision_end")


def policy(number: int) -> Policy:
    """A question that nobody has asked before, as long as owners' questions are."""
    thing, other, place = THINGS[number % len(THINGS)], THINGS[(number * 5 + 1) % len(THINGS)], PLACES[number % len(PLACES)]
    ask = f"Is there a {thing} {place}, or a {other} that has been left there, in row {number}?"
    return Policy(id=PolicyId(f"policy-{number}"), title="", ask=ask, sensors=(SensorId("hall"),))


def learnt() -> Qwen2Tokenizer:
    """A tokenizer that has read the questions above."""
    return tokenizer(f"system\n{SYSTEM}\nuser\n{question(policy(each))}\nassistant\n" for each in range(200))


def config(shape: Path, tokens: Qwen2Tokenizer, dtype: str) -> Qwen3OmniMoeThinkerConfig:
    """The configuration of a shape for this tokenizer; the vocabulary is the tokenizer's where the shape has none."""
    number = tokens.convert_tokens_to_ids
    described = json.loads(shape.read_text())
    described["text_config"].setdefault("vocab_size", (len(tokens) + 63) // 64 * 64)
    ids = {f"{name}_token_id": number(f"<|{token}|>") for name, token in NAMES.items()}
    ids |= {f"{mark}_token_id": number(f"<|{mark}|>") for mark in MARKS}
    return Qwen3OmniMoeThinkerConfig(**described, **ids, dtype=dtype)


def make(folder: Path, seed: int = 0) -> Path:
    """Write the model into `folder`, in bfloat16 as published ones are; `folder` itself."""
    tokens = learnt()
    torch.manual_seed(seed)
    model = Qwen3OmniMoeThinkerForConditionalGeneration(config(SHAPE, tokens, "bfloat16"))
    save(model.to(torch.bfloat16), tokens, folder)
    return folder


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)


if __name__ == "__main__":
    main()
