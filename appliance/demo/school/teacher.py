"""Draws lessons and tells the pupil how wrong it was. It knows the pool and the questions, and no clock."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from appliance.demo.school.pool import CELL, HALL, UNKNOWN, Pool
from appliance.demo.school.pupil import Batch, Percept, Pupil, Senses
from appliance.demo.school.questions import CELL_TOPICS, SIGHT, SOUND, TOPICS, Asked, Topic, draw, plain

ROWS = 16
"""Windows of a lesson in which the towers take part."""
WORD_ROWS = 10
"""Windows of a lesson in words alone: more and smaller lessons find the way from word to token sooner."""
QUESTIONS = 7
EAR_WEIGHT = 0.4
LISTENING = 0.25
"""Of the towers' lessons: sounds are learnt in a quarter of the time that pictures take."""
RARE = 6.0
"""What a token that shows something weighs against one that does not."""
KINDS = (
    (Senses(view=HALL, sound=True), 0.38),
    (Senses(view=CELL, sound=True), 0.28),
    (Senses(view=HALL, sound=False), 0.13),
    (Senses(view=CELL, sound=False), 0.11),
    (Senses(view=None, sound=True), 0.10),
)
"""What windows have, and how often: the model learns with and without each sense."""


def topics(senses: Senses) -> tuple[Topic, ...]:
    """What can be asked of a window with these senses."""
    known = ((*SIGHT,) if senses.view is not None else ()) + ((*SOUND,) if senses.sound else ())
    able = CELL_TOPICS if senses.view == CELL else TOPICS
    return tuple(topic for topic in able if set(topic.facts) <= set(known))


@dataclass(slots=True, kw_only=True)
class Teacher:
    """Draws lessons from a pool."""

    pupil: Pupil
    pool: Pool
    rng: np.random.Generator
    yes: int
    no: int
    kept: tuple[Percept, Percept] | None = None
    """What the towers made of every window of the pool, by view, once they are not to change for a while."""
    grain: npt.NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        """Noise to lay over pictures."""
        self.grain = self.rng.standard_normal((8, 224, 288, 3), np.float32)

    def pointing(self) -> Tensor:
        """A lesson for the towers alone: what is where."""
        pictures, noises = self._numbers(ROWS)
        view = int(self.rng.integers(2))
        senses = Senses(view=view, sound=bool(self.rng.random() < LISTENING))
        return self._ears(self._percept(senses, pictures, noises), view, pictures, noises)

    def reading(self, plainly: float) -> Tensor:
        """A lesson for the words alone, `plainly` (0..1) of it in plain questions; the towers' work is taken from `kept`."""
        if self.kept is None:
            self.kept = self._keep()
        senses, (pictures, noises) = self._senses(), self._numbers(WORD_ROWS)
        view = senses.view
        sight = tuple(part[pictures] for part in self.kept[view].sight) if view is not None else ()
        sound = self.kept[0].sound
        percept = Percept(sight=sight, sound=sound[noises] if sound is not None and senses.sound else None)
        return self._wrong(senses, percept, list(zip(pictures, noises, strict=True)), plainly=plainly)

    def answering(self) -> Tensor:
        """A lesson for everything: questions, yes or no."""
        senses, (pictures, noises) = self._senses(), self._numbers(ROWS)
        percept = self._percept(senses, pictures, noises)
        wrong = self._wrong(senses, percept, list(zip(pictures, noises, strict=True)), plainly=0.0)
        return wrong + EAR_WEIGHT * self._ears(percept, senses.view, pictures, noises)

    def _senses(self) -> Senses:
        return KINDS[int(self.rng.choice(len(KINDS), p=[share for _, share in KINDS]))][0]

    def _numbers(self, rows: int) -> tuple[list[int], list[int]]:
        """Pictures and sounds, by their number in the pool."""
        pictures, noises = ([int(n) for n in self.rng.integers(0, self.pool.count, rows)] for _ in range(2))
        return pictures, noises

    def _wrong(self, senses: Senses, percept: Percept, pairs: list[tuple[int, int]], *, plainly: float) -> Tensor:
        able = topics(senses)
        asked = [plain(self.rng, able) if self.rng.random() < plainly else draw(self.rng, able) for _ in range(QUESTIONS)]
        logits = self.pupil.answers(senses, percept, asked)
        truth = torch.tensor(answers(self.pool, senses, asked, pairs))
        known = truth != UNKNOWN
        return functional.cross_entropy(logits[known], torch.where(truth[known] == 1, self.yes, self.no))

    def _percept(self, senses: Senses, pictures: list[int], noises: list[int]) -> Percept:
        frames = np.stack([self._worn(self.pool.views[senses.view][n]) for n in pictures]) if senses.view is not None else None
        return self.pupil.perceive(Batch(frames=frames, mels=self.pool.mels[noises] if senses.sound else None))

    def _worn(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Other light, another white, more noise: one draw a window."""
        rng = self.rng
        gain = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)
        first, down, right = (int(rng.integers(limit)) for limit in (4, 64, 64))
        noise = self.grain[first : first + 4, down : down + frames.shape[1], right : right + frames.shape[2]]
        worn = frames * gain.astype(np.float32) + noise * np.float32(rng.uniform(0, 4)) + np.float32(rng.uniform(-12, 12))
        return np.clip(worn, 0, 255, out=worn).astype(np.uint8)

    @torch.no_grad()
    def _keep(self) -> tuple[Percept, Percept]:
        """Every window of the pool through the towers."""
        made: list[Percept] = []
        for view in (HALL, CELL):
            senses = Senses(view=view, sound=view == HALL)
            batches = [list(range(at, min(at + 40, self.pool.count))) for at in range(0, self.pool.count, 40)]
            parts = [self._percept(senses, batch, batch) for batch in batches]
            sight = tuple(torch.cat(each) for each in zip(*(part.sight for part in parts), strict=True))
            heard = [part.sound for part in parts if part.sound is not None]
            made.append(Percept(sight=sight, sound=torch.cat(heard) if heard else None))
        return made[HALL], made[CELL]

    def _ears(self, percept: Percept, view: int | None, pictures: list[int], noises: list[int]) -> Tensor:
        """How badly the towers' tokens show what is there: by token for sight, by window for sound."""
        wrong = torch.zeros(())
        if view is not None:
            truth = torch.from_numpy(self.pool.maps[view][pictures].reshape(len(pictures), -1, len(SIGHT))).float()
            wrong = wrong + _miss(self.pupil.sight_ear(percept.sight[0]), truth)
        if percept.sound is not None:
            heard = self.pupil.sound_ear(percept.sound)
            whole = torch.logsumexp(heard, 1) - 0.5 * math.log(heard.shape[1])
            wrong = wrong + _miss(whole, torch.from_numpy(self.pool.heard[noises]).float())
        return wrong


def answers(pool: Pool, senses: Senses, asked: list[Asked], pairs: list[tuple[int, int]]) -> list[list[int]]:
    """1, 0 or -1 (too close to call) for each window, a picture and a noise, and each question."""
    table = []
    for picture, noise in pairs:
        truth = pool.truth(senses.view, picture, noise if senses.sound else None)
        said = [one.answer(truth) for one in asked]
        table.append([UNKNOWN if one is None else int(one) for one in said])
    return table


def _miss(said: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy over what is known, that which is there weighed up."""
    weight = (truth >= 0) * torch.where(truth > 0, RARE if truth.ndim == 3 else 1.0, 1.0)
    each = functional.binary_cross_entropy_with_logits(said, truth.clamp(0), reduction="none")
    return (each * weight).sum() / weight.sum().clamp(min=1)
