"""What a sensor process costs at 640x360, 15 frames a second, with sound: `python benchmarks/sensor.py [--json]` on an idle machine.

A file that is played in real time, and, where gst-rtsp-server is installed, the same picture from an RTSP server. Both processes run
side by side; each window of a few seconds measures one of them and then the other, so that a slow moment hits both.
"""

import argparse
import json
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sensors.news import SensorCondition
from sensors.settings import WindowShape
from tests.sensors.harness import Scene, SensorProcess, record, running, settings_for
from tests.sensors.test_rtsp import BINDINGS, PYTHON, camera

RUNS = 9
WINDOW_S = 3.0
CPU_AIM_PERCENT = 3.0
MEMORY_AIM_MB = 60.0
SHAPE = WindowShape(length_s=8, every_s=4, fps=1, longest_side=576)
LASTS_S = 120.0


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process's threads have used."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def private_mb(pid: int) -> float:
    """Memory that is the process's own, without what the slots share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def listen(sensors: list[SensorProcess], seconds: float) -> None:
    """Hear all of them for a while, releasing what they tell."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for sensor in sensors:
            selector.register(sensor.end, selectors.EVENT_READ, sensor)
        while (left_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                key.data.hear()
                key.data.seen.clear()


def has_gstreamer() -> bool:
    """Whether the RTSP server can be run here."""
    return Path(PYTHON).exists() and not subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode


def measure(stack: ExitStack, folder: Path) -> list[dict[str, object]]:
    """The figures of each kind of source."""
    scene = Scene(seconds=LASTS_S, at_s=(), size=(640, 360), fps=15, noise=6, options=(("preset", "veryfast"), ("g", "30"), ("b", "700000")))
    sources = {"file in real time, H.264 + AAC": f"file:{record(folder / 'scene.mp4', scene)}"}
    if has_gstreamer():
        sources["RTSP, H.264 + PCMA"] = stack.enter_context(camera("pcma")).source
    sensors = {}
    for number, (name, source) in enumerate(sources.items()):
        place = folder / str(number)
        place.mkdir()
        sensors[name] = stack.enter_context(running(settings_for(source, window=SHAPE, slots=40), place))
        sensors[name].wait_for(SensorCondition.ONLINE)
    everybody = list(sensors.values())
    listen(everybody, 5.0)
    cpu: dict[str, list[float]] = {name: [] for name in sensors}
    memory: dict[str, list[float]] = {name: [] for name in sensors}
    for _ in range(RUNS):
        before = {name: (cpu_s(sensor.process.pid), time.monotonic()) for name, sensor in sensors.items()}
        listen(everybody, WINDOW_S)
        for name, sensor in sensors.items():
            used_s, began_s = before[name]
            cpu[name].append(100 * (cpu_s(sensor.process.pid) - used_s) / (time.monotonic() - began_s))
            memory[name].append(private_mb(sensor.process.pid))
    return [
        {"what": f"{name}: {what}", "median": statistics.median(runs), "min": min(runs), "max": max(runs), "aim": aim, "runs": RUNS}
        for name in sensors
        for what, runs, aim in (("CPU of a core, %", cpu[name], CPU_AIM_PERCENT), ("private memory, MB", memory[name], MEMORY_AIM_MB))
    ]


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        rows = measure(stack, Path(folder))
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{f'medians of {RUNS} interleaved windows of {WINDOW_S:g} s':54}{'median':>8}{'min':>8}{'max':>8}{'aim':>8}")
    for row in rows:
        print(f"{row['what']:54}{row['median']:8.2f}{row['min']:8.2f}{row['max']:8.2f}{row['aim']:8.0f}")


if __name__ == "__main__":
    main()
