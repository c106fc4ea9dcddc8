"""What a window costs the omni judge: all its policies in one forward, against a forward a policy. `python benchmarks/judge.py [--json]`.

Windows are noise of the demo's size, policy texts are made up as they are needed, preprocessing counts, and it is the judge of the
product that answers. Kinds are measured in turn within each run, so that a slow moment of the machine hits all of them.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from analyzers.interview import JudgeSettings, Quantization
from analyzers.judge import Question
from analyzers.omni.judge import OmniJudge
from analyzers.omni.media import mel, patches
from analyzers.omni.weights import Loaded, load
from analyzers.policy import Policy, PolicyId
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

RUNS = 9
WINDOWS = 4
COUNTS = (1, 4, 8, 16)
SHIPPED = Path(__file__).parents[1] / "appliance" / "demo" / "model"
START = Moment(utc=datetime(2026, 1, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("benchmark"))
SENSOR = SensorId("hall")
WORDS = ("a person", "a forklift", "smoke or flame", "an open door", "a ringing bell", "breaking glass", "a shout", "somebody in the press cell")

Kinds = Mapping[str, Callable[[], None]]


class Bench:
    """A sensor's memory, windows over it, and the judge."""

    def __init__(self, loaded: Loaded, size: tuple[int, int], pairs: int) -> None:
        """`size`: height and width of frames; `pairs`: of a window, each of a second or more."""
        self.loaded, self.size, self.pairs = loaded, size, pairs
        layout = SlotLayout(sensor=SENSOR, views=(ViewId(SENSOR),), longest_side=max(size), samples=32_000, count=pairs * WINDOWS)
        self.slots = Slots(layout, create(layout), writable=True)
        rng = np.random.default_rng(0)
        for slot in range(layout.count):
            self.slots.frames(slot, ViewId(SENSOR), *size)[:] = rng.integers(0, 255, (2, *size, 3))
            self.slots.sound(slot)[:] = rng.standard_normal(layout.samples) * 0.1
        self.judge = OmniJudge(loaded, {SENSOR: self.slots})
        self._made = 0

    def window(self, number: int) -> Window:
        """The window of this number."""
        view = View(id=ViewId(SENSOR), height=self.size[0], width=self.size[1], cues=Cues())
        return Window(
            id=WindowId(f"{SENSOR}/0/{number}"),
            sensor=SENSOR,
            epoch=0,
            first_pair=number * self.pairs,
            start=START,
            end=START.plus(timedelta(seconds=2 * self.pairs)),
            slots=tuple(range(number * self.pairs, (number + 1) * self.pairs)),
            senses=frozenset(Sense),
            views=(view,),
        )

    def policies(self, count: int) -> tuple[Policy, ...]:
        """Questions that nobody has asked before."""
        self._made += count
        return tuple(
            Policy(
                id=PolicyId(f"policy-{number}"),
                title="",
                ask=f"Is there {WORDS[number % len(WORDS)]} in view, or near the gate, at place {number}?",
                unless=f"Only {WORDS[(number + 3) % len(WORDS)]} is there.",
                sensors=(SENSOR,),
            )
            for number in range(self._made - count, self._made)
        )

    def together(self, count: int) -> None:
        """One window, so many policies, one forward."""
        self.judge.judge((Question(window=self.window(0), view=ViewId(SENSOR), policies=self.policies(count)),))

    def each(self, count: int) -> None:
        """A forward a policy."""
        for policy in self.policies(count):
            self.judge.judge((Question(window=self.window(0), view=ViewId(SENSOR), policies=(policy,)),))

    def batch(self) -> None:
        """Several windows of four policies in a batch."""
        self.judge.judge(tuple(Question(window=self.window(n), view=ViewId(SENSOR), policies=self.policies(4)) for n in range(WINDOWS)))

    def preprocess(self) -> None:
        """From memory to what the towers take."""
        window = self.window(0)
        patches(self.slots.window_frames(window.slots, ViewId(SENSOR), *self.size))
        mel(self.slots.window_sound(window.slots), self.loaded.extractor)

    def difference(self, count: int) -> float:
        """The largest difference in log-odds between both ways of asking."""
        asked = self.policies(count)
        ways = (
            [(Question(window=self.window(0), view=ViewId(SENSOR), policies=asked))],
            [Question(window=self.window(0), view=ViewId(SENSOR), policies=(policy,)) for policy in asked],
        )
        packed, alone = ([each.log_odds or 0.0 for one in way for each in self.judge.judge((one,))] for way in ways)
        return max(abs(a - b) for a, b in zip(packed, alone, strict=True))

    def tokens(self) -> tuple[int, float]:
        """Tokens of a window's media, and of a question on average."""
        asked = self.policies(8)
        media = self.judge.answer((Question(window=self.window(0), view=ViewId(SENSOR), policies=asked),)).media_tokens
        return media, statistics.mean(len(self.loaded.prompt.leaf(policy)) for policy in asked)


def measure(kinds: Kinds) -> dict[str, list[float]]:
    """Milliseconds of each kind in each run, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(RUNS + 1):
        for name, run in kinds.items():
            begin = perf_counter()
            run()
            if number:
                took[name].append(1e3 * (perf_counter() - begin))
    return took


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--quantization", type=Quantization, default=Quantization.NF4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(160, 288), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--pairs", type=int, default=2, help="of 2 s each")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def report(bench: Bench, took: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The figures that matter."""
    medians = {name: statistics.median(each) for name, each in took.items()}
    media, suffix = bench.tokens()
    return {
        **{f"together_{count}_ms": medians[f"together {count}"] for count in COUNTS},
        **{f"cost_{count}_over_1": medians[f"together {count}"] / medians["together 1"] for count in COUNTS[1:]},
        **{f"forward_over_packed_{count}": medians[f"each {count}"] / medians[f"together {count}"] for count in COUNTS[1:]},
        "batch_window_ms": medians["batch"] / WINDOWS,
        "preprocess_ms": medians["preprocess"],
        "media_tokens": media,
        "suffix_tokens": suffix,
        "max_abs_difference": bench.difference(COUNTS[-1]),
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    loaded = load(JudgeSettings(model=str(asked.model), quantization=asked.quantization, device=asked.device))
    bench = Bench(loaded, tuple(asked.size), asked.pairs)
    kinds: dict[str, Callable[[], None]] = {"preprocess": bench.preprocess, "batch": bench.batch}
    for count in COUNTS:
        kinds[f"together {count}"] = lambda count=count: bench.together(count)
        kinds[f"each {count}"] = lambda count=count: bench.each(count)
    took = measure(kinds)
    figures = report(bench, took)
    if asked.json:
        print(json.dumps({"model": loaded.fingerprint, "threads": asked.threads, "runs": RUNS, **figures, "all_ms": took}))
        return
    table = Table("kind", "median ms", "fastest", "slowest", title=f"{loaded.fingerprint}, {asked.threads} thread, {RUNS} runs")
    for name, each in took.items():
        table.add_row(name, f"{statistics.median(each):.1f}", f"{min(each):.1f}", f"{max(each):.1f}")
    console = Console()
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:24} {value:.3g}")


if __name__ == "__main__":
    main()
