from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.assembly import Assembly
from sensors.clock import BoxTime
from sensors.holds import Holds
from sensors.microphone import feed
from sensors.moment import NANOSECONDS, BootId
from sensors.news import SensorCondition
from sensors.recorder import Recorder
from sensors.slots import SlotLayout, Slots, create
from sensors.source import Opened
from sensors.window import Sense, Window
from tests.sensors.harness import running, settings_for

TONE_HZ, LEVEL = 440, 8000


def tone(begin: int, count: int, rate_hz: int) -> NDArray[np.int16]:
    return (LEVEL * np.sin(2 * np.pi * TONE_HZ * np.arange(begin, begin + count) / rate_hz)).astype(np.int16)


def test_a_microphone_that_is_not_there_fills_no_log(tmp_path: Path) -> None:
    with running(settings_for("mic:nowhere"), tmp_path) as sensor:
        sensor.wait_for(SensorCondition.LOST)
        assert not sensor.errors()


@dataclass
class Listener(BoxTime):
    """A box whose time goes on with what it hears, and the sink of that."""

    rate_hz: int
    seconds: float
    lost_at_s: float = 1e9
    """Here half a second of sound is lost: a box that was too busy to read."""
    at_s: float = 5000.0
    read_samples: int = 0
    epochs: list[frozenset[Sense]] = field(default_factory=list)
    told: list[tuple[Window, NDArray[np.float32]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """With an assembly of its own."""
        super().__init__(BootId("set"))
        self.recorder: Recorder | None = None
        settings = settings_for("mic:script", slots=50)
        slots = Slots(SlotLayout.of(settings), create(SlotLayout.of(settings)), writable=True)
        out = lambda window: self.told.append((window, slots.window_sound(window.slots)))  # noqa: E731
        self.assembly = Assembly(settings, slots, holds=Holds(settings.slots), moment=self.moment, out=out)

    def now_ns(self) -> int:
        return round(self.at_s * NANOSECONDS)

    def opened(self, what: Opened) -> None:
        self.epochs.append(what.senses)
        self.assembly.begin(what.senses)

    def progress(self) -> None:
        pass

    def read(self, num_frames: int, exception_on_overflow: bool = True) -> bytes:  # noqa: FBT001, FBT002 - PyAudio's signature
        assert not exception_on_overflow
        if self.read_samples >= self.seconds * self.rate_hz:
            raise OSError("unplugged")
        samples = tone(self.read_samples, num_frames, self.rate_hz)
        self.read_samples += num_frames
        self.at_s += num_frames / self.rate_hz
        if self.read_samples / self.rate_hz >= self.lost_at_s:
            self.at_s, self.lost_at_s = self.at_s + 0.5, 1e9
        return samples.tobytes()


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_sound_of_any_rate_becomes_whole_windows_at_the_time_it_was_made(rate_hz: int) -> None:
    listener = Listener(rate_hz=rate_hz, seconds=8)
    with pytest.raises(OSError, match="unplugged"):
        feed(listener, rate_hz, listener, listener)
    assert listener.epochs == [frozenset({Sense.SOUND})]
    assert len(listener.told) >= 5
    for window, sound in listener.told:
        assert window.senses == {Sense.SOUND}
        begins_s = window.start.boot_ns / NANOSECONDS - 5000.0
        made = LEVEL / 32768 * np.sin(2 * np.pi * TONE_HZ * (begins_s + np.arange(len(sound)) / 16_000))
        assert np.corrcoef(made, sound)[0, 1] > 0.99  # 0.1 ms off at 440 Hz would be 0.96


def test_samples_that_were_lost_are_seen_by_the_clock_and_begin_a_new_epoch() -> None:
    listener = Listener(rate_hz=16_000, seconds=40, lost_at_s=10)
    with pytest.raises(OSError, match="unplugged"):
        feed(listener, 16_000, listener, listener)
    assert listener.assembly.figures.jumps == 1
    window, sound = listener.told[-1]
    ended_s = listener.at_s - window.end.boot_ns / NANOSECONDS
    assert 0.0 <= ended_s <= 1.1  # and not half a second too early for ever
    assert len(sound) == 32_000
