"""The model as it learns: many questions about many windows in one pass. It knows the prompt, and nothing of what is asked.

A row is laid out as the judge's prompt is: system text, sound, picture, and behind them each question as if it stood alone. All
windows of a batch are asked the same questions, so one layout serves them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration

from analyzers.omni.family import QWEN3_OMNI
from analyzers.omni.media import Grid, patches, sight_tokens
from analyzers.omni.prompt import Prompt
from analyzers.policy import Policy, PolicyId
from appliance.demo.school.lesson import CELL_SIZE, HALL_SIZE, WINDOW_S
from appliance.demo.school.pool import MEL_FRAMES
from appliance.demo.school.questions import SIGHT, SOUND, Asked
from appliance.demo.small_model import HIDDEN
from sensors.window import SensorId

GRIDS: tuple[Grid, Grid] = tuple((2, height // 16, width // 16) for height, width in (HALL_SIZE, CELL_SIZE))  # type: ignore[assignment]
PAIR_S = WINDOW_S / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What a batch of windows has: a view (0 hall, 1 cell) or no picture, and sound or none."""

    view: int | None
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Batch:
    """Windows that have the same senses."""

    frames: npt.NDArray[np.uint8] | None
    """uint8[n, 4, height, width, 3]"""
    mels: npt.NDArray[np.float16] | None
    """float16[n, 128, 400]"""

    @property
    def count(self) -> int:
        """How many windows."""
        return len(self.frames if self.frames is not None else self.mels)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Percept:
    """What the towers made of windows, before any word is read."""

    sight: tuple[Tensor, ...]
    """float[n, tokens, width] of the tower's end, then of the layers that go in deeper; empty without a picture."""
    sound: Tensor | None
    """float[n, tokens, width]"""

    @property
    def count(self) -> int:
        """How many windows."""
        return len(self.sight[0] if self.sight else self.sound)  # type: ignore[arg-type]


class Pupil(nn.Module):
    """The model, its prompt, and two ears for what its towers have understood, which are dropped when it has learnt."""

    def __init__(self, model: Qwen3OmniMoeThinkerForConditionalGeneration, tokens: Qwen2Tokenizer) -> None:
        """Let the first layer of sight be the matrix product that it is."""
        super().__init__()
        self.model = model
        self.prompt = Prompt(tokens)
        self.sight_ear, self.sound_ear = nn.Linear(HIDDEN, len(SIGHT)), nn.Linear(HIDDEN, len(SOUND))
        first = model.model.visual.patch_embed
        first.forward = lambda pixels: functional.linear(  # as a convolution it takes eight times as long on a CPU
            pixels.view(-1, QWEN3_OMNI.patch_values), first.proj.weight.flatten(1), first.proj.bias
        )

    def perceive(self, batch: Batch) -> Percept:
        """What the towers make of a batch."""
        sight: tuple[Tensor, ...] = ()
        sound = None
        if batch.frames is not None:
            made = [patches(frames) for frames in batch.frames]
            pixels = torch.from_numpy(np.concatenate([part for part, _ in made])).float().div_(127.5).sub_(1)
            seen = self.model.model.visual(pixels, grid_thw=torch.tensor([grid for _, grid in made]))
            sight = tuple(part.view(batch.count, -1, HIDDEN) for part in (seen.pooler_output, *seen.deepstack_features))
        if batch.mels is not None:
            mels = torch.from_numpy(batch.mels).float()
            whole = torch.ones(len(mels), mels.shape[2], dtype=torch.long)
            sound = self.model.model.get_audio_features(mels, whole).last_hidden_state.view(batch.count, -1, HIDDEN)
        return Percept(sight=sight, sound=sound)

    def answers(self, senses: Senses, percept: Percept, asked: Sequence[Asked]) -> Tensor:
        """Logits over the vocabulary where each answer begins: float[windows, questions, vocabulary]."""
        sight = sight_tokens(GRIDS[senses.view]) if senses.view is not None else 0
        stem = [*self.prompt.root(QWEN3_OMNI.sound_tokens(MEL_FRAMES) if senses.sound else 0), *self.prompt.branch(sight)]
        leaves = [list(self.prompt.leaf(policy(one))) for one in asked]
        ids = torch.tensor([stem + [token for leaf in leaves for token in leaf]]).repeat(percept.count, 1)
        lengths = [len(leaf) for leaf in leaves]
        text = self.model.model.get_input_embeddings()(ids)
        for token, part in ((self.prompt.video_id, percept.sight[0] if percept.sight else None), (self.prompt.audio_id, percept.sound)):
            if part is not None:
                text = text.masked_scatter((ids == token)[..., None], part)
        hidden = self.model.model.language_model(
            inputs_embeds=text,
            attention_mask=_mask(len(stem), lengths),
            position_ids=self._positions(stem, senses, lengths).expand(3, percept.count, -1),
            visual_pos_masks=ids == self.prompt.video_id if percept.sight else None,
            deepstack_visual_embeds=[deep.reshape(-1, HIDDEN) for deep in percept.sight[1:]] or None,
        ).last_hidden_state
        logits: Tensor = self.model.lm_head(hidden[:, len(stem) + torch.tensor(lengths).cumsum(0) - 1])
        return logits

    def _positions(self, stem: list[int], senses: Senses, lengths: list[int]) -> Tensor:
        """The model's own positions for the stem; behind it they start again at each leaf."""
        seen = senses.view is not None
        before, shift = self.model.model.get_rope_index(
            torch.tensor([stem]),
            None,
            torch.tensor([GRIDS[senses.view]]) if senses.view is not None else None,
            torch.ones(1, len(stem), dtype=torch.long),
            False,
            torch.tensor([MEL_FRAMES]) if senses.sound else None,
            torch.tensor([PAIR_S]) if seen else None,
        )
        start = len(stem) + int(shift)
        after = torch.cat([torch.arange(length) + start for length in lengths]).expand(3, 1, -1).to(before.dtype)
        return torch.cat([before, after], 2)


def _mask(stem: int, lengths: list[int]) -> Tensor:
    """Every token sees the stem and its own leaf up to itself."""
    leaf = torch.repeat_interleave(torch.arange(len(lengths) + 1), torch.tensor([stem, *lengths]))
    order = torch.arange(len(leaf))
    seen = (order[:, None] >= order[None]) & ((leaf[:, None] == leaf[None]) | (leaf[None] == 0))
    return torch.zeros(1, 1, len(leaf), len(leaf)).masked_fill_(~seen, torch.finfo(torch.float32).min)


def policy(asked: Asked) -> Policy:
    """The question as a policy, so that it is worded as the judge words it."""
    return Policy(id=PolicyId("lesson"), title="lesson", ask=asked.ask, unless=asked.unless, sensors=(SensorId("lesson"),))
