"""Network cameras and files, through PyAV: picture and sound of one source from one demuxer, placed by their presentation times.

A read can hang for ever and a server that dies gives no error, so there are two timeouts, and an end of a live source is a fault.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sensors.clock import BoxTime, Jumped, SourceClock
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS
from sensors.picture import MAX_PIXELS
from sensors.settings import SensorSettings, SoundUse
from sensors.sound import MAX_CHANNELS, MAX_RATE_HZ, Resampler
from sensors.source import Opened, Sink
from sensors.sources import OPEN_S, SCHEMES, SOUND_CODECS, VIDEO_CODECS, address, scheme_of
from sensors.window import Sense

MAX_BAD_IN_A_ROW = 200
"""Damaged packets come with every lost one; so many in a row are no picture any more."""
MAX_FPS = 240

REASONS: tuple[tuple[type[BaseException], FaultReason], ...] = (
    (av.ConnectionRefusedError, FaultReason.REFUSED),
    (av.HTTPUnauthorizedError, FaultReason.UNAUTHORIZED),
    (av.HTTPForbiddenError, FaultReason.UNAUTHORIZED),
    (av.HTTPNotFoundError, FaultReason.NOT_FOUND),
    (av.FileNotFoundError, FaultReason.NOT_FOUND),
    (av.ExitError, FaultReason.TIMEOUT),
    (av.TimeoutError, FaultReason.TIMEOUT),
    (av.DecoderNotFoundError, FaultReason.UNSUPPORTED),
    (av.InvalidDataError, FaultReason.UNSUPPORTED),
    (av.ProtocolNotFoundError, FaultReason.UNSUPPORTED),
)


def fault_of(error: av.FFmpegError, *, was_open: bool) -> SensorFault:
    """FFmpeg's error as a fault. Its own text would hold the address, and with it the password: only the error's name is kept."""
    reason = next((reason for kind, reason in REASONS if isinstance(error, kind)), FaultReason.BROKEN)
    if was_open and reason is FaultReason.TIMEOUT:
        reason = FaultReason.STALLED
    return SensorFault(reason, error.strerror or type(error).__name__)


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """A decoded frame of PyAV."""

    frame: VideoFrame

    def luma(self) -> NDArray[np.uint8]:
        """The luma plane itself where the format has one of 8 bits, else a conversion."""
        if self.frame.format.name in ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "nv12", "gray"):
            plane = self.frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            return rows[: self.frame.height, : self.frame.width]
        return self.frame.to_ndarray(format="gray").astype(np.uint8, copy=False)

    def rgb(self) -> NDArray[np.uint8]:
        """uint8[H, W, 3]."""
        return self.frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


class StreamSource:
    """A source that FFmpeg reads."""

    def __init__(self, settings: SensorSettings, username: str | None, password: str | None, box: BoxTime) -> None:
        """Credentials are used at each opening, and shown nowhere."""
        self._settings = settings
        self._scheme = SCHEMES[scheme_of(settings.source)]
        self._username, self._password = username, password
        self._box = box

    def run_once(self, sink: Sink) -> None:
        """Open, and feed until it gives out."""
        stall_s = self._settings.stall_after_s
        options = {**self._scheme.options, **({"timeout": str(int(stall_s * 1e6))} if self._scheme.live else {})}
        url = address(self._settings.source, self._username, self._password)
        try:
            container = av.open(url, format=self._scheme.format, options=options, timeout=(OPEN_S, stall_s))
        except av.FFmpegError as error:
            raise fault_of(error, was_open=False) from None
        with container:
            try:
                _Reading(self._settings, container, self._pace(), sink).run()
            except av.FFmpegError as error:
                raise fault_of(error, was_open=True) from None
            except Jumped as jump:
                raise SensorFault(FaultReason.JUMPED, str(jump)) from None
        if self._settings.replay is None:
            raise SensorFault(FaultReason.ENDED, "the source ended")

    def _pace(self) -> "Pace":
        if self._settings.replay is not None:
            return Pace(map=lambda _stream, pts_ns: pts_ns, wait=lambda _at_ns: None)
        clock = SourceClock()
        wait = _no_wait if self._scheme.live else self._wait
        return Pace(map=lambda stream, pts_ns: clock.boot_ns(stream, pts_ns, self._box.now_ns()), wait=wait)

    def _wait(self, at_ns: int) -> None:
        """A file is played in real time, as a camera would."""
        ahead_s = (at_ns - self._box.now_ns()) / NANOSECONDS
        if ahead_s > 0:
            time.sleep(min(ahead_s, 1.0))


def _no_wait(_at_ns: int) -> None:
    """A live source sets its own pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Presentation times to the sensor's time, and how long to wait for it."""

    map: Callable[[str, int], int]
    wait: Callable[[int], None]


