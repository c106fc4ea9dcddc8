"""The recorder: original packets, as a source sends them, become segments of whole groups of pictures. Nothing is decoded here.

It is handed the packets that are decoded anyway and copies them, byte for byte and with their times, into NUT: FFmpeg's own
container holds every codec of the table of sources, G.711 included, is written as it comes, and is readable however it breaks off.
The bytes go to the ring's thread some times a second, for to wake it costs more than to copy a packet. A recorder never waits and
never raises: what it cannot keep is counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from sensors.moment import NANOSECONDS
from sensors.ring import Begin, End, Ring

SEGMENT_NS = 5 * NANOSECONDS
"""A segment ends at the first whole picture after this."""
MAX_SEGMENT_BYTES = 64 << 20
"""One that grows beyond this never sees another whole picture, or is no picture of a camera's."""
JUMP_NS = 5 * NANOSECONDS
"""Times that go on otherwise than the box's own by more than this belong to another run."""
OPTIONS = {"write_index": "0", "flush_packets": "1", "avoid_negative_ts": "disabled"}
"""FFmpeg holds nothing back; the sink does, for `HELD_NS`."""
HELD_NS = NANOSECONDS // 4
"""So much at most is missing at the end of a segment whose writer is killed."""
HELD_BYTES = 256 << 10
"""More is not held, however fast it comes."""
SCALE = Fraction(1, NANOSECONDS)

MakeStream = Callable[[OutputContainer], Stream]
"""Adds a stream of the right kind to a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A packet on its way into a segment."""

    stream: int
    data: bytes
    pts_ns: int
    dts_ns: int | None = None
    duration_ns: int = 0
    whole: bool = True
    """It can be decoded without any before it."""


@dataclass(slots=True)
class _Run:
    """A stretch in which the source's times go on evenly."""

    run_ns: int
    first_ns: int
    latest_ns: int
    latest_at_ns: int
    least_ns: int
    """The least that any packet's arrival was later than its time: how the source's clock stands to the box's."""


