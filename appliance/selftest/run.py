"""The self-test: plays its clips through the running box, at start, every so often and when asked to, and says what came of it.

A hidden sensor process plays a clip; its window takes the gate, the queue, the judge, the rules, the store and the outbox like that of
any camera, in one batch of its own, up to the broker's acknowledgement. It counts in no figure of the owner's. A drill, which somebody
asks for, also plays those clips that tell the judge what to answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import TypeAdapter

from alerts.alert import Change
from alerts.audience import notifications
from alerts.decision import Decision
from alerts.event import Withdrawn
from alerts.names import SELF_TEST, SELF_TEST_SENSOR
from alerts.notification import ARRIVED
from analyzers.judgement import Judgement
from appliance.children.judge_link import JudgeLink
from appliance.children.sensor_link import SensorLink
from appliance.clock import Clock
from appliance.deliveries import Deliveries
from appliance.pipeline import Pipeline
from appliance.selftest.clips import LURES, PLAIN, POLICY, SHAPE, VIEW, Clip, settings
from appliance.selftest.lured import CUES, Lured, told
from appliance.selftest.player import Player
from appliance.selftest.trip import Band, Round, Stage, Trip, answered_by_another, fingerprint, lines, wrong_answer
from appliance.store.remembered import recalled, remember
from appliance.store.rows import read
from appliance.store.store import Store, StoreFailed
from appliance.watch import Watch
from sensors.moment import Moment
from sensors.window import SensorId, WindowId

OPENED_S = 30.0
RULED_S = 15.0
ACKNOWLEDGED_S = 30.0
LOOK_EVERY_S = 1.0
AFTER_FAILURE = timedelta(minutes=5)
"""One that has failed is made again so soon, in case what was wrong has passed."""
AFTER_SKIPPING = timedelta(minutes=1)
LURED_S = 90.0
"""Since a drill began; clips that tell the judge what to answer are not begun later, as whoever asked waits no longer than an order may take."""
CHANGES = {Clip.YES: Change.OPENED, Clip.NO: Change.CLEARED}
BAND = TypeAdapter(Band)

log = logging.getLogger("omniwatch.self-test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a self-test goes through."""

    pipeline: Pipeline
    judge: JudgeLink
    store: Store
    deliveries: Deliveries
    clock: Clock
    answer_s: Callable[[], float]
    """How long an answer may take."""
    told: Callable[[Round, Moment], None]
    """Hears of every test that was made."""


