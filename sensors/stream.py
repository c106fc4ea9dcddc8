"""Network cameras and files, through PyAV: picture and sound of one source from one demuxer, placed by their presentation times.

A read can hang for ever and a server that dies gives no error, so there are two timeouts, and an end of a live source is a fault.
"""

from dataclasses import dataclass

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sensors.clock import BoxTime
from sensors.container import Tracks, fault_of, opened, scheme_for
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS
from sensors.pace import Pace, pace_of
from sensors.picture import MAX_PIXELS
from sensors.settings import SensorSettings
from sensors.sound import Resampler
from sensors.source import Sink

MAX_BAD_IN_A_ROW = 200
"""Damaged packets come with every lost one; so many in a row are no picture any more."""
MAX_FPS = 240
AAC_DELAY = 1600
"""Samples by which AAC encoders are late (FFmpeg's 1024, voaacenc 1600, FDK 2048, Apple's 2112). A file says so itself; a camera cannot."""
FIRST_NS = 30 * NANOSECONDS
"""The longest groups of pictures that thrifty cameras make are 20 s: a whole picture comes within this, or never."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"})


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """A decoded frame of PyAV."""

    frame: VideoFrame

    def luma(self) -> NDArray[np.uint8]:
        """The luma plane itself where the format has one of 8 bits, else a conversion."""
        if self.frame.format.name in PLANAR:
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
        self._username, self._password = username, password
        self._box = box

    def run_once(self, sink: Sink) -> None:
        """Open, and feed until it gives out."""
        settings, box = self._settings, self._box
        live = scheme_for(settings).live
        with opened(settings, self._username, self._password) as container:
            pace = pace_of(settings, (container.start_time or 0) * 1000, box)
            freshness = Freshness(settings.stall_after_s, box) if live else None
            decodes = settings.segments is None or not settings.segments.only
            reading = _Reading(container, Tracks.of(container, settings), sink, pace=pace, freshness=freshness, decodes=decodes)
            try:
                reading.run()
            except av.FFmpegError as error:
                raise fault_of(error, was_open=True) from None
        if settings.replay is None:
            raise SensorFault(FaultReason.ENDED, "the source ended")


class Freshness:
    """Tells a live stream that has died although packets come: their times stand still, or the picture's do while the sound goes on."""

    def __init__(self, stall_after_s: float, box: BoxTime) -> None:
        """Fresh now."""
        self._stall_ns = round(stall_after_s * NANOSECONDS)
        self._box = box
        self._opened_ns = self._any_ns = box.now_ns()
        self._newest: dict[bool, int] = {}
        self._picture_ns: int | None = None

    def packet(self, packet: "Packet[Stream]", *, picture: bool) -> bool:
        """Note a packet; whether it is fresh. SensorFault where nothing has been for too long.

        Also where this one is fresh, but late: from a camera that hangs, FFmpeg hands out one last packet after the time for a read
        is over, and would then wait as long again.
        """
        now_ns = self._box.now_ns()
        if now_ns - self._any_ns > self._stall_ns:
            raise SensorFault(FaultReason.STALLED, f"nothing fresh came for {self._stall_ns / NANOSECONDS:g} s: it hangs, or its times stand still")
        fresh = packet.pts is not None and packet.pts != self._newest.get(picture)
        if fresh and packet.pts is not None:
            self._newest[picture] = packet.pts
            self._any_ns = now_ns
            self._picture_ns = now_ns if picture else self._picture_ns
        if self._picture_ns is not None and now_ns - self._picture_ns > self._stall_ns:
            raise SensorFault(FaultReason.STALLED, "the picture stands still while the sound goes on")
        return fresh

    def awaiting_first(self) -> None:
        """Nothing whole has been decoded yet: SensorFault where that takes too long."""
        if self._box.now_ns() - self._opened_ns > FIRST_NS:
            raise SensorFault(FaultReason.STALLED, "packets come, but no whole picture or sound is in them")


