"""What a model will take before it is loaded: bytes by part, memory at work, and whether that fits here.

Arithmetic over the configuration and the headers of the weights; it imports no torch, so `check` stays quick.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzers.interview import Quantization
from analyzers.omni.folder import ModelError, ModelFolder, read
from analyzers.omni.media import MERGE, PATCH, PATCH_VALUES, sight_tokens, sound_tokens
from analyzers.omni.parameters import Part, Sizes, count, expected

__all__ = ["Machine", "ModelError", "Occasion", "Plan", "plan", "plan_of", "this_machine", "window_tokens"]

QUANTIZED = frozenset({Part.EXPERTS, Part.ATTENTION})
BLOCK = 64
"""Weights that share a scale in NF4."""
RESERVE_BYTES = 1_000_000_000
"""Left for the system and for the sensors, or on a GPU for its libraries."""
MEL_FRAMES_A_SECOND = 100
PREAMBLE_TOKENS = 40
"""System text and the marks around sound and picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a model is to run."""

    device: str
    """`cpu` or `cuda`."""
    memory_bytes: int

    @property
    def compute_bytes(self) -> int:
        """Bytes of a number that is not quantized: bfloat16 on a GPU; float32 on a CPU, where bfloat16 is slower (measured: 2 to 3 times)."""
        return 2 if self.device == "cuda" else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What is judged at once. The default is a large window with many policies."""

    height: int = 320
    width: int = 576
    pairs: int = 8
    sound_s: float | None = 16.0
    policies: int = 16
    question_tokens: int = 64

    @property
    def tokens(self) -> int:
        """Tokens of the whole row."""
        return PREAMBLE_TOKENS + window_tokens(self.height, self.width, self.pairs, self.sound_s) + self.policies * self.question_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A model under a quantization on a machine."""

    quantization: Quantization
    machine: Machine
    sizes: Sizes
    part_bytes: Mapping[Part, int]
    work_bytes: int
    """What judging takes besides the weights, at a large window."""

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(size.parameters for size in self.sizes.values())

    @property
    def weight_bytes(self) -> int:
        """Of all parts."""
        return sum(self.part_bytes.values())

    @property
    def peak_bytes(self) -> int:
        """Weights and work."""
        return self.weight_bytes + self.work_bytes

    @property
    def fits(self) -> bool:
        """Whether the machine has memory for it."""
        return self.peak_bytes + RESERVE_BYTES <= self.machine.memory_bytes

    def __str__(self) -> str:
        """In a line, for people."""
        held = "full precision" if self.quantization is Quantization.NONE else f"{self.quantization.value}, experts too"
        return (
            f"{_count(self.parameters)} parameters, {held}, on {self.machine.device}: {_amount(self.weight_bytes)} of weights, "
            f"about {_amount(self.peak_bytes)} at work, {_amount(self.machine.memory_bytes)} of memory here"
        )


def plan(folder: Path, quantization: Quantization, machine: Machine | None = None) -> Plan:
    """The plan of the model in `folder` on this machine. ModelError where it is missing, incomplete, of a kind that cannot judge, or too big."""
    found = read(folder)
    made = plan_of(found.thinker, quantization, machine or this_machine())
    _compare(found, made)
    if not made.fits:
        raise ModelError(f"{folder} is too big for this machine: {made}; {_advice(found.thinker, made)}")
    return made


def plan_of(thinker: Mapping[str, Any], quantization: Quantization, machine: Machine, occasion: Occasion | None = None) -> Plan:
    """The plan of a thinker's configuration, without its weights."""
    try:
        sizes = expected(thinker)
        work = _work_bytes(thinker, machine.compute_bytes, occasion or Occasion())
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"config.json does not describe a Qwen3-Omni thinker ({error!r}); download it again") from None
    part_bytes = {part: _part_bytes(part, sizes, quantization, machine.compute_bytes) for part in Part}
    return Plan(quantization=quantization, machine=machine, sizes=sizes, part_bytes=part_bytes, work_bytes=work)


