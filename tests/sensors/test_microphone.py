import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sensors.fault import FaultReason
from sensors.news import SensorCondition
from sensors.settings import WindowShape
from sensors.window import Sense
from tests.sensors.harness import running, settings_for

pyaudio = pytest.importorskip("pyaudio", reason="PyAudio is not installed")

RATE_HZ = 16_000
CHUNK = 1600
"""What the sensor reads at once: the device takes what is there and makes up the rest."""
SYSTEM = Path("/usr/share/alsa/alsa.conf")
CARD = """
<{system}>
pcm.bell {{ type plug slave.pcm "bell_file" hint {{ show on description "bell" }} }}
pcm.bell_file {{ type file file "/dev/null" infile "{samples}" format "raw" slave {{ pcm "null" }} }}
"""


def ring(pipe: int, over: threading.Event) -> None:
    """Write the tone as fast as time goes by: the device has no clock of its own."""
    begin_s, written = time.monotonic(), 0
    while not over.wait(max(0.0, begin_s + written / RATE_HZ - time.monotonic())):
        tone = 8_000 * np.sin(2 * np.pi * 500 * np.arange(written, written + CHUNK) / RATE_HZ)
        with suppress(BlockingIOError):  # nobody has it open
            os.write(pipe, tone.astype(np.int16).tobytes())
        written += CHUNK


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[None]:
    """An ALSA device called `bell` that hears a 500 Hz tone for ever, named by a private configuration."""
    if not SYSTEM.exists():
        pytest.skip("ALSA's configuration is not installed: apt-get install libasound2-data")
    os.mkfifo(tmp_path / "tone")
    (tmp_path / "asound.conf").write_text(CARD.format(system=SYSTEM, samples=tmp_path / "tone"))
    pipe, over = os.open(tmp_path / "tone", os.O_RDWR | os.O_NONBLOCK), threading.Event()
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    ringing = threading.Thread(target=ring, args=(pipe, over))
    ringing.start()
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(tmp_path / "asound.conf")
    yield
    os.environ.pop("ALSA_CONFIG_PATH")
    if before is not None:
        os.environ["ALSA_CONFIG_PATH"] = before
    over.set()
    ringing.join()
    os.close(pipe)


@pytest.mark.usefixtures("bell")
def test_a_microphone_is_heard_in_windows_of_sound_alone(tmp_path: Path) -> None:
    shape = WindowShape(length_s=2, every_s=1, fps=2, longest_side=32)
    with running(settings_for("mic:bell", window=shape), tmp_path) as sensor:
        online = sensor.wait_for(SensorCondition.ONLINE)
        assert online.sound_rate_hz >= RATE_HZ
        sensor.read_until(lambda: len(sensor.seen) == 2, 15)
        sensor.read_until(lambda: sensor.figures is not None and sensor.figures.level_dbfs > -40)
    for seen in sensor.seen:
        assert seen.window.senses == {Sense.SOUND}
        assert seen.window.views[0].height == 0
        assert seen.window.views[0].cues.loud == pytest.approx(-15.3, abs=1.0)  # 8000 of 32768, as RMS of a sine
        loudest = np.argmax(np.abs(np.fft.rfft(seen.sound))) * RATE_HZ / len(seen.sound)
        assert loudest == pytest.approx(500, abs=1)
    assert [b.window.first_pair - a.window.first_pair for a, b in zip(sensor.seen, sensor.seen[1:], strict=False)] == [1]


@pytest.mark.usefixtures("bell")
def test_a_microphone_that_is_not_there_is_not_found_and_those_that_are_are_named(tmp_path: Path) -> None:
    with running(settings_for("mic:no such thing"), tmp_path) as sensor:
        lost = sensor.wait_for(SensorCondition.LOST)
    assert lost.reason is FaultReason.NOT_FOUND
    assert "bell" in lost.detail
