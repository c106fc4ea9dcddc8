"""What a model will take before it is loaded: bytes by part, memory at work, and whether that fits here.

Arithmetic over the configuration and the headers of the weights; it imports no torch, so `check` stays quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from analyzers.interview import Quantization
from analyzers.omni.family import Family, family_of
from analyzers.omni.folder import ModelError, ModelFolder, read
from analyzers.omni.machine import Machine, this_machine
from analyzers.omni.parameters import Part, Size, Sizes, count, part_of
from analyzers.omni.work import Occasion, loading_bytes, window_tokens, work_bytes

__all__ = ["Machine", "ModelError", "Occasion", "Plan", "plan", "plan_of", "survey", "this_machine", "window_tokens"]

QUANTIZED = frozenset({Part.EXPERTS, Part.ATTENTION})
BLOCK = 64
"""Weights that share a scale in NF4."""
BLOCKS_A_STEP = 256
"""Scales that share a step where they are in eight bits themselves."""
RESERVE_BYTES = 700_000_000
"""Left for the system and for the sensors."""
CAPTIONED_S = 60.0
"""The longest sound that is captioned: that of the longest window."""
SLACK = 0.01
"""How far the bytes of a part may be from the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A model under a quantization on a machine."""

    quantization: Quantization
    machine: Machine
    sizes: Sizes
    part_bytes: Mapping[Part, int]
    loading_bytes: int
    """What loading takes besides the weights, for a moment."""
    work_bytes: int
    """What judging takes besides the weights, by default with a batch that is full."""

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(size.parameters for size in self.sizes.values())

    @property
    def held(self) -> str:
        """How the weights are held, for people."""
        with_experts = ", experts too" if self.sizes[Part.EXPERTS].parameters else ""
        return "full precision" if self.quantization is Quantization.NONE else f"{self.quantization.value}{with_experts}"

    @property
    def weight_bytes(self) -> int:
        """Of all parts."""
        return sum(self.part_bytes.values())

    @property
    def peak_bytes(self) -> int:
        """The most that the judge's process takes: its libraries, the weights, and the larger of loading and judging."""
        return self.machine.library_bytes + self.weight_bytes + max(self.loading_bytes, self.work_bytes)

    @property
    def need_bytes(self) -> int:
        """What a machine must have."""
        return self.peak_bytes + RESERVE_BYTES

    @property
    def fits(self) -> bool:
        """Whether the machine has memory for it."""
        return self.need_bytes <= self.machine.memory_bytes

    def __str__(self) -> str:
        """In a line, for people."""
        return (
            f"{many(self.parameters)} parameters, {self.held}, on {self.machine.device}: {amount(self.weight_bytes)} of weights, "
            f"about {amount(self.peak_bytes)} at most, {amount(self.machine.memory_bytes)} of memory here"
        )


def plan(folder: Path, quantization: Quantization, machine: Machine | None = None, *, describes: bool = False, captions: bool = False) -> Plan:
    """The plan of the model in `folder` on this machine. ModelError where it is missing, incomplete, of a kind that cannot judge, or too big.

    `describes`: it will describe hits as well; `captions`: it is a Captioner, which hears one sound at a time and judges nothing.
    """
    found = read(folder, captions=captions)
    occasion = captioned(found.family) if captions else Occasion(described=describes, family=found.family).batched()
    made = survey(found, quantization, machine or this_machine(), occasion)
    if not made.fits:
        raise ModelError(f"{folder} is too big for this machine: {made}; {advice(found, made, occasion)}")
    return made


def captioned(family: Family) -> Occasion:
    """The sound that a Captioner hears."""
    return Occasion(pairs=0, sound_s=CAPTIONED_S, policies=0, described=True, family=family)


def survey(found: ModelFolder, quantization: Quantization, machine: Machine, occasion: Occasion | None = None) -> Plan:
    """The plan of a folder, whether it fits or not. ModelError where its files do not belong together, or are packed in another way."""
    if found.quantization not in {None, quantization}:
        raise ModelError(f"{found.path} has been made as {found.quantization}: write `quantization: {found.quantization}`, or name its source")
    made = plan_of(found.thinker, quantization, machine, occasion, packed=found.quantization is not None)
    if found.tensors:
        _compare_packed(found, made) if found.quantization else _compare(found, made)
    return made


