"""Evidence: a clip of each alarm, from before the window that opened it to after it, made by a helper and told as a later event of its alert.

A clip is a row from the moment that its alarm opens. The row waits until what it wants has been seen; one helper at a time makes it; the
files are on the disk before the row says what they are, and have their names before they are told. Whatever ends the box in between,
the row says how to go on. An alarm never waits for any of this.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from alerts import names
from alerts.alert import Alert, Change
from alerts.decision import LATE, Decision
from alerts.event import Evidenced
from alerts.evidence import Clip
from analyzers.judgement import Judgement
from appliance.clock import Clock
from appliance.config.configuration import Configuration, SensorConfig
from appliance.config.evidence_form import EvidenceConfig
from appliance.evidence import files as evidence_files
from appliance.evidence.clip_helper import helped
from appliance.evidence.figures import EvidenceStatistics
from appliance.evidence.files import apart
from appliance.evidence.room import EvidenceRoom, Removed
from appliance.evidence.wants import around, clip_of, last_seconds, order_of, standing
from appliance.pipeline import Pipeline
from appliance.standing import as_it_stands
from appliance.store import clip_rows
from appliance.store.clip_rows import ClipRow, Gone, Wanted
from appliance.store.store import Store, StoreFailed
from appliance.watch import Watch
from sensors.cut import Cut, CutOrder, Uncut
from sensors.moment import Moment
from sensors.window import SensorId

log = logging.getLogger("omniwatch.evidence")

SETTLED = timedelta(seconds=2)
"""What a camera has sent is in its segments by then."""
MAX_ATTEMPTS = 3
BETWEEN_ATTEMPTS = timedelta(seconds=10)
MAX_WANTED = 256
"""Clips that may wait to be made. One more alarm in such a flood has none, and its row says so."""
MAX_TWINS = 16
UPKEEP_EVERY = timedelta(seconds=10)
RECONCILE_EVERY = timedelta(hours=1)
LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What evidence works with."""

    store: Store
    pipeline: Pipeline
    clock: Clock
    watch: Callable[[], Watch]
    lost: Callable[[SensorId], bool]
    """Whether nothing more comes of a sensor for now."""
    cut: Callable[[CutOrder], Awaitable[Cut | Uncut]] = helped
    """Makes a clip."""


