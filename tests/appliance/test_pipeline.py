"""The data path with scripted ends: what is asked, what is said of what is not, when slots are let go, and what is told if the store fails."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import ParamSpec

import pytest

from alerts.alert import Change
from alerts.audience import Audience
from alerts.decision import Decision
from alerts.notification import Notification
from alerts.track import Track
from analyzers.cue_judge import CueJudge
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.policy import CueRule, Policy, PolicyId
from analyzers.queue import Queue
from appliance.config.judge_form import JudgeConfig
from appliance.pipeline import Pipeline
from appliance.store.store import StoreFailed
from appliance.watch import Watch
from appliance.wiring import wait_as_configured
from sensors.cues import CueName, Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

START = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
HALL, CELL = SensorId("hall"), ViewId("hall.cell")
MOVES = CueRule(at_least={CueName.MOTION: 0.5})
ASKED = Policy(id=PolicyId("asked"), title="Asked", ask="?", sensors=(HALL,), clear_after=timedelta(0), fallback=MOVES)
IN_CELL = replace(ASKED, id=PolicyId("in-cell"), zone="cell")


P = ParamSpec("P")


def story(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> Moment:
        return START.plus(timedelta(seconds=self.at_s))


class ScriptedJudge:
    """Says `verdict` to everything, after `gate` has opened."""

    def __init__(self, order: list[str]) -> None:
        self.ready = True
        self.verdict = Verdict.YES
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[Question, ...]] = []
        self._order = order

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        self.asked.append(batch)
        self._order.append("asked")
        await self.gate.wait()
        return tuple(answer(question, policy, self.verdict) for question in batch for policy in question.policies)


class ScriptedLedger:
    """Keeps what it is given, unless it fails; waits in a commit until `gate` is open."""

    def __init__(self, order: list[str]) -> None:
        self.failing = self.away = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.written: list[tuple[Decision, tuple[Notification, ...]]] = []
        self.outcomes: list[Judgement] = []
        self._order = order

    async def commit(self, decisions: Sequence[Decision], notifications: Sequence[Notification] = ()) -> None:
        await self.gate.wait()
        self._order.append("written")
        if self.failing:
            raise StoreFailed(self.failing)
        self.written += [(decision, tuple(notifications)) for decision in decisions]

    def judged(self, judgement: Judgement) -> None:
        self.outcomes.append(judgement)

    def noted(self, track: Track) -> None:
        """Nothing depends on it here."""

    def changes(self) -> list[Change | None]:
        return [decision.change for decision, _ in self.written]


class ScriptedTeller:
    """Remembers what it is to tell."""

    def __init__(self, order: list[str]) -> None:
        self.undurable: list[Notification] = []
        self._order = order

    def wake(self) -> None:
        self._order.append("woken")

    def tell_undurable(self, notification: Notification) -> None:
        self._order.append("told undurable")
        self.undurable.append(notification)


class Way:
    """A pipeline between scripted ends."""

    def __init__(self, *policies: Policy, capacity: int = 100) -> None:
        self.order: list[str] = []
        self.clock = Hands()
        self.judge = ScriptedJudge(self.order)
        self.ledger = ScriptedLedger(self.order)
        self.teller = ScriptedTeller(self.order)
        self.released: Counter[WindowId] = Counter()
        queue = Queue(capacity=capacity, max_age=timedelta(seconds=20))
        self.pipeline = Pipeline(clock=self.clock, cues=CueJudge(), judge=self.judge, ledger=self.ledger, teller=self.teller, queue=queue)
        self.pipeline.audiences = (Audience(channel="mqtt"),)
        self.pipeline.holding.release = lambda _sensor, window: self.released.update([window])
        self.policies = policies or (ASKED,)

    async def begin(self) -> "Way":
        await self.pipeline.configure(watching(*self.policies))
        return self

    async def see(self, end_s: float, *views: ViewId, motion: float = 1.0) -> Window:
        self.clock.at_s = max(self.clock.at_s, end_s)
        seen = window(end_s, *views, motion=motion)
        await self.pipeline.window(seen)
        return seen

    def causes(self, seen: Window) -> list[Cause | None]:
        return [outcome.cause for outcome in self.ledger.outcomes if outcome.window == seen.id]


def watching(*policies: Policy) -> Watch:
    views = dict.fromkeys(view for policy in policies for view in policy.views())
    by_view = {view: tuple(policy for policy in policies if view in policy.views()) for view in views}
    return Watch(by_view=by_view, by_facts={}, strides={HALL: timedelta(seconds=1)})


def window(end_s: float, *views: ViewId, motion: float = 1.0) -> Window:
    end = START.plus(timedelta(seconds=end_s))
    parts = tuple(View(id=view, height=32, width=32, cues=Cues(motion=motion)) for view in views or (ViewId(HALL),))
    return Window(
        id=WindowId(f"hall/1/{end_s:g}"), sensor=HALL, epoch=1, first_pair=round(end_s), start=end.plus(timedelta(seconds=-1)), end=end,
        slots=(0,), senses=frozenset({Sense.SIGHT}), views=parts,
    )  # fmt: skip


def answer(question: Question, policy: Policy, verdict: Verdict) -> Judgement:
    seen = question.window
    return Judgement(
        policy=policy.id, sensor=seen.sensor, view=question.view, window=seen.id, start=seen.start, end=seen.end, verdict=verdict,
        log_odds=2.0, by=JudgeKind.OMNI,
    )  # fmt: skip


@story
async def test_it_is_written_before_anybody_is_woken_to_tell() -> None:
    way = await Way().begin()
    await way.see(1)
    assert await way.pipeline.judge_once()
    assert way.order == ["asked", "written", "woken"]
    assert way.ledger.changes() == [Change.OPENED]
    assert not way.teller.undurable


@story
async def test_a_store_that_fails_costs_no_alarm_and_the_telling_says_so() -> None:
    way = await Way().begin()
    way.ledger.failing = "the disk is full"
    await way.see(1)
    await way.pipeline.judge_once()
    assert way.order == ["asked", "written", "told undurable", "woken"]
    assert [note.change for note in way.teller.undurable] == [Change.OPENED]
    assert way.pipeline.tracks()[0].is_open


@story
async def test_what_a_store_that_forgets_has_taken_is_told_as_not_durable() -> None:
    way = await Way().begin()
    way.ledger.away = "there is no disk"
    await way.see(1)
    await way.pipeline.judge_once()
    assert [note.durable for _, notes in way.ledger.written for note in notes] == [False]


@story
async def test_a_window_of_two_views_is_released_once_when_both_have_been_asked() -> None:
    way = await Way(ASKED, IN_CELL).begin()
    seen = await way.see(1, ViewId(HALL), CELL)
    assert not way.released
    await way.pipeline.judge_once()
    assert way.released == {seen.id: 1}


@story
async def test_a_window_that_nobody_asks_about_is_released_at_once() -> None:
    way = await Way().begin()
    seen = await way.see(1, motion=0.0)
    assert way.released == {seen.id: 1}
    assert way.causes(seen) == [Cause.QUIET]


@story
async def test_a_window_whose_first_view_is_dropped_at_once_is_not_released_while_its_second_waits() -> None:
    way = await Way(ASKED, IN_CELL).begin()
    newer = await way.see(5)
    older = await way.see(4, ViewId(HALL), CELL)  # its whole picture is superseded as it is put
    assert not way.released
    assert way.causes(older) == [Cause.SUPERSEDED]
    await way.pipeline.judge_once()
    assert way.released == {newer.id: 1, older.id: 1}


@story
async def test_a_superseded_window_is_on_record_and_released_and_its_policy_is_owed_a_look() -> None:
    way = await Way().begin()
    older = await way.see(1)
    newer = await way.see(2, motion=0.0)  # nothing stirs, but the one before was never looked at
    assert not way.causes(older)
    newest = await way.see(3)
    assert way.causes(newer) == [Cause.QUIET]
    assert way.causes(older) == [Cause.SUPERSEDED]
    await way.see(4, motion=0.0)
    await way.pipeline.judge_once()
    assert [question.window.end.boot_ns for question in way.judge.asked[0]] == [4_000_000_000]
    assert way.released == {older.id: 1, newer.id: 1, newest.id: 1, WindowId("hall/1/4"): 1}


@story
async def test_a_window_that_waited_too_long_is_on_record_and_released() -> None:
    way = await Way().begin()
    seen = await way.see(1)
    way.clock.at_s = 30
    assert not await way.pipeline.judge_once()
    assert way.causes(seen) == [Cause.TOO_OLD]
    assert way.released == {seen.id: 1}


@story
async def test_cues_stand_in_while_the_judge_is_away_and_a_patrol_stays_due() -> None:
    way = await Way(replace(ASKED, patrol=timedelta(minutes=5))).begin()
    way.judge.ready = False
    away = await way.see(1, motion=0.0)
    assert [outcome.by for outcome in way.ledger.outcomes] == [JudgeKind.CUES]
    assert way.released == {away.id: 1}
    way.judge.ready = True
    await way.see(2, motion=0.0)
    assert await way.pipeline.judge_once()
    assert [outcome.by for outcome in way.ledger.outcomes] == [JudgeKind.CUES, JudgeKind.OMNI]


@pytest.mark.parametrize("gone", [True, False])  # a reload to `kind: cues`, or a judge that breaks
@story
async def test_what_waits_when_the_judge_goes_is_answered_by_cues_and_released(gone: bool) -> None:  # noqa: FBT001 - a row of a table
    way = await Way().begin()
    seen = await way.see(1)
    way.judge.ready = False
    way.pipeline.judge = None if gone else way.judge
    await way.pipeline.judge_once()
    assert [(outcome.by, outcome.verdict) for outcome in way.ledger.outcomes] == [(JudgeKind.CUES, Verdict.YES)]
    assert way.released == {seen.id: 1}
    assert not way.judge.asked


@story
async def test_without_a_stand_in_questions_wait_for_the_judge() -> None:
    way = await Way().begin()
    way.pipeline.waits_for_judge, way.judge.ready = True, False
    seen = await way.see(1)
    assert not await way.pipeline.judge_once()
    assert not way.ledger.outcomes
    way.judge.ready = True
    assert await way.pipeline.judge_once()
    assert [outcome.by for outcome in way.ledger.outcomes] == [JudgeKind.OMNI]
    assert way.released == {seen.id: 1}


@story
async def test_a_reload_changes_at_once_how_long_questions_wait() -> None:
    way = await Way().begin()
    wait_as_configured(way.pipeline, JudgeConfig(kind=JudgeKind.OMNI, max_age=timedelta(seconds=5)))
    seen = await way.see(1)
    way.clock.at_s = 7
    await way.pipeline.judge_once()
    assert way.causes(seen) == [Cause.TOO_OLD]
    assert not way.judge.asked


@story
async def test_void_slots_end_the_questions_that_wait_for_them() -> None:
    way = await Way().begin()
    seen = await way.see(1)
    await way.pipeline.drop(HALL)
    assert not await way.pipeline.judge_once()
    assert way.causes(seen) == [Cause.TOO_OLD]
    assert way.released == {seen.id: 1}


@story
async def test_nothing_comes_between_taking_a_question_and_asking_it() -> None:
    way = await Way(ASKED, IN_CELL).begin()
    await way.see(1)
    await way.see(25, CELL)
    way.ledger.gate.clear()  # whoever waited for the store here would let the sensor start again with other slots
    alarm = answer(Question(window=window(1), view=CELL, policies=()), IN_CELL, Verdict.YES)
    writing = asyncio.create_task(way.pipeline.answers([alarm]))
    await asyncio.sleep(0)
    asking = asyncio.create_task(way.pipeline.judge_once())
    for _ in range(5):
        await asyncio.sleep(0)
    assert [question.view for batch in way.judge.asked for question in batch] == [CELL]
    way.ledger.gate.set()
    await asyncio.gather(writing, asking)


@story
async def test_a_reload_ends_the_alarm_of_a_policy_that_is_gone_and_forgets_it() -> None:
    way = await Way(ASKED, IN_CELL).begin()
    await way.see(1, ViewId(HALL), CELL)
    await way.pipeline.judge_once()
    await way.pipeline.configure(watching(IN_CELL))
    assert [(each.policy, each.is_open) for each in way.pipeline.tracks()] == [("in-cell", True)]
    assert way.ledger.changes() == [Change.OPENED, Change.OPENED, Change.CLEARED]


@story
async def test_an_answer_that_was_on_its_way_at_a_reload_revives_nothing() -> None:
    way = await Way().begin()
    await way.see(1)
    way.judge.gate.clear()
    asking = asyncio.create_task(way.pipeline.judge_once())
    await asyncio.sleep(0)
    await way.pipeline.configure(watching(IN_CELL))
    way.judge.gate.set()
    await asking
    assert way.pipeline.tracks() == ()
    assert way.ledger.changes() == []


@story
async def test_an_alarm_of_a_model_ends_with_the_model_and_cues_may_open_it_again() -> None:
    way = await Way().begin()
    await way.see(1)
    await way.pipeline.judge_once()
    way.pipeline.judge = None
    await way.pipeline.configure(watching(ASKED))
    await way.see(2, motion=0.0)
    assert way.ledger.changes() == [Change.OPENED, Change.CLEARED]
    await way.see(3)
    assert way.ledger.changes() == [Change.OPENED, Change.CLEARED, Change.OPENED]


@story
async def test_a_sensor_that_is_stopped_in_the_middle_of_a_commit_takes_no_alarm_with_it() -> None:
    way = await Way().begin()
    way.pipeline.judge = None
    way.ledger.gate.clear()
    way.ledger.failing = "the disk is full"
    bringing = asyncio.create_task(way.see(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bringing.cancel()
    await asyncio.wait({bringing})
    way.ledger.gate.set()
    await way.pipeline.tick(way.clock.now())
    assert [note.change for note in way.teller.undurable] == [Change.OPENED]