def plan_of(
    thinker: Mapping[str, Any], quantization: Quantization, machine: Machine, occasion: Occasion | None = None, *, packed: bool = False
) -> Plan:
    """The plan of a thinker's configuration, without its weights. `packed`: they are packed already, and need not be while they are read."""
    try:
        family = family_of(thinker)
        sizes = family.sizes(thinker)
        work = work_bytes(thinker, machine.number_bytes, occasion or Occasion(family=family).batched())
        loading = 0 if packed else loading_bytes(thinker, machine.number_bytes)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"config.json does not describe a {thinker.get('model_type')} ({error!r}); download it again") from None
    parts = part_bytes(sizes, quantization, machine.number_bytes)
    return Plan(quantization=quantization, machine=machine, sizes=sizes, part_bytes=parts, loading_bytes=loading, work_bytes=work)


def part_bytes(sizes: Sizes, quantization: Quantization, number_bytes: int) -> Mapping[Part, int]:
    """Bytes of each part under a quantization, where a number that is not quantized has `number_bytes`."""
    return {part: _bytes(size, quantization if part in QUANTIZED else Quantization.NONE, number_bytes) for part, size in sizes.items()}


def _bytes(size: Size, quantization: Quantization, number_bytes: int) -> int:
    match quantization:
        case Quantization.NONE:
            return size.parameters * number_bytes
        case Quantization.NF4:
            return size.parameters // 2 + size.parameters // BLOCK * 4
        case Quantization.NF4_DOUBLE:
            return size.parameters // 2 + size.parameters // BLOCK + size.parameters // (BLOCK * BLOCKS_A_STEP) * 4
        case Quantization.INT8:
            return size.parameters + size.rows * 4


def _compare(found: ModelFolder, made: Plan) -> None:
    """What the files hold is what the configuration describes."""
    held = count((name, stored.shape) for name, stored in found.tensors.items())
    for part, size in made.sizes.items():
        if held[part].parameters != size.parameters:
            raise ModelError(
                f"{found.path}: config.json describes {size.parameters} parameters of {part}, the files of weights hold {held[part].parameters}; "
                "they do not belong together: download the folder again, whole"
            )


def _compare_packed(found: ModelFolder, made: Plan) -> None:
    """As above, for weights that are packed already: by their bytes."""
    held = dict.fromkeys(Part, 0)
    numbers = {Part.EMBEDDINGS: 1}
    for name, stored in found.tensors.items():
        part = part_of(name)
        if part is not None:
            held[part] += stored.bytes
            numbers[part] = prod(stored.shape)
    wanted = part_bytes(made.sizes, made.quantization, held[Part.EMBEDDINGS] // numbers[Part.EMBEDDINGS])
    for part, size in wanted.items():
        if abs(held[part] - size) > SLACK * size:
            raise ModelError(
                f"{found.path}: as {made.quantization} its {part} should take {amount(size)}, and the files hold {amount(held[part])}; "
                "make it again with `omniwatch quantize`"
            )


def advice(found: ModelFolder, made: Plan, occasion: Occasion | None = None) -> str:
    """What to change where a model does not fit on an occasion."""
    choices = [] if found.quantization else [each for each in (Quantization.NF4, Quantization.NF4_DOUBLE) if each is not made.quantization]
    others = [plan_of(found.thinker, choice, made.machine, occasion) for choice in choices]
    for other in others:
        if other.fits:
            return f"with `quantization: {other.quantization}` it takes {amount(other.peak_bytes)}"
    need = min(each.need_bytes for each in (made, *others))
    return f"it needs a {'GPU' if made.machine.device == 'cuda' else 'machine'} with {need / 1e9:.0f} GB, or a smaller model"


def many(number: int) -> str:
    """A number of parameters, for people."""
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.2f} million"


def amount(number: int) -> str:
    """Bytes, for people."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
