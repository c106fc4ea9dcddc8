"""Behind the first message: who is described, what becomes of the text, and that whatever breaks meanwhile costs the text alone, and is counted."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerts.alert import Change
from alerts.audience import Audience
from alerts.decision import Decision
from alerts.event import Commanded, Judged, Verb
from alerts.names import SELF_TEST
from alerts.notification import Notification
from alerts.reason import Reason
from analyzers.cue_judge import CueJudge
from analyzers.description import Description, Third, Undescribed
from analyzers.interview import Forgo, Perceived, Wish, WishEnded
from analyzers.judge import Question
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import PolicyId
from analyzers.queue import Queue
from analyzers.transcript import Transcribed, Transcript, outcome
from appliance.children.wish_link import WishLink
from appliance.config.judge_form import JudgeConfig
from appliance.describing import MAX_WAITING, WANTED_FOR, Describing, Means
from appliance.describing_figures import DescribingFigures
from appliance.pipeline import Pipeline
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.window import ViewId, Window, WindowId
from tests.appliance.test_pipeline import ASKED, HALL, START, Hands, answer, watching, window

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


@story
async def test_the_alarm_goes_out_at_once_and_the_text_follows_under_its_id_and_outlives_a_restart(room: Room) -> None:
    seen = await room.hit(1)
    (first,) = await room.store.pending("mqtt", 9)
    assert (first.change, first.alert.description) == (Change.OPENED, None)
    assert (room.judge.wish.language, room.judge.wish.ask.window.id, room.judge.wish.ask.policies) == ("German", seen.id, (ASKED.id,))
    assert room.judge.wish.until_ns == room.clock.now().plus(WANTED_FOR).boot_ns
    await room.ends(replace(WRITTEN, took_s=1.5, first_word_ns=first.alert.changed.boot_ns + 700_000_000))
    _, update = await room.store.pending("mqtt", 9)
    assert (update.change, update.alert.id, update.alert.transition, update.alert.description) == (Change.UPDATED, first.alert.id, 2, PERSON)
    (track,) = await room.store.tracks()
    (alert,) = await room.store.open_alerts()
    assert track.alert
    assert track.alert.description == alert.description == PERSON
    assert (room.count("asked"), room.count("written"), room.unwritten(), room.count("judge_seconds")) == (1, 1, {}, 1.5)
    assert room.registry.get_sample_value("omniwatch_description_first_word_seconds_sum") == pytest.approx(0.7)


@story
async def test_a_windows_slots_are_held_until_the_judge_has_perceived_it_and_given_up_once(room: Room) -> None:
    seen = await room.hit(1)
    assert room.released == []
    room.judge.wishes.hear(Perceived(id=room.judge.wish.id))
    assert room.released == [seen.id]
    await room.ends(WRITTEN)
    assert room.released == [seen.id]


@story
async def test_of_an_alarm_that_is_over_by_then_it_is_told_all_the_same(room: Room) -> None:
    await room.hit(1)
    room.judge.verdict = Verdict.NO
    await room.hit(2)
    await room.ends(WRITTEN)
    assert room.changes() == [Change.OPENED, Change.CLEARED, Change.UPDATED]
    assert room.decisions[-1].reason is Reason.DESCRIBED


@story
async def test_cues_tests_self_tests_and_what_is_told_to_nobody_are_not_described(room: Room) -> None:
    room.judge.by = JudgeKind.CUES
    await room.hit(1)
    room.judge.by, room.judge.verdict = JudgeKind.OMNI, Verdict.NO
    await room.hit(2)
    at = room.clock.now()
    await room.pipeline.fold([(ASKED, ViewId(HALL), Commanded(verb=Verb.TEST, who="anna", at=at))])
    shelve = Commanded(verb=Verb.SHELVE, who="anna", why="paint", span=timedelta(hours=1), at=at)
    await room.pipeline.fold([(ASKED, ViewId(HALL), shelve)])
    room.judge.verdict = Verdict.YES
    await room.hit(3)
    tests_itself = replace(ASKED, id=SELF_TEST)
    room.watch = watching(tests_itself)
    await room.pipeline.configure(room.watch)
    await room.hit(4)
    assert [change for change in room.changes() if change is Change.OPENED] == [Change.OPENED] * 4
    assert room.judge.sent == []
    assert room.count("asked") == 0


@story
async def test_a_judge_that_dies_in_the_middle_costs_the_text_and_the_next_hit_is_described(room: Room) -> None:
    seen = await room.hit(1)
    room.judge.wishes.lost()
    await room.settled()
    assert (room.unwritten(), room.released, room.changes()) == ({"judge": 1}, [seen.id], [Change.OPENED])
    room.judge.verdict = Verdict.NO
    await room.hit(2)
    room.judge.verdict = Verdict.YES
    await room.hit(3)
    await room.ends(replace(WRITTEN, description=replace(PERSON, since=None)))
    assert room.count("written") == 1


@story
async def test_a_judge_that_never_says_what_became_of_it_is_ended_at_the_deadline(room: Room) -> None:
    room.describing.configure(replace(ON, deadline=timedelta(seconds=0.05)))
    seen = window(1)
    room.clock.at_s = 1
    await room.pipeline.window(seen)
    await room.pipeline.judge_once()
    await room.pipeline.judge_once()
    assert room.judge.sent
    room.clock.at_s += WANTED_FOR.total_seconds()
    await room.settled()
    assert (room.judge.hung, room.unwritten(), room.released) == (1, {"judge": 1}, [seen.id])


@story
async def test_a_reload_in_the_middle_that_takes_the_policy_away_costs_the_text(room: Room) -> None:
    await room.hit(1)
    room.watch = watching(OTHER)
    await room.pipeline.configure(room.watch)
    await room.ends(WRITTEN)
    assert (room.unwritten(), room.changes()) == ({"withdrawn": 1}, [Change.OPENED, Change.CLEARED])


@story
async def test_switched_off_in_the_middle_the_judge_is_told_to_stop_and_nothing_more_is_described(room: Room) -> None:
    await room.hit(1)
    room.describing.configure(replace(ON, describes=False))
    assert room.judge.sent[-1] == Forgo(id=room.judge.wish.id)
    await room.ends(WRITTEN)  # it was written before it heard
    assert (room.unwritten(), room.changes()) == ({"withdrawn": 1}, [Change.OPENED])


@story
async def test_what_no_judge_of_ours_writes_is_no_description_and_is_not_stored(room: Room) -> None:
    await room.hit(1)
    await room.ends(replace(WRITTEN, description=replace(PERSON, what="x" * 100_000)))
    assert (room.count("written"), room.unwritten(), room.changes()) == (0, {"unreadable": 1}, [Change.OPENED])


@story
async def test_what_waits_when_it_is_switched_off_leaves_with_a_reason_and_its_window(room: Room) -> None:
    await room.hit(1)
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    waits = await room.hit(2)  # of the other policy: one is under way
    assert room.count("asked") == 2
    room.describing.configure(replace(ON, describes=False))
    await room.ends(WishEnded(id=0, why=Undescribed.WITHDRAWN))
    room.clock.at_s = 40
    await room.turn()
    assert (room.unwritten(), room.released.count(waits.id)) == ({"withdrawn": 2}, 1)


@story
async def test_a_sensor_that_starts_again_takes_what_waits_along(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)  # two alarms: one begins, one waits
    await room.pipeline.drop(HALL)
    assert (room.unwritten(), room.released) == ({"gone": 1}, [])  # the judge may be looking at it still
    await room.ends(WRITTEN)
    assert (room.count("written"), room.released) == (1, [seen.id])


@story
async def test_what_waits_for_too_long_is_dropped_and_counted(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    await room.hit(1)
    room.clock.at_s = 2 + ON.max_age.total_seconds()
    await room.turn()
    assert room.unwritten() == {"stale": 1}


@story
async def test_no_more_wait_than_there_is_room_for(room: Room) -> None:
    many = tuple(replace(ASKED, id=PolicyId(f"p{number}")) for number in range(MAX_WAITING + 3))
    room.watch = watching(*many)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)
    for _ in range(MAX_WAITING):
        await room.ends(WRITTEN)
        await room.turn()
    assert (room.count("written"), room.unwritten()) == (MAX_WAITING, {"crowded": 3})
    assert room.released == [seen.id]


@story
async def test_what_is_forgotten_in_the_middle_is_not_told(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)  # one under way, one that waits
    assert await room.describing.forget(HALL, START.utc, seen.end.utc) == ()
    assert isinstance(room.judge.sent[-1], Forgo)
    await room.ends(WRITTEN)
    await room.turn()
    assert (room.unwritten(), room.changes(), room.released) == ({"forgotten": 2}, [Change.OPENED] * 2, [seen.id])


@story
async def test_what_was_said_is_taken_out_of_all_that_is_stored_and_that_is_told(room: Room) -> None:
    seen = await room.hit(1)
    await room.ends(WRITTEN)
    day = datetime(2026, 5, 5, tzinfo=UTC)
    assert await room.describing.forget(HALL, day, day) == ()
    (said,) = await room.describing.forget(HALL, START.utc, seen.end.utc)
    assert said == f"description of alert {room.pipeline.tracks()[0].alert.id}"
    assert room.decisions[-1].reason is Reason.FORGOTTEN
    assert [note.alert.description for note in await room.store.pending("mqtt", 9)] == [None] * 3
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if PERSON.what in line]


@story
async def test_what_is_forgotten_while_it_is_being_told_is_gone_too(room: Room) -> None:
    seen = await room.hit(1)
    disk = threading.Event()
    at = room.clock.now()
    busy = asyncio.create_task(room.store.do(lambda _connection: disk.wait(10)))
    other = asyncio.create_task(room.pipeline.fold([(ASKED, ViewId(HALL), Commanded(verb=Verb.ACKNOWLEDGE, who="anna", at=at))]))
    await turns()
    room.judge.wishes.hear(replace(WRITTEN, id=room.judge.wish.id))
    await turns()  # the text waits until that is folded
    forgetting = asyncio.create_task(room.describing.forget(HALL, START.utc, seen.end.utc))
    await turns()
    disk.set()
    await asyncio.gather(busy, other, forgetting)
    await room.settled()
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if PERSON.what in line]
    assert not [track for track in room.pipeline.tracks() if track.alert and track.alert.description]


async def turns() -> None:
    """Whoever can go on does."""
    for _ in range(10):
        await asyncio.sleep(0)


@story
async def test_an_alarm_whose_window_nobody_holds_any_more_has_no_text(room: Room) -> None:
    late = replace(answer(Question(window=window(1), view=ViewId(HALL), policies=(ASKED,)), ASKED, Verdict.YES))
    await room.pipeline.judged([Judged(judgement=late, at=room.clock.now())])
    assert (room.changes(), room.unwritten(), room.judge.sent) == ([Change.OPENED], {"gone": 1}, [])


@story
async def test_what_was_said_is_told_with_it_counted_and_forgotten_with_it(room: Room) -> None:
    room.watch = watching(SPOKEN)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)
    await room.ends(replace(WRITTEN, description=HELP))
    _, update = await room.store.pending("mqtt", 9)
    assert update.alert.description == HELP
    assert room.transcripts() == {"words": 1}
    assert room.holding("gestürzt")
    await room.describing.forget(HALL, START.utc, seen.end.utc)
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if "gestürzt" in line]
    assert room.holding("gestürzt") == [], "neither in what is free there, nor in the journal"


@story
async def test_a_policy_that_does_not_want_to_know_any_more_what_was_said_is_not_told(room: Room) -> None:
    room.watch = watching(SPOKEN)
    await room.pipeline.configure(room.watch)
    await room.hit(1)
    room.watch = watching(ASKED)
    await room.pipeline.configure(room.watch)
    await room.ends(replace(WRITTEN, description=HELP))
    _, update = await room.store.pending("mqtt", 9)
    assert update.alert.description == PERSON
    assert room.transcripts() == {}


@story
async def test_a_policy_that_wants_to_know_what_was_said_since_its_hit_waits_is_told(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    await room.hit(1)  # one under way, one that waits
    room.watch = watching(ASKED, replace(OTHER, transcript=True))
    await room.pipeline.configure(room.watch)
    await room.ends(WRITTEN)
    await room.turn()
    assert room.judge.wish.ask.policies == (OTHER.id,)
    await room.ends(replace(WRITTEN, description=HELP))
    assert (room.count("written"), room.unwritten(), room.transcripts()) == (2, {}, {"words": 1})


@pytest.mark.parametrize(
    ("transcript", "is_counted_as"),
    [
        (None, Transcribed.MISSING),
        (Transcript(text=""), Transcribed.SILENCE),
        (Transcript(text="Hilfe"), Transcribed.WORDS),
        (Transcript(text="Hilfe", cut=True), Transcribed.CUT),
        (Transcript(text="", cut=True), Transcribed.CUT),
    ],
)
def test_every_end_of_a_transcript_has_a_name(transcript: Transcript | None, is_counted_as: Transcribed) -> None:
    assert outcome(transcript) is is_counted_as