class Recorder:
    """One sensor's recorder. `begin` for each opening, `end` before the source is closed."""

    def __init__(self, ring: Ring, now_ns: Callable[[], int], *, sound: bool) -> None:
        """`now_ns`: boot time; `sound`: whether any may be kept."""
        self.ring = ring
        self._keeps_sound = sound
        self._now_ns = now_ns
        self._makers: Mapping[int, MakeStream] = {}
        self._leading = 0
        self._bases: dict[int, tuple[int, int]] = {}
        """Of FFmpeg's streams: a unit of their times in nanoseconds, as a fraction of whole numbers."""
        self._run: _Run | None = None
        self._out: OutputContainer | None = None
        self._streams: dict[int, Stream] = {}
        self._sink: _Sink | None = None
        self._start_ns = 0

    def begin(self, makers: Mapping[int, MakeStream], leading: int) -> None:
        """A source was opened: what of it is kept, by number, and the stream whose whole pictures begin segments."""
        self.end()
        self._makers, self._leading = makers, leading

    def begin_streams(self, picture: Stream | None, sound: Stream | None) -> None:
        """The same for streams of FFmpeg's."""
        streams = [stream for stream in (picture, sound if self._keeps_sound else None) if stream is not None]
        self._bases = {stream.index: (base * NANOSECONDS).as_integer_ratio() for stream in streams if (base := stream.time_base)}
        self.begin({stream.index: _like(stream) for stream in streams}, streams[0].index if streams else 0)

    def begin_sound(self, rate_hz: int) -> None:
        """The same for samples of a device: 16 bits, mono."""
        makers: dict[int, MakeStream] = {0: lambda out: out.add_stream("pcm_s16le", rate_hz, layout="mono")}
        self.begin(makers if self._keeps_sound else {}, 0)

    def begin_jpegs(self, width: int, height: int, rate_hz: int) -> None:
        """The same for pictures of a device, each a JPEG."""
        self.begin({0: lambda out: out.add_mux_stream("mjpeg", rate_hz, width=width, height=height, pix_fmt="yuvj420p")}, 0)

    def end(self) -> None:
        """The source is about to be closed."""
        self._close()
        self._run = None
        self._makers = {}

    def packet(self, packet: "Packet[Stream]") -> None:
        """Keep a copy of a packet of FFmpeg's, if its stream is kept at all."""
        number = packet.stream_index
        if number not in self._makers or number not in self._bases or packet.pts is None or not packet.size:
            return
        unit, parts = self._bases[number]
        self.put(
            Piece(
                stream=number,
                data=bytes(packet),
                pts_ns=packet.pts * unit // parts,
                dts_ns=None if packet.dts is None else packet.dts * unit // parts,
                duration_ns=(packet.duration or 0) * unit // parts,
                whole=packet.is_keyframe,
            )
        )

    def samples(self, data: bytes, pts_ns: int, duration_ns: int) -> None:
        """Keep some of a device's sound."""
        self.put(Piece(stream=0, data=data, pts_ns=pts_ns, dts_ns=pts_ns, duration_ns=duration_ns))

    def picture(self, jpeg: bytes, at_ns: int) -> None:
        """Keep a picture of a device."""
        self.put(Piece(stream=0, data=jpeg, pts_ns=at_ns, dts_ns=at_ns))

    def put(self, piece: Piece) -> None:
        """Keep a piece, if its stream is kept at all."""
        if piece.stream not in self._makers or not piece.data:
            return
        now_ns = self._now_ns()
        leads = piece.stream == self._leading
        if leads and self._run is not None and not _goes_on(self._run, piece.pts_ns, now_ns):
            self._close()
            self._run = None
        if leads and piece.whole and self._is_due(piece.pts_ns):
            self._open(piece.pts_ns, now_ns)
        if leads and self._run is not None:
            run = self._run
            run.latest_ns, run.latest_at_ns = max(run.latest_ns, piece.pts_ns), now_ns
            run.least_ns = min(run.least_ns, now_ns - piece.pts_ns)
        self._mux(piece, now_ns)

    def _is_due(self, pts_ns: int) -> bool:
        return self._out is None or pts_ns - self._start_ns >= SEGMENT_NS

    def _open(self, pts_ns: int, now_ns: int) -> None:
        """The next segment begins with this piece."""
        run = self._run or _Run(run_ns=now_ns, first_ns=pts_ns, latest_ns=pts_ns, latest_at_ns=now_ns, least_ns=now_ns - pts_ns)
        begins_ns = pts_ns + min(run.least_ns, now_ns - pts_ns)
        self._close(begins_ns)
        run.least_ns = now_ns - pts_ns  # anew for each segment: clocks drift apart over months
        if not self.ring.put(Begin(start_ns=begins_ns, run_ns=run.run_ns)):
            self.ring.lose("the disk does not keep up with the segments")
            return
        self._run, self._start_ns, self._sink = run, pts_ns, _Sink(self.ring, now_ns)
        try:
            self._out = av.open(self._sink, "w", format="nut", options=OPTIONS)
            self._streams = self._made(self._out)
        except (av.FFmpegError, ValueError) as error:
            self._break(f"segments cannot be made of it: {error}")

    def _made(self, out: OutputContainer) -> dict[int, Stream]:
        made = {}
        for number, make in self._makers.items():
            try:
                made[number] = make(out)
            except ValueError as error:
                if number == self._leading:
                    raise
                self.ring.problem = f"its sound is not kept: {error}"
        return made

    def _mux(self, piece: Piece, now_ns: int) -> None:
        out, run, sink, stream = self._out, self._run, self._sink, self._streams.get(piece.stream)
        if out is None or run is None or sink is None or stream is None:
            return
        try:
            out.mux_one(_packet(piece, stream, run.run_ns - run.first_ns))
        except (av.FFmpegError, ValueError, OverflowError) as error:
            self._break(f"a segment breaks off: {error}")
            return
        sink.hand_over(now_ns)
        if sink.is_full or sink.bytes > MAX_SEGMENT_BYTES:
            self._break("the disk does not keep up with the segments" if sink.is_full else "a segment without an end: no whole picture comes")

    def _break(self, problem: str) -> None:
        """Give this segment up; the next whole picture begins another."""
        self.ring.lose(problem)
        self._close()

    def _close(self, end_ns: int | None = None) -> None:
        out, run, sink = self._out, self._run, self._sink
        self._out, self._sink, self._streams = None, None, {}
        if out is None or run is None or sink is None:
            return
        try:
            out.close()
        except (av.FFmpegError, ValueError) as error:
            self.ring.lose(f"a segment breaks off: {error}")
        sink.hand_over(0, all_of_it=True)
        # What piled up while the source was opened came late; the least delayed packet says when the segment really began.
        self.ring.put(End(end_ns=run.latest_ns + run.least_ns if end_ns is None else end_ns, start_ns=self._start_ns + run.least_ns))


class _Sink:
    """The file that FFmpeg believes to write."""

    def __init__(self, ring: Ring, now_ns: int) -> None:
        self.bytes = 0
        self.is_full = False
        self._ring = ring
        self._held = bytearray()
        self._held_since_ns = now_ns

    def write(self, data: bytes) -> int:
        """Hold it."""
        self._held += data
        self.bytes += len(data)
        return len(data)

    def hand_over(self, now_ns: int, *, all_of_it: bool = False) -> None:
        """Give the ring what has been held for long enough."""
        if self._held and (all_of_it or now_ns - self._held_since_ns >= HELD_NS or len(self._held) >= HELD_BYTES):
            self.is_full = self.is_full or not self._ring.put(bytes(self._held))
            self._held.clear()
            self._held_since_ns = now_ns


def _like(stream: Stream) -> MakeStream:
    return lambda out: out.add_stream_from_template(stream, opaque=True)


def _packet(piece: Piece, stream: Stream, shift_ns: int) -> "Packet[Stream]":
    """The packet of a piece, its times shifted. OverflowError for times that no file can hold."""
    packet = av.Packet(piece.data)
    packet.stream, packet.time_base, packet.is_keyframe = stream, SCALE, piece.whole
    packet.pts = piece.pts_ns + shift_ns
    packet.dts = None if piece.dts_ns is None else piece.dts_ns + shift_ns
    packet.duration = piece.duration_ns
    return packet


def _goes_on(run: _Run, pts_ns: int, now_ns: int) -> bool:
    return abs((pts_ns - run.latest_ns) - (now_ns - run.latest_at_ns)) <= JUMP_NS
