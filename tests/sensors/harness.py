"""A supervisor's part for one sensor: a real sensor process on a real socket and real shared memory, and recordings made on the spot."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import numpy as np
from numpy.typing import NDArray

from sensors.main import HEARS, SAYS
from sensors.moment import BootId
from sensors.news import Mute, Release, SensorCondition, SensorFigures, SensorNews
from sensors.preview import Preview, PreviewShape, Show
from sensors.settings import Replay, SensorSettings, WindowShape
from sensors.slots import SlotLayout, Slots, create
from sensors.window import SensorId, ViewId, Window
from sensors.wire import MAX_DATAGRAM_BYTES, pair

SENSOR = SensorId("door")
REPLAY = Replay(start_utc_s=1_700_000_000.0, boot_id=BootId("recording"))
SHORT = WindowShape(length_s=2, every_s=1, fps=2, longest_side=160)
FPS = 10
RATE_HZ = 48_000
BACKGROUND, FLASH = 60, 235


def settings_for(source: str, **wants: object) -> SensorSettings:
    """A sensor with short windows; `wants` are fields of its settings."""
    plain = SensorSettings(sensor=SENSOR, source=source, window=SHORT, slots=12)
    return SensorSettings(**{name: wants.get(name, getattr(plain, name)) for name in SensorSettings.__dataclass_fields__})


@dataclass
class Seen:
    """A window with copies of what lay in its slots when it was told."""

    window: Window
    frames: NDArray[np.uint8] | None
    sound: NDArray[np.float32]


@dataclass
class SensorProcess:
    """A running sensor process. What it says is kept."""

    settings: SensorSettings
    process: subprocess.Popen[bytes]
    end: socket.socket
    slots: Slots
    stderr: IO[bytes]
    news: list[SensorNews] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    figures: SensorFigures | None = None
    previews: list[Preview] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    releases: bool = True

    def read_until(self, done: Callable[[], bool], within_s: float = 20.0) -> None:
        """Take what it says until `done`, releasing every window at once."""
        deadline = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.end, selectors.EVENT_READ)
            while not done():
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise AssertionError(f"not within {within_s} s: {self.news[-3:]}, {len(self.seen)} windows, {self.figures}, {self.errors()}")
                self.hear()

    def hear(self) -> None:
        """Take the next thing it says."""
        data = self.end.recv(MAX_DATAGRAM_BYTES + 1)
        if not data:
            raise AssertionError(f"it ended with {self.process.wait(5)}: {self.errors()}")
        self.said.append(data)
        self._take(SAYS.decode(data))

    def _take(self, message: Window | SensorNews | SensorFigures | Preview) -> None:
        if isinstance(message, SensorNews):
            self.news.append(message)
        elif isinstance(message, SensorFigures):
            self.figures = message
        elif isinstance(message, Preview):
            self.previews.append(message)
        else:
            whole = message.view(ViewId(SENSOR))
            frames = self.slots.window_frames(message.slots, whole.id, whole.height, whole.width) if whole.height else None
            self.seen.append(Seen(window=message, frames=frames, sound=self.slots.window_sound(message.slots)))
            if self.releases:
                self.release(message)

    def release(self, window: Window) -> None:
        """Its slots are needed no longer."""
        self.end.send(HEARS.encode(Release(windows=(window.id,))))

    def mute(self, mute: Mute) -> None:
        """The box speaks."""
        self.end.send(HEARS.encode(mute))

    def show(self, shape: PreviewShape | None) -> None:
        """Somebody looks on, or no longer."""
        self.end.send(HEARS.encode(Show(shape=shape)))

    def read_to_the_end(self, within_s: float = 20.0) -> list[Seen]:
        """All windows of a recording."""
        self.read_until(lambda: bool(self.news) and self.news[-1].condition in (SensorCondition.ENDED, SensorCondition.LOST), within_s)
        return self.seen

    def wait_for(self, condition: SensorCondition, within_s: float = 20.0) -> SensorNews:
        """The next news of this condition, counted from now; and how long it took stays with the caller."""
        known = len(self.news)
        self.read_until(lambda: any(news.condition is condition for news in self.news[known:]), within_s)
        return self.news[-1]

    def errors(self) -> str:
        """What it wrote to its standard error so far."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


