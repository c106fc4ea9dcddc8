"""A pipeline with a real store, and the second step of a judge that is played by hand: for tests of what is said behind an alarm."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path

from prometheus_client import CollectorRegistry

from alerts.alert import Change
from alerts.audience import Audience
from alerts.decision import Decision
from alerts.notification import Notification
from analyzers.cue_judge import CueJudge
from analyzers.description import Description, Third, Undescribed
from analyzers.interview import Forgo, Wish, WishEnded
from analyzers.judge import Question
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import PolicyId
from analyzers.queue import Queue
from analyzers.transcript import Transcribed, Transcript
from appliance.children.wish_link import WishLink
from appliance.config.judge_form import JudgeConfig
from appliance.describing import Describing, Means
from appliance.describing_figures import DescribingFigures
from appliance.pipeline import Pipeline
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.window import Window, WindowId
from tests.appliance.test_pipeline import ASKED, START, Hands, answer, watching, window

ON = JudgeConfig(kind=JudgeKind.OMNI, describes=True, language="German")
PERSON = Description(what="Eine Person an der Presse", first="Presse anhalten", where=Third.LEFT, since=START)
WRITTEN = WishEnded(id=0, description=PERSON)
OTHER = replace(ASKED, id=PolicyId("other"))
SPOKEN = replace(ASKED, transcript=True)
HELP = replace(PERSON, transcript=Transcript(text="Hilfe, ich bin gestürzt"))


class FakeJudge:
    """Says yes to everything, and notes what it is asked to describe."""

    def __init__(self) -> None:
        self.ready = True
        self.verdict = Verdict.YES
        self.by = JudgeKind.OMNI
        self.sent: list[Wish | Forgo] = []
        self.hung = 0
        self.wishes = WishLink(self.sent.append, self._hang)

    def _hang(self) -> None:
        self.hung += 1

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        return tuple(replace(answer(question, policy, self.verdict), by=self.by) for question in batch for policy in question.policies)

    @property
    def wish(self) -> Wish:
        return [each for each in self.sent if isinstance(each, Wish)][-1]


@dataclass
class Room:
    """A pipeline with a real store, and the second step of a judge that is played by hand."""

    store: Store
    pipeline: Pipeline
    describing: Describing
    judge: FakeJudge
    clock: Hands
    registry: CollectorRegistry
    folder: Path
    told: list[Notification] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    released: list[WindowId] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    watch: Watch = field(default_factory=lambda: watching(ASKED))

    def wake(self) -> None:
        pass

    def tell_undurable(self, notification: Notification) -> None:
        pass

    async def hit(self, end_s: float) -> Window:
        """A window is judged, and a second step begins where it is its turn."""
        self.clock.at_s = max(self.clock.at_s, end_s)
        seen = window(end_s)
        await self.pipeline.window(seen)
        await self.turn()
        return seen

    async def turn(self) -> None:
        for _ in range(3):
            await self.pipeline.judge_once()
            await asyncio.sleep(0)

    async def ends(self, end: WishEnded) -> None:
        """The judge says what became of the newest wish, and it is waited for what becomes of that."""
        self.judge.wishes.hear(replace(end, id=self.judge.wish.id))
        await self.settled()

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            while self.describing.is_busy:
                await self.stirred.wait()
                self.stirred.clear()

    def holding(self, word: str) -> list[str]:
        """The files in which it is to be found."""
        return [file.name for file in self.folder.iterdir() if word.encode() in file.read_bytes()]

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"omniwatch_descriptions_{name}_total", labels) or 0.0

    def unwritten(self) -> dict[str, float]:
        counts = {why.value: self.count("unwritten", reason=why.value) for why in Undescribed}
        return {why: count for why, count in counts.items() if count}

    def transcripts(self) -> dict[str, float]:
        counts = {each.value: self.registry.get_sample_value("omniwatch_transcripts_total", {"outcome": each.value}) for each in Transcribed}
        return {outcome: count for outcome, count in counts.items() if count}

    def changes(self) -> list[Change | None]:
        return [decision.change for decision in self.decisions if decision.change]


def story(test: Callable[[Room], Coroutine[None, None, None]]) -> Callable[[Path], None]:
    """Run a test in an event loop of its own, with a room, and leave no window held."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def play() -> None:
            room = await furnished(tmp_path)
            running = asyncio.create_task(room.describing.run())
            try:
                await test(room)
            finally:
                running.cancel()
                await room.store.close(room.clock.now())

        asyncio.run(play())

    del run.__wrapped__  # type: ignore[attr-defined] - or pytest would look for a fixture `room`
    return run


async def furnished(folder: Path) -> Room:
    clock, judge, registry = Hands(), FakeJudge(), CollectorRegistry()
    store = await Store.open(folder / "state.db", clock.now())
    queue = Queue(capacity=100, max_age=ON.max_age)
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=judge, ledger=store, teller=None, queue=queue)
    pipeline.audiences = (Audience(channel="mqtt"),)
    room: Room
    means = Means(
        store=store, pipeline=pipeline, judge=judge, clock=clock, watch=lambda: room.watch, figures=DescribingFigures(registry)  # type: ignore[arg-type]
    )
    describing = Describing(means)
    describing.configure(ON)
    room = Room(store=store, pipeline=pipeline, describing=describing, judge=judge, clock=clock, registry=registry, folder=folder)
    pipeline.observers += [describing.saw, lambda what: room.decisions.append(what) if isinstance(what, Decision) else None]
    stir = pipeline.stir
    pipeline.stir = lambda: (stir(), room.stirred.set())  # type: ignore[method-assign,return-value]
    pipeline.holding.release = lambda _sensor, seen: room.released.append(seen)
    await pipeline.configure(room.watch)
    return room


async def turns() -> None:
    """Whoever can go on does."""
    for _ in range(10):
        await asyncio.sleep(0)
