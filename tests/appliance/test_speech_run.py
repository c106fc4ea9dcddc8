"""The whole box speaks into a room that its own microphone hears: a loudspeaker and a microphone that are two pipes, with air between them."""

import fcntl
import os
import shutil
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.appliance.conftest import Appliance, Listener, eventually

pytest.importorskip("pyaudio", reason="PyAudio is not installed")

SYSTEM = Path("/usr/share/alsa/alsa.conf")
RATE_HZ = 16_000
CHUNK = 1600
ROOM = """
<{system}>
pcm.room {{ type plug slave.pcm "room_pipe" hint {{ show on description "room" }} }}
pcm.room_pipe {{ type file file "/dev/null" infile "{heard}" format "raw" slave {{ pcm "null" }} }}
pcm.speaker {{ type plug slave {{ pcm "speaker_pipe" format S16_LE channels 1 rate 16000 }} }}
pcm.speaker_pipe {{ type file file "{spoken}" format "raw" slave {{ pcm "null" }} }}
"""
PHRASE = "Attention. Somebody is in front of the wall."
POLICIES = f"""\
  - {{id: somebody, ask: Is somebody there?, sensors: [wall], senses: [sight], severity: critical, say: {PHRASE}, fallback: {{changed: 0.05}}}}
  - {{id: voice, ask: Does somebody speak?, sensors: [mic], severity: medium, fallback: {{loud: -30}}}}
"""
SENSORS = "  mic: {source: 'mic:room', window: {length: 2s, every: 1s, fps: 2, longest_side: 64}}\njudge:"

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(
        not all(map(shutil.which, ("espeak-ng", "aplay"))) or not SYSTEM.exists(), reason="apt-get install espeak-ng alsa-utils"
    ),
]


@dataclass
class Air:
    """Carries what the loudspeaker says to the microphone as fast as time goes by, with a quiet room around it."""

    folder: Path
    played: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def carry(self) -> None:
        spoken, heard = (os.open(self.folder / name, os.O_RDWR | os.O_NONBLOCK) for name in ("spoken", "heard"))
        fcntl.fcntl(heard, fcntl.F_SETPIPE_SZ, 4096)
        fcntl.fcntl(spoken, fcntl.F_SETPIPE_SZ, 8192)  # with less room, a writer of whole pages would wait for each to be read
        noise, begin_s, count = np.random.default_rng(1), time.monotonic(), 0
        while not self.over.wait(max(0.0, begin_s + count / RATE_HZ - time.monotonic())):
            sound = noise.normal(0, 30, CHUNK)
            with suppress(BlockingIOError):  # nobody speaks
                said = os.read(spoken, 2 * CHUNK)
                self.played.append(said)
                sound[: len(said) // 2] += np.frombuffer(said[: len(said) // 2 * 2], np.int16)
            with suppress(BlockingIOError):  # nobody listens
                os.write(heard, sound.clip(-32768, 32767).astype(np.int16).tobytes())
            count += CHUNK
        os.close(spoken)
        os.close(heard)

    def sound(self) -> NDArray[np.float32]:
        """All that the loudspeaker was given."""
        return np.frombuffer(b"".join(self.played), np.int16).astype(np.float32) / 32768


@pytest.fixture
def air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Air]:
    for name in ("spoken", "heard"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "asound.conf").write_text(ROOM.format(system=SYSTEM, heard=tmp_path / "heard", spoken=tmp_path / "spoken"))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    air = Air(tmp_path)
    carrying = threading.Thread(target=air.carry)
    carrying.start()
    yield air
    air.over.set()
    carrying.join()


@contextmanager
def speaking(appliance: Appliance, heard_by: str) -> Iterator[None]:
    """The box, until it has spoken of the alarm."""
    appliance.more, appliance.sensors = POLICIES, SENSORS
    appliance.login = f"}}\n  speech: {{device: speaker, least: critical, heard_by: [{heard_by}]"
    appliance.start()
    delivered = 'omniwatch_deliveries_total{channel="speech",outcome="delivered"}'
    eventually(lambda: "omniwatch_build_info" in quietly(appliance), 20, "the box is up")
    eventually(lambda: appliance.figure(delivered) == 1, 30, "the alarm is spoken")
    yield
    appliance.stop()


def quietly(appliance: Appliance) -> str:
    try:
        return appliance.metrics_text()
    except OSError:
        return ""


def phrase(folder: Path) -> NDArray[np.float32]:
    """The phrase as espeak-ng speaks it, at 16 kHz."""
    file = folder / "phrase.wav"
    subprocess.run(["espeak-ng", "-v", "en", "-s", "160", "-w", str(file), PHRASE], check=True)
    with wave.open(str(file)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        at = np.arange(0, len(samples), sound.getframerate() / RATE_HZ)
    return np.interp(at, np.arange(len(samples)), samples / 32768).astype(np.float32)


def test_what_the_box_says_is_heard_by_people_and_raises_no_alarm(tmp_path: Path, appliance: Appliance, listener: Listener, air: Air) -> None:
    with speaking(appliance, "mic"):
        sound, known = air.sound(), phrase(tmp_path)
        seen = 'omniwatch_judgements_total{by="cues",cause="",policy="voice",verdict="no"}'
        before = appliance.figure(seen)
        eventually(lambda: appliance.figure(seen) >= before + 4, 20, "the microphone hears again")
        assert appliance.figure('omniwatch_sensor_process_muted_seconds{sensor="mic"}') == pytest.approx(len(known) / RATE_HZ + 2, abs=1)
        assert listener.events("somebody", "opened")
        assert not listener.events("voice", "opened")
        assert 'cause="own_voice",policy="voice"' in appliance.metrics_text()
    assert len(sound) == pytest.approx(len(known), abs=RATE_HZ / 4)
    size = 1 << (len(sound) + len(known)).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(known, size)))
    assert product.max() / (np.linalg.norm(sound) * np.linalg.norm(known)) > 0.7
    assert -25 < 20 * np.log10(max(float(np.sqrt(np.mean(block**2))) for block in np.array_split(sound, 30))) < -5


def test_a_microphone_that_is_not_said_to_hear_the_box_takes_it_for_somebody(appliance: Appliance, listener: Listener, air: Air) -> None:
    with speaking(appliance, ""):
        eventually(lambda: listener.events("voice", "opened"), 15, "the alarm of the microphone")
        assert air.played
