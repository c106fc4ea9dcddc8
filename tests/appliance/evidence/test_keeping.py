"""Evidence of a whole appliance: a camera that dies while its alarm stands, a second stream, and an end in the middle of it all."""

import hashlib
import signal
import sqlite3
from pathlib import Path
from typing import Any

import av
import pytest

from tests.appliance.conftest import Appliance, Listener, eventually
from tests.sensors.test_rtsp import camera, gstreamer

__all__ = ["gstreamer"]

WINDOW = "window: {length: 2s, every: 1s, fps: 2, longest_side: 320}"
CAMERA = """\
  cam:
    source: {source}
    {window}
    stall_after: 3s
    sound: keep
    {more}
evidence: {{before: 3s, after: 4s, free: 0%}}
judge:"""
MOVES = """\
  - id: moves
    ask: Does something move?
    sensors: [cam]
    senses: [sight]
    trigger: 1 of 1
    clear_after: 60s
    fallback: {motion: 0.0001}
"""


def clips(listener: Listener, policy: str) -> list[dict[str, Any]]:
    """What was told of the newest clip of each event."""
    return [event["data"]["evidence"][-1] for event in listener.events(policy, "updated") if event["data"]["evidence"]]


def folder(appliance: Appliance) -> Path:
    return appliance.folder / "state" / "evidence"


@pytest.mark.rtsp
@pytest.mark.usefixtures("gstreamer")
def test_a_camera_killed_while_its_alarm_stands_leaves_a_clip_to_its_last_moment(appliance: Appliance, listener: Listener) -> None:
    with camera("pcma") as source:
        appliance.sensors = CAMERA.format(source=source.source, window=WINDOW, more="masks: [[0, 0, 0.2, 0.2]]")
        appliance.more = MOVES
        appliance.start()
        eventually(lambda: listener.events("moves", "opened"), 30, "the alarm")
        source.signal(signal.SIGKILL)
        eventually(lambda: clips(listener, "moves"), 30, "its clip")
    told = clips(listener, "moves")[0]
    file = folder(appliance) / told["file"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == told["sha256"]
    assert (told["sound"], told["masked"], file.suffix) == (True, True, ".mov")
    with av.open(str(file)) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "pcm_alaw"}
        assert container.streams.video[0].codec_context.width == 640
        assert all(frame.to_ndarray(format="rgb24")[:70, :126].max() <= 8 for frame in container.decode(video=0))
    assert (folder(appliance) / told["poster"]).stat().st_size > 1000
    eventually(lambda: appliance.figure('omniwatch_evidence_clips_total{outcome="kept",reason=""}') >= 1, 5, "its figure")


@pytest.mark.rtsp
@pytest.mark.usefixtures("gstreamer")
def test_evidence_is_made_of_the_second_stream_and_its_end_costs_no_window(appliance: Appliance, listener: Listener) -> None:
    with camera("aac") as better:
        appliance.sensors = CAMERA.format(source=f"file:{appliance.film}", window=WINDOW, more=f"record: {better.source}")
        appliance.more = MOVES.replace("motion: 0.0001", "changed: 0.05")
        appliance.start()
        eventually(lambda: clips(listener, "moves"), 40, "a clip")
        better.signal(signal.SIGKILL)
    with av.open(str(folder(appliance) / clips(listener, "moves")[0]["file"])) as container:
        assert (container.streams.video[0].codec_context.width, container.streams.audio[0].codec_context.name) == (640, "aac")
    eventually(lambda: "the second stream of cam is lost" in appliance.log(), 10, "that is said")
    seen = appliance.figure('omniwatch_windows_total{sensor="cam"}')
    eventually(lambda: appliance.figure('omniwatch_windows_total{sensor="cam"}') >= seen + 2, 10, "windows go on")
    assert not listener.events("sensor-lost", "opened")


def test_an_appliance_that_is_killed_before_its_clip_is_made_makes_it_after_the_restart(appliance: Appliance, listener: Listener) -> None:
    appliance.sensors = "evidence: {before: 2s, after: 6s, free: 0%}\njudge:"
    appliance.start()
    eventually(lambda: listener.events("something-there", "opened"), 30, "the alarm")
    appliance.kill()
    appliance.start()
    eventually(lambda: clips(listener, "something-there"), 40, "its clip")
    first = listener.events("something-there", "opened")[0]["data"]["alert"]
    told = next(event for event in listener.events("something-there", "updated") if event["data"]["evidence"])
    assert told["data"]["alert"] == first
    appliance.stop()
    with sqlite3.connect(appliance.folder / "state" / "omniwatch.db") as store:
        kept = store.execute("SELECT count(*) FROM clip WHERE state = 'kept'").fetchone()[0]
    assert len(list(folder(appliance).rglob("*.mp4"))) == kept
    assert not list(folder(appliance).rglob("*.part"))
