"""Cameras that deceive: a picture that stands still, a source that says nothing."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from appliance.children.child import own_bytes
from tests.appliance.conftest import Appliance, Listener, eventually
from tests.drills.conftest import OPENING_S

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
MOVING_S, FROZEN_S, FPS = 15, 85, 10
MOST_GROWTH = 2_000_000
MUTE = """\
  mute:
    source: rtsp://127.0.0.1:{port}/camera
    window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}
judge:"""


@pytest.fixture
def frozen_film(tmp_path: Path) -> Path:
    """Something that goes to and fro before a wall, then the same frame again and again, then it goes on."""
    path = tmp_path / "frozen.mp4"
    noise = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for number in range((MOVING_S + FROZEN_S + 3 * MOVING_S) * FPS):
            if not MOVING_S <= number / FPS < MOVING_S + FROZEN_S:
                picture = noise.normal(110, 2, (192, 320, 3))
                left = abs(number * 3 % 400 - 200)
                picture[60:120, left : left + 80] = (200, 180, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.drill(
    3, "frozen-picture",
    done="A camera goes on sending, but for 85 s the same picture, then others again",
    sees="`picture-frozen` opens after a minute and clears; the sensor counts as online all the time and is not restarted",
)  # fmt: skip
def test_a_picture_that_stands_still(appliance: Appliance, listener: Listener, frozen_film: Path) -> None:
    appliance.film = frozen_film
    appliance.start()
    eventually(lambda: listener.events("picture-frozen", "opened"), MOVING_S + 60 + OPENING_S, "the frozen picture is an alarm")
    eventually(lambda: appliance.is_active("picture-frozen"), 5, "the metrics show it")
    eventually(lambda: appliance.figure('omniwatch_sensor_up{sensor="wall"}') == 1, 5, "the metrics show it")
    assert "opened: picture-frozen on wall" in appliance.log()
    eventually(lambda: listener.events("picture-frozen", "cleared"), FROZEN_S - 60 + OPENING_S, "it clears when the picture moves")
    assert listener.of("/sensor/wall")[-1]["restarts"] == 0
    assert appliance.stop() == 0


@pytest.fixture
def mute_server() -> Iterator[int]:
    """A port at which somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.drill(
    17, "no-data",
    done="A camera takes connections and never says a word, for a minute and a half",
    sees="`sensor-lost` opens with the reason; memory and descriptors of its process and of the supervisor stay as they are",
)  # fmt: skip
def test_a_source_that_says_nothing(appliance: Appliance, listener: Listener, mute_server: int, measured: dict[str, float]) -> None:
    appliance.sensors = MUTE.format(port=mute_server)
    appliance.start()
    eventually(lambda: listener.events("sensor-lost", "opened"), 60, "the sensor that says nothing is an alarm")
    eventually(lambda: listener.of("/sensor/mute")[-1]["reason"] == "timeout", 5, "its retained state says why: that is told once a second")
    assert appliance.process
    pids = {"the sensor": appliance.sensor_processes()["mute"], "the supervisor": appliance.process.pid}
    before = {name: (own_bytes(pid), descriptors(pid)) for name, pid in pids.items()}
    until = time.monotonic() + 90
    eventually(lambda: time.monotonic() > until, 100, "time passes")
    for name, pid in pids.items():
        grown = own_bytes(pid) - before[name][0]
        measured[f"growth of {name}, kB"] = round(grown / 1000)
        assert grown < MOST_GROWTH, name
        assert descriptors(pid) <= before[name][1] + 2, name
    assert appliance.stop() == 0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
