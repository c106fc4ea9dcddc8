"""What a voice takes before it is loaded: bytes by part, and whether there is room for it beside the judge. Arithmetic; it imports no torch.

A voice runs on the processor whatever the judge runs on: sentences are rendered while nobody waits for them, and a card's memory is the
judge's. Its numbers are bfloat16 there: it reads all of its weights for every code, so half the bytes weigh more than slower products.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from pathlib import Path
from typing import Any

from analyzers.omni.beside import Plans
from analyzers.omni.folder import ModelError
from analyzers.omni.machine import Machine, this_machine
from analyzers.omni.plan import RESERVE_BYTES, amount, many
from analyzers.omni.talker_folder import EMBEDDINGS, TalkerFolder, read_talker
from analyzers.synthesis import Speaker

NUMBER_BYTES = 2
CHUNK_CODES = 325
"""Codes that become sound in one piece: 300, and 25 before them."""
COPIES = 10
"""How many times the widest layer of code2wav is held at once (measured, with the size of the 30B-A3B: 8.7 to 10)."""


class VoicePart(StrEnum):
    """What a voice is made of."""

    TALKER = "talker"
    CODE2WAV = "code2wav"
    EMBEDDINGS = "embeddings"
    """The thinker's."""


PREFIXES = {VoicePart.TALKER: "talker.", VoicePart.CODE2WAV: "code2wav.", VoicePart.EMBEDDINGS: EMBEDDINGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicePlan:
    """A voice on a machine."""

    parameters: Mapping[VoicePart, int]
    work_bytes: int
    """What speaking takes besides the weights, for a sentence of any length."""
    machine: Machine

    @property
    def part_bytes(self) -> Mapping[VoicePart, int]:
        """Of the weights."""
        return {part: number * NUMBER_BYTES for part, number in self.parameters.items()}

    @property
    def weight_bytes(self) -> int:
        """Of all parts."""
        return sum(self.part_bytes.values())

    @property
    def peak_bytes(self) -> int:
        """The most that the helper's process takes."""
        return self.machine.library_bytes + self.weight_bytes + self.work_bytes

    @property
    def need_bytes(self) -> int:
        """What must be free for it."""
        return self.peak_bytes + RESERVE_BYTES

    def __str__(self) -> str:
        """In a line, for people."""
        parts = ", ".join(f"{part} {amount(size)}" for part, size in self.part_bytes.items())
        number = many(sum(self.parameters.values()))
        return f"{number} parameters in bfloat16 on the processor ({parts}), about {amount(self.peak_bytes)} at most, while it renders"


def plan_beside(folder: Path, speaker: Speaker, judge: Callable[[], Plans | None], machine: Machine | None = None) -> VoicePlan:
    """The plan of the voice in `folder` on this machine. ModelError where there is none, its files do not belong together, or there is no room.

    `judge` says what the judge takes, which comes first. ModelError of it: it does not run, so it takes nothing.
    """
    voice = survey_voice(read_talker(folder, speaker), machine or this_machine("cpu"))
    try:
        plans = judge()
    except ModelError:  # told beside the judge
        plans = None
    if why := no_room(voice, plans):
        raise ModelError(f"there is no room for the voice of {folder}: {why}; take `engine: espeak-ng`, or more memory")
    return voice


def survey_voice(found: TalkerFolder, machine: Machine) -> VoicePlan:
    """The plan of a folder. ModelError where its configuration and its files do not belong together."""
    try:
        parameters = sizes_of(found.config)
        code2wav = found.config["code2wav_config"]
        channels = code2wav["decoder_dim"] // 2 ** len(code2wav["upsample_rates"])
        samples = CHUNK_CODES * prod((*code2wav["upsample_rates"], *code2wav["upsampling_ratios"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{found.path}/config.json does not describe a talker and its code2wav ({error!r}); download it again") from None
    if found.tensors:
        _compare(found, parameters)
    return VoicePlan(parameters=parameters, work_bytes=COPIES * samples * channels * NUMBER_BYTES, machine=machine)


def _compare(found: TalkerFolder, parameters: Mapping[VoicePart, int]) -> None:
    """What the files hold is what the configuration describes."""
    for part, number in parameters.items():
        held = sum(prod(stored.shape) for name, stored in found.tensors.items() if name.startswith(PREFIXES[part]))
        if held != number:
            raise ModelError(
                f"{found.path}: config.json describes {number} parameters of {part}, the files of weights hold {held}; "
                "they do not belong together: download the folder again, whole"
            )


def no_room(voice: VoicePlan, judge: Plans | None) -> str:
    """Why there is no room for a voice beside a judge; empty where there is."""
    beside = 0
    if judge:
        first = judge.first
        # On a card the weights pass through the box's memory while they are read. Each of the two wants what is free with a reserve as it loads.
        takes = judge.peak_bytes if first.machine.device == "cpu" else first.machine.library_bytes + first.loading_bytes
        beside = takes + RESERVE_BYTES
    if voice.need_bytes + beside <= voice.machine.memory_bytes:
        return ""
    judges = f", beside {amount(beside)} for the judge" if beside else ""
    return f"it takes {amount(voice.peak_bytes)}{judges}, and this machine has {amount(voice.machine.memory_bytes)} of memory"


def sizes_of(config: Mapping[str, Any]) -> Mapping[VoicePart, int]:
    """Parameters by part, from a whole model's configuration. KeyError or TypeError where a figure is missing or is none."""
    text = config["thinker_config"]["text_config"]
    return {
        VoicePart.TALKER: _talker(config["talker_config"]),
        VoicePart.CODE2WAV: _code2wav(config["code2wav_config"]),
        VoicePart.EMBEDDINGS: text["vocab_size"] * text["hidden_size"],
    }


def _talker(config: Mapping[str, Any]) -> int:
    text, predictor, groups = config["text_config"], config["code_predictor_config"], config["num_code_groups"] - 1
    hidden, thinker, experts = text["hidden_size"], config["thinker_hidden_size"], text.get("num_local_experts", text.get("num_experts"))
    shared = 3 * hidden * text["shared_expert_intermediate_size"] + hidden
    layer = _attention(text) + 3 * hidden * text["moe_intermediate_size"] * experts + hidden * experts + shared
    projection = (thinker + 1) * text["intermediate_size"] + (text["intermediate_size"] + 1) * hidden
    speaking = text["num_hidden_layers"] * layer + hidden + 2 * text["vocab_size"] * hidden + 2 * projection
    narrow, inner = predictor["hidden_size"], predictor["intermediate_size"]
    predicting = predictor["num_hidden_layers"] * (_attention(predictor) + 3 * narrow * inner) + narrow
    return int(speaking + predicting + 2 * groups * predictor["vocab_size"] * narrow)


def _attention(config: Mapping[str, Any]) -> int:
    """Of a layer, with its norms."""
    hidden, width = config["hidden_size"], config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * width, config["num_key_value_heads"] * width
    return int(2 * hidden * queries + 2 * hidden * keys + 2 * width + 2 * hidden)


def _code2wav(config: Mapping[str, Any]) -> int:
    hidden, inner, width = config["hidden_size"], config["intermediate_size"], config["decoder_dim"]
    heads = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * heads, config["num_key_value_heads"] * heads
    layer = 2 * hidden * queries + 2 * hidden * keys + 3 * hidden * inner + 4 * hidden
    before = config["codebook_size"] * config["num_quantizers"] * hidden + config["num_hidden_layers"] * layer + hidden
    widened = sum(hidden * hidden * factor + hidden + _convolved(hidden) for factor in config["upsampling_ratios"])
    decoded = 7 * hidden * width + width
    for rate in config["upsample_rates"]:
        narrow = width // 2
        decoded += 2 * width + width * narrow * 2 * rate + narrow + 3 * (4 * narrow + 8 * narrow * narrow + 2 * narrow)
        width = narrow
    return int(before + widened + decoded + 2 * width + 7 * width + 1)


def _convolved(hidden: int) -> int:
    """A block of seven taps a channel, a norm, and two products four times as wide, scaled."""
    return 8 * hidden + 2 * hidden + (hidden + 1) * 4 * hidden + (4 * hidden + 1) * hidden + hidden
