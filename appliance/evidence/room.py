"""The room that evidence takes: what is too old, too much, or forgotten goes, and what the rows and the disk say of each other is made true.

What nobody has seen to yet never makes room for anything: when there is nothing else to delete, no more is kept, and that is said.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from alerts.evidence import Clip
from appliance.config.evidence_form import EvidenceConfig
from appliance.evidence import files as evidence_files
from appliance.evidence.files import Lying, Room, apart
from appliance.store import clip_rows
from appliance.store.clip_rows import UNKNOWN_SENSOR, ClipId, ClipRow, Gone
from appliance.store.store import Store
from appliance.store.sweep import WallClock
from sensors.moment import Moment
from sensors.settings import SegmentSettings
from sensors.window import SensorId

log = logging.getLogger("omniwatch.evidence")

T = TypeVar("T")
Span = tuple[datetime, datetime]

AT_ONCE = 50
"""Clips that are deleted in one turn."""
FORGOTTEN_AFTER = timedelta(days=400)
"""Rows of clips that are gone are kept as long as the alerts that they belong to."""
UNKNOWN = timedelta(minutes=10)
"""How far from its file's time a clip may reach whose row was lost."""
SAID = {"promise": "a clip that was still to be made", "missing": "a clip that is not there, and goes if it comes back:"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One thing that was deleted because somebody said so."""

    what: Literal["clip", "poster", "promise", "missing", "segment"]
    name: str
    sensor: SensorId
    start: datetime
    end: datetime
    bytes: int

    def __str__(self) -> str:
        """For people."""
        since, until = (each.astimezone(UTC).isoformat(timespec="seconds") for each in (self.start, self.end))
        return f"{SAID.get(self.what, self.what)} {self.name} of {self.sensor}, {since} to {until}, {self.bytes / 1e6:.1f} MB"


class EvidenceRoom:
    """The folder of clips, the rows that belong to them, and the rings of segments."""

    def __init__(self, store: Store, state: Path, start: Moment) -> None:
        """Clips lie in `evidence` below `state`."""
        self.folder = state / "evidence"
        self.config = EvidenceConfig()
        self.rings: Mapping[SensorId, SegmentSettings] = {}
        self.full = ""
        """Why no more is kept; empty while there is room."""
        self.bytes = 0
        self.seen = Room(segment_bytes=0, database_bytes=0, free=1.0, oldest_s=MappingProxyType({}))
        self.gone: Counter[str] = Counter()
        """Clips that were deleted, by why."""
        self._store = store
        self._state = state
        self._wall = WallClock(start, store.opened.gap_from)

    async def reconcile(self, now: Moment) -> None:
        """Rows without a file are ended; files without a row are adopted where they are whole, and deleted where not."""
        async for page in self._pages("kept"):
            for row, clip in await apart(partial(_without_file, self.folder, page)):
                await self._end(row.id, "removed", Gone(why=clip_rows.MISSING, clip=clip))
                log.error("the clip %s is missing: its row has no file any more", clip.file)
        leftovers, files = 0, evidence_files.lying(self.folder)
        while some := await apart(lambda: tuple(islice(files, clip_rows.PAGE))):
            leftovers += await self._claim(some, now)
        if leftovers:
            log.warning("%d files of clips that were never finished were deleted", leftovers)

    async def _claim(self, files: Sequence[Lying], now: Moment) -> int:
        """See whose files these are; how many were deleted because they are nobody's."""
        ids = {file.clip for file in files if file.clip}
        rows = await self._do(lambda connection: clip_rows.by_id(connection, ids))
        for file in files:
            row = rows.get(file.clip) if file.clip else None
            if not file.whole or not file.clip:
                continue
            if row is None or row.state == "failed":  # of a whole clip only a row that nobody could read has failed
                await self._adopt(file, file.clip, now)
            elif clip := row.missing():
                await self._return(row.id, clip)
                log.warning("the clip %s was missing, and is there again", file.name)
        return await apart(partial(_delete_unclaimed, self.folder, files, rows))

    async def _return(self, row: ClipId, clip: Clip) -> None:
        size = await apart(partial(evidence_files.taken, self.folder, clip))
        await self._do(partial(clip_rows.returned, row=row, clip=clip, size=size))

    async def _pages(self, *states: str) -> AsyncIterator[tuple[ClipRow, ...]]:
        """Every clip in these states, however many those are, page by page."""
        last = ClipId("")
        while rows := await self._do(partial(clip_rows.page, after=last, states=states)):
            yield rows
            last = rows[-1].id

    async def _adopt(self, file: Lying, clip: ClipId, now: Moment) -> None:
        """The database was lost, or the row, and the clip was not."""
        status = await apart((self.folder / file.name).stat)
        at = datetime.fromtimestamp(status.st_mtime, UTC)
        moment = Moment(utc=at, boot_ns=now.boot_ns - round((now.utc - at).total_seconds() * 1e9), boot_id=now.boot_id)
        name = f"{file.stem}{evidence_files.POSTER}"
        poster = name if await apart((self.folder / name).is_file) else None
        found = Clip(file=file.name, poster=poster, sha256="", bytes=status.st_size, start=moment, end=moment, masked=False, sound=False)
        row = clip_rows.found_row(clip, found, await apart(partial(evidence_files.taken, self.folder, found)))
        if not await self._do(lambda connection: clip_rows.add(connection, row, moment)):
            await self._return(clip, found)
        log.warning("the clip %s was in no row; it is kept, and nobody knows any more whose it is", file.name)

    async def upkeep(self, now: Moment) -> None:
        """Delete what is too old and too much, and look how full it is. StoreFailed and OSError where that cannot be."""
        wanted = await self._do(lambda connection: clip_rows.of_state(connection, "wanted"))
        boots = frozenset(want.moment.boot_id for row in wanted if (want := row.wanted()))
        runtime, rings = self.config.runtime, self.rings
        await apart(lambda: evidence_files.trim(runtime, rings, now, boots))
        if self._wall.is_believed(now):
            await self._expire(now)
        self.seen = await apart(lambda: evidence_files.room(self._state, runtime, now))
        await self.make_room()

    async def _expire(self, now: Moment) -> None:
        before = now.utc - self.config.keep
        for row, unseen in await self._do(lambda connection: clip_rows.aged(connection, before, AT_ONCE)):
            if unseen:
                log.warning("the clip %s grew too old although nobody has seen to its alert", row.id)
            await self._remove(row, "too old")
        await self._do(lambda connection: clip_rows.forgotten(connection, now.utc - FORGOTTEN_AFTER))

    async def make_room(self) -> None:
        """Delete the oldest clips that nobody needs until what there is fits; say so where that is not enough.

        Rings and database count as the last upkeep saw them: they have bounds of their own, and a clip a second would have them listed all day.
        """
        self.seen = replace(self.seen, free=await apart(partial(evidence_files.free_share, self._state)))
        self.bytes, spare = await self._do(lambda connection: (clip_rows.kept_bytes(connection), clip_rows.spare(connection, AT_ONCE)))
        for row in spare:
            if not self._excess():
                break
            await self._remove(row, "made room")
            self.bytes -= row.bytes
            self.seen = replace(self.seen, free=await apart(partial(evidence_files.free_share, self._state)))
        excess = self._excess() if len(spare) < AT_ONCE else ""
        if excess and excess != self.full:
            log.error("no more evidence is kept: %s, and nothing may be deleted for it; acknowledge alarms, or give it more room", excess)
        elif self.full and not excess:
            log.warning("evidence is kept again")
        self.full = excess

    def _excess(self) -> str:
        """What is too much; empty where all fits."""
        total = self.bytes + self.seen.segment_bytes + self.seen.database_bytes
        if total > self.config.quota:
            return f"the quota of {self.config.quota / 1e9:.3g} GB is used up"
        if self.seen.free < self.config.free:
            return f"less than {self.config.free:.0%} of the disk are free"
        return ""

    async def _remove(self, row: ClipRow, why: str) -> None:
        """Delete a clip: the files first, because on a full disk they make the room for the row."""
        clip = row.clip() if row.state == "kept" else row.missing()
        if clip:
            await apart(partial(evidence_files.remove, self.folder, clip.file.rpartition(".")[0]))
        await self._end(row.id, "removed", Gone(why=why, clip=clip))
        log.info("the clip %s was deleted: %s", row.id, why)

    async def _end(self, clip: ClipId, state: str, gone: Gone) -> None:
        await self._do(lambda connection: clip_rows.ended(connection, clip, state, gone))
        self.gone[gone.why] += 1

    async def forget(self, sensor: SensorId, start: datetime, end: datetime, now: Moment) -> tuple[Removed, ...]:
        """Delete clips, posters and segments of a sensor that overlap a span. Alerts keep what their clips were called and when they were.

        A clip whose disk is away goes when that is back.
        """
        made = [found async for page in self._pages("kept", "removed") for found in _overlapping(page, (sensor, UNKNOWN_SENSOR), (start, end))]
        wanted = await self._do(lambda connection: clip_rows.of_state(connection, "wanted"))
        removed: list[Removed] = []
        for row, span in (*made, *_overlapping(wanted, (sensor,), (start, end))):
            removed += _described(row, sensor, span)
            want = row.wanted() if row.state == "wanted" else None
            if want:
                await apart(partial(evidence_files.remove, self.folder, evidence_files.stem(row.id, want.moment)))
                await self._end(row.id, "removed", Gone(why="forgotten"))
            else:
                await self._remove(row, "forgotten")
        removed.sort(key=lambda each: each.start)
        runtime = self.config.runtime
        erased = await apart(lambda: evidence_files.erase_segments(runtime, sensor, (start, end), now))
        removed += [Removed(what="segment", name=each.name, sensor=sensor, start=each.start, end=each.end, bytes=each.bytes) for each in erased]
        return tuple(removed)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._store.do(work)


def _without_file(folder: Path, rows: Sequence[ClipRow]) -> list[tuple[ClipRow, Clip]]:
    return [(row, clip) for row in rows if (clip := row.clip()) and not evidence_files.lies(folder, clip.file)]


def _delete_unclaimed(folder: Path, files: Sequence[Lying], rows: Mapping[ClipId, ClipRow]) -> int:
    """Delete those of these files that belong to no whole clip, to none that is about to be one, or to one that was deleted; how many."""
    made = {evidence_files.stem(row.id, want.moment) for row in rows.values() if row.state == "wanted" and (want := row.wanted()) and want.clip}
    removed = {row.id for row in rows.values() if row.state == "removed" and not row.missing()}
    unclaimed = [file for file in files if file.clip in removed or not (file.stem in made or evidence_files.has_clip(folder, file.stem))]
    for file in unclaimed:
        (folder / file.name).unlink(missing_ok=True)
    return len(unclaimed)


def _overlapping(rows: Iterable[ClipRow], sensors: Container[SensorId], span: Span) -> Iterator[tuple[ClipRow, Span]]:
    """Those of these sensors that overlap, and when they were."""
    for row in rows:
        of = row.about() if row.sensor in sensors else None
        if of is None:
            continue
        wide = UNKNOWN if of.start == of.end else timedelta(0)
        start, end = of.start.utc - wide, of.end.utc + wide
        if start <= span[1] and end >= span[0]:
            yield row, (start, end)


def _described(row: ClipRow, sensor: SensorId, span: Span) -> list[Removed]:
    start, end = span
    if missing := row.missing():
        return [Removed(what="missing", name=missing.file, sensor=sensor, start=start, end=end, bytes=0)]
    clip = row.clip() if row.state == "kept" else None
    if clip is None:
        return [Removed(what="promise", name=row.id, sensor=sensor, start=start, end=end, bytes=row.bytes)]
    out = [Removed(what="clip", name=clip.file, sensor=sensor, start=start, end=end, bytes=clip.bytes)]
    if clip.poster:
        out.append(Removed(what="poster", name=clip.poster, sensor=sensor, start=start, end=end, bytes=max(0, row.bytes - clip.bytes)))
    return out
