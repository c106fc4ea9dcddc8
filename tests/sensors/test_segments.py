"""Segments: what a source sent, packet for packet, in files that say when it was; a ring that is bounded and never holds anything up."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from sensors.moment import NANOSECONDS, BootId
from sensors.recorder import Piece, Recorder
from sensors.ring import Begin, Ring
from sensors.segment import Segment, folder_of, listed, open_name, outgrown, whole_name
from sensors.settings import SegmentSettings, SensorSettings, SoundUse
from tests.sensors.harness import RATE_HZ, SENSOR, Scene, SensorProcess, record, running, settings_for

BOOT = BootId(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
Packets = list[tuple[str, bytes]]


def keeping(folder: Path, source: str, *, sound: SoundUse = SoundUse.KEEP, only: bool = False) -> SensorSettings:
    segments = SegmentSettings(folder=str(folder / "segments"), seconds=60, bytes=64 << 20, only=only)
    return settings_for(source, segments=segments, sound=sound)


def segments_of(folder: Path) -> tuple[Segment, ...]:
    return listed(folder_of(folder / "segments", BOOT, SENSOR))


def whole(folder: Path) -> tuple[Segment, ...]:
    return tuple(segment for segment in segments_of(folder) if segment.end_ns is not None)


def packets(file: Path) -> Packets:
    with av.open(str(file)) as container:
        return [(packet.stream.type, bytes(packet)) for packet in container.demux() if packet.size]


def in_order(some: Packets, kind: str) -> list[bytes]:
    return [data for each, data in some if each == kind]


def read_until_kept(sensor: SensorProcess, folder: Path, count: int) -> tuple[Segment, ...]:
    sensor.read_until(lambda: len(whole(folder)) >= count, 30)
    return whole(folder)


@pytest.mark.parametrize("only", [False, True])
def test_segments_hold_the_packets_of_the_source_and_nothing_else(tmp_path: Path, *, only: bool) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=7))
    with running(keeping(tmp_path, f"file:{film}", only=only), tmp_path) as sensor:
        first, second = read_until_kept(sensor, tmp_path, 2)[:2]
        assert bool(sensor.seen) is not only
    source, kept = packets(film), [*packets(first.path), *packets(second.path)]
    for kind in ("video", "audio"):
        ours = in_order(kept, kind)
        assert ours
        assert ours == in_order(source, kind)[-len(ours) :]  # sound from before the first picture is left out
    assert len(in_order(kept, "video")) == len(in_order(source, "video"))
    for segment in (first, second):
        with av.open(str(segment.path)) as container:
            assert next(packet for packet in container.demux(video=0)).is_keyframe
    assert first.end_ns
    assert abs(first.end_ns - second.start_ns) < NANOSECONDS // 5
    assert abs((first.end_ns - first.start_ns) - 5 * NANOSECONDS) < NANOSECONDS // 2
    assert first.run_ns == second.run_ns


def test_no_sound_is_kept_unless_the_owner_says_so(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=2))
    with running(keeping(tmp_path, f"file:{film}", sound=SoundUse.JUDGE), tmp_path) as sensor:
        (segment, *_) = read_until_kept(sensor, tmp_path, 1)
    assert {kind for kind, _ in packets(segment.path)} == {"video"}


def test_pictures_that_refer_forward_are_kept_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=3, options=(("preset", "ultrafast"), ("g", "10"), ("bf", "2"))))
    with running(keeping(tmp_path, f"file:{film}"), tmp_path) as sensor:
        (segment, *_) = read_until_kept(sensor, tmp_path, 1)
    assert in_order(packets(segment.path), "video") == in_order(packets(film), "video")


def test_what_a_killed_process_has_written_stays_and_is_readable_but_for_its_last_half_second(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=8))
    settings = keeping(tmp_path, f"file:{film}")
    with running(settings, tmp_path) as sensor:
        sensor.read_until(lambda: any(segment.bytes > 20_000 for segment in segments_of(tmp_path)))
        os.kill(sensor.process.pid, signal.SIGKILL)
        sensor.process.wait()
        died_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    (left,) = segments_of(tmp_path)
    assert left.end_ns is None
    assert in_order(packets(left.path), "video") == in_order(packets(film), "video")[: len(in_order(packets(left.path), "video"))]
    with running(settings, tmp_path) as sensor:
        sensor.read_until(lambda: len(segments_of(tmp_path)) == 2)
        adopted = whole(tmp_path)[0]
    assert adopted.start_ns == left.start_ns
    assert adopted.end_ns
    assert 0 <= died_ns - adopted.end_ns < NANOSECONDS


def test_a_folder_that_cannot_be_written_costs_segments_and_no_window(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("a file where the folder should be")
    film = record(tmp_path / "film.mp4", Scene(seconds=4))
    with running(keeping(tmp_path, f"file:{film}"), tmp_path) as sensor:
        sensor.read_until(lambda: sensor.figures is not None and sensor.figures.segments_lost > 0 and len(sensor.seen) >= 2)
        assert sensor.figures
        assert "cannot be written" in sensor.figures.segments_problem
        assert sensor.figures.dropped_pairs == 0


def test_the_ring_forgets_what_is_too_old_and_the_oldest_of_what_is_too_much() -> None:
    def segment(start_s: int, end_s: int | None, size: int = 10) -> Segment:
        end_ns = None if end_s is None else end_s * NANOSECONDS
        return Segment(folder=Path(), name=str(start_s), start_ns=start_s * NANOSECONDS, end_ns=end_ns, run_ns=0, bytes=size)

    ring = (segment(0, 5), segment(5, 10), segment(10, 15), segment(15, None, 100))
    assert outgrown(ring, 20 * NANOSECONDS, 12 * NANOSECONDS, 1000) == ring[:1]
    assert outgrown(ring, 20 * NANOSECONDS, 99 * NANOSECONDS, 115) == ring[:2]
    assert outgrown(ring, 20 * NANOSECONDS, 99 * NANOSECONDS, 0) == ring[:3]


def test_names_that_are_no_segments_are_nobodys(tmp_path: Path) -> None:
    for name in (whole_name(1, 2, 1), open_name(3, 1), "evil.mkv", "1-2.mkv", "1-2-3.mkv.part", "-1-2-3.mkv"):
        (tmp_path / name).write_bytes(b"x")
    assert [(segment.start_ns, segment.end_ns) for segment in listed(tmp_path)] == [(1, 2), (3, None)]
    assert listed(tmp_path / "nowhere") == ()


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_disk_that_hangs_costs_segments_and_holds_nobody_up(tmp_path: Path) -> None:
    """The disk is a pipe that nobody reads: writing to it blocks for ever."""
    folder = tmp_path / "ring"
    folder.mkdir()
    os.mkfifo(folder / open_name(7, 7))
    reading = os.open(folder / open_name(7, 7), os.O_RDONLY | os.O_NONBLOCK)
    ring = Ring(folder, SegmentSettings(folder="", seconds=60, bytes=1 << 30))
    # The thread takes over what an earlier process left before it writes; the pipe is put back under the name that it will open.
    eventually(lambda: not (folder / open_name(7, 7)).exists())
    os.mkfifo(folder / open_name(7, 7))
    os.close(reading)
    reading = os.open(folder / open_name(7, 7), os.O_RDONLY | os.O_NONBLOCK)
    assert ring.put(Begin(start_ns=7, run_ns=7))
    began = time.monotonic()
    assert not all(ring.put(bytes(1 << 20)) for _ in range(30))
    assert time.monotonic() - began < 1
    os.close(reading)


def clock(times_ns: Iterator[int]) -> Callable[[], int]:
    return lambda: next(times_ns)


def test_a_source_whose_clock_jumps_begins_another_run(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SegmentSettings(folder="", seconds=600, bytes=1 << 30))
    arrivals = iter(range(100 * NANOSECONDS, 10_000 * NANOSECONDS, NANOSECONDS))
    recorder = Recorder(ring, clock(arrivals), sound=True)
    recorder.begin_sound(16_000)
    for second in (*range(12), *range(5000, 5012)):
        recorder.samples(np.zeros(16_000, np.int16).tobytes(), second * NANOSECONDS, NANOSECONDS)
    recorder.end()
    eventually(lambda: sum(segment.end_ns is not None for segment in listed(tmp_path)) == 6)
    runs = [segment.run_ns for segment in listed(tmp_path)]
    assert len(set(runs)) == 2
    assert runs == sorted(runs)
    assert all(abs(b.start_ns - (a.end_ns or 0)) <= 2 * NANOSECONDS for a, b in zip(listed(tmp_path), listed(tmp_path)[1:], strict=False))


def test_what_no_file_can_hold_is_said_and_breaks_nothing(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SegmentSettings(folder="", seconds=600, bytes=1 << 30))
    recorder = Recorder(ring, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), sound=True)
    recorder.begin({0: lambda out: out.add_mux_stream("no-such-codec", RATE_HZ)}, 0)
    recorder.put(Piece(stream=0, data=b"x", pts_ns=0))
    assert ring.lost == 1
    eventually(lambda: any(segment.end_ns is not None for segment in listed(tmp_path)))
    assert "cannot be made" in ring.problem


def test_times_that_no_file_can_hold_break_a_segment_and_no_sensor(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SegmentSettings(folder="", seconds=600, bytes=1 << 30))
    recorder = Recorder(ring, lambda: NANOSECONDS, sound=True)
    recorder.begin({number: lambda out: out.add_stream("pcm_s16le", 16_000, layout="mono") for number in (0, 1)}, 0)
    recorder.put(Piece(stream=0, data=bytes(320), pts_ns=0))
    recorder.put(Piece(stream=1, data=bytes(320), pts_ns=1 << 70))
    assert ring.lost == 1
    assert "breaks off" in ring.problem


def test_what_piled_up_while_a_source_was_opened_does_not_shift_its_first_segment(tmp_path: Path) -> None:
    """Two seconds that were there already come at once, the rest as it happens: the clip's times and its poster hang on the first segment."""
    ring = Ring(tmp_path, SegmentSettings(folder="", seconds=600, bytes=1 << 30))
    arrivals = iter([100 * NANOSECONDS] * 3 + [(100 + second) * NANOSECONDS for second in range(1, 9)])
    recorder = Recorder(ring, clock(arrivals), sound=True)
    recorder.begin_sound(16_000)
    for second in range(11):
        recorder.samples(np.zeros(16_000, np.int16).tobytes(), second * NANOSECONDS, NANOSECONDS)
    recorder.end()
    eventually(lambda: sum(segment.end_ns is not None for segment in listed(tmp_path)) == 3)
    first = listed(tmp_path)[0]
    assert first.start_ns == 98 * NANOSECONDS
    assert [segment.end_ns for segment in listed(tmp_path)] == [second * NANOSECONDS for second in (103, 108, 108)]
