"""What a window costs the omni judge: all its policies in one forward, against a forward a policy.

usage: python benchmarks/judge.py [--model FOLDER] [--quantization nf4] [--device cpu] [--threads 1] [--runs 7] [--json]
The judge is the product's own, from shared memory to verdicts. Pictures and sound are noise: that changes scores, not costs. Both ways
take turns, so that whatever else the machine does falls on both.
"""

import argparse
import json
import logging
import os
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analyzers.interview import JudgeSettings, Quantization
from analyzers.judge import Question
from analyzers.judgement import Judgement
from analyzers.omni.judge import OmniJudge
from analyzers.omni.weights import load
from analyzers.policy import Policy, PolicyId
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.settings import SensorSettings, WindowShape
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

DEMO = Path(__file__).parents[1] / "appliance" / "demo" / "model"
COUNTS = (1, 4, 8)
HEIGHT, WIDTH = 320, 576
SHAPE = WindowShape(length_s=8.0, every_s=4.0, fps=1, longest_side=WIDTH)
PAIRS = 4
SENSOR = SensorId("press-cell")
VIEW = ViewId(SENSOR)
START = Moment(utc=datetime(2026, 3, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
WINDOW = Window(
    id=WindowId(f"{SENSOR}/1/0"),
    sensor=SENSOR,
    epoch=1,
    first_pair=0,
    start=START,
    end=START.plus(timedelta(seconds=SHAPE.length_s)),
    slots=tuple(range(PAIRS)),
    senses=frozenset(Sense),
    views=(View(id=VIEW, height=HEIGHT, width=WIDTH, cues=Cues()),),
)
ASKED = (
    "Is a person inside the yellow line while the press runs?",
    "Is there smoke or an open flame?",
    "Does glass break?",
    "Is the emergency exit blocked by a pallet or a vehicle?",
    "Is somebody lying on the floor?",
    "Does a person shout for help?",
    "Is a fork-lift moving while a person walks in front of it?",
    "Is the cabinet's door open?",
)
POLICIES = tuple(Policy(id=PolicyId(f"policy-{number}"), title=ask, ask=ask, sensors=(SENSOR,)) for number, ask in enumerate(ASKED))


def memory() -> Slots:
    """A sensor's memory with noise in the window's slots."""
    layout = SlotLayout.of(SensorSettings(sensor=SENSOR, source="file:x", window=SHAPE, slots=PAIRS))
    descriptor = create(layout)
    slots = Slots(layout, descriptor, writable=True)
    os.close(descriptor)
    rng = np.random.default_rng(0)
    for slot in range(PAIRS):
        slots.frames(slot, VIEW, HEIGHT, WIDTH)[:] = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
        slots.sound(slot)[:] = rng.standard_normal(layout.samples) * 0.1
    return slots


def ask(judge: OmniJudge, *batches: tuple[Policy, ...]) -> tuple[float, list[Judgement]]:
    """Milliseconds for these policies, batch after batch, and what they got."""
    began = time.perf_counter()
    found = [each for batch in batches for each in judge.judge((Question(window=WINDOW, view=VIEW, policies=batch),))]
    return (time.perf_counter() - began) * 1e3, found


def apart(ours: list[Judgement], theirs: list[Judgement]) -> float:
    """The largest difference between two ways' log-odds."""
    if any(each.log_odds is None for each in (*ours, *theirs)):
        raise SystemExit("a policy got no score: this model cannot be measured")
    return max(abs((a.log_odds or 0.0) - (b.log_odds or 0.0)) for a, b in zip(ours, theirs, strict=True))


def measure(judge: OmniJudge, runs: int) -> dict[int, dict[str, Any]]:
    """By number of policies: what both ways cost in each run, and how far their scores are apart."""
    rows: dict[int, dict[str, Any]] = {count: {"together_ms": [], "alone_ms": [], "apart": 0.0} for count in COUNTS}
    for run in range(runs + 1):
        for count, row in rows.items():
            some = POLICIES[:count]
            together, ours = ask(judge, some)
            alone, theirs = ask(judge, *((policy,) for policy in some))
            if run:  # the first is for warming up
                row["together_ms"].append(together)
                row["alone_ms"].append(alone)
                row["apart"] = max(row["apart"], apart(ours, theirs))
    return rows


def summary(rows: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Medians and ranges."""
    out: dict[str, dict[str, float]] = {}
    for count, row in rows.items():
        ratios = [alone / together for alone, together in zip(row["alone_ms"], row["together_ms"], strict=True)]
        told = {"times_quicker": statistics.median(ratios), "scores_apart": row["apart"]}
        for way in ("together", "alone"):
            told |= {f"{way}_{name}_ms": made(row[f"{way}_ms"]) for name, made in (("median", statistics.median), ("least", min), ("most", max))}
        out[str(count)] = told
    return out


def main() -> None:
    """Print a short table, or JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=DEMO)
    parser.add_argument("--quantization", type=Quantization, choices=list(Quantization), default=Quantization.NF4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it looks for kernels that the product does without
    torch.set_num_threads(given.threads)
    began = time.perf_counter()
    loaded = load(JudgeSettings(model=str(given.model), quantization=given.quantization, device=given.device, threads=given.threads))
    load_s = time.perf_counter() - began
    judge = OmniJudge(loaded, {SENSOR: memory()})
    tokens = judge.answer((Question(window=WINDOW, view=VIEW, policies=POLICIES[:1]),)).media_tokens
    rows = summary(measure(judge, given.runs))
    made = {"model": loaded.fingerprint, "weight_bytes": loaded.weight_bytes, "load_s": load_s, "media_tokens": tokens, "threads": given.threads}
    if given.json:
        print(json.dumps({**made, "policies": rows}))
        return
    print(", ".join(f"{name} {value}" for name, value in made.items()))
    for count, row in rows.items():
        together, alone = (
            f"{row[f'{way}_median_ms']:.1f} ms ({row[f'{way}_least_ms']:.1f} to {row[f'{way}_most_ms']:.1f})" for way in ("together", "alone")
        )
        print(f"{count} policies: one forward {together}, a forward each {alone}: {row['times_quicker']:.2f} times; {row['scores_apart']:.1e} apart")


if __name__ == "__main__":
    main()
