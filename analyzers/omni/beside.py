"""What a second model takes beside the first, and whether both fit. Arithmetic, as the plan is; it imports no torch."""

from dataclasses import dataclass, replace
from pathlib import Path

from analyzers.interview import Quantization, SecondLook
from analyzers.omni.folder import ModelError
from analyzers.omni.plan import Machine, Plan, plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """What a judge takes: its model, and that of its second look where it has one."""

    first: Plan
    second: Plan | None

    @property
    def peak_bytes(self) -> int:
        """The most that its process takes."""
        if self.second is None:
            return self.first.peak_bytes
        return max(self.first.peak_bytes, self.first.weight_bytes + self.first.work_bytes + self.second.peak_bytes)


def plan_judge(model: Path, quantization: Quantization, machine: Machine, *, look: SecondLook | None, describes: bool) -> Plans:
    """The plans of all that a judge loads. ModelError where it cannot judge here, or does not fit."""
    first = plan(model, quantization, machine, describes=describes)
    return Plans(first=first, second=_beside(first, look) if look else None)


def _beside(first: Plan, look: SecondLook) -> Plan:
    """The plan of a second look's model in the memory that the first leaves: its weights and its work stay. ModelError where there is too little."""
    left = replace(first.machine, memory_bytes=max(0, first.machine.memory_bytes - first.weight_bytes - first.work_bytes))
    try:
        return plan(Path(look.model), look.quantization, left)
    except ModelError as error:
        raise ModelError(f"judge.second_look, in what judge.model leaves of the memory: {error}") from None
