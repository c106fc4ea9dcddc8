"""What can fail around a running box: a camera that hangs or dies while others go on, a judge that is killed. Real servers, real signals."""

import os
import signal
import subprocess
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


def windows(appliance: Appliance, sensor: str) -> float:
    return appliance.figure(f'omniwatch_windows_total{{sensor="{sensor}"}}')


def last(listener: Listener, sensor: str) -> bool:
    bodies = listener.of(f"/sensor/{sensor}")
    return bool(bodies and bodies[-1]["online"])


@pytest.fixture
def both(appliance: Appliance, listener: Listener, camera: Camera) -> Appliance:
    """The wall and the camera, both online."""
    appliance.sensors = CAMERA.format(port=camera.port)
    appliance.start()
    eventually(lambda: last(listener, "camera") and last(listener, "wall"), 40, "both sensors are online")
    return appliance


def lose(camera: Camera, number: int, appliance: Appliance, listener: Listener) -> None:
    """Signal the camera's server; everybody who asks is told, and the wall is watched on."""
    before = windows(appliance, "wall")
    camera.signal(number)
    eventually(lambda: listener.events("sensor-lost", "opened"), 15, "the lost sensor is an alarm")
    assert listener.events("sensor-lost", "opened")[0]["data"]["sensor"] == "camera"
    eventually(lambda: appliance.figure('omniwatch_sensor_up{sensor="camera"}') == 0, 5, "the metrics show it")
    eventually(lambda: not last(listener, "camera"), 5, "its retained state shows it")
    assert "camera is lost" in appliance.log()
    eventually(lambda: windows(appliance, "wall") >= before + 1, 3, "the wall's windows go on")
    assert last(listener, "wall")


def is_back(appliance: Appliance, listener: Listener) -> None:
    eventually(lambda: listener.events("sensor-lost", "cleared"), 60, "the sensor is back and the alarm clears")
    assert last(listener, "camera")
    eventually(lambda: appliance.figure('omniwatch_sensor_up{sensor="camera"}') == 1, 5, "the metrics show it")
    assert appliance.log().count("camera is online") == 2


@pytest.mark.rtsp
@pytest.mark.timeout(180)
@pytest.mark.drill(
    1, "camera-hangs", done="A camera hangs with its connection up (SIGSTOP to a gst-rtsp-server), and goes on again",
    sees="`sensor-lost` opens and clears; its retained state and `omniwatch_sensor_up` say so, the journal once; other sensors' windows go on",
)  # fmt: skip
def test_a_camera_that_hangs_is_an_alarm_and_costs_the_others_nothing(both: Appliance, listener: Listener, camera: Camera) -> None:
    lose(camera, signal.SIGSTOP, both, listener)
    camera.signal(signal.SIGCONT)
    is_back(both, listener)


@pytest.mark.rtsp
@pytest.mark.timeout(180)
@pytest.mark.drill(
    2, "camera-dies", done="A camera dies (SIGKILL to a gst-rtsp-server), and another one is started at its address",
    sees="`sensor-lost` opens and clears; its retained state and `omniwatch_sensor_up` say so, the journal once; other sensors' windows go on",
)  # fmt: skip
def test_a_camera_that_dies_is_an_alarm_and_costs_the_others_nothing(both: Appliance, listener: Listener, camera: Camera) -> None:
    lose(camera, signal.SIGKILL, both, listener)
    camera.start()
    is_back(both, listener)


MODEL = Path(__file__).parents[2] / "appliance" / "demo" / "model"


@pytest.mark.model
@pytest.mark.skipif(not (MODEL / "model.safetensors").exists(), reason="the demo's model has not been trained")
@pytest.mark.timeout(180)
@pytest.mark.drill(
    21, "judge-dies", done="The judge's process is killed (SIGKILL) while a small model answers",
    sees="`omniwatch_judge_ready` falls and comes back, the journal says it once, alarms come from cues meanwhile and say so (`by`)",
)  # fmt: skip
def test_a_killed_judge_comes_back_and_cues_stand_in_meanwhile(appliance: Appliance) -> None:
    appliance.judge = f"{{kind: omni, model: {MODEL}}}"
    appliance.start()
    eventually(lambda: "the judge is ready" in appliance.log(), 60, "the model is loaded")
    assert " MB of weights" in appliance.log()
    os.kill(appliance.children()["analyzers.main"], signal.SIGKILL)
    eventually(lambda: "the judge is down" in appliance.log(), 10, "the loss of the judge is said")
    eventually(lambda: appliance.log().count("the judge is ready") == 2, 60, "the judge is back")
    eventually(lambda: 'by="omni"' in appliance.metrics_text(), 40, "the judge answers, as soon as something stirs")
    assert 'by="cues"' in appliance.metrics_text()
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
