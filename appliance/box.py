"""The box: opens in order what it needs, lets it run, and closes it in reverse. What its parts tell each other is said here, and nowhere else.

Core loops share one task group: if one of them breaks, the box ends and systemd starts it again. Sensors, the judge and the
broker's connection are kept for ever and restart alone.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from alerts.facts import Gap
from alerts.names import SELF_TEST_SENSOR
from alerts.notification import Delivery, Notification
from analyzers.interview import JudgeNews
from appliance import __version__
from appliance.broker.link import BrokerLink, Sights
from appliance.children.fleet import Fleet, Uses
from appliance.children.judge_link import JudgeLink
from appliance.children.supervisor import Pulse, Systemd, keep, ping
from appliance.clock import BoxClock
from appliance.config.configuration import Configuration
from appliance.control.desk import Desk, Room
from appliance.deliveries import Deliveries
from appliance.evidence.keeping import Among, Keeping
from appliance.health import Health, Looks
from appliance.metrics import Metrics
from appliance.outbox import Outbox
from appliance.proving import Proving
from appliance.reload import reload
from appliance.report import Parts, Report
from appliance.selftest.run import Means
from appliance.selftest.trip import Round
from appliance.store.rows import add_gap
from appliance.store.store import DatabaseSettings, Store, StoreFailed
from appliance.telling import OVER_MQTT
from appliance.watch import NOTHING, Watch, watch
from appliance.wiring import judge_budget, judge_settings, new_pipeline, new_telling, wait_as_configured
from sensors.backoff import Backoff
from sensors.moment import Moment
from sensors.news import Mute
from sensors.window import SensorId, WindowId

log = logging.getLogger("omniwatch")

LATE_S = {"second": 30.0, "outbox": 45.0, "store": 45.0}
"""How long each core loop may stand still: longer than the deadlines of what it waits for, and of what is folded before its turn."""
JUDGE_LATE_S = 30.0
"""And so much longer than the judge's own deadline the loop that asks it."""
DRAIN_S = 2.0


