"""The sensor process: opens its one source again and again, for ever, and says what comes of it. It ends when its socket closes.

Three threads: this one reads the source and assembles, one listens to the supervisor, one says the figures every second and ends
the process where a read hangs beyond its time. What the source sends may be hostile; nothing here holds a secret but the source's own.
"""

import argparse
import json
import logging
import os
import random
import resource
import signal
import socket
import threading
import time
from pathlib import Path

from sensors.assembly import Assembly
from sensors.backoff import Backoff
from sensors.clock import BoxTime, RecordingTime
from sensors.fault import FaultReason, SensorFault
from sensors.holds import Holds
from sensors.moment import BootId
from sensors.mute import OwnVoice
from sensors.news import Mute, Release, SensorCondition, SensorFigures, SensorNews
from sensors.preview import Preview, Show
from sensors.previewer import Previewer
from sensors.recorder import Recorder
from sensors.ring import Ring
from sensors.segment import folder_of
from sensors.settings import SAMPLE_RATE_HZ, SensorSettings, SoundUse
from sensors.slots import SlotLayout, Slots
from sensors.source import Opened, Source
from sensors.sources import scheme_of
from sensors.window import Window
from sensors.wire import Codec, WireError, receive

SAYS: Codec[Window | SensorNews | SensorFigures | Preview] = Codec(Window | SensorNews | SensorFigures | Preview)
HEARS: Codec[SensorSettings | Release | Mute | Show] = Codec(SensorSettings | Release | Mute | Show)

BACKOFF = Backoff()
PLAYED_S = 1.0
"""A file that was played for so long has done well."""
OPENING_S = 30.0
"""Opening a source, until the first whole picture or sound, may take so much longer than any later read."""
OVERDUE_S = 10.0
"""How far beyond its stall limit a read may hang before the process ends itself."""
STOOD_STILL_S = 5.0
"""A second that took so long: the process was stopped and goes on, or the machine had no time for it."""
MAX_DATA_BYTES = 1 << 30
"""Of memory of its own; a camera of the largest size that is taken needs about a third."""
HANGS, MISLED = 3, 4
"""Exit statuses: a read hangs, or the supervisor broke the protocol."""

log = logging.getLogger("omniwatch.sensor")


class Reporter:
    """The process's end of the wire, and what is known of the source. It is the sink of every source."""

    def __init__(self, settings: SensorSettings, end: socket.socket) -> None:
        """Speaks for the sensor of `settings`."""
        self.settings = settings
        self.assembly: Assembly
        self.recorder: Recorder | None = None
        self.opened_at = 0.0
        self._end = end
        self._told: tuple[SensorCondition, FaultReason | None] = (SensorCondition.OPENING, None)
        self._openings = 0
        self._due: float | None = None
        """When the next read must have brought something, or the process hangs; None while nothing is read."""
        self._lock = threading.Lock()

    def say(self, message: Window | SensorNews | SensorFigures | Preview) -> None:
        """Send; where nobody listens any more, end."""
        try:
            with self._lock:
                self._end.send(SAYS.encode(message))
        except OSError:
            os._exit(0)

    def opening(self) -> None:
        """The source is about to be opened."""
        self.opened_at = time.monotonic()
        self._due = self.opened_at + OPENING_S + self.settings.stall_after_s + OVERDUE_S

    def opened(self, what: Opened) -> None:
        """The source is open: a new epoch, and the sensor is online."""
        self.assembly.begin(what.senses)
        self._openings += 1
        self.progress()
        self._told = SensorCondition.ONLINE, None
        self.say(
            SensorNews(
                sensor=self.settings.sensor,
                condition=SensorCondition.ONLINE,
                detail=what.detail[:300],
                width=what.width,
                height=what.height,
                fps=what.fps,
                codec=what.codec,
                sound_codec=what.sound_codec,
                sound_rate_hz=what.sound_rate_hz,
            )
        )

    def progress(self) -> None:
        """Something fresh has come."""
        self._due = time.monotonic() + self.settings.stall_after_s + OVERDUE_S

    def lost(self, fault: SensorFault) -> None:
        """The source has given out. Said once an outage, and again when the reason is another."""
        self._due = None
        if self._told != (SensorCondition.LOST, fault.reason):
            self._told = SensorCondition.LOST, fault.reason
            self.say(SensorNews(sensor=self.settings.sensor, condition=SensorCondition.LOST, reason=fault.reason, detail=fault.detail))

    def ended(self) -> None:
        """The recording has been read to its end."""
        self._due = None
        self.say(SensorNews(sensor=self.settings.sensor, condition=SensorCondition.ENDED))

    def report_forever(self) -> None:
        """Say the figures every second, and end the process where a read hangs beyond its time: some drivers cannot be interrupted."""
        last = time.monotonic()
        while True:
            now, due = time.monotonic(), self._due  # read once: the thread that reads the source sets it
            if due is not None and now - last > STOOD_STILL_S:  # all of the process did, not the read alone
                self._due = due = due + now - last
            last = now
            hangs = self.settings.replay is None and due is not None and now > due
            self.say(self._figures())
            if hangs:
                self.lost(SensorFault(FaultReason.STALLED, "a read hangs; the process is started again"))
                os._exit(HANGS)
            time.sleep(1.0)

    def _figures(self) -> SensorFigures:
        figures, ring = self.assembly.figures, self.recorder.ring if self.recorder else None
        return SensorFigures(
            sensor=self.settings.sensor,
            frames=figures.frames,
            pairs=figures.pairs,
            windows=figures.windows,
            dropped_pairs=figures.dropped_pairs,
            jumps=figures.jumps,
            reconnects=max(0, self._openings - 1),
            last_frame_boot_ns=figures.last_frame_ns,
            last_sound_boot_ns=figures.last_sound_ns,
            level_dbfs=figures.level_dbfs,
            muted_s=self.assembly.own_voice.muted / SAMPLE_RATE_HZ,
            unmuted_s=self.assembly.own_voice.over / SAMPLE_RATE_HZ,
            segments_lost=ring.lost if ring else 0,
            segments_problem=ring.problem[:300] if ring else "",
        )


