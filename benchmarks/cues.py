"""What measuring a frame and a second of sound costs. Run it on an idle machine: `python benchmarks/cues.py [--json]`.

The pictures are made up: a textured room with noise, quiet or with somebody walking about in it, and the same with three zones.
Kinds are measured in turn within each run, so that a slow moment of the machine hits all of them.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sensors.settings import Zone
from sensors.sight_cues import SightMeter
from sensors.sound_cues import BLOCK, BLOCK_S, SoundMeter
from sensors.window import ViewId

RUNS = 9
FRAMES = 150
HZ = 5
FRAME_AIM_MS = 0.25
SOUND_AIM_MS = 10.0
"""Of each second of sound: 1 % of a core."""
CORNERS = ((0.1, 0.2), (0.5, 0.2), (0.5, 0.9), (0.1, 0.9))


def frames(height: int, width: int, *, person: bool) -> list[NDArray[np.uint8]]:
    """A room in `FRAMES` pictures."""
    random = np.random.default_rng(1)
    room = np.full((height, width), 150.0, np.float32)
    room[height * 6 // 10 :] = 90.0
    room[height * 6 // 10 :, :: width // 40] = 55.0
    room[height // 9 : height // 3, width * 6 // 10 : width * 8 // 10] = 60.0
    noise = [2.0 * random.standard_normal(room.shape).astype(np.float32) for _ in range(8)]
    made = []
    for number in range(FRAMES):
        picture = room + noise[number % len(noise)]
        if person and number > 20:
            left = round(width * (0.45 + 0.3 * np.sin(number / 12)))
            picture[height // 3 : height * 9 // 10, left : left + width // 10] = 40.0
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return made


def sight(height: int, width: int, *, person: bool, zones: int = 0) -> Callable[[], float]:
    """A run over the pictures of one camera: median milliseconds a frame."""
    pictures = frames(height, width, person=person)
    views: dict[ViewId, Zone | None] = {ViewId("hall"): None}
    views |= {ViewId(f"hall.{number}"): Zone(view=ViewId(f"hall.{number}"), polygon=CORNERS) for number in range(zones)}

    def run() -> float:
        meter, took = SightMeter(views), []
        for number, picture in enumerate(pictures):
            begin = perf_counter()
            meter.see(picture, number * 1_000_000_000 // HZ)
            took.append(perf_counter() - begin)
        return 1e3 * statistics.median(took)

    return run


def sound() -> Callable[[], float]:
    """A run over 20 s of sound: milliseconds a second of it, everything counted."""
    blocks = (0.01 * np.random.default_rng(2).standard_normal((round(20 / BLOCK_S), BLOCK))).astype(np.float32)

    def run() -> float:
        meter = SoundMeter()
        begin = perf_counter()
        for number, block in enumerate(blocks):
            meter.hear(block, number * 100_000_000)
        return 1e3 * (perf_counter() - begin) / (len(blocks) * BLOCK_S)

    return run


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    kinds = {
        "frame 640x360, quiet": (sight(360, 640, person=False), FRAME_AIM_MS),
        "frame 640x360, somebody walks": (sight(360, 640, person=True), FRAME_AIM_MS),
        "the same with 3 zones": (sight(360, 640, person=True, zones=3), None),
        "frame 1280x720, somebody walks": (sight(720, 1280, person=True), None),
        "a second of sound": (sound(), SOUND_AIM_MS),
    }
    arguments = parser.parse_args()
    figures: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(RUNS):
        for name, (run, _) in kinds.items():
            figures[name].append(run())
    rows = [
        {"what": name, "median_ms": statistics.median(runs), "min_ms": min(runs), "max_ms": max(runs), "aim_ms": kinds[name][1], "runs": RUNS}
        for name, runs in figures.items()
    ]
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'medians of ' + str(RUNS) + ' interleaved runs, ms':34}{'median':>8}{'min':>8}{'max':>8}{'aim':>8}")
    for row in rows:
        print(f"{row['what']:34}{row['median_ms']:8.3f}{row['min_ms']:8.3f}{row['max_ms']:8.3f}{row['aim_ms'] or '':>8}")


if __name__ == "__main__":
    main()
