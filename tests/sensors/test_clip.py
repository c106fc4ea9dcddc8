"""Clips: cut from segments without a change of a byte, or with masks burnt in; whatever is there of a span, and a poster of its moment."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.clip import cut
from sensors.clip_main import HEARS, SAYS
from sensors.cues import Box
from sensors.cut import Cut, CutOrder, Uncut
from sensors.footage import NoFootage, Span, chosen, held, pieces
from sensors.moment import NANOSECONDS
from sensors.news import SensorCondition
from sensors.recorder import Recorder
from sensors.ring import Ring
from sensors.segment import listed
from sensors.settings import SegmentSettings, SoundUse
from sensors.wire import MAX_DATAGRAM_BYTES, WireError, pair
from tests.sensors.harness import Scene, record, running
from tests.sensors.test_rtsp import camera
from tests.sensors.test_segments import eventually, in_order, keeping, packets, segments_of

BOOT_S = 5000
"""The boot time at which made-up footage begins."""
B_FRAMES = (("preset", "ultrafast"), ("g", "10"), ("bf", "2"))
QUARTER = Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5)


def footage(film: Path, folder: Path, begins_s: float = BOOT_S, keep: slice = slice(None)) -> Path:
    """Segments of a film, as if a camera had sent it from a boot time on."""
    folder.mkdir(exist_ok=True)
    now = [0]
    recorder = Recorder(Ring(folder, SegmentSettings(folder="", seconds=1e6, bytes=1 << 40)), lambda: now[0], sound=True)
    with av.open(str(film)) as container:
        recorder.begin_streams(*(next(iter(streams), None) for streams in (container.streams.video, container.streams.audio)))
        for packet in [packet for packet in container.demux() if packet.size][keep]:
            now[0] = round(begins_s * NANOSECONDS + packet.pts * packet.time_base * NANOSECONDS)
            recorder.packet(packet)
        recorder.end()
    eventually(lambda: any(segment.end_ns and segment.end_ns >= now[0] - NANOSECONDS // 2 for segment in listed(folder)))
    assert not recorder.ring.lost
    return folder


def order(folder: Path, begin_s: float, end_s: float, moment_s: float | None = None, **wants: object) -> CutOrder:
    """An order in seconds of the film."""
    at = [round((BOOT_S + each) * NANOSECONDS) for each in (begin_s, end_s, end_s if moment_s is None else moment_s)]
    masks = (QUARTER,) if wants.get("masked") else ()
    return CutOrder(
        segments=str(folder),
        start_ns=at[0],
        end_ns=at[1],
        moment_ns=at[2],
        masks=masks,
        original=bool(wants.get("original")),
        target=str(folder.parent / "clip"),
    )


def clip_of(folder: Path, made: Cut) -> Path:
    return folder.parent / f"clip{made.suffix}.part"


def frames(file: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time or 0), frame.to_ndarray(format="rgb24")


SOUNDS = [("aac", 48_000, B_FRAMES), ("pcm_alaw", 8000, Scene().options), ("pcm_mulaw", 8000, B_FRAMES)]


@pytest.mark.parametrize(("sound", "rate_hz", "options"), SOUNDS)
def test_a_clip_holds_the_packets_of_the_camera_from_a_whole_picture_on(
    tmp_path: Path, sound: str, rate_hz: int, options: tuple[tuple[str, str], ...]
) -> None:
    film = record(tmp_path / "film.mov", Scene(seconds=16, sound_codec=sound, rate_hz=rate_hz, options=options))
    folder = footage(film, tmp_path / "ring")
    assert len(listed(folder)) >= 3
    made = cut(order(folder, 3.55, 13.0))
    clip = clip_of(folder, made)
    assert made.suffix == (".mp4" if sound == "aac" else ".mov")
    assert (made.sound, made.masked, made.poster) == (True, False, True)
    assert made.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert made.bytes == clip.stat().st_size
    for kind, least in (("video", 95), ("audio", 9 if sound == "aac" else 5)):
        source, kept = in_order(packets(film), kind), in_order(packets(clip), kind)
        begin = source.index(kept[0], 30 if kind == "video" else 0)
        assert len(kept) >= least
        assert kept == source[begin : begin + len(kept)]
    assert in_order(packets(clip), "video")[0] == in_order(packets(film), "video")[30], "the last whole picture before the wanted beginning"
    with av.open(str(clip)) as container:
        read = [packet for packet in container.demux(video=0) if packet.size]
        assert read[0].is_keyframe
        assert all(a.dts < b.dts for a, b in pairwise(read))
        assert float(container.duration or 0) / 1e6 == pytest.approx(10.1, abs=0.4)
    assert (made.start_ns / NANOSECONDS - BOOT_S, made.end_ns / NANOSECONDS - BOOT_S) == pytest.approx((3.0, 13.1), abs=0.15)


@pytest.mark.parametrize("size", [(160, 96), (160, 90)])
def test_masks_are_burnt_in_and_the_rest_of_the_picture_is_as_it_was(tmp_path: Path, size: tuple[int, int]) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=8, at_s=(4.2,), size=size))
    folder = footage(film, tmp_path / "ring")
    made = cut(order(folder, 3.0, 6.0, 4.22, masked=True))
    assert made.masked
    before = {round(at - 3.0, 1): pixels for at, pixels in frames(film)}
    seen = 0
    for at, pixels in frames(clip_of(folder, made)):
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        assert pixels[: height - 1, : width - 1].max() <= 8
        difference = np.abs(pixels.astype(int) - before[round(at, 1)])
        assert max(difference[height + 2 :].max(), difference[:, width + 2 :].max()) <= 12
        seen += 1
    assert seen == 31
    poster = cv2.imread(str(tmp_path / "clip.jpg.part"))
    assert poster[:40, :70].max() <= 8
    assert poster[55:, 100:].min() > 200, "it shows the flash of the moment"


def test_original_keeps_what_is_under_the_masks_in_the_clip_alone(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=4))
    folder = footage(film, tmp_path / "ring")
    made = cut(order(folder, 1.0, 3.0, masked=True, original=True))
    assert not made.masked
    assert set(in_order(packets(clip_of(folder, made)), "video")) <= set(in_order(packets(film), "video"))
    assert cv2.imread(str(tmp_path / "clip.jpg.part"))[:40, :70].max() <= 8


def test_what_is_left_of_a_span_is_shown_and_an_outage_in_it_is_a_gap(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=6))
    folder = footage(film, tmp_path / "ring")
    footage(film, folder, BOOT_S + 10)
    made = cut(order(folder, -5, 30, 12))
    assert (made.start_ns / NANOSECONDS - BOOT_S, made.end_ns / NANOSECONDS - BOOT_S) == pytest.approx((0.0, 16.0), abs=0.2)
    times = [at for at, _ in frames(clip_of(folder, made))]
    assert len(times) == 120
    assert [b - a for a, b in pairwise(times) if b - a > 1] == pytest.approx([4.1], abs=0.2)


def test_a_camera_that_came_back_otherwise_is_shown_as_it_was_at_the_moment(tmp_path: Path) -> None:
    folder = footage(record(tmp_path / "small.mp4", Scene(seconds=6)), tmp_path / "ring")
    footage(record(tmp_path / "large.mp4", Scene(seconds=6, size=(320, 192))), folder, BOOT_S + 10)
    shapes = []
    for moment_s in (3, 13):
        made = cut(order(folder, 0, 20, moment_s))
        shapes.append({pixels.shape[:2] for _, pixels in frames(clip_of(folder, made))})
    assert shapes == [{(96, 160)}, {(192, 320)}]


def test_a_segment_whose_writer_was_killed_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=4))
    folder = footage(film, tmp_path / "ring")
    (segment,) = listed(folder)
    data = segment.path.read_bytes()
    segment.path.unlink()
    (folder / f"{segment.start_ns}-{segment.run_ns}.part").write_bytes(data[: len(data) // 2])
    made = cut(order(folder, 0, 4))
    kept = in_order(packets(clip_of(folder, made)), "video")
    assert kept == in_order(packets(film), "video")[: len(kept)]
    assert 10 < len(kept) < 30


def test_sound_alone_is_a_clip_without_a_poster(tmp_path: Path) -> None:
    film = record(tmp_path / "film.wav", Scene(seconds=8, sound_codec="pcm_s16le"), picture=False)
    folder = footage(film, tmp_path / "ring")
    made = cut(order(folder, 2, 6))
    assert (made.suffix, made.poster, made.sound) == (".mov", False, True)
    with av.open(str(clip_of(folder, made))) as container:
        heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    samples = Scene(seconds=8).samples()
    begin = round((made.start_ns / NANOSECONDS - BOOT_S) * 48_000)
    assert np.array_equal(heard, samples[begin : begin + len(heard)])


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoFootage):
        cut(order(tmp_path / "nowhere", 0, 9))
    film = record(tmp_path / "film.mp4", Scene(seconds=2))
    folder = footage(film, tmp_path / "ring")
    with pytest.raises(NoFootage):
        cut(order(folder, 100, 120))
    (folder / "1-9999999999999999-1.nut").write_bytes(b"no segment at all")
    with pytest.raises(NoFootage):
        cut(order(folder, 100, 120))


@pytest.mark.rtsp
@pytest.mark.parametrize("sound", ["pcma", "aac"])
def test_a_clip_of_a_camera_that_was_killed_holds_what_the_camera_sent_to_its_end(tmp_path: Path, sound: str) -> None:
    """Another client of the same camera is the witness: what both got is the same, to the byte."""
    with camera(sound) as source, running(keeping(tmp_path, source.source, sound=SoundUse.KEEP), tmp_path) as sensor:
        sensor.wait_for(SensorCondition.ONLINE)
        witness: list[tuple[str, bytes]] = []
        with av.open(source.source, options={"rtsp_transport": "tcp"}, timeout=(5, 3)) as container:
            until = time.monotonic() + 8
            for packet in container.demux():
                witness.append((packet.stream.type, bytes(packet)))
                if time.monotonic() > until:
                    break
            source.signal(signal.SIGKILL)
            died_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        sensor.wait_for(SensorCondition.LOST)
        sensor.read_until(lambda: all(segment.end_ns is not None for segment in segments_of(tmp_path)))
        segments = segments_of(tmp_path)
        folder = segments[0].path.parent
        begin_ns, end_ns = died_ns - 5 * NANOSECONDS, died_ns + 10 * NANOSECONDS
        wanted = CutOrder(segments=str(folder), start_ns=begin_ns, end_ns=end_ns, moment_ns=died_ns, target=str(tmp_path / "clip"))
        made = cut(wanted)
    assert abs(made.end_ns - max(segment.end_ns or 0 for segment in segments)) < NANOSECONDS // 5  # to the end, whenever that came
    assert made.start_ns <= wanted.start_ns
    clip = packets(tmp_path / f"clip{made.suffix}.part")
    seen = {tuple(units(data)) for data in in_order(witness, "video")}
    assert () not in seen
    shared = [tuple(units(data)) in seen for data in in_order(clip, "video")]
    assert len(shared) >= 5 * 15
    assert all(shared[: len(shared) * 3 // 4])  # the witness stopped a moment before the camera did
    heard = b"".join(in_order(clip, "audio"))
    assert len(heard) > 20_000
    assert heard[: len(heard) * 3 // 4] in b"".join(in_order(witness, "audio"))


def units(data: bytes) -> Iterator[bytes]:
    """NAL units, however they are told apart: RTSP has start codes, MP4 lengths. Parameter sets and delimiters are the container's."""
    if data.startswith((b"\0\0\0\1", b"\0\0\1")):
        found = [unit.rstrip(b"\0") if not unit.endswith(b"\x80") else unit for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]
    else:
        found = []
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append(data[4 : 4 + size])
            data = data[4 + size :]
    return (unit for unit in found if unit and unit[0] & 31 not in (7, 8, 9))


