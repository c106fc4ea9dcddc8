from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from av.stream import Stream

from sensors.clock import BoxTime
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS, BootId
from sensors.news import SensorCondition
from sensors.settings import SoundUse
from sensors.stream import Freshness
from sensors.window import Sense
from tests.sensors.harness import BACKGROUND, REPLAY, SHORT, Scene, Seen, SensorProcess, click_s, flash_frames, record, running, settings_for

BOTH = {Sense.SIGHT, Sense.SOUND}


def replayed(file: Path, **wants: object) -> SensorProcess:
    with running(settings_for(f"file:{file}", replay=REPLAY, **wants), file.parent) as sensor:
        sensor.read_to_the_end()
    return sensor


def first_pairs(seen: list[Seen]) -> list[int]:
    return [each.window.first_pair for each in seen]


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("aac.mp4", Scene()),
        ("stereo.mp4", Scene(channels=2)),
        ("pcm.mkv", Scene(sound_codec="pcm_s16le", rate_hz=16_000)),
        ("alaw.mov", Scene(sound_codec="pcm_alaw", rate_hz=8_000)),
        ("bframes.mp4", Scene(options=(("bf", "2"), ("g", "30")))),
        ("mjpeg.avi", Scene(codec="mjpeg", sound_codec="pcm_s16le", options=())),
        ("aac.ts", Scene()),
    ],
)
def test_a_flash_and_a_click_of_one_instant_arrive_together(tmp_path: Path, name: str, scene: Scene) -> None:
    at_s = 3.0  # an instant of the grid, so that its frame is in a window
    scene = Scene(**{**{name: getattr(scene, name) for name in scene.__dataclass_fields__}, "at_s": (at_s,)})
    sensor = replayed(record(tmp_path / name, scene))
    assert first_pairs(sensor.seen) == [0, 1, 2, 3, 4]
    for seen in sensor.seen:
        assert seen.window.senses == BOTH
        assert seen.frames is not None
        begin_s = seen.window.start.boot_ns / 1e9
        inside = begin_s <= at_s < begin_s + 2
        assert flash_frames(seen.frames) == ([round((at_s - begin_s) * SHORT.fps)] if inside else [])
        click = click_s(seen.sound)
        assert (click is not None) == inside
        if click is not None:
            assert abs(begin_s + click - at_s) < 0.5 / scene.fps


def test_a_recording_of_sound_alone_is_a_sensor(tmp_path: Path) -> None:
    scene = Scene(sound_codec="pcm_s16le", rate_hz=44_100)
    sensor = replayed(record(tmp_path / "sound.wav", scene, picture=False))
    assert sensor.news[0].condition is SensorCondition.ONLINE
    assert (sensor.news[0].codec, sensor.news[0].sound_codec, sensor.news[0].sound_rate_hz) == ("", "pcm_s16le", 44_100)
    assert first_pairs(sensor.seen) == [0, 1, 2, 3, 4]
    assert all(seen.window.senses == {Sense.SOUND} and seen.frames is None for seen in sensor.seen)
    clicks = [seen.window.start.boot_ns / 1e9 + click for seen in sensor.seen if (click := click_s(seen.sound)) is not None]
    assert clicks == pytest.approx([3.2, 3.2], abs=0.002)


@pytest.mark.parametrize("name", ["picture.mp4", "picture.mkv"])
def test_a_recording_of_pictures_alone_is_a_sensor(tmp_path: Path, name: str) -> None:
    sensor = replayed(record(tmp_path / name, Scene(), sound=False))
    assert first_pairs(sensor.seen) == [0, 1, 2, 3, 4]
    assert all(seen.window.senses == {Sense.SIGHT} and not seen.sound.any() for seen in sensor.seen)


def test_sound_that_is_switched_off_is_not_even_read(tmp_path: Path) -> None:
    sensor = replayed(record(tmp_path / "both.mp4", Scene()), sound=SoundUse.OFF)
    assert sensor.news[0].sound_codec == ""
    assert all(seen.window.senses == {Sense.SIGHT} and not seen.sound.any() for seen in sensor.seen)


def test_sound_that_ends_before_the_picture_leaves_the_picture(tmp_path: Path) -> None:
    sensor = replayed(record(tmp_path / "both.mp4", Scene(seconds=10, sound_until_s=4)))
    assert first_pairs(sensor.seen) == list(range(9))
    assert [seen.window.senses == BOTH for seen in sensor.seen] == [True, True, True] + [False] * 6


