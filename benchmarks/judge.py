"""What a window costs the omni judge: all its policies in one forward, beside a forward a policy, and beside letting the model write.

usage: python benchmarks/judge.py [--model FOLDER] [--quantization nf4] [--device auto] [--runs 3] [--json]

Windows are noise that the judge has not seen before, policy texts are made as they are needed, preprocessing counts, and it is the judge
of the product that answers (`Judge.judge` on windows in a sensor's memory). Kinds are measured in turn within each run, so that a slow
moment of the machine hits all of them. On one thread of a CPU the time is the processor's own; with more, or on a GPU, the clock's.
Without `--model` a random one is made: 128 experts a layer, its shape in `random_model.json`.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time

import torch
from noise import Noise
from random_model import make
from rich.console import Console
from rich.table import Table
from writing import Writer

from analyzers.interview import JudgeSettings, Quantization
from analyzers.judge import Question
from analyzers.omni.judge import OmniJudge
from analyzers.omni.media import mel, patches
from analyzers.omni.sight import Pairs
from analyzers.omni.weights import Loaded, load

COUNTS = (1, 8, 16, 32)
SAMPLE = 4
"""Policies of which those kinds are measured that ask for each by itself; sixteen cost four times as much."""
WRITTEN = 2
"""As above, where the model writes."""
PREPROCESSED = (320, 576), 4
"""Size and pairs of the window whose preprocessing has a bound: 8 frames and 8 s of sound."""

Kinds = Mapping[str, Callable[[], None]]


class Bench:
    """The judge, a sensor's memory, and what is measured on them."""

    def __init__(self, loaded: Loaded, size: tuple[int, int], pairs: int) -> None:
        """`size`: height and width of frames; `pairs`: of a window."""
        self.loaded = loaded
        self.noise = Noise(size, pairs)
        self.small = Noise(*PREPROCESSED)
        self.writer = Writer(loaded, self.noise)

    def judge(self) -> OmniJudge:
        """One that has seen nothing."""
        return OmniJudge(self.loaded, {self.noise.sensor: self.noise.slots})

    def question(self, count: int) -> Question:
        """About a window that is new."""
        return Question(window=self.noise.window(), view=self.noise.view, policies=self.noise.policies(count))

    def together(self, count: int) -> None:
        """One window, so many policies, one forward."""
        self.judge().judge((self.question(count),))

    def still(self) -> None:
        """One window, sixteen policies, and all of its pictures but the first and the last are left out: noise hardly differs in its means."""
        OmniJudge(self.loaded, {self.noise.sensor: self.noise.slots}, still=64.0).judge((self.question(16),))

    def each(self) -> None:
        """A forward a policy."""
        for _ in range(SAMPLE):
            self.judge().judge((self.question(1),))

    def batch(self) -> None:
        """Four windows of sixteen policies in a batch."""
        self.judge().judge(tuple(self.question(16) for _ in range(4)))

    def stream(self) -> None:
        """Four windows, each two pairs after the one before."""
        pairs = Pairs()
        for window in self.noise.stream():
            asked = Question(window=window, view=self.noise.view, policies=self.noise.policies(16))
            OmniJudge(self.loaded, {self.noise.sensor: self.noise.slots}, pairs).judge((asked,))

    def preprocess(self) -> None:
        """8 frames and 8 s of sound, from memory to what the towers take."""
        window = self.small.window()
        for slot in window.slots:
            patches(self.small.slots.frames(slot, self.small.view, *self.small.size))
        mel(self.small.slots.window_sound(window.slots), self.loaded.extractor)

    def difference(self) -> float:
        """The largest difference in log-odds between both ways of asking sixteen policies about one window."""
        asked = self.question(16)
        alone = [Question(window=asked.window, view=asked.view, policies=(policy,)) for policy in asked.policies]
        packed = self.judge().judge((asked,))
        single = [self.judge().judge((one,))[0] for one in alone]
        return max(abs((a.log_odds or 0.0) - (b.log_odds or 0.0)) for a, b in zip(packed, single, strict=True))

    def tokens(self) -> tuple[int, float]:
        """Tokens of a window's media, and of a question's suffix on average."""
        asked = self.question(16)
        media = self.judge().answer((asked,)).cost.media_tokens
        return media, statistics.mean(len(self.loaded.prompt.leaf(policy)) for policy in asked.policies)

    def kinds(self) -> Kinds:
        """All that is measured."""
        together: dict[str, Callable[[], None]] = {f"together {count}": lambda count=count: self.together(count) for count in COUNTS}
        return together | {
            f"each, {SAMPLE}": self.each,
            f"JSON of 64 tokens a policy, {WRITTEN}": lambda: self.writer.each(WRITTEN),
            "one JSON for 16, shared cache": lambda: self.writer.joint(16),
            "batch of 4 windows, 16 each": self.batch,
            "4 windows, two pairs apart": self.stream,
            "still, 16": self.still,
            "preprocess": self.preprocess,
        }


def measure(kinds: Kinds, runs: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Milliseconds of each kind in each run, after one of a short kind that does not count."""
    kinds["preprocess"]()
    kinds["together 1"]()
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):
        for name, run in kinds.items():
            began = clock()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            took[name].append(1e3 * (clock() - began))
    return took


def report(bench: Bench, took: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The figures that matter."""
    ms = {name: statistics.median(each) for name, each in took.items()}
    packed = ms["together 16"]
    media, suffix = bench.tokens()
    return {
        **{f"together_{count}_ms": ms[f"together {count}"] for count in COUNTS},
        **{f"cost_{count}_over_1": ms[f"together {count}"] / ms["together 1"] for count in COUNTS[1:]},
        "forward_over_packed_16": ms[f"each, {SAMPLE}"] * 16 / SAMPLE / packed,
        "generate_over_packed_16": ms[f"JSON of 64 tokens a policy, {WRITTEN}"] * 16 / WRITTEN / packed,
        "json_shared_over_packed_16": ms["one JSON for 16, shared cache"] / packed,
        "batch_of_4_over_1": ms["batch of 4 windows, 16 each"] / packed,
        "overlapping_over_new": ms["4 windows, two pairs apart"] / 4 / packed,
        "still_over_new": ms["still, 16"] / packed,
        "preprocess_ms": ms["preprocess"],
        "media_tokens": media,
        "suffix_tokens": suffix,
        "max_abs_difference": bench.difference(),
    }


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quantization", type=Quantization, default=Quantization.NF4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 576), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--pairs", type=int, default=5, help="of 2 s each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a table or JSON."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as scratch:
        model = asked.model or make(Path(scratch) / "random")
        loaded = load(JudgeSettings(model=str(model), quantization=asked.quantization, device=asked.device))
    own = loaded.device.type == "cpu" and asked.threads == 1
    bench = Bench(loaded, tuple(asked.size), asked.pairs)
    took = measure(bench.kinds(), asked.runs, process_time if own else perf_counter)
    figures = report(bench, took)
    conditions = {"model": loaded.fingerprint, "threads": asked.threads, "runs": asked.runs, "clock": "processor" if own else "wall"}
    if asked.json:
        print(json.dumps({**conditions, **figures, "all_ms": took}))
        return
    table = Table("kind", "median ms", "fastest", "slowest", title=", ".join(f"{name} {value}" for name, value in conditions.items()))
    for name, each in took.items():
        table.add_row(name, f"{statistics.median(each):.1f}", f"{min(each):.1f}", f"{max(each):.1f}")
    console = Console()
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:28} {value:.3g}")


if __name__ == "__main__":
    main()