def helper(wanted: CutOrder | None) -> tuple[subprocess.Popen[bytes], Cut | Uncut | None]:
    ours, theirs = pair()
    ours.setblocking(True)
    ours.settimeout(20)
    process = subprocess.Popen([sys.executable, "-m", "sensors.clip_main", "--socket", str(theirs.fileno())], pass_fds=(theirs.fileno(),))
    theirs.close()
    with ours:
        if wanted is None:
            return process, None
        ours.send(HEARS.encode(wanted))
        return process, SAYS.decode(ours.recv(MAX_DATAGRAM_BYTES))


def test_the_helper_answers_once_and_ends(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mp4", Scene(seconds=4))
    folder = footage(film, tmp_path / "ring")
    process, answer = helper(order(folder, 1, 3))
    assert isinstance(answer, Cut)
    assert process.wait(5) == 0
    assert clip_of(folder, answer).stat().st_mode & 0o777 == 0o600
    process, answer = helper(order(folder, 100, 101))
    assert isinstance(answer, Uncut)
    assert answer.missing
    assert process.wait(5) == 0
    (tmp_path / "clip.mp4.part").unlink()
    (tmp_path / "clip.mp4.part").mkdir()
    process, answer = helper(order(folder, 1, 3))
    assert isinstance(answer, Uncut)
    assert not answer.missing
    assert process.wait(5) == 0


def test_a_helper_that_nobody_tells_anything_ends_with_its_supervisor() -> None:
    process, _ = helper(None)
    assert process.wait(10) == 0


def test_a_ring_that_turns_meanwhile_takes_nothing_away_from_a_clip(tmp_path: Path) -> None:
    """A segment gets another name when it is whole, and is deleted when it is too old: never under the hands of whoever reads it."""
    film = record(tmp_path / "film.mp4", Scene(seconds=12))
    folder = footage(film, tmp_path / "ring")
    span = Span(start_ns=(BOOT_S + 1) * NANOSECONDS, end_ns=(BOOT_S + 11) * NANOSECONDS, moment_ns=(BOOT_S + 5) * NANOSECONDS)
    with held(folder, span) as near:
        first, second, third = (each.segment.path for each in near)
        first.unlink()
        second.rename(folder / "other.nut")
        third.rename(folder / "another.nut")
        kept = [piece.data for piece in pieces(chosen(near, span), span, 1 << 30) if piece.stream == 0]
    assert kept == in_order(packets(film), "video")[10:111]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_packets_with_start_codes_become_a_clip_that_plays(tmp_path: Path, codec: str) -> None:
    """As RTSP cameras send them: no lengths, and parameter sets in between."""
    options = (("preset", "ultrafast"), ("g", "10"), ("x265-params", "log-level=none")) if codec == "libx265" else Scene().options
    film = record(tmp_path / "film.ts", Scene(seconds=8, codec=codec, options=options))
    made = cut(order(footage(film, tmp_path / "ring"), 2, 6))
    shown = list(frames(tmp_path / f"clip{made.suffix}.part"))
    assert len(shown) >= 40
    assert (made.suffix, made.poster) == (".mp4", True)
    assert not made.sound, "AAC of MPEG-TS has no header that a clip could have"


def test_pictures_of_a_local_camera_are_a_clip(tmp_path: Path) -> None:
    now = [BOOT_S * NANOSECONDS]
    folder = tmp_path / "ring"
    recorder = Recorder(Ring(folder, SegmentSettings(folder="", seconds=1e6, bytes=1 << 40)), lambda: now[0], sound=False)
    recorder.begin_jpegs(160, 96, 5)
    for number in range(60):
        now[0] += NANOSECONDS // 5
        recorder.picture(cv2.imencode(".jpg", np.full((96, 160, 3), number * 4, np.uint8))[1].tobytes(), now[0])
    recorder.end()
    eventually(lambda: any(segment.end_ns and segment.end_ns >= now[0] - NANOSECONDS for segment in listed(folder)))
    made = cut(order(folder, 4, 8))
    shown = [(at, int(pixels.mean())) for at, pixels in frames(clip_of(folder, made))]
    assert [at for at, _ in shown] == pytest.approx([number / 5 for number in range(len(shown))], abs=0.01)
    assert [level for _, level in shown] == pytest.approx([(19 + number) * 4 for number in range(len(shown))], abs=2)
    masked = cut(order(folder, 4, 8, masked=True))
    assert all(pixels[:40, :70].max() <= 8 for _, pixels in frames(clip_of(folder, masked)))


def test_samples_of_a_microphone_are_a_clip(tmp_path: Path) -> None:
    now = [BOOT_S * NANOSECONDS]
    folder = tmp_path / "ring"
    recorder = Recorder(Ring(folder, SegmentSettings(folder="", seconds=1e6, bytes=1 << 40)), lambda: now[0], sound=True)
    recorder.begin_sound(16_000)
    heard = np.random.default_rng(1).integers(-9000, 9000, 120 * 1600).astype(np.int16)
    for number in range(120):
        recorder.samples(heard[number * 1600 :][:1600].tobytes(), number * NANOSECONDS // 10, NANOSECONDS // 10)
        now[0] += NANOSECONDS // 10
    recorder.end()
    eventually(lambda: any(segment.end_ns and segment.end_ns >= now[0] - NANOSECONDS for segment in listed(folder)))
    made = cut(order(folder, 4, 8))
    with av.open(str(clip_of(folder, made))) as container:
        out = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    begin = round((made.start_ns / NANOSECONDS - BOOT_S) * 16_000)
    assert len(out) >= 4 * 16_000
    assert np.array_equal(out, heard[begin : begin + len(out)])


@pytest.mark.parametrize("lie", [{"sha256": "../../etc/passwd"}, {"sha256": "A" * 64}, {"bytes": -1}, {"end_ns": 1}])
def test_a_helper_that_was_taken_over_can_say_of_a_clip_only_what_one_is_like(lie: dict[str, object]) -> None:
    said = {"suffix": ".mp4", "sha256": "0" * 64, "bytes": 9, "poster_bytes": 3, "start_ns": 5, "end_ns": 9}
    said |= {"poster": True, "masked": False, "sound": True}
    assert isinstance(SAYS.decode(json.dumps({"kind": "made", **said}).encode()), Cut)
    with pytest.raises(WireError):
        SAYS.decode(json.dumps({"kind": "made", **said, **lie}).encode())
    with pytest.raises(WireError):
        SAYS.decode(json.dumps({"kind": "unmade", "problem": "x" * 301}).encode())