@pytest.mark.parametrize("fps", [1, 5, 25])
def test_a_recording_of_any_rate_loses_no_window_however_few_slots_there_are(tmp_path: Path, fps: int) -> None:
    scene = Scene(seconds=30, fps=fps, at_s=())
    sensor = replayed(record(tmp_path / "long.mp4", scene), slots=5)
    assert first_pairs(sensor.seen) == list(range(29))
    assert all(seen.window.senses == BOTH for seen in sensor.seen)


def test_a_recording_of_more_frames_than_any_camera_has_is_thinned_and_not_thrown_away(tmp_path: Path) -> None:
    sensor = replayed(record(tmp_path / "slow-motion.mp4", Scene(seconds=4, fps=480, size=(64, 64)), sound=False))
    assert first_pairs(sensor.seen) == list(range(3))


def test_a_recording_with_a_long_gap_is_read_to_its_end_in_its_own_time(tmp_path: Path) -> None:
    times = (*(number / 10 for number in range(40)), *(7205 + number / 10 for number in range(40)))
    sensor = replayed(record(tmp_path / "gap.mkv", Scene(times_s=times), sound=False))
    assert sensor.news[-1].condition is SensorCondition.ENDED
    assert {0, 1, 2, 7205, 7206, 7207} <= set(first_pairs(sensor.seen))
    assert len(sensor.seen) < 14
    assert sensor.seen[-1].window.start.utc.timestamp() == REPLAY.start_utc_s + sensor.seen[-1].window.first_pair


def test_two_recordings_in_one_file_are_both_judged(tmp_path: Path) -> None:
    one, two = (record(tmp_path / name, Scene(at_s=(at_s,))) for name, at_s in (("one.ts", 1.0), ("two.ts", 4.0)))
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    sensor = replayed(both)
    assert sensor.news[-1].condition is SensorCondition.ENDED
    clicks = sorted({round(seen.window.start.boot_ns / 1e9 + click) for seen in sensor.seen if (click := click_s(seen.sound)) is not None})
    assert clicks == [1, 10]
    assert {seen.window.epoch for seen in sensor.seen} == {1, 2}


def test_a_stream_that_is_joined_between_keyframes_shows_no_made_up_picture(tmp_path: Path) -> None:
    whole = record(tmp_path / "whole.ts", Scene(options=(("g", "25"), ("sc_threshold", "0")), at_s=()), sound=False)
    packets = whole.read_bytes()
    joined = tmp_path / "joined.ts"
    with av.open(str(whole)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.pos is not None]
    joined.write_bytes(packets[: 188 * 3] + packets[positions[5] :])
    sensor = replayed(joined)
    assert sensor.seen
    assert all(abs(float(frame.mean()) - BACKGROUND) < 6 for seen in sensor.seen if seen.frames is not None for frame in seen.frames)


def test_a_damaged_packet_of_sound_costs_itself_and_not_the_camera(tmp_path: Path) -> None:
    file = record(tmp_path / "both.mp4", Scene(seconds=4, at_s=()))
    data = bytearray(file.read_bytes())
    with av.open(str(file)) as container:
        damaged = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.pos is not None][60:63]
    for at, size in damaged:  # the decoder of AAC has a number of its own for this, which is not that of invalid data
        data[at : at + size] = b"\xff" * size
    file.write_bytes(data)
    sensor = replayed(file)
    assert [news.condition for news in sensor.news] == [SensorCondition.ONLINE, SensorCondition.ENDED]
    assert first_pairs(sensor.seen) == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.mp4", None, FaultReason.NOT_FOUND),
        ("empty.mp4", b"", FaultReason.UNSUPPORTED),
        ("garbage.mp4", bytes(range(256)) * 400, FaultReason.UNSUPPORTED),
        ("text.txt", b"ffconcat version 1.0\nfile /etc/passwd\n", FaultReason.UNSUPPORTED),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", FaultReason.UNSUPPORTED),
    ],
)
def test_what_is_no_recording_is_lost_with_the_right_reason(tmp_path: Path, name: str, content: bytes | None, reason: FaultReason) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    sensor = replayed(tmp_path / name)
    assert [(news.condition, news.reason) for news in sensor.news] == [(SensorCondition.LOST, reason)]


def test_a_recording_that_is_cut_off_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = record(tmp_path / "whole.mkv", Scene(seconds=12))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    sensor = replayed(cut)
    assert 5 <= len(sensor.seen) <= 9
    assert first_pairs(sensor.seen) == list(range(len(sensor.seen)))


