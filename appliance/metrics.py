"""What Prometheus reads. Every name of the box is in this file; every label is a name from the configuration or of a closed set.

It counts what it is told and knows nobody who tells it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector

from alerts.notification import Delivery, Outcome
from analyzers.interview import Halved, Look
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from appliance import __version__
from appliance.alarm_figures import AlarmFigures
from appliance.blank.figures import BlankFigures
from appliance.config.judge_form import JudgeConfig
from appliance.describing_figures import DescribingFigures
from appliance.evidence.figures import EvidenceFigures
from appliance.metrics_server import MetricsServer
from appliance.outbox import ChannelStatistics
from appliance.store.store import StoreStatistics
from appliance.watch import Watch
from sensors.fault import FaultReason
from sensors.moment import NANOSECONDS, Moment
from sensors.news import SensorCondition, SensorFigures, SensorNews

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
LOG_ODDS = (-8.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
BATCH = (1, 2, 4, 8, 16, 32, 64)


class KnownGauge(Gauge):
    """A gauge that has no sample until it is set: 0 would be a figure. Without labels."""

    _is_known = False

    def set(self, value: float) -> None:
        """From now on it is this."""
        super().set(value)
        self._is_known = True

    def collect(self) -> Iterable[Metric]:
        """Its sample, where there is one yet."""
        return super().collect() if self._is_known else self.describe()


class Metrics:
    """The box's figures, in a registry of their own."""

    def __init__(self) -> None:
        """All series, with what each means."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(namespace="omniwatch", registry=registry)
        build = Gauge("omniwatch_build_info", "Always 1; the version is the label.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self._sensors(registry)
        self._judging(registry)
        self.alarms = AlarmFigures(registry)
        self.evidence = EvidenceFigures(registry)
        self.describing = DescribingFigures(registry)
        self.blank = BlankFigures(registry)
        self._box(registry)

    def _sensors(self, registry: CollectorRegistry) -> None:
        sensor = ["sensor"]
        self.sensor_up = Gauge("omniwatch_sensor_up", "1 while the sensor delivers.", sensor, registry=registry)
        self.sensor_last_frame = Gauge("omniwatch_sensor_last_frame_timestamp_seconds", "When its newest frame came.", sensor, registry=registry)
        self.sensor_last_sound = Gauge("omniwatch_sensor_last_sound_timestamp_seconds", "When its newest sound came.", sensor, registry=registry)
        self.sensor_level = Gauge("omniwatch_sensor_level_dbfs", "Level of its sound, full scale is 0.", sensor, registry=registry)
        self.sensor_frames = Gauge("omniwatch_sensor_process_frames", "Frames decoded since its process started.", sensor, registry=registry)
        self.sensor_dropped = Gauge(
            "omniwatch_sensor_process_dropped_pairs", "Pairs dropped for want of a slot since its process started.", sensor, registry=registry
        )
        self.sensor_jumps = Gauge(
            "omniwatch_sensor_process_jumps", "Jumps of the source's clock since its process started.", sensor, registry=registry
        )
        self.sensor_reconnects = Gauge(
            "omniwatch_sensor_process_reconnects", "Times its source was opened again since its process started.", sensor, registry=registry
        )
        self.sensor_muted = Gauge(
            "omniwatch_sensor_process_muted_seconds", "Sound that was the box's own voice since its process started.", sensor, registry=registry
        )
        self.sensor_unmuted = Gauge(
            "omniwatch_sensor_process_unmuted_seconds",
            "The box's own voice that was judged, a tenth of the hour being muted already, since its process started.",
            sensor,
            registry=registry,
        )
        self.sensor_gate_silent = Gauge(
            "omniwatch_sensor_gate_silent", "1 while its camera does not say whether something moves, so that cues decide.", sensor, registry=registry
        )
        self.sensor_restarts = Counter("omniwatch_sensor_restarts", "Times its process was started again.", sensor, registry=registry)
        self.sensor_losses = Counter("omniwatch_sensor_losses", "Times it was lost, by reason.", ["sensor", "reason"], registry=registry)
        self.windows = Counter("omniwatch_windows", "Windows that ended.", sensor, registry=registry)

    def _judging(self, registry: CollectorRegistry) -> None:
        self.judgements = Counter(
            "omniwatch_judgements", "Outcomes, one a policy and window.", ["policy", "verdict", "cause", "by"], registry=registry
        )
        self.scores = Histogram("omniwatch_score_log_odds", "Scores of yes against no.", ["policy", "by"], buckets=LOG_ODDS, registry=registry)
        self.stages = Histogram(
            "omniwatch_window_age_seconds", "Time from a window's end to each stage.", ["stage"], buckets=SECONDS, registry=registry
        )
        self.judge_seconds = Histogram("omniwatch_judge_batch_seconds", "Time that a batch took.", buckets=SECONDS, registry=registry)
        self.judge_batch = Histogram("omniwatch_judge_batch_questions", "Questions in a batch.", buckets=BATCH, registry=registry)
        self.judge_tokens = Counter("omniwatch_judge_media_tokens", "Media tokens encoded.", registry=registry)
        self.judge_halvings = Counter(
            "omniwatch_judge_halvings", "Times that too little memory was left, by what was halved then.", ["what"], registry=registry
        )
        for what in Halved:
            self.judge_halvings.labels(what.value)
        self.judge_looks = Counter(
            "omniwatch_judge_second_looks", "Answers in doubt that another model was to look at, by what came of it.", ["outcome"], registry=registry
        )
        for look in Look:
            self.judge_looks.labels(look.value)
        self.judge_ready = Gauge("omniwatch_judge_ready", "1 while the judge answers.", registry=registry)
        self.judge_restarts = Counter("omniwatch_judge_restarts", "Times the judge's process was started again.", registry=registry)
        self.judge_weights = Gauge("omniwatch_judge_weight_bytes", "Bytes of the loaded model's weights.", registry=registry)
        self.judge_device = Gauge(
            "omniwatch_judge_device_memory_bytes", "Memory of the accelerator that the judge holds; 0 on a processor.", registry=registry
        )
        self.judge_max_age = Gauge("omniwatch_judge_max_age_seconds", "How old a window may become before it is dropped.", registry=registry)
        self.queue_depth = Gauge("omniwatch_queue_depth", "Questions that wait for the judge.", registry=registry)

    def _box(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter("omniwatch_deliveries", "Attempts to tell, by outcome.", ["channel", "outcome"], registry=registry)
        self.speech_unrendered = KnownGauge(
            "omniwatch_speech_unrendered_sentences", "Sentences that espeak-ng says for the model that is to speak.", registry=registry
        )
        self.puback_failures = Counter(
            "omniwatch_mqtt_puback_failures", "Publishes that the broker refused, by its reason.", ["reason"], registry=registry
        )
        self.mqtt_orders = Counter("omniwatch_mqtt_orders", "Orders that came over MQTT, by what became of them.", ["outcome"], registry=registry)
        self.mqtt_pictures = Counter(
            "omniwatch_mqtt_pictures", "Pictures of cameras for the broker, by what became of them.", ["outcome"], registry=registry
        )
        self.mqtt_connected = Gauge("omniwatch_mqtt_connected", "1 while the broker is connected.", registry=registry)
        channel = ["channel"]
        self.outbox_depth = Gauge("omniwatch_outbox_depth", "Notifications that wait to be told.", channel, registry=registry)
        self.outbox_oldest = Gauge("omniwatch_outbox_oldest_seconds", "Age of the oldest of them.", channel, registry=registry)
        self.outbox_parked = Gauge("omniwatch_outbox_parked", "Notifications that the other end refused.", channel, registry=registry)
        self.outbox_undurable = Gauge("omniwatch_outbox_undurable", "Notifications that live in memory alone.", channel, registry=registry)
        self.outbox_lost = Counter(
            "omniwatch_outbox_lost", "Notifications lost: the store had failed, and the memory had no room either.", channel, registry=registry
        )
        self.outbox_expired = Counter(
            "omniwatch_outbox_expired", "Notifications that grew too old, or were too many, before anybody took them.", registry=registry
        )
        self.store_owed = Gauge("omniwatch_store_owed", "Changes of alarms that wait in memory for the store to work again.", registry=registry)
        self._totals: dict[str, int] = {}
        self.store_up = KnownGauge("omniwatch_store_up", "1 while the store commits.", registry=registry)
        self.self_test = Gauge("omniwatch_self_test_passed", "1 if the last self-test was passed.", registry=registry)
        self.self_test_at = Gauge("omniwatch_self_test_timestamp_seconds", "When the last self-test was made.", registry=registry)
        self.disk_free = KnownGauge("omniwatch_disk_free_ratio", "Free share of the disk that holds the state.", registry=registry)
        self.loop_lag = Histogram(
            "omniwatch_loop_lag_seconds", "How late the supervisor's loop is.", buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5), registry=registry
        )
        self.reload_ok = Gauge("omniwatch_config_last_reload_successful", "1 if the newest configuration was good.", registry=registry)
        self.reload_at = Gauge("omniwatch_config_last_reload_success_timestamp_seconds", "When a configuration was last taken.", registry=registry)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Serve /metrics, and return what stops it. OSError where the port is taken."""
        try:
            return MetricsServer(host, port, self.registry).begin()
        except OSError as error:
            raise OSError(f"metrics.listen: {host}:{port}: {error.strerror or error}") from error

    def watching(self, watch: Watch, judge: JudgeConfig) -> None:
        """From now on so is watched and so is judged."""
        self.judge_max_age.set(judge.max_age.total_seconds())
        self.alarms.policies(watch.policies().values(), watch.asked(), judge.kind)
        for sensor in watch.strides:
            self.sensor_restarts.labels(sensor)
            for reason in FaultReason:
                self.sensor_losses.labels(sensor, reason.value)
        for policy in watch.asked():  # from 0 on, or a share of none would be no figure
            for cause in (Cause.SUPERSEDED, Cause.TOO_OLD):
                self.judgements.labels(policy.id, Verdict.NOT_ASKED.value, cause.value, JudgeKind.SUPERVISOR.value)

    def judge_process(self, pid: Callable[[], int | None]) -> None:
        """Show also what the judge's process takes. `pid` is asked at every scrape; None: there is none now."""
        ProcessCollector(namespace="omniwatch_judge", pid=lambda: pid() or "none", registry=self.registry)

    def judgement(self, judgement: Judgement) -> None:
        """Count an outcome."""
        self.judgements.labels(judgement.policy, judgement.verdict.value, judgement.cause.value if judgement.cause else "", judgement.by.value).inc()
        if judgement.log_odds is not None:
            self.scores.labels(judgement.policy, judgement.by.value).observe(judgement.log_odds)

    def stage(self, stage: str, window_end: Moment, now: Moment) -> None:
        """How old a window is at a stage: arrived, cued (answered from cues), judged (by a model) or delivered (an alarm's opening)."""
        self.stages.labels(stage).observe(max(0.0, now.since(window_end).total_seconds()))

    def tested(self, at: Moment, *, passed: bool) -> None:
        """The box has tested itself."""
        self.self_test.set(passed)
        self.self_test_at.set(at.utc.timestamp())

    def delivery(self, delivery: Delivery) -> None:
        """Count an attempt."""
        self.deliveries.labels(delivery.channel, delivery.outcome.value).inc()
        if delivery.outcome is Outcome.REFUSED and delivery.channel == "mqtt":
            self.puback_failures.labels(delivery.reason[:64]).inc()

    def outbox(self, channels: Mapping[str, ChannelStatistics]) -> None:
        """How telling goes."""
        for name, channel in channels.items():
            self.outbox_depth.labels(name).set(channel.depth)
            self.outbox_oldest.labels(name).set(channel.oldest_age_s)
            self.outbox_parked.labels(name).set(sum(channel.parked.values()))
            self.outbox_undurable.labels(name).set(channel.undurable)
            self._count(self.outbox_lost.labels(name), name, channel.dropped)

    def store(self, store: StoreStatistics) -> None:
        """How keeping goes."""
        self.store_up.set(not store.failing)
        self.store_owed.set(store.owed)
        self._count(self.outbox_expired, "expired", store.expired)

    def _count(self, counter: Counter, name: str, total: int) -> None:
        """Follow a total that somebody else keeps."""
        counter.inc(total - self._totals.get(name, 0))
        self._totals[name] = total

    def news(self, news: SensorNews) -> None:
        """A sensor's condition."""
        self.sensor_up.labels(news.sensor).set(news.condition is SensorCondition.ONLINE)
        if news.condition is SensorCondition.LOST:
            self.sensor_losses.labels(news.sensor, news.reason[:32]).inc()

    def gate(self, sensor: str, silent: bool) -> None:  # noqa: FBT001 - a callback
        """Whether the camera of a sensor, which should say so, has fallen silent."""
        self.sensor_gate_silent.labels(sensor).set(silent)

    def picture(self, fate: str) -> None:
        """What became of a camera's picture."""
        self.mqtt_pictures.labels(fate).inc()

    def sensor_gone(self, sensor: str) -> None:
        """A sensor has left the configuration: its series end."""
        for series in (
            self.sensor_up,
            self.sensor_last_frame,
            self.sensor_last_sound,
            self.sensor_level,
            self.sensor_frames,
            self.sensor_dropped,
            self.sensor_jumps,
            self.sensor_reconnects,
            self.sensor_muted,
            self.sensor_unmuted,
            self.sensor_gate_silent,
        ):
            if (sensor,) in series._metrics:  # noqa: SLF001 - the library raises for a series that was never there, and has no question for it
                series.remove(sensor)

    def figures(self, figures: SensorFigures, now: Moment) -> None:
        """A sensor's second."""
        sensor = figures.sensor
        self.sensor_frames.labels(sensor).set(figures.frames)
        self.sensor_dropped.labels(sensor).set(figures.dropped_pairs)
        self.sensor_jumps.labels(sensor).set(figures.jumps)
        self.sensor_reconnects.labels(sensor).set(figures.reconnects)
        self.sensor_level.labels(sensor).set(figures.level_dbfs)
        self.sensor_muted.labels(sensor).set(figures.muted_s)
        self.sensor_unmuted.labels(sensor).set(figures.unmuted_s)
        self.evidence.second(figures)
        for gauge, boot_ns in ((self.sensor_last_frame, figures.last_frame_boot_ns), (self.sensor_last_sound, figures.last_sound_boot_ns)):
            if boot_ns:
                gauge.labels(sensor).set(now.utc.timestamp() - (now.boot_ns - boot_ns) / NANOSECONDS)

    def reloaded(self, at: datetime | None) -> None:
        """A configuration was taken at `at`, or (None) refused."""
        self.reload_ok.set(at is not None)
        if at:
            self.reload_at.set(at.timestamp())
