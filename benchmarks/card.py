"""What a card does with a judge of the published size. It needs an NVIDIA card: 24 GB for `nf4`, 80 GB for `none`, which is bfloat16.

usage: python benchmarks/card.py [--quantization nf4 none] [--runs 5] [--json]

Nothing is downloaded: a thinker of the shape of Qwen3-Omni-30B-A3B (`published_model.json`) with random weights is made on the card, packed
as the product packs, and asked through the product's judge about windows of noise that it has not seen, preprocessing included. Each
quantization has a process of its own. The model's answers mean nothing; times, bytes and shares do.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from judge import WRITTEN, Bench, Kinds
from memory import Watch, anonymous
from operations import operations
from random_model import config, learnt
from real_size import PUBLISHED, build
from rich.console import Console
from rich.table import Table
from writing import TOKENS_JOINT

from analyzers.interview import Quantization
from analyzers.omni.machine import this_machine
from analyzers.omni.packed import PackedExperts, slice_experts
from analyzers.omni.plan import ModelError, Occasion, Plan, plan_of
from analyzers.omni.work import MAX_TOKENS

COUNTS = (1, 8, 32)
ASKED = 8
"""Policies of a window of a batch, and of the comparison with writing."""
TRIED = (1, 4, 16)
"""Experts at once that are tried beside the product's own number; 1 is as on a CPU, one by one."""
SIDE = {"cuda": 8192, "cpu": 1024}
"""Of the square matrices whose product is the ceiling."""
CEILING_RUNS = 10

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be measured."""

    shape: Path = PUBLISHED
    quantization: Quantization = Quantization.NF4
    device: str = "cuda"
    size: tuple[int, int] = (320, 576)
    """Height and width of frames."""
    pairs: int = 5
    """Of two seconds each."""
    runs: int = 5


class Card:
    """A model on a card, and what is asked of it."""

    def __init__(self, asked: Asked) -> None:
        """Make the model. ModelError where the plan says that it does not fit, or there is no such card."""
        self.asked = asked
        self._machine = this_machine(asked.device)
        self._thinker = config(asked.shape, learnt(), "bfloat16").to_dict()
        occasion = Occasion(height=asked.size[0], width=asked.size[1], pairs=asked.pairs, sound_s=2.0 * asked.pairs, policies=ASKED)
        planned = self._plan(occasion.batched())
        if not planned.fits:
            raise ModelError(f"it does not fit: {planned}")
        began = perf_counter()
        self.bench = Bench(build(asked.shape, asked.quantization, torch.device(asked.device), planned), asked.size, asked.pairs)
        self.build_s = perf_counter() - began
        self.media_tokens, suffix = self.bench.tokens()
        self.occasion = replace(occasion, question_tokens=round(suffix))
        self.windows = max(1, int(MAX_TOKENS // self.occasion.tokens))
        self.planned = self._plan(replace(self.occasion, windows=self.windows))

    def _plan(self, occasion: Occasion) -> Plan:
        return plan_of(self._thinker, self.asked.quantization, self._machine, occasion, packed=True)  # nothing is read, so nothing is stacked

    def full(self) -> None:
        """A batch that is full."""
        self.bench.judge().judge(tuple(self.bench.question(ASKED) for _ in range(self.windows)))

    def sliced(self, experts: int) -> None:
        """A window, with so many experts at once; 1: one by one."""
        model = self.bench.loaded.model
        before = {each: each.scratch for each in model.modules() if isinstance(each, PackedExperts)}
        slice_experts(model, experts)
        for each in before if experts == 1 else ():
            each.scratch = None
        self.bench.together(ASKED)
        for each, scratch in before.items():
            each.scratch = scratch

    def kinds(self) -> Kinds:
        """All that takes time."""
        bench = self.bench
        kinds: dict[str, Callable[[], None]] = {f"together_{count}": lambda count=count: bench.together(count) for count in COUNTS}
        kinds["full_batch"] = self.full
        if self.asked.quantization is not Quantization.NONE:
            kinds |= {f"together_{ASKED}_experts_by_{experts}": lambda experts=experts: self.sliced(experts) for experts in TRIED}
        return kinds | {"json_each": lambda: bench.writer.each(WRITTEN), f"json_for_{ASKED}": lambda: bench.writer.joint(ASKED)}

    def work(self, windows: float) -> float:
        """Operations of so many windows."""
        return operations(self._thinker, replace(self.occasion, windows=windows))


def peak(card: Card) -> float:
    """Bytes that the process, or on a card its part of the card, has at most while it judges."""
    if card.asked.device != "cuda":
        with Watch().looking() as watch:
            card.bench.together(COUNTS[-1])
            card.full()
        return max(watch.most, anonymous())
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    card.bench.together(COUNTS[-1])
    card.full()
    free, total = torch.cuda.mem_get_info()
    return torch.cuda.max_memory_reserved() + (total - free - torch.cuda.memory_reserved())  # the libraries' share, where nobody else has the card


def finish() -> None:
    """Wait until the card has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(kinds: Kinds, runs: int) -> dict[str, list[float]]:
    """By the clock, of each kind in each run, after one that does not count; kinds in turn, so that a slow moment hits all of them."""
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(runs + 1):
        for name, run in kinds.items():
            finish()
            began = perf_counter()
            run()
            finish()
            if number:
                took[name].append(perf_counter() - began)
    return took


