"""The judge as the supervisor sees it: what is told of its condition, and that no batch is too large, too late or too long for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analyzers.interview import Halved, JudgeCondition, JudgeNews, JudgeSettings
from analyzers.judge import Question
from analyzers.judgement import Cause, Verdict
from analyzers.policy import Policy, PolicyId
from appliance.children.child import ChildLost
from appliance.children.judge_link import SAYS, Budget, JudgeLink, Work
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId
from sensors.wire import WireError

START = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
BUDGET = Budget(loading=timedelta(seconds=20), batch=timedelta(seconds=20))
LOADING, READY, DOWN = JudgeCondition.LOADING, JudgeCondition.READY, JudgeCondition.DOWN


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here}:{here.parents[2]}")


class Loaded:
    """A link to a scripted judge, and what was told of it."""

    def __init__(self, model: str, budget: Budget = BUDGET) -> None:
        self.heard: list[JudgeNews] = []
        self.work: list[Work] = []
        self.news = asyncio.Event()
        self.link = JudgeLink(self._changed, self.work.append, "scripted_judge")
        self.link.configure(JudgeSettings(model=model), budget)
        self.running = asyncio.create_task(self.link.run_once())

    def _changed(self, news: JudgeNews) -> None:
        self.heard.append(news)
        self.news.set()

    async def wait(self, condition: JudgeCondition) -> None:
        async with asyncio.timeout(20):
            while condition not in self.conditions():
                self.news.clear()
                await self.news.wait()

    def conditions(self) -> list[JudgeCondition]:
        return [news.condition for news in self.heard]


@asynccontextmanager
async def loaded(model: str, budget: Budget = BUDGET) -> AsyncIterator[Loaded]:
    judge = Loaded(model, budget)
    try:
        yield judge
    finally:
        judge.running.cancel()
        with suppress(asyncio.CancelledError, ChildLost, WireError):
            await judge.running


def questions(views: int, policies: int) -> tuple[Question, ...]:
    """One window of many views, each with many policies."""
    hall = SensorId("h" * 40)
    some = tuple(Policy(id=PolicyId(f"{number:03}-{'p' * 40}"), title="", ask="?", sensors=(hall,)) for number in range(policies))
    parts = tuple(View(id=ViewId(f"{hall}.{number}"), height=32, width=32, cues=Cues(motion=0.123)) for number in range(views))
    window = Window(
        id=WindowId("hall/1/1"), sensor=hall, epoch=1, first_pair=1, start=START, end=START.plus(timedelta(seconds=1)), slots=(0,),
        senses=frozenset({Sense.SIGHT}), views=parts,
    )  # fmt: skip
    return tuple(Question(window=window, view=part.id, policies=some) for part in parts)


def test_every_condition_is_told_from_loading_on_and_an_orderly_end_is_no_fault() -> None:
    async def story() -> None:
        async with loaded("answers") as judge:
            await judge.wait(READY)
        assert judge.conditions() == [LOADING, READY]
        assert not judge.link.ready

    asyncio.run(story())


def test_a_batch_that_is_too_large_for_a_datagram_is_asked_in_parts() -> None:
    async def story() -> None:
        async with loaded("answers") as judge:
            await judge.wait(READY)
            asked = questions(8, 200)
            answers = await judge.link.judge(asked)
            assert [(each.view, each.policy) for each in answers] == [(q.view, policy.id) for q in asked for policy in q.policies]
            assert {each.verdict for each in answers} == {Verdict.NO}
            assert [work.questions for work in judge.work] == [4, 4]

    asyncio.run(story())


def test_what_was_halved_for_want_of_memory_is_told_once_a_batch() -> None:
    async def story() -> None:
        async with loaded("is short of memory") as judge:
            await judge.wait(READY)
            await judge.link.judge(questions(1, 200))
            await judge.link.judge(questions(1, 250))  # whose answers come in several datagrams
            assert [work.cost.halvings for work in judge.work] == [{Halved.BATCH: 2, Halved.FRAMES: 1}] * 2

    asyncio.run(story())


def test_policies_of_any_length_reach_the_judge() -> None:
    async def story() -> None:
        async with loaded("answers") as judge:
            text = "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 400
            policies = tuple(replace(policy, ask=text, unless=text, title=text[:200], say=text[:200]) for policy in questions(1, 200)[0].policies)
            judge.link.policies(tuple(replace(policy, sensors=tuple(SensorId(f"{n}-{'s' * 44}") for n in range(32))) for policy in policies))
            await judge.wait(READY)
            assert len(await judge.link.judge(questions(1, 1))) == 1

    asyncio.run(story())


def test_a_judge_that_does_not_answer_is_down_at_once_and_ended() -> None:
    async def story() -> None:
        async with loaded("never answers", replace(BUDGET, batch=timedelta(seconds=0.2))) as judge:
            await judge.wait(READY)
            answers = await judge.link.judge(questions(1, 1))
            assert [each.cause for each in answers] == [Cause.JUDGE_FAULT]
            assert not judge.link.ready
            with pytest.raises(ChildLost):
                await judge.running
            assert judge.conditions() == [LOADING, READY, DOWN]
            assert judge.heard[-1].detail == "no answer within 0.2 s"

    asyncio.run(story())


def test_a_judge_that_answered_while_we_stood_still_was_not_late() -> None:
    async def story() -> None:
        async with loaded("answers", replace(BUDGET, batch=timedelta(seconds=0.2))) as judge:
            await judge.wait(READY)
            asking = asyncio.create_task(judge.link.judge(questions(1, 1)))
            await asyncio.sleep(0)
            time.sleep(1.0)  # noqa: ASYNC251 - this is what a suspended machine looks like
            assert [each.verdict for each in await asking] == [Verdict.NO]
            assert judge.link.ready

    asyncio.run(story())


def test_a_judge_that_does_not_load_is_down_once_and_ended() -> None:
    async def story() -> None:
        async with loaded("never loads", replace(BUDGET, loading=timedelta(seconds=0.5))) as judge:
            with pytest.raises(ChildLost):
                await judge.running
            assert judge.conditions() == [LOADING, DOWN]
            assert judge.heard[-1].detail == "the model did not load within 0.5 s"

    asyncio.run(story())


def test_a_judge_that_eats_its_memory_is_ended_its_batch_is_not_asked_again_and_the_loss_says_why() -> None:
    async def story() -> None:
        async with loaded("eats its memory", replace(BUDGET, memory_bytes=300_000_000)) as judge:
            await judge.wait(READY)
            answers = await judge.link.judge(questions(1, 2))
            assert [each.cause for each in answers] == [Cause.JUDGE_FAULT] * 2
            with pytest.raises(ChildLost, match="may have 300 MB"):
                await judge.running
            assert judge.conditions() == [LOADING, READY, DOWN]
            assert "MB of memory of its own" in judge.heard[-1].detail
            assert judge.work == []

    asyncio.run(story())


def test_answers_without_end_are_a_breach_and_not_memory() -> None:
    async def story() -> None:
        async with loaded("never ends") as judge:
            await judge.wait(READY)
            answers = await judge.link.judge(questions(1, 1))
            assert [each.cause for each in answers] == [Cause.JUDGE_FAULT]
            with pytest.raises(WireError):
                await judge.running

    asyncio.run(story())


COSTS = ['"media_tokens":-1', '"device_bytes":-1', '"took_s":-0.5', '"halvings":{"batch":-1}', '"looks":{"late":-1}']


@pytest.mark.parametrize("cost", COSTS)
def test_costs_that_no_counter_takes_are_a_breach_and_not_the_end_of_the_box(cost: str) -> None:
    answers = f'{{"kind":"answers","id":1,"judgements":[],"cost":{{{cost}}}}}'
    with pytest.raises(WireError):
        SAYS.decode(answers.encode())
    assert SAYS.decode(answers.replace("-", "").encode())


def test_an_answer_about_another_time_is_none() -> None:
    async def story() -> None:
        async with loaded("speaks of another time") as judge:
            await judge.wait(READY)
            answers = await judge.link.judge(questions(1, 1))
            assert [each.cause for each in answers] == [Cause.JUDGE_FAULT], "or all that come until then would be old ones, and clear nothing"

    asyncio.run(story())


def test_another_budget_costs_no_model_and_other_settings_do() -> None:
    async def story() -> None:
        async with loaded("answers") as judge:
            await judge.wait(READY)
            judge.link.configure(JudgeSettings(model="answers"), replace(BUDGET, batch=timedelta(seconds=5)))
            assert len(await judge.link.judge(questions(1, 1))) == 1
            judge.link.configure(JudgeSettings(model="another"), BUDGET)
            with pytest.raises(ChildLost):
                await judge.running
            assert judge.conditions() == [LOADING, READY, DOWN]

    asyncio.run(story())
