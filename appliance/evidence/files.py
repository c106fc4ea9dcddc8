"""The files of evidence on the disk: names, moves that survive a power cut, and how much there is. It knows no alert and no row.

All of it may hang with the disk: `apart` runs it in threads that nobody waits for at the end.
"""

import asyncio
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from alerts.evidence import Clip
from appliance.store.clip_rows import ClipId
from appliance.store.database_file import NAME
from sensors.cut import PART
from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.segment import Segment, listed, outgrown
from sensors.settings import SegmentSettings
from sensors.window import SensorId

CLIPS, POSTER = (".mp4", ".mov"), ".jpg"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FILE = re.compile(rf"{DAY.pattern}/([a-z2-7]{{26}}-\d{{1,9}})(\.mp4|\.mov|\.jpg)")
ORPHANED_NS = 180 * NANOSECONDS
"""Segments of a sensor that is gone from the configuration wait so long for clips that are still to be made."""

T = TypeVar("T")


async def apart(work: Callable[[], T]) -> T:
    """Do it in a thread of its own. OSError as it comes; RuntimeError where the work is broken, and the thread shows how."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except OSError as error:
            done.set_exception(error)
        finally:
            if not done.done():  # whoever waits would wait for ever
                done.set_exception(RuntimeError("the thread broke"))

    threading.Thread(target=run, name="evidence", daemon=True).start()
    return await asyncio.wrap_future(done)


def stem(clip: ClipId, moment: Moment) -> str:
    """The path of a clip's files below the evidence folder, without their endings."""
    return f"{moment.utc:%Y-%m-%d}/{clip}"


def prepare(folder: Path, path: str) -> None:
    """Make the folder that a clip goes to, for nobody else's eyes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / path).parent.mkdir(mode=0o700, exist_ok=True)


def place(folder: Path, clip: Clip) -> bool:
    """Give a clip that is on the disk its name, the poster first; whether it is there. Doing it again changes nothing."""
    for name in filter(None, (clip.poster, clip.file)):
        with suppress(FileNotFoundError):
            (folder / f"{name}{PART}").rename(folder / name)
    descriptor = os.open((folder / clip.file).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return (folder / clip.file).is_file()


def linked(folder: Path, clip: Clip, path: str) -> Clip | None:
    """A clip's files once more, at another stem and unfinished; None where they are gone."""
    stem_there = clip.file.rpartition(".")[0]
    twin = replace(clip, file=clip.file.replace(stem_there, path), poster=clip.poster and clip.poster.replace(stem_there, path))
    try:
        for name, other in ((clip.file, twin.file), (clip.poster, twin.poster)):
            if name and other:
                (folder / f"{other}{PART}").unlink(missing_ok=True)
                (folder / f"{other}{PART}").hardlink_to(folder / name)
    except FileNotFoundError:
        return None
    return twin


def taken(folder: Path, clip: Clip) -> int:
    """Bytes of a clip and its poster, as they lie there."""
    return sum((folder / name).stat().st_size for name in (clip.file, clip.poster) if name and (folder / name).is_file())


def remove(folder: Path, path: str) -> None:
    """Delete whatever has this stem, finished or not, and the day's folder where it was the last."""
    for ending in (*CLIPS, POSTER):
        for part in ("", PART):
            (folder / f"{path}{ending}{part}").unlink(missing_ok=True)
    with suppress(OSError):
        (folder / path).parent.rmdir()


@dataclass(frozen=True, slots=True)
class Lying:
    """A file in the evidence folder."""

    name: str
    """Its path below the folder."""
    clip: ClipId | None
    """What it is, by its name: of this clip, or of none."""
    whole: bool
    """It is a finished clip, and not a poster or a part of one."""

    @property
    def stem(self) -> str:
        """Its path without its endings."""
        return self.name.removesuffix(PART).rpartition(".")[0]


def lying(folder: Path) -> Iterator[Lying]:
    """All files in the days' folders, one by one: a list of those of a large quota takes megabytes. OSError as it comes."""
    for day in _folders(folder):
        if DAY.fullmatch(day.name):
            with suppress(FileNotFoundError), os.scandir(day) as entries:  # a day goes with its last clip
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):  # nothing of ours, and no file to delete
                        yield _lying(f"{day.name}/{entry.name}")


