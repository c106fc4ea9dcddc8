"""What packing does to answers: the change in log-odds and in decisions, by kind. `python benchmarks/quantization.py [--windows 100] [--json]`.

The small model of the demo is asked about halls that it has not seen, where truth is known; a random one, with 128 experts a layer, about
noise. A random model's routing hangs on a hair: what is moved there is the most that may be, not what a trained one shows.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from noise import Noise
from random_model import make
from rich.console import Console
from rich.table import Table

from analyzers.interview import JudgeSettings, Quantization
from analyzers.judge import Question
from analyzers.omni.judge import OmniJudge
from analyzers.omni.weights import load
from appliance.demo.school.exam import SEED, examine, open_pupil, right
from appliance.demo.school.pool import load as load_pool

SHIPPED = Path(__file__).parents[1] / "appliance" / "demo" / "model"
NEAR = 1.0
"""Log-odds on either side of an even chance: answers that a little could turn."""
NOISY = 20
PACKED = [each for each in Quantization if each is not Quantization.NONE]

Scores = Sequence[float]
Asker = Callable[[Quantization], Scores]


def small(folder: Path, windows: int) -> tuple[Asker, Callable[[Quantization], float]]:
    """Asks the small model; and how often it is right."""
    pool = load_pool(folder, SEED, windows)
    marks = {each: list(examine(open_pupil(SHIPPED, each), pool)) for each in Quantization}
    return (lambda kind: [mark.log_odds for mark in marks[kind]]), (lambda kind: right(marks[kind]))


def random(folder: Path) -> Asker:
    """Asks the random model."""
    make(folder)

    def ask(kind: Quantization) -> Scores:
        loaded, noise = load(JudgeSettings(model=str(folder), quantization=kind, device="cpu")), Noise((160, 288), 2)
        judge = OmniJudge(loaded, {noise.sensor: noise.slots})
        rng = np.random.default_rng(1)
        scores: list[float] = []
        for _ in range(NOISY):
            window = noise.window()
            for slot in window.slots:
                noise.slots.frames(slot, noise.view, *noise.size)[:] = rng.integers(0, 255, (2, *noise.size, 3))
            asked = Question(window=window, view=noise.view, policies=noise.policies(16))
            scores += [each.log_odds or 0.0 for each in judge.judge((asked,))]
        return scores

    return ask


def compare(full: Scores, packed: Scores) -> dict[str, float]:
    """How far `packed` is from `full`."""
    a, b = np.array(full), np.array(packed)
    moved, turned, near = np.abs(a - b), (a > 0) != (b > 0), np.abs(a) < NEAR
    return {
        "answers": len(a),
        "p50": float(np.percentile(moved, 50)),
        "p99": float(np.percentile(moved, 99)),
        "changed": float(turned.mean()),
        "near": int(near.sum()),
        "changed_near": float(turned[near].mean()) if near.any() else 0.0,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--lessons", type=Path, help="where the halls are kept, so that they are rendered once")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        about_small, rightly = small(given.lessons or Path(scratch) / "lessons", given.windows)
        about_random = random(Path(scratch) / "random")
        rows = {}
        full = {"small": about_small(Quantization.NONE), "random": about_random(Quantization.NONE)}
        for kind in PACKED:
            rows[f"small, {kind}"] = compare(full["small"], about_small(kind)) | {"right": rightly(kind)}
            rows[f"random, {kind}"] = compare(full["random"], about_random(kind))
    if given.json:
        print(json.dumps({"right_none": rightly(Quantization.NONE), **rows}))
        return
    columns = ("answers", "p50", "p99", "changed", f"near (< {NEAR:g})", "of them changed", "right")
    table = Table("model, kind", *columns, title=f"small model in full: {rightly(Quantization.NONE):.4f} right")
    for name, row in rows.items():
        moved = (f"{row['answers']}", f"{row['p50']:.3f}", f"{row['p99']:.3f}")
        turned = (f"{row['changed']:.2%}", f"{row['near']}", f"{row['changed_near']:.2%}")
        table.add_row(name, *moved, *turned, f"{row['right']:.4f}" if "right" in row else "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
