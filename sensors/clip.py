"""A clip: a span of a sensor's time in one file that anybody can play, and a poster of its moment. It knows no alarm.

The camera's own packets go into fragmented MP4, which survives a power cut up to its last fragment; into its elder brother MOV where
MP4 cannot hold the sound as it came (G.711, raw samples): evidence is not transcoded. Only with masks is the picture encoded again.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sensors.cues import Box
from sensors.cut import MAX_REPEATS, PART, Cut, CutOrder
from sensors.footage import PICTURE, SOUND, Held, NoFootage, Span, chosen, held, pieces, streams_of
from sensors.moment import NANOSECONDS
from sensors.picture import MAX_PIXELS, Pixels, masked
from sensors.recorder import Piece

MAX_BYTES = 512 << 20
"""A clip ends early beyond this."""
MAX_REPEATED_BYTES = 64 << 20
"""What is repeated is not begun once more beyond this."""
MP4_SOUND = frozenset({"aac", "mp3", "mp3float", "opus", "flac"})
"""What MP4 holds so that common players play it."""
FORMATS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}),
    ".mov": ("mov", {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}),
}
ENCODER = {"preset": "ultrafast", "crf": "20", "bf": "0"}
BASE = Fraction(1, 90_000)
POSTER_QUALITY = 88
NO_COLOUR = 128


def cut(order: CutOrder) -> Cut:
    """Make the clip and its poster; both are on the disk afterwards, still called parts. NoFootage, OSError or av.FFmpegError else."""
    span = Span(start_ns=order.start_ns, end_ns=order.end_ns, moment_ns=order.moment_ns)
    with ExitStack() as stack:
        segments = chosen(stack.enter_context(held(Path(order.segments), span)), span)
        like = stack.enter_context(segments[0].opened())
        streams = streams_of(like)
        encodes = bool(order.masks) and not order.original and PICTURE in streams
        sound = streams.get(SOUND)
        suffix: Literal[".mp4", ".mov"] = ".mp4" if sound is None or sound.codec_context.name in MP4_SOUND else ".mov"
        path = Path(f"{order.target}{suffix}{PART}")
        writer = _Writer(path, suffix, streams, order.masks if encodes else ())
        try:
            for piece in _repeated(segments, span, order.repeats):
                writer.put(piece)
        finally:
            writer.close()
    if writer.start_ns is None:
        raise NoFootage("no whole picture is in the segments")
    poster = Path(f"{order.target}.jpg{PART}")
    has_poster = PICTURE in streams and _poster(path, order.moment_ns - writer.start_ns, order.masks, poster)
    return Cut(
        suffix=suffix,
        poster=has_poster,
        sha256=_synced(path),
        bytes=path.stat().st_size,
        poster_bytes=poster.stat().st_size if has_poster else 0,
        start_ns=writer.start_ns,
        end_ns=writer.end_ns,
        masked=encodes,
        sound=sound is not None,
    )


def _repeated(segments: tuple[Held, ...], span: Span, repeats: int) -> Iterator[Piece]:
    """The span's packets; again behind themselves, as often as is wanted, or until MAX_REPEATED_BYTES are reached."""
    shift_ns = total = 0
    for _ in range(min(repeats, MAX_REPEATS)):
        start_ns, end_ns = None, 0
        for piece in pieces(segments, span, MAX_BYTES):
            start_ns = piece.pts_ns if start_ns is None else start_ns
            end_ns = max(end_ns, piece.pts_ns + piece.duration_ns)
            total += len(piece.data)
            yield replace(piece, pts_ns=piece.pts_ns + shift_ns, dts_ns=None if piece.dts_ns is None else piece.dts_ns + shift_ns)
        if start_ns is None or total >= MAX_REPEATED_BYTES:
            return
        shift_ns += end_ns - start_ns


class _Writer:
    """The file of a clip, in the making."""

    def __init__(self, path: Path, suffix: str, streams: dict[int, VideoStream | AudioStream], masks: Sequence[Box]) -> None:
        self.start_ns: int | None = None
        self.end_ns = 0
        name, options = FORMATS[suffix]
        self._out = av.open(f"file:{path}", "w", format=name, options=options)
        self._last: dict[int, int] = {}
        self._leading = min(streams)
        picture = streams.get(PICTURE)
        self._masking = _Masking(self._out, picture, masks) if masks and isinstance(picture, VideoStream) else None
        copied = {number: stream for number, stream in streams.items() if number != PICTURE or self._masking is None}
        self._copied = {number: self._out.add_stream_from_template(stream, opaque=True) for number, stream in copied.items()}

    def put(self, piece: Piece) -> None:
        """Add a packet; its time counts from the first."""
        if self.start_ns is None:
            self.start_ns = piece.pts_ns
        if piece.stream == self._leading:
            self.end_ns = max(self.end_ns, piece.pts_ns + piece.duration_ns)
        if piece.stream == PICTURE and self._masking:
            self._masking.put(piece, self.start_ns)
        elif piece.stream in self._copied and piece.pts_ns >= self.start_ns:
            self._out.mux_one(self._packet(piece, self.start_ns))

    def _packet(self, piece: Piece, start_ns: int) -> "Packet[Stream]":
        """The packet as it came, decoded later than the one before, and shown no earlier than it is decoded."""
        dts_ns = piece.pts_ns if piece.dts_ns is None else piece.dts_ns
        dts = max(_ticks(dts_ns - start_ns), self._last.get(piece.stream, -(1 << 40)) + 1)
        self._last[piece.stream] = dts
        packet = av.Packet(piece.data)
        packet.stream, packet.time_base, packet.is_keyframe = self._copied[piece.stream], BASE, piece.whole
        packet.dts, packet.pts, packet.duration = dts, max(dts, _ticks(piece.pts_ns - start_ns)), _ticks(piece.duration_ns)
        return packet

    def close(self) -> None:
        """Write what is left."""
        if self._masking:
            self._masking.end(self.start_ns or 0)
        self._out.close()


