"""What a window costs on its way from the sensor process to the judge: said, checked, gated, queued, asked, and its pixels taken.

usage: python benchmarks/window.py [--runs 9] [--json]
Real codecs, a real socket pair and a real shared memory, in one process, so that nothing but the work is counted.
"""

import argparse
import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from analyzers.gate import GateState, ask
from analyzers.interview import Ask, Batch
from analyzers.judge import Question
from analyzers.policy import Policy, PolicyId
from analyzers.queue import Queue
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.settings import SensorSettings, WindowShape
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId
from sensors.wire import MAX_DATAGRAM_BYTES, Codec, pair

WINDOWS = 200
HEIGHT, WIDTH = 320, 576
SHAPE = WindowShape(length_s=8.0, every_s=4.0, fps=1, longest_side=WIDTH)
SENSOR = SensorId("press-cell")
VIEW = ViewId(SENSOR)
START = Moment(utc=datetime(2026, 3, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
CUES = Cues(
    motion=0.02, changed=0.01, dark=0.4, covered=0.0, frozen=0.0, moved=0.0, loud=-40.0, onset=1.0, tone=0.1, silence=0.0, digital_silence=0.0
)
POLICIES = tuple(Policy(id=PolicyId(f"policy-{number}"), title="t", ask="Is a person there?", sensors=(SENSOR,)) for number in range(8))


def window(number: int) -> Window:
    """One of the windows."""
    start = START.plus(timedelta(seconds=4 * number))
    return Window(
        id=WindowId(f"{SENSOR}/1/{2 * number}"),
        sensor=SENSOR,
        epoch=1,
        first_pair=2 * number,
        start=start,
        end=start.plus(timedelta(seconds=8)),
        slots=(0, 1, 2, 3),
        senses=frozenset(Sense),
        views=(View(id=VIEW, height=HEIGHT, width=WIDTH, cues=CUES),),
    )


def run(slots: Slots) -> tuple[float, float]:
    """Milliseconds a window: of messages and deciding, and of taking the pixels (which the model's preprocessing then reads)."""
    says: Codec[Window] = Codec(Window)
    asks: Codec[Batch] = Codec(Batch)
    ours, theirs = pair()
    queue = Queue(capacity=64, max_age=timedelta(hours=1))
    spent = copied = 0.0
    for number in range(WINDOWS):
        made = window(number)
        began = time.perf_counter()
        theirs.send(says.encode(made))
        heard = says.decode(ours.recv(MAX_DATAGRAM_BYTES))
        passed = tuple(each for each in POLICIES if not ask(each, heard.view(VIEW), heard, GateState(), normal=True).refusal)
        queue.put(Question(window=heard, view=VIEW, policies=passed))
        batch = queue.take(heard.end.boot_ns, 8).batch
        question = batch[0]
        ours.send(asks.encode(Batch(id=number, asks=(Ask(window=question.window, view=VIEW, policies=tuple(each.id for each in passed)),))))
        asked = asks.decode(theirs.recv(MAX_DATAGRAM_BYTES)).asks[0]
        taken = time.perf_counter()
        slots.window_frames(asked.window.slots, VIEW, HEIGHT, WIDTH)
        slots.window_sound(asked.window.slots)
        done = time.perf_counter()
        spent += taken - began
        copied += done - taken
    ours.close()
    theirs.close()
    return spent / WINDOWS * 1e3, copied / WINDOWS * 1e3


def main() -> None:
    """Print a short table, or JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    layout = SlotLayout.of(SensorSettings(sensor=SENSOR, source="file:x", window=SHAPE, slots=8))
    slots = Slots(layout, create(layout), writable=True)
    for slot in range(4):
        slots.frames(slot, VIEW, HEIGHT, WIDTH)[:] = slot
        slots.sound(slot)[:] = 0.1
    rows = [run(slots) for _ in range(arguments.runs)]
    out: dict[str, Any] = {}
    for name, values in (
        ("messages and deciding", [row[0] for row in rows]),
        ("taking 8 frames of 576x320 and 8 s of sound", [row[1] for row in rows]),
    ):
        out[name] = {"median_ms": statistics.median(values), "least_ms": min(values), "most_ms": max(values)}
    if arguments.json:
        print(json.dumps(out))
        return
    for name, row in out.items():
        print(f"{name:48} {row['median_ms']:.3f} ms a window ({row['least_ms']:.3f} to {row['most_ms']:.3f})")


if __name__ == "__main__":
    main()
