import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sensors.fault import FaultReason
from sensors.news import SensorCondition
from sensors.settings import SensorSettings, WindowShape
from sensors.window import Sense
from tests.sensors.harness import Scene, Seen, click_s, flash_frames, record, running, settings_for

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
FINE = WindowShape(length_s=2, every_s=1, fps=50, longest_side=32)
"""So fine a grid that it shows to 10 ms when a frame of the camera was."""
STALL_S = 2.0
CAMERA_FPS = 15

pytestmark = pytest.mark.rtsp


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode:
        pytest.skip("gst-rtsp-server is not installed: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{good,bad,ugly}")


@dataclass
class Camera:
    """A server that can be stopped, killed and started again on its port."""

    arguments: tuple[str, ...]
    port: int
    process: subprocess.Popen[str] | None = None

    @property
    def source(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def start(self) -> None:
        self.process = subprocess.Popen([PYTHON, str(SERVER), str(self.port), *self.arguments], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait(5)
            assert self.process.stdout
            self.process.stdout.close()


@contextmanager
def camera(*arguments: str) -> Iterator[Camera]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Camera(arguments=arguments, port=port)
    made.start()
    try:
        yield made
    finally:
        made.signal(signal.SIGCONT)
        made.signal(signal.SIGKILL)


def watching(source: str, **wants: object) -> SensorSettings:
    return settings_for(source, stall_after_s=STALL_S, slots=300, **wants)


def misalignments_ms(seen: list[Seen]) -> list[float]:
    """By how much the flash is later than the click, for every pair of them that lies well inside a window."""
    found = []
    for each in seen:
        click = click_s(each.sound)
        if click is None or each.frames is None or not 0.3 < click < 1.4:
            continue
        flashed = np.array(flash_frames(each.frames)) / FINE.fps
        flashed = flashed[np.abs(flashed - click) < 0.3]
        if len(flashed):
            found.append(1000 * (float(flashed.mean()) - click))
    return found


@pytest.mark.parametrize("sound", ["pcma", "aac"])
def test_picture_and_sound_of_a_camera_are_aligned_to_half_a_frame(tmp_path: Path, sound: str) -> None:
    flashes = tuple(2.0 + number * 1.2 for number in range(20))
    scene = Scene(seconds=27, at_s=flashes, fps=CAMERA_FPS, codec="mjpeg", sound_codec="pcm_s16le", size=(320, 192), options=())
    file = record(tmp_path / "scene.mkv", scene)
    with camera(sound, "--file", str(file)) as source, running(watching(source.source, window=FINE), tmp_path) as sensor:
        sensor.read_until(lambda: len(misalignments_ms(sensor.seen)) >= 2)
    errors = misalignments_ms(sensor.seen)
    print(f"{sound}: flash after click by {errors} ms")  # noqa: T201 - the figure is worth seeing with -s
    assert all(abs(error) < 1000 / CAMERA_FPS / 2 for error in errors)
    assert all(each.window.senses == {Sense.SIGHT, Sense.SOUND} for each in sensor.seen[1:])
    firsts = [each.window.first_pair for each in sensor.seen]
    assert firsts == list(range(firsts[0], firsts[-1] + 1, FINE.stride_pairs))
    now = datetime.now(UTC)
    assert all(0 < (now - each.window.end.utc).total_seconds() < 20 for each in sensor.seen)


def test_a_camera_that_hangs_or_dies_is_lost_and_comes_back_by_itself(tmp_path: Path) -> None:
    with camera("pcma") as source, running(watching(source.source), tmp_path) as sensor:
        online = sensor.wait_for(SensorCondition.ONLINE)
        assert (online.width, online.height, online.codec, online.sound_codec) == (640, 360, "h264", "pcm_alaw")
        source.signal(signal.SIGSTOP)
        began = time.monotonic()
        assert sensor.wait_for(SensorCondition.LOST, STALL_S + 3).reason is FaultReason.STALLED
        assert time.monotonic() - began >= STALL_S - 0.5
        source.signal(signal.SIGCONT)
        sensor.wait_for(SensorCondition.ONLINE, 15)
        source.signal(signal.SIGKILL)
        assert sensor.wait_for(SensorCondition.LOST, 2).reason in (FaultReason.ENDED, FaultReason.BROKEN)
        assert sensor.wait_for(SensorCondition.LOST, 5).reason is FaultReason.REFUSED
        source.start()
        sensor.wait_for(SensorCondition.ONLINE, 15)
        known = len(sensor.seen)
        sensor.read_until(lambda: len(sensor.seen) > known)
        assert sensor.seen[known].window.epoch == 3
        sensor.read_until(lambda: sensor.figures is not None and sensor.figures.reconnects == 2)


@pytest.mark.parametrize(
    ("login", "reason"),
    [({"username": "anna", "password": "no:such@word"}, FaultReason.UNAUTHORIZED), (None, FaultReason.UNAUTHORIZED)],
)
def test_who_may_not_look_is_told_so_without_a_word_of_the_login(tmp_path: Path, login: dict[str, str] | None, reason: FaultReason) -> None:
    with camera("pcma", "--login", "anna:the/r%ght:w@rd") as source, running(watching(source.source), tmp_path, secret=login) as sensor:
        assert sensor.wait_for(SensorCondition.LOST).reason is reason
        told = b"".join(sensor.said).decode() + sensor.errors()
    assert all(word not in told for word in ("anna", "no:such", "no%3Asuch", "127.0.0.1"))


def test_a_login_with_signs_of_its_own_opens_the_camera_and_is_never_told(tmp_path: Path) -> None:
    password = "the/r%ght:w@rd"  # noqa: S105 - made up
    with (
        camera("pcma", "--login", f"anna:{password}") as source,
        running(watching(source.source), tmp_path, secret={"username": "anna", "password": password}) as sensor,
    ):
        sensor.wait_for(SensorCondition.ONLINE)
        source.signal(signal.SIGKILL)
        sensor.wait_for(SensorCondition.LOST)
        sensor.wait_for(SensorCondition.LOST)
        told = b"".join(sensor.said).decode() + sensor.errors() + Path(f"/proc/{sensor.process.pid}/cmdline").read_text()
        environment = Path(f"/proc/{sensor.process.pid}/environ").read_text()
    assert all(word not in told + environment for word in ("anna", password, "w%40rd", "w@rd"))
