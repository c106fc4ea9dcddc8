"""What can fail around a running box: a camera that hangs or dies while others go on, a judge that is killed. Real servers, real signals."""

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Listener, eventually, free_port

pytestmark = pytest.mark.broker
SERVER = Path(__file__).parents[1] / "sensors" / "rtsp_server.py"
CAMERA = """\
  camera:
    source: rtsp://127.0.0.1:{port}/camera
    window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}
judge:"""


class Camera:
    """An RTSP server that can be hung, revived, killed and started again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = ["/usr/bin/python3", str(SERVER), str(self.port), "pcma"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self.process.stdout or not self.process.stdout.readline().startswith("ready"):
            pytest.skip("gst-rtsp-server and its Python bindings are not installed")

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


@pytest.fixture
def camera() -> Iterator[Camera]:
    server = Camera(free_port())
    server.start()
    yield server
    server.signal(signal.SIGKILL)


def figures(appliance: Appliance) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.metrics}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def windows(appliance: Appliance, sensor: str) -> int:
    found = re.search(rf'omniwatch_windows_total{{sensor="{sensor}"}} (\S+)', figures(appliance))
    return int(float(found.group(1))) if found else 0


def last(listener: Listener, sensor: str) -> bool:
    bodies = listener.of(f"/sensor/{sensor}")
    return bool(bodies and bodies[-1]["online"])


@pytest.mark.rtsp
@pytest.mark.timeout(180)
def test_a_camera_that_hangs_or_dies_is_an_alarm_and_costs_the_others_nothing(appliance: Appliance, listener: Listener, camera: Camera) -> None:
    appliance.sensors = CAMERA.format(port=camera.port)
    appliance.start()
    eventually(lambda: last(listener, "camera") and last(listener, "wall"), 40, "both sensors are online")
    for number, (break_it, mend_it) in enumerate(((signal.SIGSTOP, signal.SIGCONT), (signal.SIGKILL, None)), 1):
        before = windows(appliance, "wall")
        camera.signal(break_it)
        eventually(lambda n=number: len(listener.events("sensor-lost", "opened")) == n, 15, "the lost sensor is an alarm")
        assert windows(appliance, "wall") >= before + 1
        assert last(listener, "wall")
        if mend_it:
            camera.signal(mend_it)
        else:
            camera.start()
        eventually(lambda n=number: len(listener.events("sensor-lost", "cleared")) == n, 60, "the sensor is back and the alarm clears")
    assert all(event["data"]["sensor"] == "camera" for event in listener.events("sensor-lost", "opened"))


MODEL = Path(__file__).parents[2] / "appliance" / "demo" / "model"


@pytest.mark.model
@pytest.mark.skipif(not (MODEL / "model.safetensors").exists(), reason="the demo's model has not been trained")
@pytest.mark.timeout(180)
def test_a_killed_judge_comes_back_and_cues_stand_in_meanwhile(appliance: Appliance) -> None:
    appliance.judge = f"{{kind: omni, model: {MODEL}}}"
    appliance.start()
    eventually(lambda: "the judge is ready" in appliance.log(), 60, "the model is loaded")
    os.kill(appliance.children()["analyzers.main"], signal.SIGKILL)
    eventually(lambda: "the judge is down" in appliance.log(), 10, "the loss of the judge is said")
    eventually(lambda: appliance.log().count("the judge is ready") == 2, 60, "the judge is back")
    eventually(lambda: 'by="omni"' in figures(appliance), 40, "the judge answers, as soon as something stirs")
    assert 'by="cues"' in figures(appliance)
    downs = appliance.log().count("the judge is down")
    assert appliance.stop() == 0
    assert appliance.log().count("the judge is down") == downs == 1


def test_a_model_that_is_missing_is_an_alarm_and_cues_answer(appliance: Appliance, listener: Listener) -> None:
    appliance.judge = f"{{kind: omni, model: {appliance.folder}/nowhere}}"
    appliance.start()
    eventually(lambda: listener.events("judge-down", "opened"), 40, "the judge that cannot be had is an alarm")
    assert "there is no folder" in appliance.log()
    eventually(lambda: listener.events("something-there", "opened"), 40, "cues answer in its place")
    assert listener.events("something-there", "opened")[0]["data"]["by"] == "cues"
    assert appliance.log().count("the judge is down") == 1, "an outage is said once"