@contextmanager
def running(settings: SensorSettings, folder: Path, *, secret: Mapping[str, str] | None = None) -> Iterator[SensorProcess]:
    """A sensor process that has been told its settings."""
    layout = SlotLayout.of(settings)
    memory = create(layout)
    slots = Slots(layout, memory, writable=False)
    ours, theirs = pair()
    descriptors = {"socket": theirs.fileno(), "slots": memory}
    if secret:
        reading, writing = os.pipe()
        os.write(writing, json.dumps(secret).encode())
        os.close(writing)
        descriptors["secret"] = reading
    arguments = [word for name, number in descriptors.items() for word in (f"--{name}", str(number))]
    with (folder / "stderr.txt").open("w+b") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "sensors.main", *arguments], pass_fds=tuple(descriptors.values()), stderr=stderr)
        theirs.close()
        for name in ("slots", "secret"):
            if name in descriptors:
                os.close(descriptors[name])
        ours.send(HEARS.encode(settings))
        try:
            yield SensorProcess(settings=settings, process=process, end=ours, slots=slots, stderr=stderr)
        finally:
            ours.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait(5)
                raise


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a made-up recording holds: a grey room in which it flashes and clicks at some instants, to the frame."""

    seconds: float = 6.0
    at_s: tuple[float, ...] = (3.2,)
    size: tuple[int, int] = (160, 96)
    codec: str = "libx264"
    sound_codec: str = "aac"
    fps: int = FPS
    rate_hz: int = RATE_HZ
    channels: int = 1
    times_s: tuple[float, ...] | None = None
    """When each frame is; evenly, where nothing is said."""
    sound_until_s: float | None = None
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"), ("tune", "zerolatency"), ("g", "10"))

    def flashes(self, at_s: float) -> bool:
        """Whether the frame at a time shows a flash: the frame of each instant, and no other."""
        return any(abs(at_s - flash) < 0.5 / self.fps for flash in self.at_s)

    def pictures(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Frames and when they are."""
        width, height = self.size
        times = self.times_s if self.times_s is not None else tuple(number / self.fps for number in range(round(self.seconds * self.fps)))
        for at_s in times:
            yield at_s, np.full((height, width, 3), FLASH if self.flashes(at_s) else BACKGROUND, np.uint8)

    def samples(self) -> NDArray[np.int16]:
        """Soft noise, in which each click is 20 ms of a loud 1 kHz tone."""
        seconds = self.seconds if self.sound_until_s is None else self.sound_until_s
        count = round(seconds * self.rate_hz)
        out = np.random.default_rng(1).normal(0, 20, count)
        for at_s in self.at_s:
            begin = round(at_s * self.rate_hz)
            tone = 20_000 * np.sin(2 * np.pi * 1000 * np.arange(self.rate_hz // 50) / self.rate_hz)
            out[begin : begin + len(tone)] += tone[: max(0, count - begin)]
        return out.astype(np.int16)


def record(file: Path, scene: Scene, *, picture: bool = True, sound: bool = True) -> Path:
    """Write the scene to a file, picture and sound in turn; the container is told by its name."""
    with av.open(str(file), "w") as container:
        video = container.add_stream(scene.codec, rate=scene.fps, options=dict(scene.options)) if picture else None
        audio = container.add_stream(scene.sound_codec, rate=scene.rate_hz, layout="stereo" if scene.channels > 1 else "mono") if sound else None
        if video is not None:
            video.width, video.height = scene.size
            video.pix_fmt = "yuvj420p" if scene.codec == "mjpeg" else "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
        frames: list[tuple[float, av.VideoFrame | av.AudioFrame]] = [*_video_frames(scene)] if video else []
        frames += _audio_frames(scene) if audio else []
        for _, frame in sorted(frames, key=lambda timed: timed[0]):
            encoder = video if isinstance(frame, av.VideoFrame) else audio
            container.mux(encoder.encode(frame))
        for encoder in (video, audio):
            if encoder is not None:
                container.mux(encoder.encode(None))
    return file


def _video_frames(scene: Scene) -> Iterator[tuple[float, av.VideoFrame]]:
    for at_s, pixels in scene.pictures():
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
        yield at_s, frame


def _audio_frames(scene: Scene) -> Iterator[tuple[float, av.AudioFrame]]:
    samples = scene.samples()
    for begin in range(0, len(samples), 960):
        some = np.repeat(samples[begin : begin + 960, None], scene.channels, axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(some, format="s16", layout="stereo" if scene.channels > 1 else "mono")
        frame.sample_rate, frame.pts, frame.time_base = scene.rate_hz, begin, Fraction(1, scene.rate_hz)
        yield begin / scene.rate_hz, frame


def click_s(sound: NDArray[np.float32]) -> float | None:
    """When the first click of a window begins, in seconds from its start."""
    loud = np.flatnonzero(np.abs(sound) > 0.25)
    return float(loud[0]) / 16_000 if len(loud) else None


def flash_frames(frames: NDArray[np.uint8]) -> list[int]:
    """Which frames of a window show a flash."""
    return [number for number, frame in enumerate(frames) if frame.mean() > (BACKGROUND + FLASH) / 2]
