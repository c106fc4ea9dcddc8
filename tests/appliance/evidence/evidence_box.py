"""A small box around evidence: a real store, real rules, real segments and real helpers, and a clock that stands where it is put."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from alerts.alert import Alert
from alerts.decision import Decision
from alerts.event import Commanded, Judged, Ticked, Verb
from alerts.evidence import Clip
from alerts.names import SENSOR_LOST
from alerts.notification import Notification
from analyzers.cue_judge import CueJudge
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import Acknowledge, Policy, PolicyId
from analyzers.queue import Queue
from appliance.config.configuration import Configuration, SensorConfig
from appliance.config.evidence_form import EvidenceConfig, EvidenceUse
from appliance.evidence.clip_helper import helped
from appliance.evidence.evidence import Evidence, Means
from appliance.evidence.room import EvidenceRoom
from appliance.pipeline import Pipeline
from appliance.store import clip_rows
from appliance.store.clip_rows import ClipId
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.cut import Cut, CutOrder, Uncut
from sensors.moment import BootId, Moment
from sensors.segment import folder_of
from sensors.settings import SegmentSettings, SensorSettings, WindowShape
from sensors.window import Sense, SensorId, ViewId, WindowId
from tests.sensors.harness import Scene, record
from tests.sensors.test_clip import BOOT_S, footage

DOOR = SensorId("door")
BOOT = BootId("boot")
BEGIN = Moment(utc=datetime(2026, 5, 4, 12, tzinfo=UTC), boot_ns=BOOT_S * 10**9, boot_id=BOOT)
"""When the film begins."""
SHAPE = WindowShape(length_s=2, every_s=1, fps=2, longest_side=160)
ENTRY = Policy(id=PolicyId("entry"), title="Entry", ask="?", sensors=(DOOR,), clear_after=timedelta(0), acknowledge=Acknowledge.AUTO)
THEFT = replace(ENTRY, id=PolicyId("theft"), title="Theft", acknowledge=Acknowledge.REQUIRED)
LOST = replace(ENTRY, id=SENSOR_LOST, title="Sensor lost")
POLICIES = {policy.id: policy for policy in (ENTRY, THEFT, LOST)}
YES, NO = Verdict.YES, Verdict.NO
P = ParamSpec("P")


def story(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


@dataclass
class Hands:
    """A clock."""

    at_s: float = 0.0

    def now(self) -> Moment:
        return at(self.at_s)


class Nobody:
    """Whom nothing is told."""

    def wake(self) -> None:
        pass

    def tell_undurable(self, notification: Notification) -> None:
        pass


def at(seconds: float) -> Moment:
    """A moment of the film."""
    return BEGIN.plus(timedelta(seconds=seconds))


@dataclass
class EvidenceBox:
    """What a test works with."""

    folder: Path
    store: Store
    clock: Hands
    pipeline: Pipeline
    evidence: Evidence
    room: EvidenceRoom
    configuration: Configuration
    lost: set[SensorId]
    decisions: list[Decision] = field(default_factory=list)

    @property
    def clips(self) -> Path:
        return self.folder / "state" / "evidence"

    def saw(self, what: Judgement | Decision) -> None:
        if isinstance(what, Decision) and what.change:
            self.decisions.append(what)

    async def judge(self, verdict: Verdict, end_s: float, policy: Policy = ENTRY) -> None:
        """A window that ends at a time of the film is judged two seconds later."""
        self.clock.at_s = max(self.clock.at_s, end_s + 2)
        judgement = Judgement(
            policy=policy.id, sensor=DOOR, view=ViewId(DOOR), window=WindowId(f"door/1/{end_s:g}"), start=at(end_s - 2), end=at(end_s),
            verdict=verdict, log_odds=3.0, by=JudgeKind.CUES,
        )  # fmt: skip
        await self.pipeline.judged([Judged(judgement=judgement, at=self.clock.now())])

    async def say(self, verb: Verb, policy: Policy = ENTRY, span: timedelta | None = None) -> None:
        """Somebody gives an order."""
        order = Commanded(verb=verb, who="anna", span=span, at=self.clock.now())
        await self.pipeline.fold([(policy, ViewId(DOOR), order)])

    async def tick(self, seconds: float) -> None:
        """Time passes for every track."""
        self.clock.at_s = seconds
        await self.pipeline.fold([(policy, ViewId(DOOR), Ticked(at=at(seconds))) for policy in POLICIES.values()])

    async def turn(self, seconds: float | None = None) -> None:
        """Promise what is noted, and let evidence turn once at a time of the film."""
        self.clock.at_s = self.clock.at_s if seconds is None else seconds
        await self.evidence.promise()
        await self.evidence.turn(self.clock.now())

    async def keep(self, count: int) -> None:
        """So many clips are kept in all, of other days; there is nothing in them."""
        day = self.clips / "2026-05-03"
        day.mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(count):
            name = ClipId(f"{'a' * 26}-{number}")
            (day / f"{name}.mp4").touch()
            clip = Clip(file=f"{day.name}/{name}.mp4", poster=None, sha256="", bytes=0, start=BEGIN, end=BEGIN, masked=False, sound=False)
            rows.append(clip_rows.found_row(name, clip, 0))
        await self.store.do(lambda connection: [clip_rows.add(connection, row, BEGIN) for row in rows])

    async def rows(self) -> list[tuple[str, str, int]]:
        """Each clip's id, state and attempts."""
        return await self.sql("SELECT id, state, attempts FROM clip ORDER BY at_us, id")

    async def sql(self, query: str, *values: object) -> list[Any]:
        def work(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(query, values).fetchall()

        return await self.store.do(work)

    async def alert(self, policy: Policy = ENTRY) -> Alert:
        """The newest alert of a policy as the store has it."""
        (track,) = [track for track in self.pipeline.tracks() if track.policy == policy.id]
        if track.alert:
            return track.alert
        return [decision.alert for decision in self.decisions if decision.alert and decision.alert.policy == policy.id][-1]

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.clips)) for path in self.clips.rglob("*") if path.is_file())


