"""Footage: the packets of a span of a sensor's time, read back from its segments. Nothing is decoded, and no file is changed.

A writer may have been killed over the last segment: what is left of it counts. Where a camera came back with other properties in
the middle of the span, the part that holds the moment is what is shown.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from sensors.moment import NANOSECONDS
from sensors.picture import MAX_PIXELS
from sensors.recorder import Piece
from sensors.segment import Segment, listed
from sensors.sources import SOUND_CODECS, VIDEO_CODECS

PICTURE, SOUND = 0, 1
OPTIONS = {
    "protocol_whitelist": "file",
    "codec_whitelist": ",".join(sorted(VIDEO_CODECS | SOUND_CODECS)),
    "max_pixels": str(MAX_PIXELS),
    "threads": "1",
}
MILLISECOND_NS = 1_000_000
TRIES = 10


class NoFootage(Exception):  # noqa: N818 - nothing of it is there, by nobody's fault
    """There are no segments of the span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is wanted, in boot time."""

    start_ns: int
    end_ns: int
    moment_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A segment that can be read however the ring turns: whoever writes it gives it another name when it is whole, or deletes it."""

    segment: Segment
    file: IO[bytes]

    def opened(self) -> InputContainer:
        """From its beginning, by its descriptor: under whatever name it lies by now."""
        return av.open(f"file:/proc/self/fd/{self.file.fileno()}", format="nut", options=OPTIONS)


@contextmanager
def held(folder: Path, span: Span) -> Iterator[tuple[Held, ...]]:
    """The segments of a span, oldest first."""
    with ExitStack() as stack:
        for _ in range(TRIES):
            near = [one for one in listed(folder) if one.start_ns <= span.end_ns and (one.end_ns is None or one.end_ns >= span.start_ns)]
            try:
                found = tuple(Held(segment=one, file=stack.enter_context(one.path.open("rb"))) for one in near)
            except FileNotFoundError:
                continue  # the ring has turned between the look and the grasp
            break
        else:
            found = ()
        yield found


def streams_of(container: InputContainer) -> dict[int, VideoStream | AudioStream]:
    """Its picture and its sound, by the numbers that pieces carry. Not sound that no clip can hold: AAC as MPEG-TS files have it."""
    video, audio = next(iter(container.streams.video), None), next(iter(container.streams.audio), None)
    if audio is not None and audio.codec_context.name == "aac" and not audio.codec_context.extradata:
        audio = None
    return {number: stream for number, stream in ((PICTURE, video), (SOUND, audio)) if stream is not None}


def chosen(near: tuple[Held, ...], span: Span) -> tuple[Held, ...]:
    """Those of the segments that have the make of the one that holds the moment. NoFootage where there is none."""
    makes = [(one, make) for one in near if (make := _make(one))]
    if not makes:
        raise NoFootage(f"no segments of {(span.end_ns - span.start_ns) / NANOSECONDS:.0f} s are left")
    before = [make for one, make in makes if one.segment.start_ns <= span.moment_ns]
    wanted = before[-1] if before else makes[0][1]
    return tuple(one for one, make in makes if make == wanted)


def _make(held_one: Held) -> tuple[tuple[int, str, int, int, bytes | None], ...]:
    """What two segments must have in common to go into one clip; empty where it cannot be read at all."""
    try:
        with held_one.opened() as container:
            return tuple((number, *_properties(stream)) for number, stream in streams_of(container).items())
    except av.FFmpegError:
        return ()


def _properties(stream: VideoStream | AudioStream) -> tuple[str, int, int, bytes | None]:
    if isinstance(stream, VideoStream):
        picture = stream.codec_context
        return picture.name, picture.width, picture.height, picture.extradata
    sound = stream.codec_context
    return sound.name, sound.sample_rate, sound.layout.nb_channels, sound.extradata


def pieces(segments: tuple[Held, ...], span: Span, most_bytes: int) -> Iterator[Piece]:
    """The span's packets in boot time, from the last whole picture before its start on. Ends early at `most_bytes`."""
    held: list[Piece] = []
    begun, total = False, 0
    for piece, leads in _all(segments):
        if leads and piece.pts_ns > span.end_ns:
            return
        total += len(piece.data)
        if total > most_bytes:
            return
        begun = begun or (leads and piece.pts_ns > span.start_ns and bool(held))
        if begun:
            yield from held
            held = []
            yield piece
        elif leads and piece.whole:
            held, total = [piece], len(piece.data)
        elif held:
            held.append(piece)
    yield from held


def _all(segments: tuple[Held, ...]) -> Iterator[tuple[Piece, bool]]:
    """Every packet in boot time, and whether it is of the leading stream. The files of a run share one offset, so that they join."""
    run_ns, offset_ns = -1, 0
    for each in segments:
        segment, read = each.segment, _timed(_read(each))
        leading = min((piece.stream for piece in read), default=PICTURE)
        first = next((piece for piece in read if piece.stream == leading), None)
        if first is None:
            continue
        if segment.run_ns != run_ns:
            run_ns, offset_ns = segment.run_ns, segment.start_ns - first.pts_ns
        for piece in read:
            dts_ns = None if piece.dts_ns is None else piece.dts_ns + offset_ns
            yield replace(piece, pts_ns=piece.pts_ns + offset_ns, dts_ns=dts_ns), piece.stream == leading


def _read(segment: Held) -> Iterator[Piece]:
    """The packets of a file, as far as it can be read."""
    try:
        with segment.opened() as container:
            numbers = {stream.index: number for number, stream in streams_of(container).items()}
            for packet in container.demux([container.streams[index] for index in numbers]):
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    yield _piece(packet, numbers[packet.stream.index])
    except av.FFmpegError:
        return  # its writer was killed over it


def _piece(packet: "av.Packet[Stream]", number: int) -> Piece:
    base = (packet.time_base or 0) * NANOSECONDS
    return Piece(
        stream=number,
        data=bytes(packet),
        pts_ns=round((packet.pts or 0) * base),
        dts_ns=None if packet.dts is None else round(packet.dts * base),
        duration_ns=round((packet.duration or 0) * base),
        whole=packet.is_keyframe,
    )


def _timed(read: Iterator[Piece]) -> list[Piece]:
    """The same with a decoding time for each: NUT keeps none, and FFmpeg cannot tell those of the first pictures of a file."""
    out = list(read)
    later_ns: dict[int, int] = {}
    for index in reversed(range(len(out))):
        piece = out[index]
        step_ns = piece.duration_ns or MILLISECOND_NS
        dts_ns = piece.dts_ns if piece.dts_ns is not None else min(piece.pts_ns, later_ns.get(piece.stream, piece.pts_ns + step_ns) - step_ns)
        later_ns[piece.stream] = dts_ns
        out[index] = replace(piece, dts_ns=dts_ns)
    return out