def make_source(settings: SensorSettings, secret: dict[str, str]) -> Source:
    """The kind of source that the settings mean. Libraries are loaded only for the kind that is needed."""
    box = BoxTime(BootId(""))
    match scheme_of(settings.source):
        case "v4l2":
            from sensors.camera import CameraSource  # noqa: PLC0415

            return CameraSource(settings, box)
        case "mic":
            from sensors.microphone import MicrophoneSource  # noqa: PLC0415

            return MicrophoneSource(settings, box)
        case _:
            from sensors.stream import StreamSource  # noqa: PLC0415

            return StreamSource(settings, secret.get("username"), secret.get("password"), box)


def recorder_of(settings: SensorSettings, boot_id: BootId) -> Recorder | None:
    """Who keeps segments of what the sensor sends; None where nobody is to."""
    if settings.segments is None or settings.replay:
        return None
    ring = Ring(folder_of(Path(settings.segments.folder), boot_id, settings.sensor), settings.segments)
    return Recorder(ring, BoxTime(boot_id).now_ns, sound=settings.sound is SoundUse.KEEP)


def watch(source: Source, reporter: Reporter) -> None:
    """Open and feed, again and again; the waits between tries double up to a cap, and begin anew after a healthy time."""
    failures = 0
    while True:
        reporter.opening()
        try:
            source.run_once(reporter)
        except SensorFault as fault:
            healthy = was_healthy(reporter.settings.source, fault, time.monotonic() - reporter.opened_at)
            failures = 1 if healthy else failures + 1
            reporter.lost(fault)
        else:
            reporter.ended()
            return
        if reporter.settings.replay is not None:
            return
        time.sleep(BACKOFF.wait_s(failures, random.random()))  # noqa: S311 - jitter, not a secret


def was_healthy(source: str, fault: SensorFault, lasted_s: float) -> bool:
    """Whether a source did well until it gave out. A file does when it is played to its end, however short it is."""
    played = scheme_of(source) == "file" and fault.reason is FaultReason.ENDED
    return lasted_s >= (PLAYED_S if played else BACKOFF.healthy_s)


def listen(end: socket.socket, holds: Holds, own_voice: OwnVoice, previewer: Previewer) -> None:
    """Hear releases, announcements and what is to be shown until the supervisor closes the socket; then the process ends, whatever it is doing."""
    try:
        while data := receive(end):
            message = HEARS.decode(data)
            if isinstance(message, Release):
                for window in message.windows:
                    holds.release(window)
            elif isinstance(message, Mute):
                own_voice.told(message)
            elif isinstance(message, Show):
                previewer.show(message.shape)
    except WireError as error:
        log.critical("the supervisor cannot be understood: %s", error)
        os._exit(MISLED)
    os._exit(0)


def harden() -> None:
    """What a taken-over decoder must not get: a core file with the source's password in it, or all of the machine's memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to hear; it ends us by closing the socket
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))


def main() -> None:
    """Entry point: `python -m sensors.main --socket FD --slots FD [--secret FD]`."""
    parser = argparse.ArgumentParser()
    for name, needed in (("socket", True), ("slots", True), ("secret", False)):
        parser.add_argument(f"--{name}", type=int, required=needed)
    arguments = parser.parse_args()
    harden()
    end = socket.socket(fileno=arguments.socket)
    secret = json.loads(os.fdopen(arguments.secret, "rb").read()) if arguments.secret is not None else {}
    first = receive(end)
    settings = HEARS.decode(first) if first else None
    if not isinstance(settings, SensorSettings):
        return
    slots = Slots(SlotLayout.of(settings), arguments.slots, writable=True)
    holds = Holds(settings.slots)
    boot_id = BootId(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    moments = RecordingTime(settings.replay) if settings.replay else BoxTime(boot_id)
    reporter = Reporter(settings, end)
    reporter.assembly = Assembly(settings, slots, holds=holds, moment=moments.moment, out=reporter.say)
    reporter.recorder = recorder_of(settings, boot_id)
    ears = (end, holds, reporter.assembly.own_voice, reporter.assembly.previewer)
    threading.Thread(target=listen, args=ears, name="supervisor", daemon=True).start()
    threading.Thread(target=reporter.report_forever, name="figures", daemon=True).start()
    watch(make_source(settings, secret), reporter)
    threading.Event().wait()  # a recording is over; the supervisor ends us when it has released the last window


if __name__ == "__main__":
    main()
