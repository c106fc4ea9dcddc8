"""The table of sources: which schemes there are, and what FFmpeg may do for each. Anything else is refused.

FFmpeg has had remote-code-execution faults in its rarer parts, so demuxers, protocols and codecs are lists of what is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, urlsplit, urlunsplit

VIDEO_CODECS = frozenset({"h264", "hevc", "mjpeg", "mpeg4"})
SOUND_CODECS = frozenset(
    "aac pcm_alaw pcm_mulaw pcm_s16le pcm_s16be pcm_s24le pcm_f32le opus mp3 mp3float flac vorbis g726 g726le".split()  # noqa: SIM905
)
"""Both by the names of FFmpeg's decoders."""
STREAM_CODECS = "h264,hevc,mjpeg,aac,pcm_alaw,pcm_mulaw,pcm_s16be,opus,g726,g726le"
OPEN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How one kind of source is opened through FFmpeg."""

    format: str | None
    """The demuxer; None: told by the content."""
    options: Mapping[str, str]
    live: bool
    """Its own clock runs whether we read or not."""


def _rtsp(protocols: str) -> Scheme:
    options = {
        "rtsp_transport": "tcp",
        "protocol_whitelist": protocols,
        "codec_whitelist": STREAM_CODECS,
        "allowed_media_types": "video+audio",
        "fpsprobesize": "2",  # else FFmpeg watches the first 20 frames just to tell their rate, at every reconnection
    }
    return Scheme(format="rtsp", options=MappingProxyType(options), live=True)


FILES = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,mpegts,avi,flac,mp3,ogg,aac"
SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "rtsp": _rtsp("rtsp,rtp,tcp,udp"),
        "rtsps": _rtsp("rtsp,rtsps,rtp,tcp,tls,udp,crypto"),
        "file": Scheme(
            format=None,
            options=MappingProxyType(
                {"protocol_whitelist": "file", "format_whitelist": FILES, "codec_whitelist": ",".join(sorted(VIDEO_CODECS | SOUND_CODECS))}
            ),
            live=False,
        ),
    }
)
"""Sources that FFmpeg opens. `v4l2:` and `mic:` are opened by OpenCV and PortAudio."""


def scheme_of(source: str) -> str:
    """What stands before the colon."""
    return source.partition(":")[0]


def address(source: str, username: str | None, password: str | None) -> str:
    """What FFmpeg is given: for a camera the URL with its credentials. It is to be made where it is used, and shown nowhere.

    A file keeps its `file:`, so that no name of one is read as the address of something else.
    """
    if scheme_of(source) == "file" or username is None:
        return source
    parts = urlsplit(source)
    login = f"{quote(username, safe='')}:{quote(password or '', safe='')}"  # without the colon FFmpeg would not log in at all
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