def sensor(folder: Path, **wants: Any) -> SensorConfig:  # noqa: ANN401 - fields of two values
    """The door's camera."""
    segments = SegmentSettings(folder=str(folder / "runtime"), seconds=120, bytes=1 << 30)
    masks = wants.get("masks", ())
    settings = SensorSettings(sensor=DOOR, source="file:x", window=SHAPE, slots=8, segments=segments, masks=masks)
    use = wants.get("use", EvidenceUse.ON)
    return SensorConfig(settings=settings, senses=frozenset(Sense), evidence=use, segments=segments)


def configured(folder: Path, evidence: EvidenceConfig, **wants: Any) -> Configuration:  # noqa: ANN401 - handed on
    """A configuration of one door."""
    return Configuration(file=folder / "x.yaml", site="s", box="b", timezone="UTC", sensors=(sensor(folder, **wants),), evidence=evidence)


def keeping(folder: Path, **wants: Any) -> EvidenceConfig:  # noqa: ANN401 - fields of a value
    """Three seconds before and two after, and whatever else a test wants."""
    usual = {"before": timedelta(seconds=3), "after": timedelta(seconds=2), "runtime": folder / "runtime", "free": 0.0}
    return EvidenceConfig(**{**usual, **wants})


@asynccontextmanager
async def box(folder: Path, config: EvidenceConfig | None = None, cut: Callable[[CutOrder], Awaitable[Cut | Uncut]] = helped, **wants: Any):  # noqa: ANN201, ANN401
    """Open it, as a start of the appliance does; closing it and opening it again is a restart."""
    clock = Hands(wants.pop("begins_s", 0.0))
    (folder / "state").mkdir(exist_ok=True)
    store = await Store.open(folder / "state" / "omniwatch.db", clock.now())
    queue = Queue(capacity=10, max_age=timedelta(seconds=20))
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=None, ledger=store, teller=Nobody(), queue=queue)
    watch = Watch(by_view={ViewId(DOOR): tuple(POLICIES.values())}, by_facts={}, strides={DOOR: timedelta(seconds=1)})
    lost: set[SensorId] = set()
    room = EvidenceRoom(store, folder / "state", clock.now())
    means = Means(store=store, pipeline=pipeline, clock=clock, watch=lambda: watch, lost=lambda name: name in lost, cut=cut)
    evidence = Evidence(means, room)
    configuration = configured(folder, config or keeping(folder), **wants)
    made = EvidenceBox(folder, store, clock, pipeline, evidence, room, configuration, lost)
    pipeline.observers.extend((made.saw, evidence.saw))
    pipeline.remember(await store.tracks())
    evidence.configure(configuration)
    await pipeline.configure(watch)
    try:
        yield made
    finally:
        await store.close(clock.now())


async def kept(one: EvidenceBox, end_s: float = 10.0) -> str:
    """An alarm opens and gets its clip; the clip's file."""
    await one.judge(YES, end_s)
    await one.turn(end_s + 5)
    return (await one.alert()).evidence[-1].file


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room in which it flashes at 9 s."""
    return record(tmp_path_factory.mktemp("film") / "film.mp4", Scene(seconds=25, at_s=(9.0,)))


@pytest.fixture
def segments(tmp_path: Path, film: Path) -> Path:
    """The film as segments of the door."""
    folder = folder_of(tmp_path / "runtime", BOOT, DOOR)
    folder.mkdir(parents=True)
    return footage(film, folder)
