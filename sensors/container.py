"""Opening what FFmpeg reads: only what the table of sources allows, within bounds, and with its errors told without an address."""

import errno
import time
from dataclasses import dataclass

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from sensors.fault import FaultReason, SensorFault
from sensors.picture import MAX_PIXELS
from sensors.settings import SensorSettings, SoundUse
from sensors.sound import MAX_CHANNELS, MAX_RATE_HZ
from sensors.source import Opened
from sensors.sources import OPEN_S, SCHEMES, SOUND_CODECS, VIDEO_CODECS, Scheme, address, scheme_of
from sensors.window import Sense

REASONS: tuple[tuple[type[BaseException], FaultReason], ...] = (
    (av.ConnectionRefusedError, FaultReason.REFUSED),
    (av.HTTPUnauthorizedError, FaultReason.UNAUTHORIZED),
    (av.HTTPForbiddenError, FaultReason.UNAUTHORIZED),
    (av.PermissionError, FaultReason.UNAUTHORIZED),
    (av.HTTPNotFoundError, FaultReason.NOT_FOUND),
    (av.FileNotFoundError, FaultReason.NOT_FOUND),
    (av.ExitError, FaultReason.TIMEOUT),
    (av.TimeoutError, FaultReason.TIMEOUT),
    (av.ConnectionResetError, FaultReason.ENDED),
    (av.BrokenPipeError, FaultReason.ENDED),
    (av.DecoderNotFoundError, FaultReason.UNSUPPORTED),
    (av.DemuxerNotFoundError, FaultReason.UNSUPPORTED),
    (av.ProtocolNotFoundError, FaultReason.UNSUPPORTED),
    (av.InvalidDataError, FaultReason.UNSUPPORTED),
    (av.ArgumentError, FaultReason.UNSUPPORTED),
)
UNNAMED = errno.EPERM
"""Parts of FFmpeg that fail without saying why return -1, which reads as "operation not permitted"; so does what a firewall forbids."""
PATIENT = 0.9
WHILE_OPEN = {FaultReason.TIMEOUT: FaultReason.STALLED, FaultReason.UNSUPPORTED: FaultReason.BROKEN}
"""What the same errors mean once it has been open."""


def fault_of(error: av.FFmpegError, *, was_open: bool) -> SensorFault:
    """FFmpeg's error as a fault. Its own text would hold the address, and with it the password: only the error's name is kept."""
    if error.errno == UNNAMED:
        return SensorFault(FaultReason.BROKEN, "FFmpeg does not say why, or this machine forbids it")
    reason = next((reason for kind, reason in REASONS if isinstance(error, kind)), FaultReason.BROKEN)
    if was_open:
        reason = WHILE_OPEN.get(reason, reason)
    return SensorFault(reason, error.strerror or type(error).__name__)


def scheme_for(settings: SensorSettings) -> Scheme:
    """How its source is opened; SensorFault where it is none of the table."""
    scheme = SCHEMES.get(scheme_of(settings.source))
    if scheme is None:
        raise SensorFault(FaultReason.UNSUPPORTED, f"no source is called {scheme_of(settings.source)[:20]!r}")
    return scheme


def opened(settings: SensorSettings, username: str | None, password: str | None) -> InputContainer:
    """The open container; SensorFault where it cannot be had."""
    scheme, stall_s = scheme_for(settings), settings.stall_after_s
    # FFmpeg hands decoders' options to those that look into the streams while they are opened.
    options = {**scheme.options, "max_pixels": str(MAX_PIXELS), "threads": "1"}
    if scheme.live:
        options["timeout"] = str(int(stall_s * 1e6))
    begin_s = time.monotonic()
    try:
        return av.open(address(settings.source, username, password), format=scheme.format, options=options, timeout=(OPEN_S, stall_s))
    except av.FFmpegError as error:
        took_s = time.monotonic() - begin_s
        if scheme.live and took_s >= PATIENT * min(stall_s, OPEN_S):
            # A camera that falls silent while it is opened is told by FFmpeg as one that sends invalid data.
            raise SensorFault(FaultReason.TIMEOUT, f"it did not say what it sends within {took_s:.0f} s") from None
        raise fault_of(error, was_open=False) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """The picture and the sound of a container that are read, within bounds."""

    video: VideoStream | None
    audio: AudioStream | None
    detail: str = ""
    """Why the sound is not taken, where there is some."""

    @classmethod
    def of(cls, container: InputContainer, settings: SensorSettings) -> "Tracks":
        """The first of each; SensorFault where they are not taken, before a frame of theirs is decoded."""
        # A song's cover is a picture too, but nothing to watch.
        videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        audios = container.streams.audio if settings.sound is not SoundUse.OFF else ()
        video, audio = next(iter(videos), None), next(iter(audios), None)
        if video is None and audio is None:
            raise SensorFault(FaultReason.UNSUPPORTED, "neither picture nor sound in it")
        if video is not None:
            _check_video(video)
        if audio is None or not (problem := _problem_of(audio)):
            return cls(video=video, audio=audio)
        if video is None:
            raise SensorFault(FaultReason.UNSUPPORTED, problem)
        return cls(video=video, audio=None, detail=problem)  # better a deaf camera than none: its windows say that they have no sound

    def opened(self) -> Opened:
        """What they are."""
        video, audio = self.video, self.audio
        senses = ({Sense.SIGHT} if video else set()) | ({Sense.SOUND} if audio else set())
        return Opened(
            senses=frozenset(senses),
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            fps=float(video.average_rate or 0) if video else 0.0,
            codec=video.codec_context.name if video else "",
            sound_codec=audio.codec_context.name if audio else "",
            sound_rate_hz=audio.codec_context.sample_rate if audio else 0,
            detail=self.detail,
        )


def _check_video(video: VideoStream) -> None:
    # The type stubs do not say that there is no decoder for what the whitelist left out.
    context = video.codec_context
    if context is None or context.name not in VIDEO_CODECS:
        name = context.name if context else "an unknown codec"
        raise SensorFault(FaultReason.UNSUPPORTED, f"the picture is {name}, which is not taken; set the camera to H.264 or H.265")
    if context.width * context.height > MAX_PIXELS:
        raise SensorFault(FaultReason.UNSUPPORTED, f"a picture of {context.width}x{context.height} is too large; take the camera's smaller stream")
    context.thread_count = 1
    context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}


def _problem_of(audio: AudioStream) -> str:
    """Why the sound is not taken; nothing where it is."""
    context = audio.codec_context
    if context is None or context.name not in SOUND_CODECS:
        name = context.name if context else "of an unknown codec"
        return f"the sound is {name}, which is not taken; set the camera to G.711 or AAC"
    if context.sample_rate > MAX_RATE_HZ or context.layout.nb_channels > MAX_CHANNELS:
        return f"sound of {context.sample_rate} Hz and {context.layout.nb_channels} channels is not taken"
    return ""
