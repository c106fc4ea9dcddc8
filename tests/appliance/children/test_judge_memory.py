"""How much memory the judge may have: what the owner says, else well above what its model should need."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from analyzers.interview import Quantization, SecondLook
from analyzers.judgement import JudgeKind
from analyzers.omni.plan import plan, this_machine
from appliance.config.configuration import JudgeConfig
from appliance.config.site_form import JudgeForm
from appliance.wiring import judge_budget

MODEL = Path(__file__).parents[3] / "appliance" / "demo" / "model"


@pytest.mark.parametrize(("text", "size"), [("24GB", 24_000_000_000), ("512 MB", 512_000_000), ("1.5GB", 1_500_000_000)])
def test_an_amount_is_written_with_its_unit(text: str, size: int) -> None:
    assert JudgeForm.model_validate({"memory": text}).memory == size


@pytest.mark.parametrize(
    ("text", "problem"),
    [("24", "write it with its unit, like 500MB or 24GB"), ("24 gigs", "no amount of bytes"), ("10MB", "greater than or equal to 100000000")],
)
def test_an_amount_that_cannot_be_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        JudgeForm.model_validate({"memory": text})


def test_what_the_owner_says_holds_and_cues_need_nothing() -> None:
    assert judge_budget(JudgeConfig(kind=JudgeKind.OMNI, model=MODEL, memory_bytes=5)).memory_bytes == 5
    assert judge_budget(JudgeConfig()).memory_bytes is None


@pytest.mark.skipif(not (MODEL / "model.safetensors").exists(), reason="the demo's model has not been trained")
def test_without_a_word_it_is_well_above_what_the_model_should_need() -> None:
    may = judge_budget(JudgeConfig(kind=JudgeKind.OMNI, model=MODEL, quantization=Quantization.NONE, device="cpu")).memory_bytes
    assert may
    assert may > 1.4 * plan(MODEL, Quantization.NONE, this_machine("cpu")).peak_bytes


def test_a_model_that_is_not_there_is_the_judges_to_report() -> None:
    assert judge_budget(JudgeConfig(kind=JudgeKind.OMNI, model=Path("/nowhere"))).memory_bytes is None


@pytest.mark.skipif(not (MODEL / "model.safetensors").exists(), reason="the demo's model has not been trained")
def test_a_second_look_has_memory_of_its_own() -> None:
    one = JudgeConfig(kind=JudgeKind.OMNI, model=MODEL, quantization=Quantization.NONE, device="cpu")
    two = replace(one, second_look=SecondLook(model=str(MODEL), quantization=Quantization.NONE))
    alone, both = judge_budget(one).memory_bytes, judge_budget(two).memory_bytes
    planned = plan(MODEL, Quantization.NONE, this_machine("cpu"))
    assert alone
    assert both == pytest.approx(alone + 1.5 * (planned.weight_bytes + planned.work_bytes), rel=0.001)
