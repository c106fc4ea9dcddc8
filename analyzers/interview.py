"""What the judge process is told, and what it says. Small values that travel as datagrams; pixels stay in the sensors' slots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from analyzers.description import Description, Undescribed
from analyzers.judgement import Judgement
from analyzers.policy import Policy, PolicyId
from sensors.moment import FARTHEST_NS
from sensors.slots import SlotLayout
from sensors.window import SensorId, ViewId, Window


class Quantization(StrEnum):
    """How the model's weights are held."""

    NF4 = "nf4"
    NF4_DOUBLE = "nf4-double"
    """The scales of four bits in eight."""
    INT8 = "int8"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """Another model, which is asked where the first one's answer is in doubt."""

    model: str
    """Path of its folder."""
    quantization: Quantization = Quantization.NF4
    band: float = 1.5
    """Natural log-odds on either side of a policy's threshold within which an answer is in doubt."""
    limit_s: float = 10.0
    """Of a batch's time; answers that are not reached by then stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionerModel:
    """Another model, which says what is heard in hits of the ear alone."""

    model: str
    """Path of its folder."""
    quantization: Quantization = Quantization.NF4


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """The judge process's first message."""

    kind: Literal["settings"] = "settings"
    model: str
    """Path of the model's folder."""
    quantization: Quantization = Quantization.NF4
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    threads: int = 1
    """Threads for the arithmetic of a CPU."""
    second_look: SecondLook | None = None
    describes: bool = False
    """Whether it will be asked to describe hits."""
    captioner: CaptionerModel | None = None
    still: float = 0.0
    """Levels of 255: pairs of frames in which less changes are left out of a window; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies that questions may name from now on, instead of those before. Sent again after a reload; split where large."""

    kind: Literal["policies"] = "policies"
    first: bool
    """True: forget those known before."""
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """A sensor's slots are gone."""

    kind: Literal["detach"] = "detach"
    sensor: SensorId


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question as it travels: policies by name."""

    window: Window
    view: ViewId
    policies: tuple[PolicyId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Questions to be answered together."""

    kind: Literal["batch"] = "batch"
    id: int
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A hit that is to be described. One at a time: the next is sent when there is news of the end of this one."""

    kind: Literal["wish"] = "wish"
    id: int
    ask: Ask
    """With one policy."""
    language: str = ""
    """In which to write, by its name for people; empty: that of the policy's question."""
    until_ns: int
    """Boot time after which nobody wants it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgo:
    """The wish that is under way is not wanted any more."""

    kind: Literal["forgo"] = "forgo"
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceived:
    """The judge has read all that it needs of a wish's window: its slots are needed no longer."""

    kind: Literal["perceived"] = "perceived"
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WishEnded:
    """The end of a wish: a description, or why there is none."""

    kind: Literal["ended"] = "ended"
    id: int
    description: Description | None = None
    why: Undescribed | None = None
    took_s: float = 0.0
    """Time of the judge that it took."""
    first_word_ns: int | None = None
    """Boot time at which the first word was there; None where none was."""

    def __post_init__(self) -> None:
        """Refuse figures that nothing can be reckoned with."""
        _check(self.took_s, self.first_word_ns or 0)


class JudgeCondition(StrEnum):
    """Where the judge stands."""

    LOADING = "loading"
    READY = "ready"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeNews:
    """A change of condition, with the reason and what was loaded."""

    kind: Literal["judge"] = "judge"
    condition: JudgeCondition
    detail: str = ""
    model: str = ""
    """The model's fingerprint: artefact, quantization by part, library versions, device."""
    weight_bytes: int = 0
    device: str = ""

    def __post_init__(self) -> None:
        """Refuse a figure that nothing can be reckoned with."""
        _check(self.weight_bytes)


class Halved(StrEnum):
    """What was halved where too little memory was left. A closed set: a metric uses it as a label."""

    BATCH = "batch"
    """Windows, or pairs of frames, that go through the model together: nothing is lost but time."""
    FRAMES = "frames"
    """The pictures of one window: it may open an alarm, and clear none."""


class Look(StrEnum):
    """What came of an answer in doubt that another model was to look at. A closed set: a metric uses it as a label."""

    AGREED = "agreed"
    """Its verdict is the same."""
    CHANGED = "changed"
    LATE = "late"
    """No time was left for it: the first answer stands."""
    FAILED = "failed"
    """It could not answer: the first answer stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a batch cost the judge."""

    media_tokens: int = 0
    took_s: float = 0.0
    device_bytes: int = 0
    """Memory of the accelerator that the judge holds; 0 on a processor."""
    halvings: Mapping[Halved, int] = field(default_factory=dict)
    """How often too little memory was left, and what was halved then."""
    looks: Mapping[Look, int] = field(default_factory=dict)
    """How many answers were in doubt, by what came of it."""

    def __post_init__(self) -> None:
        """Refuse figures that nothing can be reckoned with."""
        _check(self.media_tokens, self.took_s, self.device_bytes, *self.halvings.values(), *self.looks.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a batch got. `more` is True where further datagrams with the same id follow; what it cost is in the last."""

    kind: Literal["answers"] = "answers"
    id: int
    judgements: tuple[Judgement, ...]
    cost: Cost = field(default_factory=Cost)
    more: bool = False


Heard = JudgeSettings | Policies | SlotLayout | Detach | Batch | Wish | Forgo
"""What the judge process hears."""
Said = JudgeNews | Answers | Perceived | WishEnded
"""What it says."""


def _check(*figures: float) -> None:
    """Counters refuse what is negative, and clocks what is too far: the box would end of it."""
    if not all(0 <= figure <= FARTHEST_NS for figure in figures):
        raise ValueError("no judge says that")
