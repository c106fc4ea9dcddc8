"""A random model with the published one's 128 experts a layer and everything else smaller: `python benchmarks/random_model.py FOLDER`.

Its shape is in `random_model.json`; `--shape benchmarks/random_dense.json` is a shallow one of Qwen2.5-Omni, which has no experts. Its
answers mean nothing; what it costs, and what a quantization does to it, can be measured.
"""

import argparse
import json
from dataclasses import astuple
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken
from transformers import AutoConfig, PreTrainedConfig, Qwen2Tokenizer

from analyzers.omni.family import FAMILIES, family_of
from analyzers.omni.prompt import SYSTEM, question
from analyzers.policy import Policy, PolicyId
from appliance.demo.small_model import save, tokenizer
from sensors.window import SensorId

SHAPE = Path(__file__).with_name("random_model.json")
THINGS = ("person", "forklift", "flame", "open door", "ringing bell", "pane of glass", "shout", "ladder", "puddle", "helmet", "pallet", "parcel")
PLACES = ("near the gate", "behind the press", "on the stairs", "at the dock", "in the aisle", "beside the rack", "under the crane", "by the exit")


def policy(number: int) -> Policy:
    """A question that nobody has asked before, as long as owners' questions are."""
    thing, other, place = THINGS[number % len(THINGS)], THINGS[(number * 5 + 1) % len(THINGS)], PLACES[number % len(PLACES)]
    ask = f"Is there a {thing} {place}, or a {other} that has been left there, in row {number}?"
    return Policy(id=PolicyId(f"policy-{number}"), title="", ask=ask, sensors=(SensorId("hall"),))


def learnt() -> Qwen2Tokenizer:
    """A tokenizer that has read the questions above, with the special tokens of all families."""
    tokens = tokenizer(f"system\n{SYSTEM}\nuser\n{question(policy(each))}\nassistant\n" for each in range(200))
    tokens.add_tokens([AddedToken(mark, special=True, normalized=False) for family in FAMILIES for mark in astuple(family.marks)])
    return tokens


def config(shape: Path, tokens: Qwen2Tokenizer, dtype: str) -> PreTrainedConfig:
    """The configuration of a shape for this tokenizer; the vocabulary is the tokenizer's where the shape has none."""
    number = tokens.convert_tokens_to_ids
    described = json.loads(shape.read_text())
    marks = family_of(described).marks
    described["text_config"].setdefault("vocab_size", (len(tokens) + 63) // 64 * 64)
    ids = {"audio": marks.sound, "video": marks.sight, "image": "<|image_pad|>", "audio_start": marks.sound_start, "audio_end": marks.sound_end}
    ids |= {"vision_start": marks.sight_start, "vision_end": marks.sight_end}
    return AutoConfig.for_model(**described, **{f"{name}_token_id": number(mark) for name, mark in ids.items()}, dtype=dtype)


def make(folder: Path, seed: int = 0, shape: Path = SHAPE) -> Path:
    """Write the model into `folder`, in bfloat16 as published ones are; `folder` itself."""
    tokens = learnt()
    torch.manual_seed(seed)
    made = config(shape, tokens, "bfloat16")
    model = getattr(transformers, family_of(made.to_dict()).thinker)(made)
    save(model.to(torch.bfloat16), tokens, folder)
    return folder


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", type=Path, default=SHAPE)
    given = parser.parse_args()
    make(given.folder, shape=given.shape)


if __name__ == "__main__":
    main()
