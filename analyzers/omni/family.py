"""What tells one family of Omni models from another, as a value: whoever plans, feeds or loads a model asks its family. It imports no torch.

Both families have a thinker of the same build: towers for sight and sound, a text model with positions in time, row and column, and a
head. The figures are those of the makers' processors and of transformers' classes; tests compare with both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analyzers.omni.parameters import Sizes, qwen2_5_omni, qwen3_omni

MERGE = 2
"""Patches on a side of what becomes one token."""
PAIR = 2
"""Frames that share a temporal patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Special tokens as the family's tokenizer spells them: what stands around a sound and a picture, and in their place."""

    sound_start: str
    sound: str
    sound_end: str
    sight_start: str
    sight: str
    sight_end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of models."""

    name: str
    kind: str
    """The `model_type` of a whole checkpoint."""
    recommended: str
    """The model to take where another cannot judge."""
    left_out: str
    """What of a whole checkpoint is not loaded, and what it would take in bfloat16."""
    thinker: str
    """The class of transformers that is loaded."""
    marks: Marks
    patch: int
    """Pixels on a side of a patch."""
    mean: tuple[float, float, float]
    """Of red, green and blue, 0..255. It is taken off a pixel's values, and the rest divided by `deviation`."""
    deviation: tuple[float, float, float]
    projections: tuple[str, ...]
    """The layers of the vision tower's attention that make queries, keys and values, in this order."""
    gated: bool
    """Whether the layers of the vision tower have gates."""
    windowed: bool
    """Whether most layers of the vision tower attend within windows of a picture, and not within the whole of a pair."""
    tail: int
    """Samples of silence behind a sound while its features are made: the makers' processor fills sounds up, and their last frames reach into that."""
    transcribes_as: str
    """The system text that the makers put before a sound whose words they want; empty: none."""
    sound_tokens: Callable[[int], int]
    """Tokens of so many mel frames."""
    sizes: Callable[[Mapping[str, Any]], Sizes]
    """Parameters by part, from a thinker's configuration. KeyError or TypeError where a figure is missing or is none."""

    @property
    def thinker_kind(self) -> str:
        """The `model_type` of a thinker alone."""
        return f"{self.kind}_thinker"

    @property
    def side(self) -> int:
        """Pixels on a side of what becomes one token."""
        return self.patch * MERGE

    @property
    def patch_values(self) -> int:
        """Numbers in a patch of a pair."""
        return 3 * PAIR * self.patch**2

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """The nearest height and width that are whole tokens. Sensors deliver multiples of 32, which is Qwen3-Omni's side."""
        return self._whole(height), self._whole(width)

    def _whole(self, pixels: int) -> int:
        return max(1, round(pixels / self.side)) * self.side


def _thirteen_a_second(mel_frames: int) -> int:
    """13 a full second, and what three convolutions of stride 2 leave of the rest."""
    seconds, rest = divmod(mel_frames, 100)
    for _ in range(3):
        rest = (rest - 1) // 2 + 1
    return seconds * 13 + rest


def _twenty_five_a_second(mel_frames: int) -> int:
    """What a convolution of stride 2 and a pooling by 2 leave."""
    return max(0, ((mel_frames - 1) // 2 - 1) // 2 + 1)


QWEN3_OMNI = Family(
    name="Qwen3-Omni",
    kind="qwen3_omni_moe",
    recommended="Qwen3-Omni-30B-A3B-Instruct",
    left_out="talker and code2wav (7.1 GB of the 30B-A3B)",
    thinker="Qwen3OmniMoeThinkerForConditionalGeneration",
    marks=Marks(
        sound_start="<|audio_start|>",
        sound="<|audio_pad|>",
        sound_end="<|audio_end|>",
        sight_start="<|vision_start|>",
        sight="<|video_pad|>",
        sight_end="<|vision_end|>",
    ),
    patch=16,
    mean=(127.5, 127.5, 127.5),
    deviation=(127.5, 127.5, 127.5),
    projections=("qkv",),
    gated=False,
    windowed=False,
    tail=0,
    transcribes_as="",
    sound_tokens=_thirteen_a_second,
    sizes=qwen3_omni,
)
QWEN2_5_OMNI = Family(
    name="Qwen2.5-Omni",
    kind="qwen2_5_omni",
    recommended="Qwen2.5-Omni-7B",
    left_out="talker and token2wav (4.5 GB of the 7B)",
    thinker="Qwen2_5OmniThinkerForConditionalGeneration",
    marks=Marks(
        sound_start="<|audio_bos|>",
        sound="<|AUDIO|>",
        sound_end="<|audio_eos|>",
        sight_start="<|vision_bos|>",
        sight="<|VIDEO|>",
        sight_end="<|vision_eos|>",
    ),
    patch=14,
    mean=(122.7709383, 116.7460125, 104.09373615),  # CLIP's, as are the deviations
    deviation=(68.5005327, 66.6321579, 70.32316305),
    projections=("q", "k", "v"),
    gated=True,
    windowed=True,
    tail=320,
    transcribes_as="You are a speech recognition model.",
    sound_tokens=_twenty_five_a_second,
    sizes=qwen2_5_omni,
)
FAMILIES: tuple[Family, ...] = (QWEN3_OMNI, QWEN2_5_OMNI)


def family_of(thinker: Mapping[str, Any]) -> Family:
    """The family of a thinker, by its configuration. KeyError where it is of none."""
    return {family.thinker_kind: family for family in FAMILIES}[thinker["model_type"]]
