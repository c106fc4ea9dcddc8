"""The blank control's way: each blank asked once and only while nobody waits; a policy which agrees is flagged and left alone."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from alerts.names import BLANK_SENSOR
from analyzers.cue_judge import CueJudge
from analyzers.interview import JudgeCondition, JudgeNews
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.policy import Policy
from analyzers.queue import Queue
from analyzers.share import SHARE, SPAN_S
from appliance.blank.blanks import Asking
from appliance.blank.control import BlankControl, Means
from appliance.blank.figures import BlankFigures
from appliance.config.configuration import Configuration
from appliance.pipeline import Pipeline
from appliance.store.store import Store
from appliance.watch import watch
from sensors.news import SensorCondition, SensorNews
from sensors.slots import SlotLayout
from sensors.window import SensorId
from tests.appliance.blank.test_blanks import configured
from tests.appliance.test_pipeline import HALL, Hands, answer, window


class FakeJudge:
    """Has a score for each policy, and breaks where it has none."""

    def __init__(self) -> None:
        self.ready = True
        self.news = JudgeNews(condition=JudgeCondition.READY, model="m")
        self.scores: dict[str, float] = {"asked": -5.0}
        self.asked: list[tuple[Question, ...]] = []
        self.slots_of: list[SensorId] = []

    def slots(self, layout: SlotLayout, _memory: int) -> None:
        self.slots_of.append(layout.sensor)

    def detach(self, sensor: SensorId) -> None:
        self.slots_of.remove(sensor)

    def blanks(self) -> int:
        return sum(question.window.sensor == BLANK_SENSOR for batch in self.asked for question in batch)

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        self.asked.append(batch)
        return tuple(self._answer(question, policy) for question in batch for policy in question.policies)

    def _answer(self, question: Question, policy: Policy) -> Judgement:
        score = self.scores.get(policy.id)
        if score is None:
            return replace(answer(question, policy, Verdict.FAILED), by=JudgeKind.SUPERVISOR, cause=Cause.JUDGE_FAULT, log_odds=None)
        verdict, cause = verdict_of(policy, score, 1.0)
        return replace(answer(question, policy, verdict), by=JudgeKind.OMNI, cause=cause, log_odds=score, label_mass=1.0)


@dataclass
class Room:
    """A pipeline with a real store, a camera that is online, and a judge that is played by hand."""

    store: Store
    pipeline: Pipeline
    judge: FakeJudge
    clock: Hands
    registry: CollectorRegistry
    configuration: Configuration
    control: BlankControl
    shown: list[object] = field(default_factory=list)
    rests: int = 0

    async def settle(self) -> None:
        """Turns of the judge, until the control has looked and found nothing to ask."""
        self.rests = 0
        async with asyncio.timeout(10):
            while self.rests < 2:  # the first may have begun before whatever is to be settled
                await self.pipeline.judge_once()
                await asyncio.sleep(0)

    async def asking(self) -> None:
        """Until the control has put a blank into the queue."""
        for _ in range(10_000):
            if len(self.pipeline.queue):
                return
            await asyncio.sleep(0)
        pytest.fail("nothing was asked")

    def score(self) -> float | None:
        return self.registry.get_sample_value("omniwatch_policy_blank_log_odds", {"policy": "asked"})


async def furnished(folder: Path) -> Room:
    clock, judge, registry = Hands(), FakeJudge(), CollectorRegistry()
    store = await Store.open(folder / "omniwatch.db", clock.now())
    queue = Queue(capacity=100, max_age=timedelta(seconds=20))
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=judge, ledger=store, teller=None, queue=queue)
    news = SensorNews(sensor=HALL, condition=SensorCondition.ONLINE, width=480, height=272, codec="h264", sound_codec="aac")
    fleet = SimpleNamespace(status=lambda: {HALL: SimpleNamespace(news=news)})
    means = Means(pipeline=pipeline, judge=judge, fleet=fleet, store=store, clock=clock, figures=BlankFigures(registry))  # type: ignore[arg-type]
    configuration = configured(folder)
    room = Room(
        store=store, pipeline=pipeline, judge=judge, clock=clock, registry=registry, configuration=configuration, control=BlankControl(means)
    )
    pipeline.observers.append(room.shown.append)
    await pipeline.configure(watch(configuration))
    room.control.configure(configuration, watch(configuration))
    return room


def rested(room: Room) -> tuple[Asking, ...]:
    room.rests += 1
    return ()


def story(test: Callable[[Room], Coroutine[None, None, None]]) -> Callable[[Path, pytest.MonkeyPatch], None]:
    """Run a test in an event loop of its own, with a room in which the control looks often."""

    @wraps(test)
    def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("appliance.blank.control.LOOK_EVERY_S", 0)

        async def play() -> None:
            room = await furnished(tmp_path)
            due = room.control._due  # noqa: SLF001 - how often it found nothing
            monkeypatch.setattr(room.control, "_due", lambda: due() or rested(room))
            running = asyncio.create_task(room.control.run())
            try:
                await test(room)
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await room.store.close(room.clock.now())
            assert room.judge.slots_of == []

        asyncio.run(play())

    del run.__wrapped__  # type: ignore[attr-defined] - or pytest would look for a fixture `room`
    return run


@story
async def test_each_blank_is_asked_once_and_not_again_after_a_restart(room: Room) -> None:
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.asked, room.score()) == (4, 1, -5.0)
    anew = BlankControl(room.control._means)  # noqa: SLF001 - as after a restart
    anew.configure(room.configuration, watch(room.configuration))
    running = asyncio.create_task(anew.run())
    async with asyncio.timeout(10):
        while not anew.outcome.asked:
            await room.pipeline.judge_once()
            await asyncio.sleep(0)
    running.cancel()
    assert room.judge.blanks() == 4


@story
async def test_what_is_said_of_nothing_goes_past_the_rules_and_the_record(room: Room) -> None:
    room.judge.scores["asked"] = 9.0
    await room.settle()
    assert room.judge.blanks() == 4
    assert room.shown == []
    assert room.pipeline.tracks() == ()
    await room.store.upkeep(room.clock.now())
    assert await room.store.do(lambda connection: connection.execute("SELECT count(*) FROM span").fetchone()) == (0,)


@story
async def test_a_policy_that_agrees_to_nothing_is_flagged_once_and_nothing_is_changed(room: Room) -> None:
    room.judge.scores["asked"] = 0.5
    await room.settle()
    (flag,) = room.control.outcome.flags
    assert (flag.policy.id, flag.finding.log_odds, room.score()) == ("asked", 0.5, 0.5)
    calmer = configured(room.configuration.state.parent, threshold=0.9)
    room.control.configure(calmer, watch(calmer))
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.flags, room.score()) == (4, (), 0.5), "a threshold is moved without asking anew"
    reworded = configured(room.configuration.state.parent, ask="Is it otherwise?")
    room.judge.scores["asked"] = -3.0
    room.control.configure(reworded, watch(reworded))
    await room.settle()
    assert (room.judge.blanks(), room.score()) == (8, -3.0)
    kept = await room.store.do(lambda connection: connection.execute("SELECT count(*) FROM setting WHERE name LIKE 'blank %'").fetchone())
    assert kept == (4,), "what no policy asks any more is forgotten"


@story
async def test_another_model_is_asked_anew(room: Room) -> None:
    await room.settle()
    room.judge.news, room.judge.scores["asked"] = replace(room.judge.news, model="n"), -1.0
    await room.settle()
    assert (room.judge.blanks(), room.score()) == (8, -1.0)


@story
async def test_windows_come_first_and_a_blank_that_waited_for_too_long_is_asked_another_time(room: Room) -> None:
    for second in range(1, 30):
        room.clock.at_s = second
        await room.asking()
        await room.pipeline.window(window(second))  # there is always one that waits
        assert await room.pipeline.judge_once()
        assert {question.window.sensor for question in room.judge.asked[-1]} == {HALL}
    assert room.judge.blanks() == 0
    await room.settle()
    assert room.judge.blanks() == 4


@story
async def test_where_the_judge_breaks_nothing_is_asked_on_until_a_reload(room: Room) -> None:
    room.judge.scores.clear()
    await room.settle()
    assert room.judge.blanks() == 1
    assert (room.control.outcome.asked, room.control.outcome.unanswered) == (1, 1)
    room.judge.scores["asked"] = -5.0
    room.control.configure(room.configuration, watch(room.configuration))
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.unanswered, room.score()) == (5, 0, -5.0)


@story
async def test_a_blank_over_which_the_judge_ends_is_not_tried_on_the_next_one(room: Room) -> None:
    ready, room.judge.scores = room.judge.news, {}
    answers = room.judge.judge

    async def ends(batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        room.judge.ready, room.judge.news = False, JudgeNews(condition=JudgeCondition.DOWN, detail="no answer within 30 s")
        return await answers(batch)

    room.judge.judge = ends  # type: ignore[method-assign]
    await room.settle()
    room.judge.ready, room.judge.news, room.judge.judge, room.judge.scores = True, ready, answers, {"asked": -5.0}  # type: ignore[method-assign]
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.unanswered) == (1, 1)


@story
async def test_it_takes_no_more_than_its_share_of_the_judges_time(room: Room) -> None:
    loop = asyncio.get_running_loop()
    room.control._share.spend(loop.time(), SHARE * SPAN_S)  # noqa: SLF001 - as if blanks had taken so long
    await room.asking()
    await room.pipeline.judge_once()
    assert (room.judge.blanks(), len(room.pipeline.queue)) == (0, 1)


@story
async def test_a_configuration_without_a_model_asks_nothing_and_shows_nothing(room: Room) -> None:
    await room.settle()
    room.pipeline.judge, room.judge.ready = None, False
    room.control.configure(room.configuration, watch(room.configuration))
    await room.settle()
    assert (room.control.outcome.policies, room.score()) == (0, None)


