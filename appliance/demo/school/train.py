"""`python -m appliance.demo.school.train`: teaches the small model the demo's world, on one core, and writes it down.

The first part of the time its towers alone learn to point at things; then everything learns to answer. It never sees the demo's film.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2Tokenizer, Qwen3OmniMoeThinkerForConditionalGeneration

from analyzers.omni.prompt import SYSTEM, question
from appliance.demo.school.pool import load
from appliance.demo.school.pupil import Pupil, policy
from appliance.demo.school.questions import TOPICS, draw
from appliance.demo.school.teacher import Teacher
from appliance.demo.small_model import build, save, tokenizer

WINDOWS = 5200
"""Pictures and sounds to learn from. Any picture is met with any sound."""
TOWERS, WORDS = 0.45, 0.8
"""When the towers have learnt to point, and when the words have learnt to find what they point at, as shares of the time."""
RATE, LAST_RATE = 2e-3, 1e-3
TELL_EVERY = 100


def corpus(rng: np.random.Generator) -> Iterator[str]:
    """Texts for the tokenizer: every wording many times, so that each word becomes one token."""
    for _ in range(4000):
        yield f"system\n{SYSTEM}\nuser\n{question(policy(draw(rng, TOPICS)))}\nassistant\n"


def optimizer(pupil: Pupil) -> torch.optim.AdamW:
    """AdamW that lets biases and norms be."""
    matrices = [p for p in pupil.parameters() if p.ndim >= 2]
    rest = [p for p in pupil.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))


def lesson(teacher: Teacher, done: float, begin: float) -> tuple[str, Tensor, float]:
    """The lesson that is due after `done` of the time: its name, how wrong the pupil was, and the rate to learn at."""
    if done < TOWERS:
        return "towers", teacher.pointing(), RATE * _slope((done - begin) / (TOWERS - begin))
    if done < WORDS:
        part = (done - TOWERS) / (WORDS - TOWERS)
        return "words", teacher.reading(max(0.0, 0.9 - 1.5 * part)), RATE * (1 - 0.5 * part)
    return "all", teacher.answering(), LAST_RATE * _slope((done - WORDS) / (1 - WORDS))


def _slope(part: float) -> float:
    """Up quickly, then down along a cosine."""
    return min(1.0, 0.02 + 20 * part) * (0.51 + 0.49 * math.cos(math.pi * part))


def teach(teacher: Teacher, seconds: float, begin: float) -> int:
    """Give lessons for so long, entering the course at `begin` (0..1); how many there were."""
    step, began, seen = 0, time.monotonic(), list[float]()
    steps, course = optimizer(teacher.pupil), ""
    while (done := begin + (1 - begin) * (time.monotonic() - began) / seconds) < 1:
        name, wrong, rate = lesson(teacher, done, begin)
        if name != course:  # what the steps remember of another kind of lesson would mislead
            steps, course = optimizer(teacher.pupil), name
        for group in steps.param_groups:
            group["lr"] = rate
        steps.zero_grad()
        wrong.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(teacher.pupil.parameters(), 1.0)
        steps.step()
        step += 1
        seen = [*seen[1 - TELL_EVERY :], float(wrong.detach())]
        if step % TELL_EVERY == 0:
            sys.stderr.write(f"{name} lesson {step} loss {np.mean(seen):.4f} {done:.0%}\n")
            sys.stderr.flush()
    return step


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Teach the demo's small model.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=15.0, help="of lessons; making them takes a few more")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lessons", type=Path, help="where lessons are kept; default: beside OUT")
    parser.add_argument("--resume", type=Path, help="a model that has had lessons: go on with it")
    parser.add_argument("--begin", type=float, default=0.0, help="where in the course to enter, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)
    tokens = Qwen2Tokenizer.from_pretrained(given.resume) if given.resume else tokenizer(corpus(rng))
    pool = load(given.lessons or given.out.with_name(f"lessons-{given.seed}"), given.seed, WINDOWS)
    model = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(given.resume).train() if given.resume else build(tokens)
    pupil = Pupil(model, tokens)
    yes, no = (tokens(word).input_ids[0] for word in ("yes", "no"))
    steps = teach(Teacher(pupil=pupil, pool=pool, rng=rng, yes=yes, no=no), 60 * given.minutes, given.begin)
    save(pupil.model.eval(), tokens, given.out)
    sys.stderr.write(f"{steps} lessons; {sum(p.numel() for p in pupil.model.parameters())} parameters in {given.out}\n")


if __name__ == "__main__":
    main()
