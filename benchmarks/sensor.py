"""What a sensor process costs at 640x360 and 15 frames a second with sound: `python benchmarks/sensor.py [--json] [--seconds N]`.

Each run starts a process as the supervisor does, lets it settle and reads the kernel's accounts of it: CPU time of all its threads, and
memory that is its own, with and without the slots that it shares with the judge. The kinds take turns, so that a slow moment of
the machine hits all of them. `camera` needs gst-rtsp-server (Debian's python3-gi and gir1.2-gst-rtsp-server-1.0) and is left out without it.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sensors.main import HEARS, SAYS
from sensors.news import Release
from sensors.settings import SensorSettings, WindowShape
from sensors.slots import SlotLayout, create
from sensors.window import SensorId, Window
from sensors.wire import MAX_DATAGRAM_BYTES, pair

RUNS = 7
SECONDS = 8.0
SETTLED_WINDOWS = 1
CPU_AIM_PERCENT, MEMORY_AIM_MB = 3.0, 60.0
SHAPE = WindowShape(length_s=8, every_s=2, fps=1, longest_side=576)
WIDTH, HEIGHT, FPS, RATE_HZ, FILM_S = 640, 360, 15, 16_000, 60
SERVER = Path(__file__).parents[1] / "tests" / "sensors" / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run cost."""

    cpu_percent: float
    own_mb: float
    own_without_slots_mb: float


def film(path: Path) -> str:
    """A noisy room with something that moves in it, and its sound, at a camera's usual 500 kbit/s."""
    random = np.random.default_rng(1)
    room = random.integers(40, 200, (HEIGHT // 8, WIDTH // 8, 1)).repeat(8, 0).repeat(8, 1).repeat(3, 2)
    noise = random.normal(0, 2, (8, HEIGHT, WIDTH, 1))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "tune": "zerolatency", "g": "30", "b": "500k"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        for number in range(FILM_S * FPS):
            pixels = room + noise[number % 8]
            left = number * 4 % (WIDTH - 60)
            pixels[150:290, left : left + 60] = 30
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels.clip(0, 255).astype(np.uint8), format="rgb24")))
            if number % FPS == 0:
                frame = av.AudioFrame.from_ndarray(random.normal(0, 500, (1, RATE_HZ)).astype(np.int16), format="s16", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, RATE_HZ), number // FPS * RATE_HZ
                out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return f"file:{path}"


@contextmanager
def camera() -> Iterator[str | None]:
    """An RTSP camera's address, H.264 and G.711; None where there is no server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [SYSTEM_PYTHON, str(SERVER), str(port), "pcma"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ready = server.stdout is not None and server.stdout.readline() == "ready\n"
        yield f"rtsp://127.0.0.1:{port}/camera" if ready else None
    finally:
        server.kill()
        server.wait()


def cpu_ns(pid: int) -> int:
    """CPU time so far of all threads that it has and had: clock_getcpuclockid(3), which Python does not offer for other processes."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def own_kb(pid: int, *, slots: bool) -> int:
    """Memory that no other process has mapped; the judge is not there to map the slots, so they count as own."""
    total, counts = 0, True
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if not word.endswith(":"):
            counts = slots or "/memfd:omniwatch-" not in line
        elif counts and word in ("Private_Clean:", "Private_Dirty:"):
            total += int(rest.split()[0])
    return total


def listen(end: socket.socket, seconds: float, windows: int) -> None:
    """Hear and release, for so long or for so many windows."""
    until = time.monotonic() + seconds
    while windows and (left := until - time.monotonic()) > 0:
        end.settimeout(left)
        try:
            message = SAYS.decode(end.recv(MAX_DATAGRAM_BYTES + 1))
        except TimeoutError:
            return
        if isinstance(message, Window):
            windows -= 1
            end.send(HEARS.encode(Release(windows=(message.id,))))


def run(source: str, seconds: float) -> Cost:
    """Start a sensor process, and account for it."""
    settings = SensorSettings(sensor=SensorId("bench"), source=source, window=SHAPE, slots=12)
    memory, (ours, theirs) = create(SlotLayout.of(settings)), pair()
    numbers = ("--socket", str(theirs.fileno()), "--slots", str(memory))
    with subprocess.Popen([sys.executable, "-m", "sensors.main", *numbers], pass_fds=(theirs.fileno(), memory)) as process, ours:
        theirs.close()
        ours.send(HEARS.encode(settings))
        listen(ours, 60.0, SETTLED_WINDOWS)
        begin_ns, begin_s = cpu_ns(process.pid), time.monotonic()
        listen(ours, seconds, 1_000_000)
        cpu_percent = 100 * (cpu_ns(process.pid) - begin_ns) / 1e9 / (time.monotonic() - begin_s)
        return Cost(cpu_percent, own_kb(process.pid, slots=True) / 1024, own_kb(process.pid, slots=False) / 1024)


def summary(name: str, costs: list[Cost]) -> dict[str, str | float]:
    """Medians and spreads of a kind's runs."""
    row: dict[str, str | float] = {"kind": name, "runs": len(costs)}
    for figure in ("cpu_percent", "own_mb", "own_without_slots_mb"):
        values = sorted(getattr(cost, figure) for cost in costs)
        row |= {figure: round(statistics.median(values), 2), f"{figure}_least": round(values[0], 2), f"{figure}_most": round(values[-1], 2)}
    return row


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, camera() as address:
        sources = {"file": film(Path(folder) / "film.mp4"), **({"camera": address} if address else {})}
        costs: dict[str, list[Cost]] = {name: [] for name in sources}
        for _ in range(arguments.runs):
            for name, source in sources.items():
                costs[name].append(run(source, arguments.seconds))
    rows = [summary(name, some) for name, some in costs.items()]
    if arguments.json:
        print(json.dumps({"aim": {"cpu_percent": CPU_AIM_PERCENT, "own_mb": MEMORY_AIM_MB}, "rows": rows}))
        return
    print(f"640x360 at 15 frames a second with sound; median (least to most) of {arguments.runs} runs of {arguments.seconds:g} s")
    print(f"{'':8}{'CPU, % of a core':>26}{'own memory, MB':>26}{'without its slots':>26}")
    for row in rows:
        figures = (f"{row[name]} ({row[f'{name}_least']} to {row[f'{name}_most']})" for name in ("cpu_percent", "own_mb", "own_without_slots_mb"))
        print(f"{row['kind']:8}" + "".join(f"{figure:>26}" for figure in figures))
    print(f"{'aim':8}{CPU_AIM_PERCENT:>26g}{MEMORY_AIM_MB:>26g}")


if __name__ == "__main__":
    main()
