"""Decoding beside the judge: real sensor processes, of recordings and of cameras that are recorded for it, and what is heard of them."""

import asyncio
import os
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from appliance.capacity import decoding, filming
from appliance.capacity.decoding import Decoders, Heard, p95
from appliance.capacity.filming import NotFilmed, filmed, seconds_of
from appliance.capacity.load import _Tally
from appliance.config.configuration import Configuration, SensorConfig, load
from tests.appliance.conftest import free_port
from tests.sensors.harness import Scene, record
from tests.sensors.test_rtsp import BINDINGS, PYTHON, camera

NEAR = "window: {length: 1s, every: 1s, fps: 2, longest_side: 64}"


def configured(folder: Path, *sources: str, more: str = "") -> tuple[SensorConfig, ...]:
    lines = "\n".join(f"  cam-{number}: {{source: '{source}', {NEAR}{more}}}" for number, source in enumerate(sources))
    (folder / "box.yaml").write_text(f"site: s\nbox: b\ntimezone: UTC\nstate: state\nsensors:\n{lines}\n")
    found: Configuration = load(folder / "box.yaml")
    return found.sensors


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "SETTLE_S", 0.1)
    monkeypatch.setattr(filming, "SHORTEST_S", 3.0)
    monkeypatch.setattr(filming, "LASTS_S", 9.0)


def children() -> set[int]:
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


@pytest.mark.usefixtures("_quick")
def test_as_many_processes_decode_as_a_load_has_sensors_and_what_they_take_is_known(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", Scene(seconds=6.0))
    sensors = configured(tmp_path, "file:film.mp4")

    async def run() -> list[Heard]:
        decoders, before = Decoders(sensors, await filmed(sensors, tmp_path)), children()
        try:
            await decoders.run(3)
            assert len(children() - before) == 3
            await decoders.heard_for(2.5)
            three = decoders.heard()
            await decoders.run(1)
            assert len(children() - before) == 1
            return [three, decoders.heard()]
        finally:
            await decoders.close()
            assert children() == before

    three, one = asyncio.run(run())
    assert three.silent == one.silent == 0
    assert 0.0 < three.late == three.late_s < 5.0, "a window comes after its end, of real decoding"
    assert 0.0 < three.cores < 1.0


@pytest.mark.usefixtures("_quick")
def test_what_does_not_come_up_is_counted_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "film.mp4", Scene(seconds=3.0))
    sensors = configured(tmp_path, "file:film.mp4", "v4l2:/dev/video99")

    async def run() -> list[int]:
        decoders, found = Decoders(sensors, await filmed(sensors, tmp_path)), []
        try:
            for free in (0, decoding.SPARE_BYTES + 2 * decoding.PROCESS_BYTES, 1 << 40):
                monkeypatch.setattr(decoding, "free_bytes", lambda free=free: free)
                await decoders.run(4)
                found.append(decoders.heard().silent)
        finally:
            await decoders.close()
        return found

    # Of four, one would be a second device: it cannot be opened twice, and is left out. The first is not there.
    assert asyncio.run(run()) == [3, 2, 1]


def test_what_windows_take_on_their_way_is_part_of_the_time_to_a_judgement() -> None:
    tally = _Tally(counts_from_ns=0, shares=[0.5] * 20, seconds=[1.0] * 20)
    on_time = tally.result(4, Heard(late=0.4, late_s=0.8, silent=0, cores=0.2))
    assert (on_time.p95, on_time.p95_s, on_time.holds) == (0.9, 1.8, True)
    assert not tally.result(4, Heard(late=0.6, late_s=1.2, silent=0, cores=0.2)).holds, "the judge is quick, and what it is shown comes late"


def test_of_a_hundred_values_the_five_highest_do_not_count() -> None:
    assert p95([float(value) for value in range(1, 101)]) == 95.0
    assert p95([7.0]) == 7.0
    assert p95([]) == 0.0


# What is decoded.


@pytest.mark.rtsp
@pytest.mark.usefixtures("_quick")
def test_a_camera_is_recorded_as_it_is_and_nothing_else_of_it_is_kept(tmp_path: Path) -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode:
        pytest.skip("gst-rtsp-server is not installed")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "word").write_text("the word")
    (tmp_path / "films").mkdir()
    with camera("pcma", "--login", "anna:the word") as served:
        sensors = configured(tmp_path, served.source, more=", username: anna, password: !secret word, masks: [[0, 0, 1, 1]]")
        (source,) = asyncio.run(filmed(sensors, tmp_path / "films"))
    assert source == f"file:{tmp_path}/films/cam-0.mov"
    with av.open(source.removeprefix("file:")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height, audio.codec_context.name) == ("h264", 640, 360, "pcm_alaw")
        times = [packet.pts * packet.time_base for packet in container.demux(video) if packet.pts is not None]
        assert times == sorted(set(times)), "three times the same, one after the other"
        assert max(after - before for before, after in pairwise(times)) < 0.5
    assert 5.0 < max(times) - min(times) < 15.0
    files = {path.name for path in (tmp_path / "films").rglob("*") if path.is_file()}
    assert files == {"cam-0.mov"}


@pytest.mark.parametrize(("source", "says"), [("file:nowhere.mp4", "no such recording"), ("rtsp://127.0.0.1:{port}/a", "refused")])
def test_without_a_camera_nothing_is_measured_and_what_to_do_is_said(tmp_path: Path, source: str, says: str) -> None:
    sensors = configured(tmp_path, source.format(port=free_port()))
    with pytest.raises(NotFilmed, match=rf"cam-0: .*{says}.*`omniwatch doctor CONFIG`"):
        asyncio.run(filmed(sensors, tmp_path))


@pytest.mark.usefixtures("_quick")
def test_a_microphones_sound_is_made_and_a_device_is_left_to_itself(tmp_path: Path) -> None:
    sensors = configured(tmp_path, "mic:default", "v4l2:/dev/video0")
    sound, picture = asyncio.run(filmed(sensors, tmp_path))
    assert picture is None
    with av.open(str(sound).removeprefix("file:")) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"
        assert container.duration == 9_000_000


def test_whole_windows_are_in_a_recording_however_long_they_are(tmp_path: Path) -> None:
    (sensor,) = configured(tmp_path, "rtsp://10.0.0.1/a")
    for length_s, seconds in ((8.0, 20.0), (20.0, 40.0), (60.0, 60.0)):
        window = replace(sensor.settings.window, length_s=length_s)
        assert seconds_of(replace(sensor, settings=replace(sensor.settings, window=window))) == seconds
