from pathlib import Path

import pytest

from sensors.window import Sense
from tests.sensors.harness import REPLAY, SHORT, Scene, Seen, SensorProcess, click_s, flash_frames, record, running, settings_for

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
