"""What other models take beside the first, and whether all fit. Arithmetic, as the plan is; it imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from analyzers.interview import CaptionerModel, Quantization, SecondLook
from analyzers.omni.folder import ModelError
from analyzers.omni.plan import Machine, Plan, plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The models that a judge has beside its own."""

    look: SecondLook | None = None
    captioner: CaptionerModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """What a judge takes: its model, that of its second look where it has one, and a captioner where it has one."""

    first: Plan
    second: Plan | None
    captioner: Plan | None = None

    @property
    def peak_bytes(self) -> int:
        """The most that its process takes: they are loaded one after the other, and what is loaded stays, with its work."""
        held, peak = 0, 0
        for each in filter(None, (self.first, self.second, self.captioner)):
            peak = max(peak, held + each.peak_bytes)
            held += each.weight_bytes + each.work_bytes
        return peak


def plan_judge(model: Path, quantization: Quantization, machine: Machine, beside: Beside, *, describes: bool) -> Plans:
    """The plans of all that a judge loads. ModelError where it cannot judge here, or does not fit."""
    first = plan(model, quantization, machine, describes=describes)
    second = captioner = None
    if beside.look:
        second = _plan(beside.look.model, beside.look.quantization, "judge.second_look", (first,))
    if beside.captioner:
        held = (first, second) if second else (first,)
        captioner = _plan(beside.captioner.model, beside.captioner.quantization, "judge.describe.captioner", held, captions=True)
    return Plans(first=first, second=second, captioner=captioner)


def _plan(model: str, quantization: Quantization, key: str, held: tuple[Plan, ...], *, captions: bool = False) -> Plan:
    """A model's plan in the memory that others leave: their weights and their work stay. ModelError where there is too little."""
    taken = sum(each.weight_bytes + each.work_bytes for each in held)
    try:
        return plan(Path(model), quantization, held[0].machine.less(taken), captions=captions)
    except ModelError as error:
        raise ModelError(f"{key}, in what the others leave of the memory: {error}") from None
