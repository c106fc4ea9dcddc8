"""The memory that loading, judging and quantizing really take, beside the plan: `python benchmarks/memory.py [--model FOLDER] [--json]`.

Every kind runs in a process of its own. What is measured is the most anonymous memory that it had (files that are mapped, such as
libraries and a checkpoint that is being read, can be given back at any time), looked at every two milliseconds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from noise import Noise
from rich.console import Console
from rich.table import Table

from analyzers.interview import JudgeSettings, Quantization
from analyzers.judge import Question
from analyzers.omni.folder import read
from analyzers.omni.judge import OmniJudge
from analyzers.omni.plan import Machine, Occasion, survey
from analyzers.omni.quantize import quantize
from analyzers.omni.weights import load
from analyzers.omni.work import MAX_TOKENS

HERE = Path(__file__)
KINDS = ("none", "nf4", "nf4-double", "int8")
SIZE, PAIRS, POLICIES = (320, 576), 8, 16
"""The window of the plan: 16 frames and 16 s of sound."""
BATCH = 3
"""Such windows that are asked at once. Where they are too many tokens, fewer go through the model together."""


def anonymous() -> int:
    """Bytes of this process that are no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("no RssAnon in /proc/self/status")


class Watch:
    """The most that was seen."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.most = 0
        self._stop = threading.Event()

    @contextmanager
    def looking(self) -> Iterator["Watch"]:
        """Look for as long as the block runs."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            self.most = max(self.most, anonymous())


def judging(folder: Path, quantization: str) -> dict[str, float]:
    """Load, and judge three windows."""
    torch.set_num_threads(1)
    began, libraries = time.perf_counter(), anonymous()
    with Watch().looking() as watch:
        loaded = load(JudgeSettings(model=str(folder), quantization=Quantization(quantization), device="cpu"))
        loading, took_s, after = watch.most, time.perf_counter() - began, anonymous()
        memory = Noise(SIZE, PAIRS)
        judge, before = OmniJudge(loaded, {memory.sensor: memory.slots}), anonymous()
        asked = [Question(window=memory.window(), view=memory.view, policies=memory.policies(POLICIES)) for _ in range(3 + BATCH)]
        for one in asked[:3]:
            judge.judge((one,))
        alone = watch.most
        judge.judge(tuple(asked[3:]))
    return {
        "libraries": libraries,
        "loading": loading,
        "loaded": after,
        "judging": alone - (before - after),
        "batch": watch.most - (before - after),
        "weights": loaded.weight_bytes,
        "load_s": took_s,
    }


def quantizing(folder: Path, quantization: str) -> dict[str, float]:
    """Make an artefact of `folder` beside it."""
    out = folder.with_name(f"{folder.name}-{quantization}")
    began, libraries = time.perf_counter(), anonymous()
    with Watch().looking() as watch:
        quantize(folder, out, Quantization(quantization), lambda *_: None)
    size = sum(path.stat().st_size for path in out.glob("*.safetensors"))
    return {"libraries": libraries, "most": watch.most, "result": size, "took_s": time.perf_counter() - began}


def child(what: str, folder: Path, quantization: str) -> dict[str, float]:
    """The figures of a kind, from a process of its own."""
    command = [sys.executable, str(HERE), "--child", what, "--model", str(folder), "--quantization", quantization]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return figures


def planned(folder: Path, quantization: str) -> dict[str, float]:
    """What the plan says of the same."""
    found, machine = read(folder), Machine(device="cpu", memory_bytes=1 << 40)
    occasion = Occasion(
        height=SIZE[0], width=SIZE[1], pairs=PAIRS, sound_s=16.0, policies=POLICIES, question_tokens=33, family=found.family
    )
    together = min(BATCH, MAX_TOKENS // occasion.tokens)
    plan, batch = (survey(found, Quantization(quantization), machine, each) for each in (occasion, replace(occasion, windows=together)))
    return {"weights": plan.weight_bytes, "loading": plan.loading_bytes, "most": plan.peak_bytes, "batch": batch.peak_bytes}


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quantization", default="nf4", choices=KINDS)
    parser.add_argument("--child", choices=("judging", "quantizing"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.child:
        print(json.dumps({"judging": judging, "quantizing": quantizing}[given.child](given.model, given.quantization)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        report(given.model or _random(Path(scratch)), Path(scratch), as_json=given.json)


def _random(scratch: Path) -> Path:
    subprocess.run([sys.executable, str(HERE.with_name("random_model.py")), str(scratch / "random")], check=True, stderr=subprocess.DEVNULL)
    return scratch / "random"


def report(folder: Path, scratch: Path, *, as_json: bool) -> None:
    """All kinds, measured and planned."""
    rows: dict[str, dict[str, dict[str, float]]] = {}
    source = scratch / folder.name
    if source != folder:
        source.symlink_to(folder.resolve())
    for kind in KINDS:
        rows[f"{kind}, from the checkpoint"] = {"measured": child("judging", source, kind), "planned": planned(source, kind)}
        if kind != "none":
            rows[f"{kind}, quantizing"] = {"measured": child("quantizing", source, kind), "planned": {}}
            made = source.with_name(f"{source.name}-{kind}")
            rows[f"{kind}, from the artefact"] = {"measured": child("judging", made, kind), "planned": planned(made, kind)}
    if as_json:
        print(json.dumps(rows))
        return
    columns = ("libraries", "weights", "loading", "at most", "planned", "error", f"{BATCH} at once", "planned", "error", "load or make, s")
    table = Table("kind, MB", *columns, title=f"{folder.name}, one thread")
    for name, row in rows.items():
        table.add_row(name, *_cells(row["measured"], row["planned"]))
    Console(width=140).print(table)


def _cells(measured: dict[str, float], plan: dict[str, float]) -> list[str]:
    if not plan:
        figures = (measured["libraries"], measured["result"], measured["most"], measured["most"])
        return [*(f"{each / 1e6:.0f}" for each in figures), *[""] * 5, f"{measured['took_s']:.1f}"]
    cells = [f"{measured[name] / 1e6:.0f}" for name in ("libraries", "weights", "loading")]
    for name, planned_as in (("judging", "most"), ("batch", "batch")):
        most = max(measured["loading"], measured[name])
        cells += [f"{most / 1e6:.0f}", f"{plan[planned_as] / 1e6:.0f}", f"{plan[planned_as] / most - 1:+.0%}"]
    return [*cells, f"{measured['load_s']:.1f}"]


if __name__ == "__main__":
    main()