class _Reading:
    """One opening of one container."""

    def __init__(self, settings: SensorSettings, container: InputContainer, pace: Pace, sink: Sink) -> None:
        self._container = container
        self._pace = pace
        self._sink = sink
        self._stall_ns = round(settings.stall_after_s * NANOSECONDS)
        self._zero_ns = (container.start_time or 0) * 1000 if settings.replay is not None else 0
        self._video = container.streams.video[0] if container.streams.video else None
        self._audio = container.streams.audio[0] if container.streams.audio and settings.sound is not SoundUse.OFF else None
        self._resampler = Resampler()
        self._bad = 0
        self._seen: dict[str, int] = {}
        self._check()

    def _check(self) -> None:
        """Refuse what is not allowed before a single frame is decoded."""
        video, audio = self._video, self._audio
        if video is None and audio is None:
            raise SensorFault(FaultReason.UNSUPPORTED, "neither picture nor sound in it")
        if video is not None:
            if video.codec_context.name not in VIDEO_CODECS:
                raise SensorFault(FaultReason.UNSUPPORTED, f"the codec {video.codec_context.name} is not taken; set the camera to H.264 or H.265")
            if video.codec_context.width * video.codec_context.height > MAX_PIXELS:
                size = f"{video.codec_context.width}x{video.codec_context.height}"
                raise SensorFault(FaultReason.UNSUPPORTED, f"a picture of {size} is too large; take the camera's smaller stream")
            video.codec_context.thread_count = 1
        if audio is not None:
            context = audio.codec_context
            if context.name not in SOUND_CODECS or context.sample_rate > MAX_RATE_HZ or context.layout.nb_channels > MAX_CHANNELS:
                raise SensorFault(FaultReason.UNSUPPORTED, f"the sound {context.name} at {context.sample_rate} Hz is not taken")

    def run(self) -> None:
        """Feed until the container ends."""
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        self._sink.opened(self._opened())
        for packet in self._container.demux(streams):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                self._bad += 1
                if self._bad > MAX_BAD_IN_A_ROW:
                    raise
                continue
            for frame in frames:
                if isinstance(frame, VideoFrame | AudioFrame):
                    self._bad = 0
                    self._feed(frame)
        self._sink.assembly.end()

    def _opened(self) -> Opened:
        video, audio = self._video, self._audio
        senses = ({Sense.SIGHT} if video else set()) | ({Sense.SOUND} if audio else set())
        return Opened(
            senses=frozenset(senses),
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            fps=float(video.average_rate or 0) if video else 0.0,
            codec=video.codec_context.name if video else "",
            sound_codec=audio.codec_context.name if audio else "",
            sound_rate_hz=audio.codec_context.sample_rate if audio else 0,
        )

    def _feed(self, frame: VideoFrame | AudioFrame) -> None:
        if frame.pts is None or frame.time_base is None:
            return
        stream = "picture" if isinstance(frame, VideoFrame) else "sound"
        pts_ns = round(frame.pts * frame.time_base * NANOSECONDS) - self._zero_ns
        if isinstance(frame, VideoFrame) and pts_ns - self._seen.get(stream, -NANOSECONDS) < NANOSECONDS // MAX_FPS:
            return
        if pts_ns != self._seen.get(stream):
            self._seen[stream] = pts_ns
            self._sink.progress()
        at_ns = self._pace.map(stream, pts_ns)
        self._pace.wait(at_ns)
        if isinstance(frame, VideoFrame):
            self._sink.assembly.picture(at_ns, StreamFrame(frame))
        else:
            self._sound(at_ns, frame)

    def _sound(self, at_ns: int, frame: AudioFrame) -> None:
        for later_ns, samples in self._resampler.feed(frame):
            self._sink.assembly.sound(at_ns + later_ns, samples)
