"""What `omniwatch plan` says of a model, as a value. It loads no torch and starts nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from analyzers import description, transcript
from analyzers.interview import Quantization
from analyzers.omni.folder import ModelError, sketch
from analyzers.omni.plan import Machine, Occasion, Plan, advice, captioned, survey, this_machine
from analyzers.omni.talker_folder import sketch_talker
from analyzers.omni.talker_plan import survey_voice

WINDOWS_S = (15.0, 30.0, 60.0, 120.0)
PUBLISHED_GB: Mapping[int, Mapping[float, float]] = {
    31_719_205_488: {15.0: 78.85, 30.0: 88.52, 60.0: 107.74, 120.0: 144.81},  # Qwen3-Omni-30B-A3B-Instruct
    8_931_813_888: {15.0: 31.11, 30.0: 41.85, 60.0: 60.19},  # Qwen2.5-Omni-7B
    4_703_464_448: {15.0: 18.38, 30.0: 22.43, 60.0: 28.22},  # Qwen2.5-Omni-3B
}
"""What the makers of a model say that it takes at least in bfloat16, for a video of so many seconds: by the parameters of its thinker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLine:
    """A part of the model."""

    part: str
    parameters: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLine:
    """A window of a length."""

    seconds: float
    tokens: int
    work_bytes: int
    """To judge it alone."""
    batch_bytes: int
    """To judge a batch that is filled up with such windows."""
    peak_bytes: int
    """Of the judge's process: libraries, weights, and the larger of loading and a batch."""
    fits: bool
    published_bf16_gb: float | None


class Companion(StrEnum):
    """Another model that the judge's process loads, by the key of the configuration that names it."""

    SECOND_LOOK = "judge.second_look"
    CAPTIONER = "judge.describe.captioner"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionLine:
    """Another model, in what those before it leave of the memory: their weights and their work stay."""

    companion: Companion
    model: str
    held: str
    weight_bytes: int
    peak_bytes: int
    """Of the judge's process while this one is loaded, or has its turn."""
    fits: bool
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceLine:
    """What its voice would take, in a process of its own on the processor: `engine: omni` of `notify.speech`."""

    parts: tuple[PartLine, ...]
    weight_bytes: int
    peak_bytes: int
    """Of the helper's process, while it renders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What is printed as JSON too. It fits where the first window does, and every other model beside it."""

    model: str
    family: str
    quantization: Quantization
    held: str
    """The same, for people."""
    packed_already: bool
    left_out: str
    """What of a whole checkpoint is not loaded."""
    device: str
    memory_bytes: int
    parameters: int
    parts: tuple[PartLine, ...]
    weight_bytes: int
    library_bytes: int
    loading_peak_bytes: int
    policies: int
    described: bool
    """Whether hits are described too."""
    description_tokens: int
    """That the models write of a hit, at the most; 0 where none are described."""
    transcript_tokens: int
    """That it writes more where the hit's policy wants to know what was said, at the most."""
    windows: tuple[WindowLine, ...]
    companions: tuple[CompanionLine, ...]
    fits: bool
    advice: str
    """What to change where it does not fit."""
    voice: VoiceLine | None
    """None where it has none that can be used here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """What a model is to be planned for."""

    quantization: Quantization
    lengths_s: tuple[float, ...] = WINDOWS_S
    """Of windows."""
    policies: int = 16
    described: bool = False
    """Whether hits are described too."""
    gpu_bytes: int | None = None
    """Of a card; None: this machine."""
    others: Mapping[Companion, Path] = field(default_factory=dict)
    """The folders of other models that are to be loaded beside it."""


def outline(model: Path, wished: Wished) -> ModelPlan:
    """The plan of the model in a folder. ModelError where nothing can be planned."""
    found = sketch(model)
    machine = Machine(device="cuda", memory_bytes=wished.gpu_bytes) if wished.gpu_bytes else this_machine()
    lengths, described = wished.lengths_s, wished.described
    occasions = [replace(Occasion.lasting(length, wished.policies, found.family), described=described) for length in lengths]
    how = found.quantization or wished.quantization
    plans = [survey(found, how, machine, occasion.batched()) for occasion in occasions]
    alone = [survey(found, how, machine, occasion).work_bytes for occasion in occasions]
    made = plans[0]
    companions = tuple(_companions(made, wished))
    return ModelPlan(
        model=str(model),
        family=found.family.name,
        quantization=made.quantization,
        held=made.held,
        packed_already=found.quantization is not None,
        left_out=found.family.left_out,
        device=machine.device,
        memory_bytes=machine.memory_bytes,
        parameters=made.parameters,
        parts=tuple(_parts_of(made)),
        weight_bytes=made.weight_bytes,
        library_bytes=machine.library_bytes,
        loading_peak_bytes=machine.library_bytes + made.weight_bytes + made.loading_bytes,
        policies=wished.policies,
        described=described,
        description_tokens=_written(wished) if described else 0,
        transcript_tokens=transcript.MAX_TOKENS if described else 0,
        windows=tuple(_line(*each) for each in zip(lengths, occasions, alone, plans, strict=True)),
        companions=companions,
        fits=made.fits and all(each.fits for each in companions),
        advice="" if made.fits else advice(found, made, occasions[0].batched()),
        voice=_voice_of(model),
    )


def _written(wished: Wished) -> int:
    """Tokens of a description. What a Captioner writes comes on top, and the judge's model goes on from there."""
    return description.MAX_TOKENS + (description.CAPTION_TOKENS if Companion.CAPTIONER in wished.others else 0)


