"""The box's own voice is taken out of what is judged, for its span alone: real espeak-ng and a real room through the real assembly."""

import os
import shutil
import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.assembly import Assembly
from sensors.clock import RecordingTime
from sensors.holds import Holds
from sensors.moment import NANOSECONDS
from sensors.mute import HOUR_S, MOST, OwnVoice
from sensors.news import Mute, SensorCondition
from sensors.picture import Frame
from sensors.settings import WindowShape
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, Window
from tests.sensors.harness import REPLAY, Scene, record, running, settings_for

RATE_HZ = 16_000
BLOCK = 1600
BOTH, SOUND = frozenset(Sense), frozenset({Sense.SOUND})


@dataclass(frozen=True)
class Plain:
    """A picture of one grey, with a white square in it while something is there."""

    white: bool

    def luma(self) -> NDArray[np.uint8]:
        return self.rgb()[:, :, 0]

    def rgb(self) -> NDArray[np.uint8]:
        picture = np.full((96, 160, 3), 90, np.uint8)
        if self.white:
            picture[30:80, 40:110] = 240
        return picture


@dataclass
class Heard:
    """What windows of 2 s, one a second, said of a sound."""

    windows: list[Window] = field(default_factory=list)
    sounds: list[NDArray[np.float32]] = field(default_factory=list)

    def between(self, begin_s: float, end_s: float) -> list[Window]:
        """Windows that share something with a span."""
        return [one for one in self.windows if one.end.boot_ns > begin_s * NANOSECONDS and one.start.boot_ns < end_s * NANOSECONDS]

    def most(self, name: str) -> float:
        """The highest figure of a cue, over all windows that have it."""
        return max(figure for one in self.windows if (figure := getattr(one.views[0].cues, name)) is not None)


@contextmanager
def assembled(heard: Heard, senses: frozenset[Sense]) -> Iterator[Assembly]:
    settings = settings_for("file:x", slots=8, window=WindowShape(length_s=2, every_s=1, fps=2, longest_side=160))
    layout = SlotLayout.of(settings)
    memory = create(layout)
    slots, holds = Slots(layout, memory, writable=True), Holds(8)
    os.close(memory)

    def take(window: Window) -> None:
        heard.windows.append(window)
        heard.sounds.append(slots.window_sound(window.slots))
        holds.release(window.id)

    assembly = Assembly(settings, slots, holds=holds, moment=RecordingTime(REPLAY).moment, out=take)
    assembly.begin(senses)
    yield assembly
    slots.close()