def ceiling(device: str) -> float:
    """Operations a second of the product of two large matrices, of the type that is computed in; the best of some."""
    side = SIDE[device]
    left, right = torch.randn(2, side, side, dtype=torch.bfloat16 if device == "cuda" else torch.float32, device=device)
    took = seconds({"product": lambda: left @ right}, CEILING_RUNS)["product"]
    return 2.0 * side**3 / min(took)


def measured(asked: Asked) -> Figures:
    """All figures of a model."""
    card = Card(asked)
    most = peak(card)
    took = seconds(card.kinds(), asked.runs)
    median = {name: statistics.median(each) for name, each in took.items()}
    top = ceiling(asked.device)
    window, batch, joint = median[f"together_{ASKED}"], median["full_batch"], median[f"json_for_{ASKED}"]
    return {
        "model": card.bench.loaded.fingerprint,
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else "cpu",
        "torch": torch.__version__,
        **{f"{name}_s": each for name, each in median.items()},
        "cost_32_over_1": median["together_32"] / median["together_1"],
        "windows_a_batch": card.windows,
        "windows_a_second": card.windows / batch,
        "ceiling_tflops": top / 1e12,
        "share_of_ceiling_alone": card.work(1) / window / top,
        "share_of_ceiling_batched": card.work(card.windows) / batch / top,
        "generate_over_packed": median["json_each"] / WRITTEN * ASKED / window,
        "json_shared_over_packed": joint / window,
        "written_token_s": (joint - window) / (TOKENS_JOINT * ASKED),
        "media_tokens": card.media_tokens,
        "question_tokens": card.occasion.question_tokens,
        "weight_bytes": card.bench.loaded.weight_bytes,
        "peak_bytes": most,
        "planned_bytes": card.planned.peak_bytes,
        "planned_over_measured": card.planned.peak_bytes / most,
        "made_in_s": card.build_s,
        "all_s": took,
    }


def arguments() -> argparse.Namespace:
    """What to measure. `--shape`, `--device`, `--size` and `--pairs` are for trying this program without a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quantization", type=Quantization, nargs="+", default=[Quantization.NF4, Quantization.NONE])
    parser.add_argument("--runs", type=int, default=Asked.runs)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shape", type=Path, default=PUBLISHED, help=argparse.SUPPRESS)
    parser.add_argument("--device", choices=tuple(SIDE), default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 576), help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, default=5, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def child(quantization: Quantization) -> Figures | str:
    """The figures of a model from a process of its own, or why there are none."""
    command = [sys.executable, *sys.argv, "--child", "--quantization", quantization.value]
    told = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if told.returncode:
        return told.stdout.strip() or f"its process ended with {told.returncode}"
    figures: Figures = json.loads(told.stdout.splitlines()[-1])
    return figures


def show(found: Mapping[Quantization, Figures | str]) -> None:
    """As a table."""
    console = Console()
    columns = {how: each for how, each in found.items() if not isinstance(each, str)}
    table = Table("", *(how.value for how in columns), title="medians; bytes and times as their names say")
    for name in dict.fromkeys(name for each in columns.values() for name in each if name != "all_s"):
        values = [each.get(name, "") for each in columns.values()]
        table.add_row(name, *(f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else value for value in values))
    if columns:
        console.print(table)
    for how, each in found.items():
        if isinstance(each, str):
            console.print(f"{how.value}: {each}", soft_wrap=True)


def main() -> None:
    """Measure, and print a table or JSON."""
    given = arguments()
    if given.child:
        asked = Asked(
            shape=given.shape,
            quantization=given.quantization[0],
            device=given.device,
            size=tuple(given.size),
            pairs=given.pairs,
            runs=given.runs,
        )
        try:
            print(json.dumps(measured(asked)))
        except ModelError as error:
            print(error)
            raise SystemExit(1) from None
        return
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no NVIDIA card here that torch can use; run this where there is one, in the product's environment")
    found = {how: child(how) for how in given.quantization}
    if given.json:
        print(json.dumps(found))
    else:
        show(found)
    raise SystemExit(0 if any(not isinstance(each, str) for each in found.values()) else 1)


if __name__ == "__main__":
    main()
