"""A segment: some seconds of a sensor as it came, in a file whose name says when that was. It knows names and folders, and no media.

Segments lie in the runtime folder by boot and sensor, because their names are boot times. The folder outlives the process that
writes there; it is a ring, and bounded.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sensors.moment import BootId
from sensors.window import SensorId

WHOLE = re.compile(r"(\d{1,20})-(\d{1,20})-(\d{1,20})\.nut")
OPEN = re.compile(r"(\d{1,20})-(\d{1,20})\.part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file, and when what it holds was: boot times."""

    folder: Path
    name: str
    start_ns: int
    end_ns: int | None
    """None: it is still being written, or its writer died over it."""
    run_ns: int
    """Times inside the files of one run go on from file to file; between two runs they do not."""
    bytes: int

    @property
    def path(self) -> Path:
        """Where it lies. Made only for the few that are opened: a Path interns its parts, and rings are listed all day."""
        return self.folder / self.name


def folder_of(runtime: Path, boot_id: BootId, sensor: SensorId) -> Path:
    """Where a sensor's segments lie."""
    return runtime / boot_id / sensor


def whole_name(start_ns: int, end_ns: int, run_ns: int) -> str:
    """The name of a segment that is finished."""
    return f"{start_ns}-{end_ns}-{run_ns}.nut"


def open_name(start_ns: int, run_ns: int) -> str:
    """The name of one that is being written."""
    return f"{start_ns}-{run_ns}.part"


def listed(folder: Path) -> tuple[Segment, ...]:
    """The segments in a folder, oldest first; none where there is no such folder. Other files are nobody's."""
    try:
        return tuple(sorted(_found(folder), key=lambda segment: segment.start_ns))
    except FileNotFoundError:
        return ()


def _found(folder: Path) -> Iterator[Segment]:
    with os.scandir(folder) as entries:
        for entry in entries:
            whole, part = WHOLE.fullmatch(entry.name), OPEN.fullmatch(entry.name)
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # the ring has just moved on
            if whole:
                start_ns, end_ns, run_ns = map(int, whole.groups())
                yield Segment(folder=folder, name=entry.name, start_ns=start_ns, end_ns=end_ns, run_ns=run_ns, bytes=size)
            elif part:
                start_ns, run_ns = map(int, part.groups())
                yield Segment(folder=folder, name=entry.name, start_ns=start_ns, end_ns=None, run_ns=run_ns, bytes=size)


def outgrown(segments: tuple[Segment, ...], newest_ns: int, keep_ns: int, most_bytes: int) -> tuple[Segment, ...]:
    """What leaves a ring: what ended too long ago, and the oldest of what is too much. One that is being written stays."""
    total = sum(segment.bytes for segment in segments)
    out = []
    for segment in segments:
        if segment.end_ns is not None and (segment.end_ns < newest_ns - keep_ns or total > most_bytes):
            out.append(segment)
            total -= segment.bytes
    return tuple(out)
