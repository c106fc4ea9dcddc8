"""`python -m appliance.demo.school.exam FOLDER`: how often the small model is right about unseen halls, and whether it looks and listens.

It knows a pool of windows and a pupil; whose weights those are, and how they are held, it does not.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from analyzers.interview import JudgeSettings, Quantization
from analyzers.omni.weights import load as load_weights
from appliance.demo.school.pool import CELL, HALL, UNKNOWN, Pool, load
from appliance.demo.school.pupil import Batch, Pupil, Senses
from appliance.demo.school.questions import SIGHT, Asked, Topic, draw, plain
from appliance.demo.school.teacher import answers, topics

SEED = 9_000
"""Of the windows of the examination: not one that lessons are made from."""
WINDOWS = 400
QUESTIONS_SEED = 5
ROWS = 20
SENSES = (
    Senses(view=HALL, sound=True),
    Senses(view=CELL, sound=True),
    Senses(view=HALL, sound=False),
    Senses(view=CELL, sound=False),
    Senses(view=None, sound=True),
)
VIEWS = {HALL: "hall", CELL: "cell", None: "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One answer: about what, in which form, with which senses, how sure (log-odds of yes), and what is so."""

    topic: str
    form: str
    senses: str
    log_odds: float
    truth: bool

    @property
    def is_right(self) -> bool:
        """Whether the likelier answer was the right one."""
        return (self.log_odds > 0) == self.truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Which sense is taken from another window, while the truth stays that of this one. None: neither."""

    sense: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Lesson:
    """Windows that are asked the same questions."""

    senses: Senses
    asked: list[Asked]
    pictures: npt.NDArray[np.int64]


@torch.no_grad()
def examine(pupil: Pupil, pool: Pool, swap: Swap = Swap(), having: tuple[Senses, ...] = SENSES) -> Iterator[Mark]:
    """Ask about every topic, plainly and in a drawn form, in every window of the pool."""
    rng = np.random.default_rng(QUESTIONS_SEED)
    for senses in having:
        able = topics(senses)
        for first in range(0, pool.count - ROWS + 1, ROWS):
            asked = [plain(rng, able, topic) for topic in able] + [draw(rng, able, topic) for topic in able]
            lesson = Lesson(senses=senses, asked=asked, pictures=np.arange(first, first + ROWS))
            yield from _batch(pupil, pool, lesson, swap)


def _batch(pupil: Pupil, pool: Pool, lesson: Lesson, swap: Swap) -> Iterator[Mark]:
    senses, asked, pictures = lesson.senses, lesson.asked, lesson.pictures
    noises = (pictures + 17) % pool.count
    shown = (pictures + 37) % pool.count if swap.sense == "sight" else pictures
    played = (noises + 53) % pool.count if swap.sense == "sound" else noises
    frames = np.stack([pool.views[senses.view][n] for n in shown]) if senses.view is not None else None
    percept = pupil.perceive(Batch(frames=frames, mels=pool.mels[played] if senses.sound else None))
    logits = pupil.answers(senses, percept, asked)
    yes, no = (torch.logsumexp(logits[..., list(ids)], -1) for ids in (pupil.prompt.yes_ids, pupil.prompt.no_ids))
    truth = answers(pool, senses, asked, [(int(a), int(b)) for a, b in zip(pictures, noises, strict=True)])
    name = f"{VIEWS[senses.view]}{'+sound' if senses.sound else ''}"
    for row, said in zip(truth, (yes - no).tolist(), strict=True):
        for one, answer, score in zip(asked, row, said, strict=True):
            if answer != UNKNOWN:
                yield Mark(topic=topic_name(one.topics[0]), form=form_of(one), senses=name, log_odds=score, truth=bool(answer))


def topic_name(topic: Topic) -> str:
    """What a topic is called in tables."""
    return "-or-".join(fact.value for fact in topic.facts)


def form_of(asked: Asked) -> str:
    """Which kind of question it is."""
    if asked.unless:
        return "unless"
    return "plain" if len(asked.topics) == 1 else "while" if asked.every else "or"


def right(marks: Iterable[Mark]) -> float:
    """The share of right answers."""
    return float(np.mean([mark.is_right for mark in marks]))


def table(marks: list[Mark]) -> str:
    """Accuracy by topic, form and senses."""
    lines = [f"all {right(marks):.4f} of {len(marks)}"]
    for key in ("topic", "form", "senses"):
        for value in sorted({getattr(mark, key) for mark in marks}):
            part = [mark for mark in marks if getattr(mark, key) == value]
            lines.append(f"  {key} {value}: {right(part):.4f} of {len(part)}, {np.mean([mark.truth for mark in part]):.0%} yes")
    return "\n".join(lines)


def ablation(pupil: Pupil, pool: Pool) -> str:
    """Accuracy of questions about sight and about sound, with each sense taken from another window."""
    about_sight = {fact.value for fact in SIGHT} | {"smoke-or-flame"}
    lines = []
    for sense in (None, "sight", "sound"):
        marks = [m for m in examine(pupil, pool, Swap(sense=sense), SENSES[:2]) if m.form in ("plain", "unless")]
        sight, sound = ([m for m in marks if (m.topic in about_sight) is seen] for seen in (True, False))
        lines.append(f"swapped {sense}: about sight {right(sight):.4f}, about sound {right(sound):.4f}")
    return "\n".join(lines)


def open_pupil(folder: Path, quantization: Quantization = Quantization.NONE) -> Pupil:
    """The model of `folder`, loaded as the judge loads it."""
    loaded = load_weights(JudgeSettings(model=str(folder), quantization=quantization, device="cpu"))
    return Pupil(loaded.model, loaded.tokenizer)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Examine the demo's small model on halls that it has not seen.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lessons", type=Path, required=True, help="where the examination's windows are kept; made there first")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pool = load(given.lessons, SEED, WINDOWS)
    for quantization in (Quantization.NONE, Quantization.NF4):
        pupil = open_pupil(given.folder, quantization)
        sys.stdout.write(f"quantization {quantization.value}\n{table(list(examine(pupil, pool)))}\n")
    sys.stdout.write(f"{ablation(open_pupil(given.folder), pool)}\n")


if __name__ == "__main__":
    main()
