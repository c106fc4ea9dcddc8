"""The model as it learns: many questions about many windows in one pass. It knows the prompt, and nothing of what is asked.

A row is laid out as the judge's prompt is: system text, sound, picture, and behind them each question as if it stood alone. All
windows of a batch are asked the same questions, so one layout serves them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration

from analyzers.omni.media import PATCH_VALUES, Grid, patches, sight_tokens, sound_tokens
from analyzers.omni.prompt import Prompt
from analyzers.policy import Policy, PolicyId
from appliance.demo.lessons import CELL_SIZE, HALL_SIZE, WINDOW_S
from appliance.demo.pool import MEL_FRAMES
from appliance.demo.questions import SIGHT, SOUND, Asked
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

    senses: Senses
    frames: npt.NDArray[np.uint8] | None
    """uint8[n, 4, height, width, 3]"""
    mels: npt.NDArray[np.float16] | None
    """float16[n, 128, 400]"""

    @property
    def count(self) -> int:
        """How many windows."""
        return len(self.frames if self.frames is not None else self.mels)  # type: ignore[arg-type]


class Pupil(nn.Module):
    """The model, its prompt, and two ears for what its towers have understood, which are dropped when it has learnt."""

    def __init__(self, model: Qwen3OmniMoeThinkerForConditionalGeneration, tokens: Qwen2Tokenizer) -> None:
        """Listen in on the towers, and let the first layer of sight be the matrix product that it is."""
        super().__init__()
        self.model = model
        self.prompt = Prompt(tokens)
        self.sight_ear, self.sound_ear = nn.Linear(HIDDEN, len(SIGHT)), nn.Linear(HIDDEN, len(SOUND))
        self._felt: dict[str, Tensor] = {}
        model.model.visual.register_forward_hook(lambda _, __, out: self._felt.__setitem__("sight", out.pooler_output))
        model.model.audio_tower.register_forward_hook(lambda _, __, out: self._felt.__setitem__("sound", out.last_hidden_state))
        first = model.model.visual.patch_embed
        first.forward = lambda pixels: functional.linear(  # as a convolution it takes eight times as long on a CPU
            pixels.view(-1, PATCH_VALUES), first.proj.weight.view(-1, PATCH_VALUES), first.proj.bias
        )

    def look_and_listen(self, batch: Batch) -> None:
        """Let the towers alone work, for `pointed`."""
        media = tensors(batch)
        if batch.frames is not None:
            self.model.model.get_video_features(media["pixel_values_videos"], media["video_grid_thw"])
        if batch.mels is not None:
            self.model.model.get_audio_features(media["input_features"], media["feature_attention_mask"])

    def pointed(self, sense: str, count: int) -> Tensor:
        """Log-odds of each fact of a sense, for each token that its tower gave last: float[count, tokens, facts]."""
        ear = self.sight_ear if sense == "sight" else self.sound_ear
        said: Tensor = ear(self._felt[sense].view(count, -1, HIDDEN))
        return said

    def answers(self, batch: Batch, asked: Sequence[Asked]) -> Tensor:
        """Logits over the vocabulary where each answer begins: float[windows, questions, vocabulary]."""
        senses = batch.senses
        sight = sight_tokens(GRIDS[senses.view]) if senses.view is not None else 0
        stem = [*self.prompt.root(sound_tokens(MEL_FRAMES) if senses.sound else 0), *self.prompt.branch(sight)]
        leaves = [list(self.prompt.leaf(policy(one))) for one in asked]
        ids = torch.tensor([stem + [token for leaf in leaves for token in leaf]]).repeat(batch.count, 1)
        position = self._positions(stem, senses, [len(leaf) for leaf in leaves])
        hidden = self.model.model(
            input_ids=ids,
            attention_mask=_mask(len(stem), [len(leaf) for leaf in leaves]),
            position_ids=position.expand(3, batch.count, -1),
            **tensors(batch),
        ).last_hidden_state
        ends = len(stem) + torch.tensor([len(leaf) for leaf in leaves]).cumsum(0) - 1
        logits: Tensor = self.model.lm_head(hidden[:, ends])
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


def tensors(batch: Batch) -> dict[str, Any]:
    """What the towers take, by the names of the model's arguments."""
    media: dict[str, Any] = {}
    if batch.frames is not None:
        made = [patches(frames) for frames in batch.frames]
        media["pixel_values_videos"] = torch.from_numpy(np.concatenate([part for part, _ in made])).float().div_(127.5).sub_(1)
        media["video_grid_thw"] = torch.tensor([grid for _, grid in made])
    if batch.mels is not None:
        media["input_features"] = torch.from_numpy(batch.mels).float()
        media["feature_attention_mask"] = torch.ones(len(batch.mels), batch.mels.shape[2], dtype=torch.long)
    return media


def policy(asked: Asked) -> Policy:
    """The question as a policy, so that it is worded as the judge words it."""
    return Policy(id=PolicyId("lesson"), title="lesson", ask=asked.ask, unless=asked.unless, sensors=(SensorId("lesson"),))