class Box:
    """One running appliance."""

    def __init__(self, path: Path, configuration: Configuration) -> None:
        """Nothing is opened yet; to be made where an event loop runs."""
        self._path = path
        self._configuration = self._started = configuration
        self._watch: Watch = NOTHING
        self._clock = BoxClock()
        self._metrics = Metrics()
        self._systemd = Systemd()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._judge = JudgeLink(self._judge_changed, lambda work: self._report.measured(work))  # noqa: PLW0108 - there is no report yet
        self._metrics.judge_process(lambda: self._judge.pid)
        self._link: BrokerLink | None = None

    async def run(self) -> None:
        """Open, run until told to stop, close."""
        loop = asyncio.get_running_loop()
        for number, event in ((signal.SIGTERM, self._stop), (signal.SIGINT, self._stop), (signal.SIGHUP, self._reload)):
            loop.add_signal_handler(number, event.set)
        async with AsyncExitStack() as stack:
            await self._open(stack)
            stack.push_async_callback(self._fleet.close)  # also where a core loop breaks
            stack.push_async_callback(self._keeping.close)
            self._pulse = Pulse({**LATE_S, "judge": self._judge_late_s()}, asyncio.get_running_loop().time)
            async with asyncio.TaskGroup() as core:
                tasks = [core.create_task(work, name=name) for name, work in self._loops().items()]
                self._systemd.tell(READY="1", STATUS="watching")
                log.info("omniwatch %s watches %s; sensors: %d", __version__, self._configuration.box, len(self._configuration.sensors))
                await self._stop.wait()
                log.info("stopping")
                self._systemd.tell(STOPPING="1")
                await self._fleet.close()
                await self._outbox.wait_drained(DRAIN_S)
                for task in tasks:
                    task.cancel()

    async def _open(self, stack: AsyncExitStack) -> None:
        configuration, now = self._configuration, self._clock.now
        stack.callback(self._metrics.serve(configuration.metrics.host, configuration.metrics.port))
        self._store = await self._open_store(configuration.state)
        stack.push_async_callback(lambda: self._store.close(self._clock.now()))
        self._telling = new_telling(configuration, now, linked=self._linked, mute=self._speaks)
        self._channel = self._telling.mqtt
        self._outbox = Outbox(self._store, self._telling.channels, now, one_by_one=self._telling.one_by_one)
        self._pipeline = new_pipeline(configuration, clock=self._clock, judge=None, store=self._store, teller=self._outbox)
        self._pipeline.audiences = self._telling.audiences
        uses = Uses(window=self._pipeline.window, slots=self._judge.slots, void=self._pipeline.drop, detach=self._judge.detach)
        self._fleet = Fleet(uses, self._clock, self._metrics)
        self._keeping = Keeping(self._among(), configuration.state)
        self._deliveries = Deliveries()
        self._proving = Proving(self._tests_itself_by(), self._fleet, self._metrics.blank)
        self._pipeline.holding.release = self._release
        self._health = Health(self._looks(), self._fleet, configuration.state, self._clock)
        if start := self._store.opened.gap_from:
            self._health.gap = Gap(start=start, end=now(), restarted=True)
            log.warning("%s", self._health.gap)
        parts = Parts(fleet=self._fleet, health=self._health, judge=self._judge, outbox=self._outbox, pipeline=self._pipeline)
        self._report = Report(self._metrics, self._clock, parts)
        self._pipeline.observers.extend((self._report.decided, self._health.saw, self._proving.self_test.saw, self._keeping.saw))
        self._desk = Desk(self._room(parts), configuration)
        self._store.recalled = self._desk.recall
        await self._desk.begin()
        if self._channel:
            self._link = BrokerLink(
                self._channel, configuration, desk=self._desk, store=self._store, previews=self._fleet.previews, metrics=self._metrics
            )
            self._pipeline.stirs = self._link.gates.stirs
        try:
            self._pipeline.remember(await self._store.tracks())
        except StoreFailed as error:
            log.error("what stood before cannot be read and is forgotten: %s", error)  # noqa: TRY400 - no reason to watch nothing
        await self._apply(configuration)
        self._metrics.reloaded(now().utc)

    def _loops(self) -> dict[str, Coroutine[None, None, None]]:
        """The loops of the box, by name."""
        loops: dict[str, Coroutine[None, None, None]] = {
            "second": self._seconds(),
            "questions": self._pipeline.judge_forever(lambda: self._pulse.beat("judge")),
            "judge": keep("judge", self._judge.run_once, Backoff(first_s=1.0, most_s=60.0), lambda _problem: self._metrics.judge_restarts.inc()),
            "store": self._store.run(self._clock.now, lambda: self._pulse.beat("store")),
            "evidence": keep("evidence", self._keeping.run, Backoff()),
            "disk": self._health.watch_disk(),
            "watchdog": ping(self._systemd, self._pulse, self._report.status),
            "reload": self._reloads(),
            **self._proving.loops(),
            "control": keep("control", self._desk.serve, Backoff(first_s=1.0)),
        }
        if self._telling.channels:
            loops["outbox"] = self._outbox.run(self._told, lambda: self._pulse.beat("outbox"))
        if speech := self._telling.speech:
            loops["speech"] = keep("speech", speech.run, Backoff())
        if self._link:
            loops |= self._link.loops(Sights(tracks=self._pipeline.tracks, sensors=self._fleet.status, figures=self._report.heartbeat))
        return loops

    async def _open_store(self, state: Path) -> Store:
        """The store; where the disk will not have one, what stands in for it forgets: the box tells all the same, and says so."""
        store = await Store.open(DatabaseSettings.within(state, stands_in=True), self._clock.now())
        if store.away:
            log.error("%s: alarms are told, but not remembered over a restart until it is there", store.away)
        return store

    async def _apply(self, configuration: Configuration) -> None:
        """Make the box what `configuration` says, leaving alone what stays the same."""
        self._configuration, self._watch = configuration, watch(configuration)
        self._telling.configure(configuration, self._watch)
        self._desk.configure(configuration, self._watch)
        if self._link:
            self._link.configure(configuration, self._watch)
        self._health.flood_rule(configuration.flood)
        settings = judge_settings(configuration.judge)
        self._pipeline.judge = self._judge if settings else None
        wait_as_configured(self._pipeline, configuration.judge)
        everything = self._proving.configure(configuration, self._watch)
        self._judge.policies(everything.asked())
        self._metrics.watching(self._watch, configuration.judge)
        self._judge.configure(settings, await asyncio.to_thread(judge_budget, configuration.judge))
        if not settings:
            self._health.no_judge()
        self._health.self_test = self._health.self_test if configuration.self_test else ""
        await self._keeping.apply(configuration)
        await self._pipeline.configure(everything)
        await self._fleet.apply(configuration.sensors)

    async def _reloads(self) -> None:
        """SIGHUP: take the file as it is now, or keep what runs and raise the alarm."""
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._systemd.tell(RELOADING="1")
            good = await reload(self._path, self._started, self._apply)
            self._health.reload_failed = not good
            self._metrics.reloaded(self._clock.now().utc if good else None)
            self._pulse.allow("judge", self._judge_late_s())
            self._systemd.tell(READY="1")

    def _judge_late_s(self) -> float:
        return JUDGE_LATE_S + self._configuration.judge.deadline.total_seconds()

    async def _seconds(self) -> None:
        """Once a second: built-in policies, the tracks' time, and figures."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1.0, loop.time() - 1.0)
            await asyncio.sleep(due - loop.time())
            self._metrics.loop_lag.observe(max(0.0, loop.time() - due))
            await self._health.second(self._pipeline, self._watch, self._clock.now())
            self._report.gauge(self._store.statistics(), self._telling)
            self._keeping.gauge()
            self._pulse.beat("second")
            if not self._telling.channels:
                self._pulse.beat("outbox")

    # What the parts tell each other.

    def _room(self, parts: Parts) -> Room:
        return Room(
            parts=parts,
            store=self._store,
            clock=self._clock,
            telling=self._telling,
            deliveries=self._deliveries,
            proving=self._proving,
            remove=self._keeping.remove,
        )

    def _tests_itself_by(self) -> Means:
        return Means(
            pipeline=self._pipeline,
            judge=self._judge,
            store=self._store,
            deliveries=self._deliveries,
            clock=self._clock,
            answer_s=self._judge_late_s,
            told=self._tested,
        )

    def _tested(self, test: Round, at: Moment) -> None:
        self._health.self_test = test.problem
        self._metrics.tested(at, passed=test.passed)

    def _release(self, sensor: SensorId, window: WindowId) -> None:
        (self._proving.self_test if sensor == SELF_TEST_SENSOR else self._fleet).release(sensor, window)

    def _linked(self, connected: bool) -> None:  # noqa: FBT001 - the channel's word
        for channel in self._telling.channels.keys() & OVER_MQTT if connected else ():
            self._outbox.hurry(channel)
        if self._link:
            self._link.linked(connected=connected)

    def _speaks(self, hearers: Iterable[SensorId], mute: Mute) -> None:
        self._fleet.mute(hearers, mute)

    def _judge_changed(self, news: JudgeNews) -> None:
        wanted = self._pipeline.judge is not None  # else this is the end of one that is not
        self._report.judge(news, wanted=wanted, stood_in=self._configuration.judge.fallback)
        if wanted:
            self._health.judge(news)

    def _told(self, notification: Notification, delivery: Delivery) -> None:
        self._report.told(notification, delivery)
        self._health.delivered(delivery)
        self._deliveries.heard(notification, delivery)

    def _among(self) -> Among:
        return Among(
            store=self._store,
            pipeline=self._pipeline,
            fleet=self._fleet,
            judge=self._judge,
            clock=self._clock,
            metrics=self._metrics,
            watch=lambda: self._watch,
        )

    def _looks(self) -> Looks:
        return Looks(
            queue=self._pipeline.queue.statistics,
            store_failing=self._store_failing,
            broker_connected=self._broker_connected,
            gap=self._gap,
            evidence_full=self._keeping.full,
        )

    async def _gap(self, gap: Gap) -> None:
        with suppress(StoreFailed):  # which is an alarm of its own
            await self._store.do(lambda connection: add_gap(connection, gap.start, gap.end))

    def _store_failing(self) -> str:
        return self._store.statistics().failing

    def _broker_connected(self) -> bool | None:
        return self._channel.connected if self._channel else None
