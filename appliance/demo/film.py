"""Writes a film, pictures and sound, as an MP4. It knows codecs, and nothing of what the film shows."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from appliance.demo.brush import Picture
from appliance.demo.noises import RATE_HZ, Wave

VIDEO_CODECS = ("libx264", "libopenh264", "mpeg4")
"""The first of these that FFmpeg inside PyAV has is used: H.264 where it can be, for that is what cameras send."""
SOUND_FRAME = 1024


def write(path: Path, pictures: Iterable[Picture], wave: Wave, fps: int, *, crf: int = 20) -> str:
    """Write the film to `path`, the smaller the higher `crf`; the name of the video codec that was used."""
    codec = next(name for name in VIDEO_CODECS if name in av.codecs_available)
    frames = iter(pictures)
    first = next(frames)
    with av.open(str(path), "w", format="mp4") as container:
        options = {"preset": "veryfast", "crf": str(crf), "bf": "0"} if codec == "libx264" else {}
        video = container.add_stream(codec, rate=fps, options=options)
        assert isinstance(video, VideoStream)  # noqa: S101  # add_stream returns the union of all kinds
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = 2 * fps
        video.bit_rate = 2_000_000 if codec != "libx264" else 0
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        assert isinstance(sound, AudioStream)  # noqa: S101
        sound.bit_rate = 96_000
        _mux(container, video, _all(first, frames), fps)
        for at in range(0, len(wave), SOUND_FRAME):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[None, at : at + SOUND_FRAME]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return codec


def _all(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _mux(container: av.container.OutputContainer, video: VideoStream, pictures: Iterator[Picture], fps: int) -> None:
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