class _Reading:
    """One opening of one container."""

    def __init__(self, container: InputContainer, tracks: Tracks, sink: Sink, *, pace: Pace, freshness: Freshness | None, decodes: bool) -> None:
        self._container = container
        self._tracks = tracks
        self._sink = sink
        self._pace = pace
        self._freshness = freshness
        self._decodes = decodes
        self._resampler = Resampler()
        self._delay = AAC_DELAY if freshness and tracks.audio and tracks.audio.codec_context.name == "aac" else 0
        self._bad = 0
        self._is_open = False
        self._jumps = 0
        self._had_keyframe = False
        self._picture_ns: int | None = None

    def run(self) -> None:
        """Feed until the container ends."""
        tracks, recorder = self._tracks, self._sink.recorder
        streams = [stream for stream in (tracks.video, tracks.audio) if stream is not None]
        if recorder:
            recorder.begin_streams(tracks.video, tracks.audio)
        try:
            for packet in self._container.demux(streams):
                self._note(packet)
                if recorder:
                    recorder.packet(packet)
                if self._decodes:
                    for frame in self._decoded(packet):
                        self._feed(frame)
                else:
                    self._pass(packet)
        finally:
            if recorder:
                recorder.end()
            self._sink.assembly.end()

    def _pass(self, packet: "Packet[Stream]") -> None:
        """Take note of a packet's time alone."""
        if packet.pts is not None and packet.time_base is not None:
            self._placed("picture" if packet.stream.type == "video" else "sound", round(packet.pts * packet.time_base * NANOSECONDS))

    def _note(self, packet: "Packet[Stream]") -> None:
        if self._freshness is None or self._freshness.packet(packet, picture=packet.stream.type == "video"):
            self._sink.progress()
        if self._freshness is not None and not self._is_open:
            self._freshness.awaiting_first()

    def _decoded(self, packet: "Packet[Stream]") -> list[VideoFrame | AudioFrame]:
        """The whole frames in a packet."""
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, VideoFrame | AudioFrame)]
        except av.FFmpegError:  # decoders have many numbers for it, and some none; none of them is the source's
            self._count_bad()
            return []
        whole: list[VideoFrame | AudioFrame] = [frame for frame in frames if not frame.is_corrupt]
        if whole:
            self._bad = 0
        elif frames:
            self._count_bad()
        return whole

    def _count_bad(self) -> None:
        self._bad += 1
        if self._bad > MAX_BAD_IN_A_ROW:
            raise SensorFault(FaultReason.BROKEN, f"{MAX_BAD_IN_A_ROW} damaged packets in a row")

    def _feed(self, frame: VideoFrame | AudioFrame) -> None:
        if frame.pts is None or frame.time_base is None:
            return
        pts_ns = frame.pts * frame.time_base.numerator * NANOSECONDS // frame.time_base.denominator
        if isinstance(frame, AudioFrame):
            self._sound(pts_ns, frame)
        elif self._is_wanted(pts_ns, frame):
            self._picture(pts_ns, frame)

    def _is_wanted(self, pts_ns: int, frame: VideoFrame) -> bool:
        """Not the grey that some decoders make up before the first keyframe, and no more frames a second than any camera has."""
        if frame.width * frame.height > MAX_PIXELS:
            raise SensorFault(FaultReason.UNSUPPORTED, f"a picture of {frame.width}x{frame.height} is too large; take the camera's smaller stream")
        self._had_keyframe = self._had_keyframe or bool(frame.key_frame)
        if not self._had_keyframe or (self._picture_ns is not None and 0 <= pts_ns - self._picture_ns < NANOSECONDS // MAX_FPS):
            return False
        self._picture_ns = pts_ns
        return True

    def _picture(self, pts_ns: int, frame: VideoFrame) -> None:
        at_ns = self._placed("picture", pts_ns)
        if at_ns is not None:
            self._sink.assembly.picture(at_ns, StreamFrame(frame))

    def _sound(self, pts_ns: int, frame: AudioFrame) -> None:
        pts_ns -= self._delay * NANOSECONDS // frame.sample_rate
        at_ns = self._placed("sound", pts_ns)
        for later_ns, samples in self._resampler.feed(frame):
            if at_ns is not None:
                self._sink.assembly.sound(at_ns + later_ns, samples)

    def _placed(self, stream: str, pts_ns: int) -> int | None:
        at_ns = self._pace.at_ns(stream, pts_ns)
        if at_ns is not None and not self._is_open:
            self._is_open = True
            self._sink.opened(self._tracks.opened())
        if self._pace.clock.jumps != self._jumps:
            self._jumps = self._pace.clock.jumps
            self._sink.assembly.jumped()
        return at_ns