def listened(sound: NDArray[np.float32], *mutes: Mute, frames: dict[int, Frame] | None = None) -> Heard:
    """The sound through a real assembly, 100 ms at a time, with ten frames a second where there are any."""
    heard = Heard()
    with assembled(heard, BOTH if frames else SOUND) as assembly:
        for mute in mutes:
            assembly.own_voice.told(mute)
        for number in range(len(sound) // BLOCK):
            at_ns = number * NANOSECONDS // 10
            if frames:
                assembly.picture(at_ns, frames[number])
            assembly.sound(at_ns, sound[number * BLOCK : (number + 1) * BLOCK])
    return heard


def read(path: Path) -> NDArray[np.float32]:
    """A WAV of 16 bits, its first channel, at 16 kHz."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())[:, 0]
        at = np.arange(0, len(samples), file.getframerate() / RATE_HZ)
    return np.interp(at, np.arange(len(samples)), samples / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def announcement(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """What espeak-ng makes of a sentence, at 16 kHz."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    file = tmp_path_factory.mktemp("voice") / "announcement.wav"
    subprocess.run(["espeak-ng", "-w", str(file), "Attention. Person in the press cell."], check=True)
    return read(file)


@pytest.fixture
def room(recordings: Path) -> NDArray[np.float32]:
    """30 s of a real, quiet room."""
    return np.resize(read(recordings / "room_tone.wav"), 30 * RATE_HZ)


def spans(begin_s: float, end_s: float, number: int = 1) -> Mute:
    return Mute(number=number, start_boot_ns=round(begin_s * NANOSECONDS), end_boot_ns=round(end_s * NANOSECONDS))


def test_an_announcement_stirs_every_cue_of_sound_unless_it_is_known_to_be_our_own(
    room: NDArray[np.float32], announcement: NDArray[np.float32]
) -> None:
    begin_s, length_s = 15.3, len(announcement) / RATE_HZ
    mixed = room.copy()
    mixed[round(begin_s * RATE_HZ) :][: len(announcement)] += announcement
    plain, alarmed, muted = listened(room), listened(mixed), listened(mixed, spans(begin_s - 0.2, begin_s + length_s + 1))
    assert alarmed.most("onset") > 7
    assert plain.most("onset") < 1
    assert alarmed.most("loud") > -20
    assert plain.most("loud") < -30
    assert muted.most("onset") <= plain.most("onset") + 0.5
    assert muted.most("loud") <= plain.most("loud") + 0.5
    assert muted.most("digital_silence") == 0  # the silence that we put there is no dead microphone


def test_windows_say_how_much_of_their_sound_was_our_own_voice(room: NDArray[np.float32]) -> None:
    heard = listened(room, spans(10.0, 13.5))
    by_start = {one.start.boot_ns // NANOSECONDS: one for one in heard.windows}
    assert by_start[7].own_voice == 0
    assert by_start[9].own_voice == pytest.approx(0.5)
    assert by_start[9].senses == SOUND  # half of it was heard
    assert by_start[10].own_voice == 1
    assert by_start[10].senses == frozenset()  # and yet there is a window, for which every policy gets a word
    assert by_start[10].views[0].cues.loud is None
    assert by_start[13].own_voice == pytest.approx(0.25)
    assert by_start[14].own_voice == 0


def test_the_sound_is_silent_for_the_span_alone_and_has_no_edges() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(30 * RATE_HZ) / RATE_HZ).astype(np.float32)
    heard = listened(tone, spans(10.25, 11.5))
    (window,) = [number for number, one in enumerate(heard.windows) if one.start.boot_ns == 10 * NANOSECONDS]
    sound, whole = heard.sounds[window], tone[10 * RATE_HZ : 12 * RATE_HZ]
    assert np.array_equal(sound[: RATE_HZ // 4], whole[: RATE_HZ // 4])
    assert not sound[RATE_HZ // 4 + 160 : RATE_HZ * 3 // 2 - 160].any()
    assert np.array_equal(sound[RATE_HZ * 3 // 2 :], whole[RATE_HZ * 3 // 2 :])
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(tone)).max() * 1.1


def test_a_flash_under_an_announcement_is_seen(room: NDArray[np.float32]) -> None:
    frames: dict[int, Frame] = {number: Plain(white=160 <= number < 165) for number in range(300)}
    heard = listened(room, spans(14.0, 20.0), frames=frames)
    (window,) = [one for one in heard.windows if one.start.boot_ns == 15 * NANOSECONDS]
    assert (window.own_voice, window.senses) == (1, {Sense.SIGHT})
    assert window.views[0].cues.motion is not None
    assert window.views[0].cues.motion > 0.1
    assert window.views[0].cues.loud is None


def test_a_scream_after_an_announcement_is_heard(room: NDArray[np.float32]) -> None:
    screamed = room.copy()
    screamed[20 * RATE_HZ : 21 * RATE_HZ] += np.random.default_rng(1).normal(0, 0.2, RATE_HZ).astype(np.float32)
    heard = listened(screamed, spans(14.0, 17.0))
    assert heard.most("onset") > 15


def test_an_announcement_that_ends_sooner_or_later_than_was_thought_is_corrected() -> None:
    voice, block = OwnVoice(), np.ones(BLOCK, np.float32)
    voice.told(spans(0, 2))
    assert voice.taken_out(0, block)[1].all()
    voice.told(spans(0, 0.5))
    assert not voice.taken_out(RATE_HZ, block)[1].any()
    voice.told(spans(0, 3))
    assert voice.taken_out(2 * RATE_HZ, block)[1].all()


def test_no_more_than_a_tenth_of_any_hour_is_muted_whatever_the_supervisor_says() -> None:
    voice, block = OwnVoice(), np.ones(BLOCK, np.float32)
    voice.told(spans(0, 1e6))
    muted = [bool(voice.taken_out(number * BLOCK, block)[1].any()) for number in range(3 * HOUR_S * 10)]
    hour = HOUR_S * 10
    sums = np.cumsum([0, *muted])
    assert (sums[hour:] - sums[:-hour]).max() == hour // 10
    assert sums[hour] == hour // 10
    assert sum(muted) >= 3 * hour // 10 - 30  # and in every hour anew
    assert voice.muted == sum(muted) * BLOCK <= 3 * MOST
    assert voice.muted + voice.over == len(muted) * BLOCK


def test_a_process_that_is_told_of_an_announcement_mutes_it_and_says_how_much(tmp_path: Path) -> None:
    file = record(tmp_path / "room.mp4", Scene(seconds=8.0, at_s=(3.2,)))
    with running(settings_for(f"file:{file}", replay=REPLAY), tmp_path) as plain:
        assert max(np.abs(seen.sound).max() for seen in plain.read_to_the_end()) > 0.25
    with running(settings_for(f"file:{file}"), tmp_path) as sensor:
        online = sensor.wait_for(SensorCondition.ONLINE)
        assert online.sound_codec
        sensor.mute(Mute(number=1, start_boot_ns=0, end_boot_ns=1 << 62))
        known = len(sensor.seen)
        sensor.read_until(lambda: len(sensor.seen) >= known + 5)
        sensor.read_until(lambda: sensor.figures is not None and sensor.figures.muted_s > 2)
        last = sensor.seen[-1]
    assert last.window.own_voice == 1
    assert last.window.senses == {Sense.SIGHT}
    assert not last.sound.any()
