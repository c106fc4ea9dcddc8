"""What the box says of itself while it runs: metrics, the journal's lines about alarms, the heartbeat's figures. It decides nothing."""

import logging
from dataclasses import dataclass

from alerts.alert import Alert, Change
from alerts.announcement import one_line
from alerts.channels.current import Figures
from alerts.decision import Decision
from alerts.names import SELF_TEST
from alerts.notification import ARRIVED, Delivery, Notification
from alerts.reason import Reason
from analyzers.interview import JudgeCondition, JudgeNews
from analyzers.judgement import JudgeKind, Judgement
from analyzers.omni.plan import amount
from appliance.children.fleet import Fleet
from appliance.children.judge_link import JudgeLink, Work
from appliance.clock import Clock
from appliance.health import Health
from appliance.metrics import Metrics
from appliance.outbox import Outbox
from appliance.pipeline import Pipeline
from appliance.store.store import StoreStatistics
from appliance.telling import Telling

log = logging.getLogger("omniwatch")

CALLS = (Change.OPENED, Change.REOPENED, Change.REMINDED, Change.UPDATED, Change.UNSHELVED)
"""Changes that call for somebody; the others are good to know."""
KNOWN = (Reason.EVIDENCE, Reason.DESCRIBED, Reason.FORGOTTEN)
"""Reasons of updates that are good to know."""
MAX_SAID = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is reported on."""

    fleet: Fleet
    health: Health
    judge: JudgeLink
    outbox: Outbox
    pipeline: Pipeline


def put_down(what: Decision, alert: Alert) -> None:
    """A change for the journal, each thing once: what calls for somebody as a warning, with how sure the answers were."""
    calls = what.change in CALLS and what.reason not in KNOWN
    why = f"{what.reason}, {alert.how_sure}" if calls and alert.how_sure else what.reason
    said = one_line(alert.description.text, MAX_SAID) if alert.description and what.reason is Reason.DESCRIBED else ""
    note = f": {what.track.note}" if calls and what.track.note else f": the model says: {said}" if said else ""
    what_happened = f"{'TEST, ' if alert.test else ''}{alert.severity} {what.change}"
    level, facts = logging.WARNING if calls else logging.INFO, {"facts": about(what, alert)}
    log.log(level, "%s: %s on %s (%s)%s", what_happened, alert.policy, alert.view, why, note, extra=facts)


def about(what: Decision, alert: Alert) -> dict[str, object]:
    """The same for programs."""
    return {
        "event": "alarm",
        "change": what.change,
        "policy": alert.policy,
        "view": alert.view,
        "severity": alert.severity,
        "alert": alert.id,
        "transition": alert.transition,
        "reason": what.reason,
        "test": alert.test,
    }


def down(news: JudgeNews, *, stood_in: bool) -> str:
    """The end of a judge, for the journal. `stood_in`: cues answer while it is away."""
    return f"the judge is down: {news.detail}; {'cues stand in' if stood_in else 'nobody stands in: `fallback: none`'}"


class Report:
    """The box's own account."""

    def __init__(self, metrics: Metrics, clock: Clock, parts: Parts) -> None:
        """Says nothing by itself: the box tells it when."""
        self._metrics = metrics
        self._clock = clock
        self._parts = parts
        self._judge_problem = ""

    def decided(self, what: Judgement | Decision) -> None:
        """Metrics of everything that was decided, but of no test; the log of what changed."""
        if (what.policy if isinstance(what, Judgement) else what.track.policy) == SELF_TEST:
            return
        if isinstance(what, Judgement):
            self._metrics.judgement(what)
            if what.log_odds is not None:
                stage = "judged" if what.by.rank > JudgeKind.CUES.rank else "cued"  # cues wait for nobody: they would hide a slow judge
                self._metrics.stage(stage, what.end, self._clock.now())
            return
        if what.change and what.alert:
            alert = what.alert
            if not alert.test:
                self._metrics.alarms.change(what.change, alert)
            put_down(what, alert)

    def told(self, notification: Notification, delivery: Delivery) -> None:
        """An attempt to tell."""
        self._metrics.delivery(delivery)
        end = notification.alert.window_end
        if delivery.outcome in ARRIVED and not notification.alert.test and notification.change in (Change.OPENED, Change.REOPENED) and end:
            self._metrics.stage("delivered", end, delivery.at)

    def judge(self, news: JudgeNews, *, wanted: bool, stood_in: bool) -> None:
        """The judge's condition has changed."""
        ready = news.condition is JudgeCondition.READY
        self._metrics.judge_ready.set(ready)
        self._metrics.judge_weights.set(news.weight_bytes)
        if not wanted:
            return
        said, self._judge_problem = self._judge_problem, "" if ready else news.detail or self._judge_problem
        if ready:
            log.info("the judge is ready: %s on %s, %s of weights", news.model, news.device, amount(news.weight_bytes))
        elif news.condition is JudgeCondition.DOWN and news.detail != said:  # once an outage, however often it is tried again
            log.warning("%s", down(news, stood_in=stood_in))

    def measured(self, work: Work) -> None:
        """A batch was judged."""
        self._metrics.judge_seconds.observe(work.took_s)
        self._metrics.judge_batch.observe(work.questions)
        self._metrics.judge_tokens.inc(work.cost.media_tokens)
        for what, times in work.cost.halvings.items():
            self._metrics.judge_halvings.labels(what.value).inc(times)
        for look, times in work.cost.looks.items():
            self._metrics.judge_looks.labels(look.value).inc(times)
        self._metrics.judge_device.set(work.cost.device_bytes)

    def gauge(self, store: StoreStatistics, telling: Telling) -> None:
        """Figures that are read rather than counted."""
        metrics, parts = self._metrics, self._parts
        metrics.queue_depth.set(parts.pipeline.queue.statistics().waiting)
        metrics.store(store)
        if parts.health.disk_free is not None:
            metrics.disk_free.set(parts.health.disk_free)
        metrics.alarms.tracks(parts.pipeline.tracks(), self._clock.now())
        metrics.outbox(parts.outbox.statistics())
        if telling.talker:
            metrics.speech_unrendered.set(telling.talker.unrendered)

    def heartbeat(self) -> Figures:
        """The figures that travel with each heartbeat."""
        parts = self._parts
        status, now = parts.fleet.status().values(), self._clock.now()
        return Figures(
            sensors=len(status),
            sensors_online=sum(sensor.delivers(now) for sensor in status),
            judge_ready=parts.judge.ready,
            alarms=sum(track.is_open for track in parts.pipeline.tracks()),
        )

    def status(self) -> str:
        """A line for the service manager."""
        beat, parts = self.heartbeat(), self._parts
        judge = f"judge {parts.judge.news.condition.value}" if parts.pipeline.judge else "cues judge"
        return f"{beat.sensors_online}/{beat.sensors} sensors, {judge}, {beat.alarms} {'alarm' if beat.alarms == 1 else 'alarms'}"
