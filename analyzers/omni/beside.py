"""What a second model takes beside the first, and whether both fit. Arithmetic, as the plan is; it imports no torch."""

from dataclasses import replace
from pathlib import Path

from analyzers.interview import SecondLook
from analyzers.omni.folder import ModelError
from analyzers.omni.plan import Plan, plan


def plan_beside(first: Plan, look: SecondLook) -> Plan:
    """The plan of a second look's model in the memory that the first leaves: its weights and its work stay. ModelError where there is too little."""
    left = replace(first.machine, memory_bytes=max(0, first.machine.memory_bytes - first.weight_bytes - first.work_bytes))
    try:
        return plan(Path(look.model), look.quantization, left)
    except ModelError as error:
        raise ModelError(f"judge.second_look, in what judge.model leaves of the memory: {error}") from None


def peak_of_both(first: Plan, second: Plan) -> int:
    """The most that the judge's process takes with both in it."""
    return max(first.peak_bytes, first.weight_bytes + first.work_bytes + second.peak_bytes)
