"""How the box does, folded into a real pipeline: what the owner changes in the file neither raises an alarm nor ends one."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alerts import names
from alerts.alert import Change
from alerts.builtin import builtin
from alerts.facts import Gap
from alerts.flood import FloodRule
from analyzers.cue_judge import CueJudge
from analyzers.interview import JudgeCondition, JudgeNews
from analyzers.queue import Queue
from appliance.children.fleet import Fleet, Uses
from appliance.health import Health, Looks
from appliance.metrics import Metrics
from appliance.pipeline import Pipeline
from appliance.watch import Watch
from sensors.window import ViewId, Window
from tests.appliance.test_pipeline import Hands, ScriptedLedger


@dataclass
class House:
    """A box without sensors."""

    clock: Hands
    ledger: ScriptedLedger
    pipeline: Pipeline
    health: Health
    watch: Watch
    gaps: list[Gap]

    async def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.at_s += 1
            await self.health.second(self.pipeline, self.watch, self.clock.now())

    def changes(self, policy: str) -> list[Change | None]:
        return [decision.change for decision, _ in self.ledger.written if decision.track.policy == policy]


async def house() -> House:
    clock, ledger = Hands(), ScriptedLedger([])
    queue = Queue(capacity=10, max_age=timedelta(seconds=20))
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=None, ledger=ledger, teller=None, queue=queue)

    async def window(_window: Window) -> None:
        """No sensor, no windows."""

    uses = Uses(window=window, slots=lambda _layout, _memory: None, void=pipeline.drop, detach=lambda _sensor: None)
    fleet = Fleet(uses, clock, Metrics())
    gaps: list[Gap] = []

    async def gap(found: Gap) -> None:
        gaps.append(found)

    health = Health(Looks(queue=queue.statistics, store_failing=lambda: "", broker_connected=lambda: None, gap=gap), fleet, Path("/"), clock)
    pipeline.observers.append(health.saw)
    watch = Watch(by_view={}, by_facts={ViewId(names.BOX_SENSOR): builtin(sight=(), sound=())}, strides={})
    await pipeline.configure(watch)
    return House(clock=clock, ledger=ledger, pipeline=pipeline, health=health, watch=watch, gaps=gaps)


def test_a_judge_that_the_owner_takes_away_is_not_down() -> None:
    async def story() -> None:
        box = await house()
        box.health.judge(JudgeNews(condition=JudgeCondition.DOWN))
        await box.pass_s(12)
        assert box.changes("judge-down") == [Change.OPENED]
        box.health.no_judge()
        await box.pass_s(12)
        assert box.changes("judge-down") == [Change.OPENED, Change.CLEARED]

    asyncio.run(story())


def test_a_reload_in_a_flood_does_not_end_it() -> None:
    async def story() -> None:
        box = await house()
        rule = FloodRule(count=2)
        box.health.flood_rule(rule)
        box.health.reload_failed = True
        await box.pass_s(1)
        box.health.judge(JudgeNews(condition=JudgeCondition.DOWN))
        await box.pass_s(12)
        assert box.changes("alarm-flood") == [Change.OPENED]
        box.health.flood_rule(rule)
        await box.pass_s(2)
        assert box.changes("alarm-flood") == [Change.OPENED]

    asyncio.run(story())


def test_a_box_that_stood_still_says_so_and_for_how_long() -> None:
    async def story() -> None:
        home = await house()
        await home.pass_s(3)
        home.clock.at_s += 600
        await home.health.second(home.pipeline, home.watch, home.clock.now())
        assert home.changes("watch-gap") == [Change.OPENED]
        alert = home.ledger.written[-1][0].alert
        assert alert
        assert "stood still, nobody watched for 600 s" in alert.summary
        assert [gap.end.since(gap.start) for gap in home.gaps] == [timedelta(seconds=600)]
        await home.pass_s(61)
        assert home.changes("watch-gap") == [Change.OPENED, Change.CLEARED]

    asyncio.run(story())