class Evidence:
    """All clips of the box."""

    def __init__(self, means: Means, room: EvidenceRoom) -> None:
        """Nothing happens until `run`; what opens before is noted."""
        self._means = means
        self._room = room
        self._config = EvidenceConfig()
        self._sensors: Mapping[SensorId, SensorConfig] = {}
        self._noted: deque[ClipRow] = deque(maxlen=MAX_WANTED)
        self._something = asyncio.Event()
        self._alone = asyncio.Lock()
        self._tended: Moment | None = None
        self._reconciled: Moment | None = None
        self._forgotten = 0
        """How often something was: rows that were read before are then not to be believed."""
        self._made: dict[Wanted, tuple[Clip, int]] = {}
        """The newest clips and what they take: alarms that one window opened share one, under names of their own."""
        self._kept = self._waiting = 0
        self._failed: Counter[str] = Counter()

    def configure(self, configuration: Configuration) -> None:
        """Keep this from now on. What is promised already stays as it was promised."""
        self._config = self._room.config = configuration.evidence
        self._sensors = {sensor.settings.sensor: sensor for sensor in configuration.sensors if sensor.segments}
        self._room.rings = {name: sensor.segments for name, sensor in self._sensors.items() if sensor.segments}

    def saw(self, what: Judgement | Decision) -> None:
        """Something was decided: note the clip of an alarm that opens, also of one that is silent, or a test."""
        if not isinstance(what, Decision) or what.alert is None or what.reason in LATE:
            return
        if what.change in (Change.OPENED, Change.REOPENED):
            self._opened(what.alert)

    def _opened(self, alert: Alert) -> None:
        sensor = self._sensors.get(alert.sensor)
        if sensor is None:
            return
        if alert.policy != names.SENSOR_LOST:
            self._note(alert, around(alert, sensor, self._config))
        elif stands := standing(self._means.pipeline.tracks(), alert.sensor):  # its last seconds belong to what stood when it went
            self._note(stands, last_seconds(alert, sensor, self._config))

    def _note(self, alert: Alert, wanted: Wanted) -> None:
        if len(self._noted) == MAX_WANTED:
            self._failed["too many at once"] += 1
        self._noted.append(clip_rows.wanted_row(alert, wanted))
        self._something.set()

    async def run(self) -> None:
        """Promise and make clips for ever. A store or a disk that fails is an alarm of its own; it is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._promise_forever(), name="evidence promises")
            tasks.create_task(self._make_forever(), name="evidence clips")

    async def _promise_forever(self) -> None:
        while True:
            self._something.clear()
            try:
                await self.promise()
            except StoreFailed as error:
                log.debug("clips are promised with the next upkeep: %s", error)
            await self._something.wait()

    async def promise(self) -> None:
        """Write the rows of what was noted. StoreFailed leaves the rest noted."""
        while self._noted:
            row = self._noted[0]
            wanted = row.wanted()
            moment = wanted.moment if wanted else self._means.clock.now()
            await self._means.store.do(partial(clip_rows.add, row=row, at=moment))
            if self._noted and self._noted[0] is row:
                self._noted.popleft()

    async def _make_forever(self) -> None:
        while True:
            try:
                await self.turn(self._means.clock.now())
            except (StoreFailed, OSError) as error:
                log.debug("evidence: %s", error)
            await asyncio.sleep(LOOK_S)

    async def turn(self, now: Moment) -> None:
        """One turn: see that rows and files are true and fit, then make what is due."""
        if self._means.store.away:
            return  # what stands in for the store forgets: a clip that only it knows would be nobody's
        async with self._alone:
            if self._reconciled is None or now.since(self._reconciled) >= RECONCILE_EVERY:
                await self._reconcile(now)
            if self._tended is None or now.since(self._tended) >= UPKEEP_EVERY:
                await self._heal(now)
                await self._room.upkeep(now)
                self._tended = now
        forgotten, rows = self._forgotten, await self._means.store.do(lambda connection: clip_rows.of_state(connection, "wanted"))
        self._waiting = len(rows)
        too_many = {row.id for row in rows[MAX_WANTED:]}
        for row in rows:
            async with self._alone:
                if self._forgotten != forgotten:
                    return
                if row.id in too_many:
                    await self._fail(row, "too many at once")
                else:
                    await self._tend(row, self._means.clock.now())

    async def _reconcile(self, now: Moment) -> None:
        """Compare rows and files. What cannot be compared is said, and keeps no clip from being made."""
        try:
            await self._room.reconcile(now)
        except OSError as error:
            log.error("clips and their rows cannot be compared; this is tried again in an hour: %s", error)  # noqa: TRY400 - no fault of ours
        self._reconciled = now

    async def _heal(self, now: Moment) -> None:
        """Promise what opened lately and was not promised: the box ended in between, or the store was away."""
        ago = timedelta(seconds=max((ring.seconds for ring in self._room.rings.values()), default=0.0))
        for alert in await self._means.store.do(lambda connection: clip_rows.unpromised(connection, now, ago)):
            sensor = self._sensors.get(alert.sensor)
            if sensor is not None and alert.policy != names.SENSOR_LOST:
                self._note(alert, around(alert, sensor, self._config))
        await self.promise()

    async def _tend(self, row: ClipRow, now: Moment) -> None:
        """Go on with one row from where it stands."""
        wanted = row.wanted()
        if wanted is None:
            await self._fail(row, "unreadable")
        elif wanted.clip is not None:
            await self._finish(row, wanted, wanted.clip)
        elif self._is_due(row, wanted, now):
            await self._make(row, wanted)

    def _is_due(self, row: ClipRow, wanted: Wanted, now: Moment) -> bool:
        """Whether all that is wanted has been seen, or no more will be."""
        over = wanted.end.boot_id != now.boot_id or self._means.lost(row.sensor) or now.since(wanted.end) >= SETTLED
        return over and (not row.attempts or now.since(wanted.end) >= SETTLED + row.attempts * BETWEEN_ATTEMPTS)

    async def _make(self, row: ClipRow, wanted: Wanted) -> None:
        """Let a helper make it, and write what it has made."""
        if self._room.full:
            await self._fail(row, "no room")
            return
        path, folder = evidence_files.stem(row.id, wanted.moment), self._room.folder
        await self._means.store.do(lambda connection: clip_rows.tried(connection, row.id))
        await apart(lambda: evidence_files.prepare(folder, path))
        twin = self._made.get(wanted)
        clip = await apart(lambda: evidence_files.linked(folder, twin[0], path)) if twin else None
        size = twin[1] if twin else 0
        if clip is None:
            answer = await self._means.cut(order_of(wanted, str(folder / path)))
            if isinstance(answer, Uncut):
                await self._unmade(row, path, answer)
                return
            clip, size = clip_of(answer, path, wanted), answer.bytes + answer.poster_bytes
        self._made = {**dict([*self._made.items()][1 - MAX_TWINS :]), wanted: (clip, size)}
        made = replace(wanted, clip=clip)
        await self._means.store.do(lambda connection: clip_rows.made(connection, row.id, made, size))
        await self._finish(row, made, clip)

    async def _unmade(self, row: ClipRow, path: str, answer: Uncut) -> None:
        if answer.missing or row.attempts + 1 >= MAX_ATTEMPTS:
            await self._fail(row, "nothing to make it of" if answer.missing else "not made", answer.problem)
        else:
            log.warning("the clip %s of %s was not made, and is tried again: %s", row.id, row.sensor, answer.problem)
        await apart(lambda: evidence_files.remove(self._room.folder, path))

    async def _finish(self, row: ClipRow, wanted: Wanted, clip: Clip) -> None:
        """Give its files their names, tell it, and say that all is done. Each step may have been done before."""
        if not await apart(lambda: evidence_files.place(self._room.folder, clip)):
            again = replace(wanted, clip=None)
            await self._means.store.do(lambda connection: clip_rows.made(connection, row.id, again, 0))
            return
        await self._tell(row, clip)
        await self._means.store.do(lambda connection: clip_rows.kept(connection, row.id, clip))
        self._kept += 1
        log.info("evidence: %s, %.1f MB", clip.file, clip.bytes / 1e6)
        await self._room.make_room()

    async def _tell(self, row: ClipRow, clip: Clip) -> None:
        """Fold it into its alert, open or over, unless that has happened already."""
        found = await as_it_stands(row.alert, self._means.pipeline, self._means.store)
        if found is None:
            log.warning("the clip %s cannot be told: its alert is not in the store", row.id)
            return
        alert, told = found
        policy = self._means.watch().policies().get((alert.policy, alert.view))
        if policy is None or any(each.file == clip.file for each in alert.evidence):
            return
        event = Evidenced(alert=alert, told=told, clip=clip, at=self._means.clock.now())
        await self._means.pipeline.fold([(policy, alert.view, event)])

    async def _fail(self, row: ClipRow, why: str, detail: str = "") -> None:
        await self._means.store.do(lambda connection: clip_rows.ended(connection, row.id, "failed", Gone(why=f"{why}: {detail}" if detail else why)))
        self._failed[why] += 1
        log.error("there is no clip %s of %s: %s", row.id, row.sensor, detail or why)

    async def forget(self, sensor: SensorId, start: datetime, end: datetime) -> tuple[Removed, ...]:
        """Delete what is kept of a sensor between two times, also what is still to be made. StoreFailed or OSError where that cannot be."""
        await self.promise()
        async with self._alone:
            self._forgotten += 1
            return await self._room.forget(sensor, start, end, self._means.clock.now())

    def statistics(self) -> EvidenceStatistics:
        """How it stands."""
        return EvidenceStatistics(
            kept=self._kept,
            failed=dict(self._failed),
            removed=dict(self._room.gone),
            waiting=self._waiting + len(self._noted),
            bytes=self._room.bytes,
            segment_bytes=self._room.seen.segment_bytes,
            oldest_s=self._room.seen.oldest_s,
            full=self._room.full,
        )

