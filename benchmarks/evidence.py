"""What evidence costs: `python benchmarks/evidence.py [--json] [--seconds N] [--runs N]`.

A sensor process at 640x360 and 15 frames a second with sound, without segments, with them, and as the reader of a second stream that decodes
nothing; accounts as in `sensor.py` beside this, the kinds in turn. Then a helper's whole life for a clip of 30 s of 1920x1080 at 25 frames a
second and 4 Mbit/s: copied, and encoded again with a mask.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from sensor import SHAPE, Cost, cpu_ns, film, listen, own_kb

from sensors.clip_main import HEARS, SAYS
from sensors.cues import Box
from sensors.cut import Cut, CutOrder
from sensors.main import HEARS as SENSOR_HEARS
from sensors.moment import NANOSECONDS
from sensors.recorder import Recorder
from sensors.ring import Ring
from sensors.segment import listed
from sensors.settings import SegmentSettings, SensorSettings, SoundUse
from sensors.slots import SlotLayout, create
from sensors.window import SensorId
from sensors.wire import MAX_DATAGRAM_BYTES, pair

RUNS, SECONDS, SETTLE_S, CUTS = 5, 8.0, 4.0, 5
CLIP_S, WIDTH, HEIGHT, FPS = 30, 1920, 1080, 25
HALF = (Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5),)


def run(source: str, seconds: float, segments: SegmentSettings | None) -> Cost:
    """Start a sensor process, and account for it."""
    settings = SensorSettings(sensor=SensorId("bench"), source=source, window=SHAPE, slots=12, sound=SoundUse.KEEP, segments=segments)
    memory, (ours, theirs) = create(SlotLayout.of(settings)), pair()
    numbers = ("--socket", str(theirs.fileno()), "--slots", str(memory))
    with subprocess.Popen([sys.executable, "-m", "sensors.main", *numbers], pass_fds=(theirs.fileno(), memory)) as process, ours:
        theirs.close()
        ours.send(SENSOR_HEARS.encode(settings))
        listen(ours, SETTLE_S, 1_000_000)
        begin_ns, begin_s = cpu_ns(process.pid), time.monotonic()
        listen(ours, seconds, 1_000_000)
        cpu_percent = 100 * (cpu_ns(process.pid) - begin_ns) / 1e9 / (time.monotonic() - begin_s)
        return Cost(cpu_percent, own_kb(process.pid, slots=True) / 1024, own_kb(process.pid, slots=False) / 1024)


def footage(folder: Path) -> Path:
    """A clip's length of noise at 4 Mbit/s, as segments."""
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 255, (HEIGHT // 24, WIDTH // 24, 3), np.uint8).repeat(24, 0).repeat(24, 1) for _ in range(8)]
    path = folder / "film.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency", "g": "50", "b": "4M", "maxrate": "4M"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range((CLIP_S + 4) * FPS):
            out.mux(video.encode(av.VideoFrame.from_ndarray(pictures[number // 12 % 8], format="rgb24")))
        out.mux(video.encode(None))
    ring, now = folder / "ring", [0]
    recorder = Recorder(Ring(ring, SegmentSettings(folder="", seconds=1e6, bytes=1 << 40)), lambda: now[0], sound=False)
    with av.open(str(path)) as container:
        recorder.begin_streams(container.streams.video[0], None)
        for packet in container.demux(video=0):
            if packet.size:
                now[0] = round(packet.pts * packet.time_base * NANOSECONDS)
                recorder.packet(packet)
        recorder.end()
    while not any(segment.end_ns and segment.end_ns >= now[0] - NANOSECONDS for segment in listed(ring)):
        time.sleep(0.05)
    return ring


def cut(ring: Path, masks: tuple[Box, ...]) -> tuple[float, Cut]:
    """A helper's whole life, in seconds, and what it made."""
    ours, theirs = pair()
    ours.setblocking(True)
    begin_s = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "sensors.clip_main", "--socket", str(theirs.fileno())], pass_fds=(theirs.fileno(),)), ours:
        theirs.close()
        end_ns = (CLIP_S + 2) * NANOSECONDS
        target = str(ring.parent / "clip")
        order = CutOrder(segments=str(ring), start_ns=2 * NANOSECONDS, end_ns=end_ns, moment_ns=end_ns // 2, masks=masks, target=target)
        ours.send(HEARS.encode(order))
        answer = SAYS.decode(ours.recv(MAX_DATAGRAM_BYTES))
    if not isinstance(answer, Cut):
        raise SystemExit(answer.problem)
    return time.monotonic() - begin_s, answer


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        source = film(Path(folder) / "film.mp4")
        kept = SegmentSettings(folder=folder, seconds=120, bytes=1 << 27)
        only = SegmentSettings(folder=folder, seconds=120, bytes=1 << 27, only=True)
        kinds = {"no segments": None, "segments": kept, "second stream": only}
        costs: dict[str, list[Cost]] = {name: [] for name in kinds}
        for _ in range(arguments.runs):
            for name, segments in kinds.items():
                costs[name].append(run(source, arguments.seconds, segments))
        ring = footage(Path(folder))
        taken = {name: [cut(ring, masks) for _ in range(CUTS)] for name, masks in (("copied", ()), ("masked", HALF))}
    figures = ("cpu_percent", "own_mb")
    rows = {name: {figure: statistics.median(getattr(cost, figure) for cost in some) for figure in figures} for name, some in costs.items()}
    cuts = {name: {"median_s": statistics.median(s for s, _ in some), "megabytes": some[0][1].bytes / 1e6} for name, some in taken.items()}
    if arguments.json:
        print(json.dumps({"sensor": rows, "cut": cuts}))
        return
    print(f"sensor process, 640x360 at 15 frames a second with sound; medians of {arguments.runs} runs of {arguments.seconds:g} s")
    for name, row in rows.items():
        print(f"  {name:14} {row['cpu_percent']:6.2f} % of a core {row['own_mb']:8.1f} MB of its own")
    print(f"clip of {CLIP_S} s of {WIDTH}x{HEIGHT} at {FPS} frames a second, the helper's whole life; medians of {CUTS}")
    for name, row in cuts.items():
        print(f"  {name:14} {row['median_s']:6.2f} s, {row['megabytes']:.1f} MB")


if __name__ == "__main__":
    main()
