"""What an owner writes of the judge, and what it means: who answers, in how much time and memory, and whether hits are described."""

import os
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from analyzers.interview import CaptionerModel, Quantization, SecondLook
from analyzers.judgement import JudgeKind
from analyzers.omni.beside import Beside, Plans, plan_judge
from analyzers.omni.plan import this_machine
from appliance.config.describe_form import DescribeForm
from appliance.config.form import Bytes, FilePath, Form, Number, Switched, Wait, Whole
from appliance.config.second_look_form import SecondLookForm


class JudgeChoice(StrEnum):
    """Who answers."""

    OMNI = "omni"
    CUES = "cues"


class StandIn(StrEnum):
    """Who answers while the model cannot."""

    CUES = "cues"
    NONE = "none"


class Device(StrEnum):
    """Where a model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class JudgeForm(Form):
    """Who answers the policies' questions."""

    kind: JudgeChoice = JudgeChoice.CUES
    """`omni`: a local Qwen3-Omni or Qwen2.5-Omni model. `cues`: no model, only each policy's `fallback`."""
    model: FilePath | None = None
    """The model's folder, relative to this file. Needed with `kind: omni`."""
    quantization: Quantization = Quantization.NF4
    """How weights are held: `nf4` (21 GB for 30B-A3B), `nf4-double` (19 GB), `int8` (34 GB) or `none` (63 GB); on a CPU more.
    `omniwatch plan MODEL` says what any other takes."""
    device: Device = Device.AUTO
    """`auto` takes a GPU if there is one; `cuda` insists on it; `cpu`."""
    threads: Annotated[Whole, Field(ge=1, le=256)] | None = None
    """Threads for a model on the CPU. Default: all processors but one."""
    max_age: Wait = timedelta(seconds=20)
    """A window that has waited so long for the judge is shed and counted."""
    deadline: Wait = timedelta(seconds=30)
    """A batch that takes longer ends the judge's process, which is started again."""
    loading: Wait = timedelta(minutes=30)
    """How long the model may take to load."""
    memory: Annotated[Bytes, Field(ge=100_000_000)] | None = None
    """What the judge's process may have of the box's memory, like `24GB`; one that has more is ended and started again.
    Default: half as much again as the model should need, and 2 GB."""
    fallback: StandIn = StandIn.CUES
    """Who answers while the model loads or is away: `cues`, by each policy's `fallback`, or `none`."""
    second_look: SecondLookForm | None = None
    """Another model for answers near a policy's threshold. Default: there is none."""
    skip_still: Annotated[Number, Field(gt=0, le=64)] | None = None
    """Pictures in which nothing changes are left out of a window, but for its first and last pair: what differs by less than so many levels of
    255 in the mean of any 16 x 16 pixels. It saves time where little moves; what it does to answers is not measured. Default: all are shown."""
    describe: Annotated[DescribeForm | None, Switched("{language: German}")] = None
    """`true`: as its alarm opens, the model says in a few words what there is and what to do first, in the language of the question, as an
    update behind the first message. In another language: `{language: German}`. A change of `true` to `false` or back loads the model anew."""

    @property
    def describes(self) -> bool:
        """Whether there is a model, and it describes its alarms."""
        return self.describe is not None and self.kind is JudgeChoice.OMNI


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """Who answers."""

    kind: JudgeKind = JudgeKind.CUES
    model: Path | None = None
    """The model's folder; it need not be there. None: cues alone judge."""
    quantization: Quantization = Quantization.NF4
    device: str = "auto"
    threads: int = 1
    max_age: timedelta = timedelta(seconds=20)
    deadline: timedelta = timedelta(seconds=30)
    loading: timedelta = timedelta(minutes=30)
    memory_bytes: int | None = None
    """What its process may have; None: as the model's size says."""
    fallback: bool = True
    """Whether cues stand in while the model is away."""
    second_look: SecondLook | None = None
    still: float = 0.0
    """Levels of 255: pairs of frames in which less changes are left out of a window; 0: none."""
    describes: bool = False
    """Whether it describes what opened an alarm."""
    language: str = ""
    """In which; empty: in that of the policy's question."""
    captioner: CaptionerModel | None = None
    """Who says what is heard in alarms of the ear alone; None: the model itself."""

    def plans(self) -> Plans | None:
        """What it takes on this machine; None where cues alone judge. ModelError where its model is not there or cannot judge here."""
        if self.model is None:
            return None
        beside = Beside(look=self.second_look, captioner=self.captioner)
        return plan_judge(self.model, self.quantization, this_machine(self.device), beside, describes=self.describes)


def judge_config(form: JudgeForm, folder: Path) -> JudgeConfig:
    """What a form means that is in a file of `folder`."""
    is_omni = form.kind is JudgeChoice.OMNI
    return JudgeConfig(
        kind=JudgeKind(form.kind.value),
        model=(folder / form.model).absolute() if form.model and is_omni else None,
        quantization=form.quantization,
        device=form.device.value,
        threads=form.threads or max(1, (os.cpu_count() or 1) - 1),
        max_age=form.max_age,
        deadline=form.deadline,
        loading=form.loading,
        memory_bytes=form.memory,
        fallback=form.fallback is StandIn.CUES,
        second_look=form.second_look.look(folder, form.deadline) if form.second_look else None,
        still=form.skip_still or 0.0,
        describes=form.describes,
        language=form.describe.language if form.describe else "",
        captioner=form.describe.captioner.captioner(folder) if is_omni and form.describe and form.describe.captioner else None,
    )