def _companions(first: Plan, wished: Wished) -> Iterator[CompanionLine]:
    """In the order in which they are loaded, each where those before it fit or not."""
    taken = first.weight_bytes + first.work_bytes
    for companion, folder in sorted(wished.others.items(), key=lambda each: list(Companion).index(each[0])):
        captions = companion is Companion.CAPTIONER
        try:
            found = sketch(folder, captions=captions)
            occasion = captioned(found.family) if captions else Occasion(family=found.family).batched()
            made = survey(found, found.quantization or wished.quantization, first.machine.less(taken), occasion)
        except ModelError as error:
            raise ModelError(f"{companion}: {error}") from None
        yield CompanionLine(
            companion=companion,
            model=str(folder),
            held=made.held,
            weight_bytes=made.weight_bytes,
            peak_bytes=taken + made.peak_bytes,
            fits=made.fits,
            advice="" if made.fits else advice(found, made, occasion),
        )
        taken += made.weight_bytes + made.work_bytes


def _voice_of(model: Path) -> VoiceLine | None:
    """A thinker that can judge may lie beside a talker that cannot speak: that is said where it is to."""
    found = sketch_talker(model)
    try:
        made = survey_voice(found, this_machine("cpu")) if found else None
    except ModelError:
        made = None
    if made is None:
        return None
    parts = (PartLine(part=part.value, parameters=number, bytes=made.part_bytes[part]) for part, number in made.parameters.items())
    return VoiceLine(parts=tuple(parts), weight_bytes=made.weight_bytes, peak_bytes=made.peak_bytes)


def _parts_of(made: Plan) -> Iterator[PartLine]:
    """What there is of it: a model need not have experts."""
    for part, size in made.sizes.items():
        if size.parameters:
            yield PartLine(part=part.value, parameters=size.parameters, bytes=made.part_bytes[part])


def _line(seconds: float, occasion: Occasion, alone: int, made: Plan) -> WindowLine:
    comparable = made.quantization is Quantization.NONE and made.machine.number_bytes == 2
    return WindowLine(
        seconds=seconds,
        tokens=occasion.tokens,
        work_bytes=alone,
        batch_bytes=made.work_bytes,
        peak_bytes=made.peak_bytes,
        fits=made.fits,
        published_bf16_gb=PUBLISHED_GB.get(made.parameters, {}).get(seconds) if comparable else None,
    )