def window_tokens(height: int, width: int, pairs: int, seconds_of_sound: float | None) -> int:
    """Tokens that a window's media take. No picture where `pairs` is 0, no sound where there are no seconds."""
    sight = sight_tokens((pairs, height // PATCH, width // PATCH))
    sound = sound_tokens(round(seconds_of_sound * MEL_FRAMES_A_SECOND)) if seconds_of_sound else 0
    return sight + sound


def this_machine(device: str = "auto") -> Machine:
    """What a judge with this `device` would run on: the GPU where there is one and it may be used, else the memory of the box."""
    gpu = _gpu_bytes() if device != "cpu" and Path("/dev/nvidiactl").exists() else None
    if gpu:
        return Machine(device="cuda", memory_bytes=gpu)
    if device == "cuda":
        raise ModelError("judge.device is cuda, and this machine has no NVIDIA card that nvidia-smi knows")
    return Machine(device="cpu", memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _gpu_bytes() -> int | None:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, check=True, timeout=5, text=True)  # noqa: S603 - nothing in it comes from outside
        return int(told.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None  # a card without its tools is not planned for; loading sees it again


def _part_bytes(part: Part, sizes: Sizes, quantization: Quantization, compute_bytes: int) -> int:
    size = sizes[part]
    if part not in QUANTIZED or quantization is Quantization.NONE:
        return size.parameters * compute_bytes
    if quantization is Quantization.NF4:
        return size.parameters // 2 + size.parameters // BLOCK * 4
    return size.parameters + size.rows * 4


def _work_bytes(thinker: Mapping[str, Any], compute_bytes: int, occasion: Occasion) -> int:
    """What text, sight and sound have alive in a forward, together, as what one has given back is seldom used again by the next.

    On a model of 194 M parameters it says 382 MB where 305 to 330 were measured.
    """
    text, sight, sound = thinker["text_config"], thinker["vision_config"], thinker["audio_config"]
    chosen = text["num_experts_per_tok"]
    a_token = text["hidden_size"] * (6 + 2 * chosen) + 4 * chosen * text["moe_intermediate_size"]
    a_token += (2 * text["num_attention_heads"] + 4 * text["num_key_value_heads"]) * text["head_dim"]
    patches = occasion.pairs * (occasion.height // PATCH) * (occasion.width // PATCH)
    a_patch = PATCH_VALUES + 6 * sight["hidden_size"] + 2 * sight["intermediate_size"]
    a_patch += (2 + len(sight["deepstack_visual_indexes"])) * sight["out_hidden_size"] // MERGE**2
    frames = round((occasion.sound_s or 0.0) * MEL_FRAMES_A_SECOND)
    a_frame = 2 * sound["downsample_hidden_size"] * sound["num_mel_bins"] // 4
    one_expert = 3 * text["moe_intermediate_size"] * text["hidden_size"]
    head = 16_384 * text["hidden_size"] * 4 if compute_bytes < 4 else 0
    return int((occasion.tokens * a_token + patches * a_patch + frames * a_frame) * compute_bytes + head + one_expert * 4)


def _compare(found: ModelFolder, made: Plan) -> None:
    """What the files hold is what the configuration describes."""
    held = count(found.tensors.items())
    for part, size in made.sizes.items():
        if held[part].parameters != size.parameters:
            raise ModelError(
                f"{found.path}: config.json describes {size.parameters} parameters of {part}, the files of weights hold {held[part].parameters}; "
                "they do not belong together: download the folder again, whole"
            )


def _advice(thinker: Mapping[str, Any], made: Plan) -> str:
    if made.quantization is not Quantization.NF4:
        smaller = plan_of(thinker, Quantization.NF4, made.machine)
        if smaller.fits:
            return f"with `quantization: nf4` it takes {_amount(smaller.peak_bytes)}"
    need = (made.peak_bytes + RESERVE_BYTES) / 1e9
    return f"it needs a {'GPU' if made.machine.device == 'cuda' else 'machine'} with {need:.0f} GB, or a smaller model"


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.2f} million"


def _amount(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
