"""`python -m appliance.demo.train`: teaches the small model the demo's world, on one core, and writes it down.

The first part of the time its towers alone learn to point at things; then everything learns to answer. It never sees the demo's film.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from analyzers.omni.prompt import SYSTEM, question
from appliance.demo.pool import CELL, HALL, UNKNOWN, Pool, load
from appliance.demo.pupil import Batch, Pupil, Senses, policy
from appliance.demo.questions import CELL_TOPICS, SIGHT, SOUND, TOPICS, Asked, Topic, draw
from appliance.demo.small_model import build, save, tokenizer

WINDOWS = 5200
"""Pictures and sounds to learn from. Any picture is met with any sound."""
ROWS = 16
QUESTIONS = 7
TOWERS_ALONE = 0.22
"""Share of the time."""
RATE = 2e-3
EAR_WEIGHT = 0.4
RARE = 6.0
"""What a token that shows something weighs against one that does not."""
TELL_EVERY = 50
KINDS = (
    (Senses(view=HALL, sound=True), 0.34),
    (Senses(view=CELL, sound=True), 0.28),
    (Senses(view=HALL, sound=False), 0.12),
    (Senses(view=CELL, sound=False), 0.12),
    (Senses(view=None, sound=True), 0.14),
)
"""What windows have, and how often: the model learns with and without each sense."""


def topics(senses: Senses) -> tuple[Topic, ...]:
    """What can be asked of a window with these senses."""
    known = ((*SIGHT,) if senses.view is not None else ()) + ((*SOUND,) if senses.sound else ())
    able = CELL_TOPICS if senses.view == CELL else TOPICS
    return tuple(topic for topic in able if set(topic.facts) <= set(known))


def corpus(rng: np.random.Generator) -> Iterator[str]:
    """Texts for the tokenizer: every wording many times, so that each word becomes one token."""
    for _ in range(4000):
        yield f"system\n{SYSTEM}\nuser\n{question(policy(draw(rng, TOPICS)))}\nassistant\n"


@dataclass(slots=True, kw_only=True)
class Teacher:
    """Draws lessons from a pool and tells the pupil how wrong it was."""

    pupil: Pupil
    pool: Pool
    rng: np.random.Generator
    yes: int
    no: int
    grain: npt.NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        """Noise to lay over pictures."""
        self.grain = self.rng.standard_normal((8, 224, 288, 3), np.float32)

    def pointing(self) -> Tensor:
        """A lesson for the towers alone: what is where."""
        batch, pictures, noises = self._batch(Senses(view=int(self.rng.integers(2)), sound=True))
        self.pupil.look_and_listen(batch)
        return self._ears(batch, pictures, noises)

    def answering(self) -> Tensor:
        """A lesson for everything: questions, yes or no."""
        kind = KINDS[int(self.rng.choice(len(KINDS), p=[share for _, share in KINDS]))][0]
        batch, pictures, noises = self._batch(kind)
        asked = [draw(self.rng, topics(kind)) for _ in range(QUESTIONS)]
        logits = self.pupil.answers(batch, asked)
        truth = torch.tensor(answers(self.pool, kind, asked, list(zip(pictures, noises, strict=True))))
        known = truth != UNKNOWN
        wrong = functional.cross_entropy(logits[known], torch.where(truth[known] == 1, self.yes, self.no))
        return wrong + EAR_WEIGHT * self._ears(batch, pictures, noises)

    def _batch(self, senses: Senses) -> tuple[Batch, list[int], list[int]]:
        pictures, noises = ([int(n) for n in self.rng.integers(0, self.pool.count, ROWS)] for _ in range(2))
        frames = np.stack([self._worn(self.pool.views[senses.view][n]) for n in pictures]) if senses.view is not None else None
        return Batch(senses=senses, frames=frames, mels=self.pool.mels[noises] if senses.sound else None), pictures, noises

    def _worn(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Other light, another white, more noise: one draw a window."""
        rng = self.rng
        gain = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)
        first, down, right = (int(rng.integers(limit)) for limit in (4, 64, 64))
        noise = self.grain[first : first + 4, down : down + frames.shape[1], right : right + frames.shape[2]]
        worn = frames * gain.astype(np.float32) + noise * np.float32(rng.uniform(0, 4)) + np.float32(rng.uniform(-12, 12))
        return np.clip(worn, 0, 255, out=worn).astype(np.uint8)

    def _ears(self, batch: Batch, pictures: list[int], noises: list[int]) -> Tensor:
        """How badly the towers' tokens show what is there: by token for sight, by window for sound."""
        wrong = torch.zeros(())
        if batch.senses.view is not None:
            truth = torch.from_numpy(self.pool.maps[batch.senses.view][pictures].reshape(batch.count, -1, len(SIGHT))).float()
            wrong = wrong + _miss(self.pupil.pointed("sight", batch.count), truth)
        if batch.senses.sound:
            heard = self.pupil.pointed("sound", batch.count)
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


def optimizer(pupil: Pupil) -> torch.optim.AdamW:
    """AdamW that lets biases and norms be."""
    matrices = [p for p in pupil.parameters() if p.ndim >= 2]
    rest = [p for p in pupil.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))


def teach(teacher: Teacher, seconds: float) -> int:
    """Give lessons for so long; how many there were."""
    pupil, step, began, seen = teacher.pupil, 0, time.monotonic(), list[float]()
    steps = optimizer(pupil)
    while (done := (time.monotonic() - began) / seconds) < 1:
        for group in steps.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.5 * (1 + math.cos(math.pi * done)) + 0.01)
        wrong = teacher.pointing() if done < TOWERS_ALONE else teacher.answering()
        steps.zero_grad()
        wrong.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
        steps.step()
        step += 1
        seen = [*seen[1 - TELL_EVERY :], float(wrong.detach())]
        if step % TELL_EVERY == 0:
            sys.stderr.write(f"{'towers' if done < TOWERS_ALONE else 'all'} lesson {step} loss {np.mean(seen):.4f} {done:.0%}\n")
            sys.stderr.flush()
    return step


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Teach the demo's small model.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=15.0, help="of lessons; making them takes a few more")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lessons", type=Path, help="where lessons are kept; default: beside OUT")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)
    tokens = tokenizer(corpus(rng))
    pool = load(given.lessons or given.out.with_name(f"lessons-{given.seed}"), given.seed, WINDOWS)
    pupil = Pupil(build(tokens), tokens)
    yes, no = (tokens(word).input_ids[0] for word in ("yes", "no"))
    steps = teach(Teacher(pupil=pupil, pool=pool, rng=rng, yes=yes, no=no), 60 * given.minutes)
    save(pupil.model.eval(), tokens, given.out)
    sys.stderr.write(f"{steps} lessons of {ROWS} windows; {sum(p.numel() for p in pupil.model.parameters())} parameters in {given.out}\n")


if __name__ == "__main__":
    main()
