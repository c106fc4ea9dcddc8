"""Local microphones, through PyAudio (PortAudio): sound without pictures, timed by the count of its samples."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import pyaudio

from sensors.clock import DEVICE, BoxTime, SourceClock
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS
from sensors.settings import SAMPLE_RATE_HZ, SensorSettings
from sensors.sound import Resampler
from sensors.source import Opened, Sink
from sensors.window import Sense

ALSA_CONFIG = "/usr/share/alsa/alsa.conf"
CHUNK_S = 0.1


class MicrophoneSource:
    """One input device by name. A read of it cannot be given a timeout: one that hangs ends with the process, at its stall limit."""

    def __init__(self, settings: SensorSettings, box: BoxTime) -> None:
        """`mic:default`, or `mic:` and a part of a device's name as `omniwatch doctor` lists them."""
        self._name = settings.source.removeprefix("mic:")
        self._box = box

    def run_once(self, sink: Sink) -> None:
        """Open, and feed until it gives out."""
        os.environ.setdefault("ALSA_CONFIG_PATH", ALSA_CONFIG)
        with _without_chatter():
            audio = pyaudio.PyAudio()
        try:
            device, own_rate_hz = self._device(audio)
            rate_hz, stream = self._open(audio, device, own_rate_hz)
            try:
                feed(stream, rate_hz, self._box, sink)
            finally:
                if sink.recorder:
                    sink.recorder.end()
                stream.close()
        except OSError as error:
            raise SensorFault(FaultReason.BROKEN, f"the microphone {self._name}: {error.args[0] if error.args else error}") from None
        finally:
            audio.terminate()

    def _device(self, audio: pyaudio.PyAudio) -> tuple[int, int]:
        """The number and own rate of the device whose name it is, or holds it."""
        devices = [audio.get_device_info_by_index(index) for index in range(audio.get_device_count())]
        inputs = [device for device in devices if int(device["maxInputChannels"]) > 0]
        for fits in (lambda name: name == self._name, lambda name: self._name in name):
            for device in inputs:
                if fits(str(device["name"])):
                    return int(device["index"]), int(device["defaultSampleRate"])
        there = ", ".join(str(device["name"]) for device in inputs) or "none"
        raise SensorFault(FaultReason.NOT_FOUND, f"no microphone {self._name!r}; there is {there}")

    def _open(self, audio: pyaudio.PyAudio, device: int, own_rate_hz: int) -> "tuple[int, pyaudio.Stream]":
        """At 16 kHz where the device takes that, else at its own rate."""
        for rate_hz in (SAMPLE_RATE_HZ, own_rate_hz):
            try:
                chunk = round(rate_hz * CHUNK_S)
                options = {"rate": rate_hz, "channels": 1, "format": pyaudio.paInt16, "input": True}
                with _without_chatter():
                    return rate_hz, audio.open(**options, input_device_index=device, frames_per_buffer=chunk)
            except (OSError, ValueError) as error:
                problem = error
        raise SensorFault(FaultReason.BUSY, f"the microphone {self._name} cannot be opened: {problem}")


class Readable(Protocol):
    """An open input of PortAudio, mono and of 16 bits."""

    def read(self, num_frames: int, exception_on_overflow: bool = True) -> bytes:  # noqa: FBT001, FBT002 - PyAudio's signature
        """So many samples; waits for them."""
        ...


def feed(stream: Readable, rate_hz: int, box: BoxTime, sink: Sink) -> None:
    """Pass on what it hears until a read fails: OSError then."""
    clock, resampler, count, jumps = SourceClock(DEVICE), Resampler(), 0, 0
    if sink.recorder:
        sink.recorder.begin_sound(rate_hz)
    while True:
        samples = np.frombuffer(stream.read(round(rate_hz * CHUNK_S), exception_on_overflow=False), np.int16)
        end_ns = clock.at_ns("sound", (count + len(samples)) * NANOSECONDS // rate_hz, box.now_ns())
        if count == 0:
            sink.opened(Opened(senses=frozenset({Sense.SOUND}), sound_codec="pcm_s16le", sound_rate_hz=rate_hz))
        if clock.jumps != jumps:
            jumps = clock.jumps
            sink.assembly.jumped()
        sink.progress()
        if sink.recorder:
            sink.recorder.samples(samples.tobytes(), count * NANOSECONDS // rate_hz, len(samples) * NANOSECONDS // rate_hz)
        if end_ns is not None:
            begin_ns = end_ns - len(samples) * NANOSECONDS // rate_hz
            for later_ns, some in resampler.feed_samples(samples, rate_hz, count):
                sink.assembly.sound(begin_ns + later_ns, some)
        count += len(samples)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """ALSA writes pages to the standard error for every device that it tries, at every opening of a microphone that is not there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