class _Masking:
    """The picture, encoded again with black boxes in it."""

    def __init__(self, out: OutputContainer, like: VideoStream, masks: Sequence[Box]) -> None:
        self._out, self._masks = out, masks
        self._decoder = like.codec_context
        self._decoder.options = {**self._decoder.options, "max_pixels": str(MAX_PIXELS)}
        self._stream = out.add_stream("libx264", rate=round(like.average_rate or 0) or 25, options=ENCODER)
        self._stream.width, self._stream.height = _even(self._decoder.width), _even(self._decoder.height)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = BASE
        self._last = -1

    def put(self, piece: Piece, start_ns: int) -> None:
        """Add a packet of the camera's."""
        packet = av.Packet(piece.data)
        packet.pts, packet.dts, packet.time_base = piece.pts_ns, piece.dts_ns, Fraction(1, NANOSECONDS)
        try:
            frames = self._decoder.decode(packet)
        except av.InvalidDataError:
            return  # a damaged packet costs its picture
        self._encode(frames, start_ns)

    def end(self, start_ns: int) -> None:
        """No more will come."""
        self._encode(self._decoder.decode(None), start_ns)
        self._out.mux(self._stream.encode(None))

    def _encode(self, frames: Sequence[VideoFrame], start_ns: int) -> None:
        for frame in frames:
            if frame.pts is None or frame.is_corrupt:
                continue
            out = self._masked(frame)
            out.time_base = BASE
            out.pts = self._last = max(self._last + 1, _ticks(frame.pts - start_ns))
            self._out.mux(self._stream.encode(out))

    def _masked(self, frame: VideoFrame) -> VideoFrame:
        """Luma and colour differences masked as they are: no detour over RGB."""
        height, width = self._stream.height, self._stream.width
        planes = frame.reformat(width=width, height=height, format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
        luma, colours = planes[:height], planes[height:].reshape(2, height // 2, width // 2)
        black = [masked(luma, self._masks), *(masked(plane, self._masks, black=NO_COLOUR) for plane in colours)]
        return VideoFrame.from_ndarray(np.concatenate([plane.ravel() for plane in black]).reshape(planes.shape), format="yuv420p")


def _poster(clip: Path, at_ns: int, masks: Sequence[Box], to: Path) -> bool:
    """Write a JPEG of the clip's last picture up to a time in it; whether there is one. Masked, whatever the clip is."""
    with av.open(f"file:{clip}", options={"protocol_whitelist": "file", "format_whitelist": "mov,mp4"}) as container:
        shown = None
        for frame in _frames_near(container.demux(video=0), at_ns):
            if shown is None or (frame.time or 0.0) * NANOSECONDS <= at_ns:
                shown = frame
        if shown is None:
            return False
        pixels = cv2.cvtColor(masked(_rgb(shown), masks), cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, POSTER_QUALITY))
    if done:
        to.write_bytes(coded.tobytes())
        _synced(to)
    return bool(done)


def _frames_near(packets: "Iterator[Packet[VideoStream]]", at_ns: int) -> Iterator[VideoFrame]:
    """The frames from the last whole picture before a time up to that time."""
    group: list[Packet[VideoStream]] = []
    for packet in packets:
        if packet.pts is None or packet.time_base is None:
            continue
        is_later = packet.pts * packet.time_base * NANOSECONDS > at_ns
        if group and is_later and packet.is_keyframe:
            break
        if packet.is_keyframe:
            group = []
        group.append(packet)
    for packet in group:
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue
    if group:
        yield from group[0].stream.codec_context.decode(None)


def _rgb(frame: VideoFrame) -> Pixels:
    return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _synced(path: Path) -> str:
    """Bring a file to the disk; its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())
    return digest.hexdigest()


def _ticks(nanoseconds: int) -> int:
    return round(nanoseconds * BASE.denominator / NANOSECONDS)


def _even(side: int) -> int:
    return side - side % 2