class SelfTest:
    """The self-test of one box."""

    def __init__(self, means: Means) -> None:
        """None is made until `run`."""
        self._means = means
        self._every: timedelta | None = None
        self._turn = asyncio.Lock()
        self._player: Player | None = None
        self._link: SensorLink | None = None
        self._bands: dict[Clip, Band] = {}
        self.last: tuple[Round, Moment] | None = None

    def configure(self, every: timedelta | None) -> None:
        """From now on so often; None: only when asked to."""
        self._every = every

    def beside(self, watch: Watch) -> Watch:
        """What is watched, and the self-test's own question beside it."""
        return replace(
            watch,
            by_view={**watch.by_view, VIEW: (POLICY,)},
            strides={**watch.strides, SELF_TEST_SENSOR: timedelta(seconds=SHAPE.every_s)},
        )

    def saw(self, what: Judgement | Decision) -> None:
        """Something was decided."""
        policy = what.policy if isinstance(what, Judgement) else what.track.policy
        if self._player and policy == SELF_TEST:
            self._player.saw(what)

    def release(self, _sensor: SensorId, window: WindowId) -> None:
        """The clip's window is not needed any more."""
        if self._link:
            self._link.release(window)

    async def run(self) -> None:
        """Once as soon as there is somebody to ask, then again and again, for ever."""
        due: Moment | None = None
        while True:
            now = self._means.clock.now()
            if self._every and (due is None or now.since(due) >= timedelta(0)) and not self._why_not():
                test = await self.make()
                wait = AFTER_SKIPPING if test.skipped else self._every if test.passed else min(AFTER_FAILURE, self._every)
                due = self._means.clock.now().plus(wait)
            await asyncio.sleep(LOOK_EVERY_S)

    async def make(self) -> Round:
        """Make one now, or after the one that is under way."""
        async with self._turn:
            if why := self._why_not():
                return Round(skipped=why)
            began = asyncio.get_running_loop().time()
            self._bands = await self._stored_bands()
            await self._forget_alarm()
            trips = [await self._trip(clip, self._follow) for clip in PLAIN]
            await self._forget_alarm()
            test = self._made(Round(trips=tuple(trips), took_s=asyncio.get_running_loop().time() - began))
            if test.passed:
                await self._keep_bands(test)
            if not test.skipped:
                self._tell(test)
            return test

    async def drill(self) -> tuple[bool, tuple[str, ...]]:
        """Make one now, and where it is passed play the clips that tell the judge what to answer: whether all was right, and lines for people."""
        began = asyncio.get_running_loop().time()
        test = await self.make()
        if not test.passed:
            return False, self.report(test)
        if self._means.pipeline.judge is None:
            return True, (CUES, *self.report(test))
        plain = {trip.clip: trip.judgement for trip in test.trips}
        async with self._turn:
            trips = [await self._lured(clip, began) for clip in LURES]
            await self._forget_alarm()
        scenes = [Lured(clip=trip.clip, judgement=trip.judgement, plain=plain.get(trip.clip.plain), problem=trip.problem) for trip in trips]
        return not any(scene.turned for scene in scenes), (*self.report(test), *told(scenes))

    def report(self, test: Round) -> tuple[str, ...]:
        """A test, stage by stage, for people."""
        return tuple(lines(test, self._bands))

    def _why_not(self) -> str:
        """Why there can be none now."""
        pipeline = self._means.pipeline
        return "the judge is not ready" if pipeline.judge and not pipeline.judge.ready else ""

    def _made(self, test: Round) -> Round:
        """Without what says nothing: somebody stood in for the model."""
        has_model = self._means.pipeline.judge is not None
        if any(trip.judgement and answered_by_another(trip.judgement, has_model=has_model) for trip in test.trips):
            return Round(skipped="the model went away meanwhile, and cues stood in")
        return test

    def _tell(self, test: Round) -> None:
        now = self._means.clock.now()
        self.last = (test, now)
        self._means.told(test, now)
        if test.passed:
            log.info("the self-test was passed, in %.1f s", test.took_s)
            return
        log.error("the self-test has failed: %s", test.problem)
        for line in self.report(test):
            log.info("  %s", line)

    async def _forget_alarm(self) -> None:
        """An alarm of the test that still stands, from before a restart or because its no never came, ends here."""
        await self._means.pipeline.fold([(POLICY, VIEW, Withdrawn(at=self._means.clock.now()))])

    async def _lured(self, clip: Clip, began: float) -> Trip:
        """Play a clip as far as its answer, while there is time."""
        if asyncio.get_running_loop().time() - began > LURED_S:
            return Trip(clip=clip, problem="there was no time left for it: the judge is slow")
        return await self._trip(clip, self._answered)

    async def _trip(self, clip: Clip, follow: Callable[[Player], Awaitable[object]]) -> Trip:
        """Play a clip, and follow its window."""
        means = self._means
        player = self._player = Player(clip, means.pipeline, means.judge)
        self._link = SensorLink(settings(clip, means.clock.now()), None, player)
        playing = asyncio.create_task(self._link.run_once(), name="self-test's sensor")
        playing.add_done_callback(lambda _task: player.failed("the sensor's process ended"))
        try:
            await follow(player)
            return Trip(clip=clip, stages=tuple(player.stages), judgement=player.judgement, problem=player.problem)
        finally:
            playing.cancel()
            await asyncio.wait({playing})
            self._player = self._link = None
            await means.pipeline.drop(SELF_TEST_SENSOR)
            means.judge.detach(SELF_TEST_SENSOR)

    async def _answered(self, player: Player) -> bool:
        """Wait for its window, and for the answer."""
        if not await player.until(lambda: any(one.stage is Stage.WINDOW for one in player.stages), OPENED_S, "no window came of it"):
            return False
        return await player.until(lambda: player.judgement is not None, self._means.answer_s(), "no answer came in time")

    async def _follow(self, player: Player) -> None:
        """To the broker."""
        if not await self._answered(player):
            return
        if player.judgement and (wrong := wrong_answer(player.clip, player.judgement, self._bands.get(player.clip))):
            player.failed(wrong)
            return
        if await player.until(lambda: player.decision is not None, RULED_S, "the rules said nothing") and player.decision:
            await self._told(player, player.decision)

    async def _told(self, player: Player, decision: Decision) -> None:
        """From the rules on: written, and acknowledged by whoever is told."""
        means, now = self._means, self._means.clock.now()
        if decision.change is not CHANGES[player.clip] or decision.alert is None:
            player.failed(f"the rules made nothing of the right answer ({decision.reason.replace('_', ' ')})")
            return
        player.reached(Stage.RULE, f"{decision.change}: {decision.reason.replace('_', ' ')}", ago_s=now.since(decision.alert.changed).total_seconds())
        if problem := means.store.statistics().failing or means.store.away:
            player.failed("the store could not take it")
            log.warning("the store: %s", problem)
            return
        player.reached(Stage.STORED)
        sent = notifications(decision, means.pipeline.audiences, now, durable=True)
        arrived = await means.deliveries.wait([note.id for note in sent], ACKNOWLEDGED_S)
        for note in sent:
            arrival = arrived.get(note.id)
            if arrival is None or arrival.delivery.outcome not in ARRIVED:
                player.failed(f"{note.channel}: {'not acknowledged in time' if arrival is None else arrival.delivery.outcome.value}")
                return
            ago_s = means.clock.now().since(arrival.delivery.at).total_seconds()
            player.reached(Stage.ACKNOWLEDGED, f"{note.channel}: {arrival.delivery.outcome.value}", ago_s=ago_s)

    async def _stored_bands(self) -> dict[Clip, Band]:
        try:
            found = {clip: await recalled(self._means.store, f"self-test {clip}") for clip in PLAIN}
        except StoreFailed:
            return {}
        return {clip: band for clip, value in found.items() if value and (band := read(BAND, value))}

    async def _keep_bands(self, test: Round) -> None:
        """The first test that is passed under a fingerprint says what scores are right under it."""
        found = {
            trip.clip: Band(fingerprint=fingerprint(trip.judgement), log_odds=trip.judgement.log_odds)
            for trip in test.trips
            if trip.judgement and trip.judgement.log_odds is not None
        }
        new = {clip: band for clip, band in found.items() if clip not in self._bands or self._bands[clip].fingerprint != band.fingerprint}
        try:
            await remember(self._means.store, {f"self-test {clip}": BAND.dump_json(band).decode() for clip, band in new.items()})
        except StoreFailed:
            return
        self._bands |= new