def _lying(name: str) -> Lying:
    match = FILE.fullmatch(name.removesuffix(PART))
    whole = match is not None and match[2] != POSTER and not name.endswith(PART)
    return Lying(name, ClipId(match[1]) if match else None, whole)


def lies(folder: Path, name: str) -> bool:
    """Whether this file is there. OSError where that cannot be told."""
    try:
        os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path interns its parts: those of many files grow a table of the process
    except FileNotFoundError:
        return False
    return True


def has_clip(folder: Path, stem: str) -> bool:
    """Whether a whole clip has this stem."""
    return any(lies(folder, f"{stem}{ending}") for ending in CLIPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """A segment that was deleted."""

    name: str
    start: datetime
    end: datetime
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How full it is."""

    segment_bytes: int
    database_bytes: int
    free: float
    """0..1: share of the disk that holds the evidence."""
    oldest_s: Mapping[SensorId, float]
    """How far back each sensor's segments reach."""


def room(state: Path, runtime: Path, now: Moment) -> Room:
    """Look."""
    rings = {SensorId(folder.name): listed(folder) for folder in _folders(runtime / now.boot_id)}
    database = sum(file.stat().st_size for file in state.glob(f"{NAME}*"))
    return Room(
        segment_bytes=sum(segment.bytes for ring in rings.values() for segment in ring),
        database_bytes=database,
        free=free_share(state),
        oldest_s={sensor: max(0.0, (now.boot_ns - ring[0].start_ns) / NANOSECONDS) for sensor, ring in rings.items() if ring},
    )


def free_share(folder: Path) -> float:
    """0..1."""
    disk = os.statvfs(folder)
    return disk.f_bavail / disk.f_blocks if disk.f_blocks else 1.0


def trim(runtime: Path, rings: Mapping[SensorId, SegmentSettings], now: Moment, needed: frozenset[BootId]) -> None:
    """Delete segments that have outlived their ring, whether or not a process still turns it; and those of boots that nobody needs."""
    for boot in _folders(runtime):
        if boot.name != now.boot_id and boot.name not in needed and re.fullmatch(r"[0-9a-f-]{36}", boot.name):
            shutil.rmtree(boot, ignore_errors=True)
    for folder in _folders(runtime / now.boot_id):
        ring, segments = rings.get(SensorId(folder.name)), listed(folder)
        if ring is None:  # nobody writes there any more, or closes what is open
            segments = tuple(replace(segment, end_ns=segment.end_ns or segment.start_ns) for segment in segments)
        keep_ns, most = (round(ring.seconds * NANOSECONDS), ring.bytes) if ring else (ORPHANED_NS, sys.maxsize)
        for segment in outgrown(segments, now.boot_ns, keep_ns, most):
            segment.path.unlink(missing_ok=True)
        if ring is None:
            with suppress(OSError):
                folder.rmdir()


def erase_segments(runtime: Path, sensor: SensorId, span: tuple[datetime, datetime], now: Moment) -> tuple[Erased, ...]:
    """Delete a sensor's segments that overlap a span, of every boot, also the one that is being written."""
    erased = []
    for boot in _folders(runtime):
        for segment in listed(boot / sensor):
            start, end = _times(segment, now if boot.name == now.boot_id else None)
            if start <= span[1] and end >= span[0]:
                segment.path.unlink(missing_ok=True)
                erased.append(Erased(name=f"{sensor}/{segment.name}", start=start, end=end, bytes=segment.bytes))
    return tuple(erased)


def _times(segment: Segment, now: Moment | None) -> tuple[datetime, datetime]:
    """When a segment was, in UTC; of another boot's (`now` None) only when it was last written is known."""
    if now is None:
        end = datetime.fromtimestamp(segment.path.stat().st_mtime, UTC)
        return end - timedelta(microseconds=((segment.end_ns or segment.start_ns) - segment.start_ns) / 1000), end
    end_ns = now.boot_ns if segment.end_ns is None else segment.end_ns
    return _utc(segment.start_ns, now), _utc(end_ns, now)


def _utc(boot_ns: int, now: Moment) -> datetime:
    return now.utc - timedelta(microseconds=(now.boot_ns - boot_ns) / 1000)


def _folders(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return ()