def test_a_recording_without_its_index_is_lost(tmp_path: Path) -> None:
    whole = record(tmp_path / "whole.mp4", Scene())
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert replayed(cut).news[-1].reason is FaultReason.UNSUPPORTED


def test_a_codec_that_is_not_in_the_table_is_refused_by_name(tmp_path: Path) -> None:
    sensor = replayed(record(tmp_path / "odd.mkv", Scene(codec="ffv1", options=())))
    assert (sensor.news[-1].condition, sensor.news[-1].reason) == (SensorCondition.LOST, FaultReason.UNSUPPORTED)
    assert "H.264" in sensor.news[-1].detail


def test_sound_of_another_codec_leaves_the_picture_and_says_so(tmp_path: Path) -> None:
    sensor = replayed(record(tmp_path / "odd.mkv", Scene(sound_codec="ac3")))
    assert sensor.news[0].condition is SensorCondition.ONLINE
    assert "sound" in sensor.news[0].detail
    assert sensor.seen
    assert all(seen.window.senses == {Sense.SIGHT} for seen in sensor.seen)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    huge = Scene(seconds=0.2, size=(4096, 2304), at_s=())
    sensor = replayed(record(tmp_path / "huge.mp4", huge, sound=False))
    assert (sensor.news[-1].condition, sensor.news[-1].reason) == (SensorCondition.LOST, FaultReason.UNSUPPORTED)


def test_a_picture_that_becomes_too_large_in_the_middle_ends_the_source(tmp_path: Path) -> None:
    small, huge = Scene(seconds=3, at_s=()), Scene(seconds=0.5, size=(4096, 2304), at_s=())
    both = tmp_path / "grows.ts"
    parts = [record(tmp_path / f"{number}.ts", scene, sound=False).read_bytes() for number, scene in enumerate((small, huge))]
    both.write_bytes(b"".join(parts))
    sensor = replayed(both)
    assert sensor.news[0].condition is SensorCondition.ONLINE
    assert (sensor.news[-1].condition, sensor.news[-1].reason) != (SensorCondition.ONLINE, "")
    assert all(seen.frames is not None and seen.frames.shape[1:3] == (96, 160) for seen in sensor.seen)


def test_a_file_is_played_in_real_time_again_and_again(tmp_path: Path) -> None:
    file = record(tmp_path / "loop.mp4", Scene(seconds=3.5, at_s=()))
    with running(settings_for(f"file:{file}"), tmp_path) as sensor:
        sensor.wait_for(SensorCondition.ONLINE)
        assert sensor.wait_for(SensorCondition.LOST, 6).reason is FaultReason.ENDED
        sensor.wait_for(SensorCondition.ONLINE, 3)
    assert 1 <= len(sensor.seen) <= 2
    assert all(0 < age_s < 8 for age_s in [(datetime.now(UTC) - seen.window.end.utc).total_seconds() for seen in sensor.seen])


def packet(pts: int | None) -> "av.Packet[Stream]":
    made = av.Packet(b"x")
    made.pts = pts
    return made


class Steps(BoxTime):
    """The box's time, a second on at each look."""

    def __init__(self) -> None:
        super().__init__(BootId("steps"))
        self.at_s = 0

    def now_ns(self) -> int:
        self.at_s += 1
        return self.at_s * NANOSECONDS


def test_packets_whose_times_stand_still_are_a_stall() -> None:
    freshness = Freshness(5.0, Steps())
    assert all(freshness.packet(packet(pts), picture=True) for pts in range(20))
    for _ in range(5):
        assert not freshness.packet(packet(19), picture=True)
    with pytest.raises(SensorFault, match="stand still"):
        freshness.packet(packet(19), picture=True)


def test_a_picture_that_dies_while_the_sound_goes_on_is_a_stall_and_sound_that_dies_is_none() -> None:
    freshness = Freshness(5.0, Steps())
    freshness.packet(packet(0), picture=True)
    freshness.packet(packet(0), picture=False)
    for pts in range(1, 20):
        assert freshness.packet(packet(pts), picture=True)
    for pts in range(1, 6):
        assert freshness.packet(packet(pts), picture=False)
    with pytest.raises(SensorFault, match="the picture stands still"):
        freshness.packet(packet(6), picture=False)


def test_a_source_of_which_nothing_whole_comes_is_given_up() -> None:
    freshness = Freshness(5.0, Steps())
    for _ in range(30):
        freshness.awaiting_first()
    with pytest.raises(SensorFault, match="no whole picture"):
        freshness.awaiting_first()
