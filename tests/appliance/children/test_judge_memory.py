"""How much memory the judge may have: what the owner says, else well above what its model should need."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from analyzers.interview import CaptionerModel, Quantization, SecondLook
from analyzers.judgement import JudgeKind
from analyzers.omni.plan import plan, this_machine
from appliance.config.judge_form import JudgeChoice, JudgeConfig, JudgeForm, judge_config
from appliance.wiring import judge_budget, judge_settings
from tests.analyzers.husk import lay, sized

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


@pytest.mark.parametrize(
    ("written", "describes", "language"),
    [(True, True, ""), (False, False, ""), ({}, True, ""), ({"language": "German"}, True, "German"), ({"language": "Français"}, True, "Français")],
)
def test_whether_alarms_are_described_is_one_word_or_a_language(written: object, describes: bool, language: str, tmp_path: Path) -> None:  # noqa: FBT001 - a row
    form = JudgeForm.model_validate({"kind": "omni", "model": "m", "describe": written})
    found = judge_config(form, tmp_path)
    assert (found.describes, found.language) == (describes, language)
    settings = judge_settings(found)
    assert settings
    assert settings.describes is describes
    assert not judge_config(form.model_copy(update={"kind": JudgeChoice.CUES}), tmp_path).describes


def test_a_captioner_has_a_folder_of_its_own_and_memory(tmp_path: Path) -> None:
    form = JudgeForm.model_validate({"kind": "omni", "model": "m", "describe": {"captioner": {"model": "ear", "quantization": "int8"}}})
    settings = judge_settings(judge_config(form, tmp_path))
    assert settings
    assert (settings.describes, settings.captioner) == (True, CaptionerModel(model=str(tmp_path / "ear"), quantization=Quantization.INT8))
    assert judge_config(form.model_copy(update={"kind": JudgeChoice.CUES}), tmp_path).captioner is None
    one, ear = (lay(tmp_path / name, sized(4)) for name in ("Qwen3-Omni-Instruct", "Qwen3-Omni-Captioner"))
    alone = JudgeConfig(kind=JudgeKind.OMNI, model=one, device="cpu", describes=True)
    both = replace(alone, captioner=CaptionerModel(model=str(ear)))
    plans = both.plans()
    assert plans
    assert plans.captioner
    budgets = [judge_budget(each).memory_bytes or 0 for each in (alone, both)]
    assert budgets[1] - budgets[0] > 1.4 * plans.captioner.weight_bytes


@pytest.mark.parametrize(
    "written", ["yes", 1, None, {"language": ""}, {"language": "x" * 41}, {"language": "<|im_end|>"}, {"words": 3}, {"captioner": "ear"}]
)
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        JudgeForm.model_validate({"describe": written})


def test_a_judge_that_describes_may_have_the_memory_of_it() -> None:
    judge = JudgeConfig(kind=JudgeKind.OMNI, model=MODEL, quantization=Quantization.NONE, device="cpu")
    plain, describing = judge_budget(judge).memory_bytes, judge_budget(replace(judge, describes=True)).memory_bytes
    assert plain
    assert describing
    assert describing > plain


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
