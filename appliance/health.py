"""How the box itself does: collects once a second what the built-in policies are answered from, and folds what several alarms have in common.

The answers are worked out in `alerts/`; here is only what has to be looked up or remembered between two seconds.
"""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from alerts.common_cause import Losses, common_answer, observed
from alerts.decision import Decision
from alerts.event import Judged
from alerts.facts import BoxFacts, Gap, box_answers, no_data, sensor_answer
from alerts.flood import Flood, FloodRule, counted, flood_answer
from alerts.names import SELF_TEST
from alerts.notification import Delivery, Outcome
from alerts.undecided import Tally, tallied, undecided
from analyzers.interview import JudgeCondition, JudgeNews
from analyzers.judgement import Judgement
from analyzers.queue import QueueFigures
from appliance.children.fleet import Fleet
from appliance.clock import Clock
from appliance.pipeline import Pipeline
from appliance.watch import Watch
from sensors.moment import Moment
from sensors.news import SensorCondition

log = logging.getLogger("omniwatch")

STEP = timedelta(seconds=2)
"""A wall clock that moved by more than this against boot time was set."""
STILL = timedelta(seconds=5)
"""Seconds come one by one. After more than this without one the box itself stood still."""
SHED_SECONDS = 60
DISK_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Where what cannot be remembered is looked up."""

    queue: Callable[[], QueueFigures]
    store_failing: Callable[[], str]
    broker_connected: Callable[[], bool | None]
    """None: no broker is configured."""
    gap: Callable[[Gap], Awaitable[None]]
    """Puts a time in which nobody watched on record."""
    evidence_full: Callable[[], str] = lambda: ""
    """Why no more evidence is kept; empty while there is room."""


class Health:
    """The box as it stands."""

    def __init__(self, looks: Looks, fleet: Fleet, state: Path, clock: Clock) -> None:
        """`state`: the folder whose disk matters."""
        self._looks = looks
        self._fleet = fleet
        self._state = state
        self._clock = clock
        self._losses = Losses()
        self._flood = Flood()
        self._tallies: tuple[Tally, ...] = ()
        self._judge: JudgeCondition | None = None
        self._judge_since: Moment | None = None
        self._broker_lost: Moment | None = None
        self._refused: Moment | None = None
        self._stepped: Moment | None = None
        self._last: Moment | None = None
        self._queue: deque[QueueFigures] = deque(maxlen=SHED_SECONDS)
        self.gap: Gap | None = None
        self.disk_free: float | None = None
        """0..1; None until somebody has looked."""
        self.reload_failed = False
        self.self_test: str | None = None
        """As in `BoxFacts`."""

    def flood_rule(self, rule: FloodRule) -> None:
        """From now on this is a flood. What has opened already still counts."""
        self._flood = replace(self._flood, rule=rule)

    def judge(self, news: JudgeNews) -> None:
        """The judge's condition. One that breaks while it loads has been away since it last answered."""
        if self._judge_since is None or JudgeCondition.READY in (news.condition, self._judge):
            self._judge_since = self._clock.now()
        self._judge = news.condition

    def no_judge(self) -> None:
        """Cues alone judge, by the owner's choice: nothing is down."""
        self._judge = self._judge_since = None

    def delivered(self, delivery: Delivery) -> None:
        """An attempt to tell."""
        if delivery.outcome is Outcome.REFUSED:
            self._refused = delivery.at

    def saw(self, what: Judgement | Decision) -> None:
        """Something was decided."""
        now = self._clock.now()
        if isinstance(what, Judgement):
            if what.policy == SELF_TEST:
                return
            self._tallies = tallied(self._tallies, what, now)
        else:
            self._flood = counted(self._flood, what, now)

    async def second(self, pipeline: Pipeline, watch: Watch, at: Moment) -> None:
        """Answer the built-in policies as things stand at `at`, then let the second pass for every track."""
        if self._last is not None and at.since(self._last) > STILL:
            self.gap = Gap(start=self._last, end=at, restarted=False)
            log.warning("the box %s", self.gap)
            self._fleet.resumed(at)
            await self._looks.gap(self.gap)
        self._notice(at)
        status = self._fleet.status()
        lost = frozenset(name for name, sensor in status.items() if sensor.is_lost(at))
        opening = any(sensor.news.condition is SensorCondition.OPENING for sensor in status.values())
        self._losses = observed(self._losses, lost, at)
        pipeline.grouped = self._losses.grouped
        self._flood, flooded = flood_answer(self._flood, at)
        events: list[Judged] = [flooded, common_answer(self._losses, at, opening=opening), *box_answers(self._facts(at), at)]
        for name, sensor in status.items():
            if sensor.news.condition is not SensorCondition.OPENING:
                events.append(sensor_answer(name, at, lost=name in lost))
            if name in lost:
                events.extend(no_data(watch.of_sensor(name), name, at))
        await pipeline.judged(events)
        await pipeline.tick(at)

    def _notice(self, at: Moment) -> None:
        """What shows only against the second before."""
        if self._last is not None:
            step = (at.utc - self._last.utc) - at.since(self._last)
            if abs(step) > STEP:
                self._stepped = at
                log.warning("the wall clock was set by %+.1f s", step.total_seconds())
        self._last = at
        self._queue.append(self._looks.queue())
        connected = self._looks.broker_connected()
        self._broker_lost = None if connected is not False else self._broker_lost or at

    def _facts(self, at: Moment) -> BoxFacts:
        first, last = self._queue[0], self._queue[-1]
        dropped = last.superseded + last.shed - first.superseded - first.shed
        return BoxFacts(
            judge=self._judge,
            judge_since=self._judge_since,
            store_problem=self._looks.store_failing(),
            disk_free=self.disk_free,
            evidence_full=self._looks.evidence_full(),
            broker_lost_since=self._broker_lost,
            refused_at=self._refused,
            shed_share=dropped / max(1, last.put - first.put),
            reload_failed=self.reload_failed,
            stepped_at=self._stepped,
            gap=self.gap,
            self_test=self.self_test,
            undecided=undecided(self._tallies, at),
        )

    async def watch_disk(self) -> None:
        """Look at the disk for ever, in threads that nobody waits for at the end: a mount that hangs must hang nobody else."""
        while True:
            found: Future[float | None] = Future()
            found.set_running_or_notify_cancel()
            threading.Thread(target=lambda found=found: found.set_result(_free_share(self._state)), name="disk", daemon=True).start()
            free = await asyncio.wrap_future(found)
            self.disk_free = self.disk_free if free is None else free
            await asyncio.sleep(DISK_EVERY_S)


def _free_share(folder: Path) -> float | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail / disk.f_blocks if disk.f_blocks else None
