"""How the alarms do, as Prometheus reads it: the figures that EEMUA 191 asks an alarm system for, and the threshold of each policy.

Alarms an hour, floods and chatter are worked out by Prometheus from the transitions counted here. It knows nobody who counts.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerts.alert import Alert, AlertState, Change
from alerts.track import Track
from analyzers.judgement import JudgeKind
from analyzers.policy import Policy, Severity
from analyzers.score import CUE_THRESHOLD, threshold_of
from sensors.moment import Moment

STALE = timedelta(days=1)
"""EEMUA 191, as recalled: an alarm that has stood for longer tells nobody anything any more."""
WAITS = (1, 10, 30, 60, 300, 900, 3600, 14400)


class AlarmFigures:
    """The figures of all tracks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All series, with what each means."""
        self._states: dict[tuple[str, str], AlertState] = {}
        self._thresholds: set[tuple[str, str]] = set()
        where = ["policy", "view"]
        self.state = Gauge("omniwatch_alarm_state", "1 for the state that each track is in.", [*where, "state"], registry=registry)
        self.changes = Counter("omniwatch_alarm_changes", "Transitions of alarms.", ["policy", "severity", "change"], registry=registry)
        self.acknowledge_seconds = Histogram(
            "omniwatch_alarm_acknowledge_seconds", "Time from opening to acknowledgement.", buckets=WAITS, registry=registry
        )
        self.standing = Gauge("omniwatch_alarms_standing", "Alarms whose cause has not gone.", ["severity"], registry=registry)
        self.stale = Gauge("omniwatch_alarms_stale", "Those of them that opened more than a day ago.", registry=registry)
        self.threshold = Gauge(
            "omniwatch_policy_threshold_log_odds", "The score from which an answer is a yes, by who answers.", ["policy", "by"], registry=registry
        )

    def policies(self, policies: Iterable[Policy], asked: Iterable[Policy], judge: JudgeKind) -> None:
        """These are in force. An opening is counted from 0, or Prometheus would not see the first; thresholds are those of what is `asked`."""
        for policy in policies:
            self.changes.labels(policy.id, policy.severity.value, Change.OPENED.value)
        thresholds = {(policy.id, judge.value): threshold_of(policy, judge) for policy in asked} | {
            (policy.id, JudgeKind.CUES.value): CUE_THRESHOLD for policy in asked if policy.fallback
        }
        for policy_id, by in self._thresholds - thresholds.keys():
            self.threshold.remove(policy_id, by)
        for (policy_id, by), figure in thresholds.items():
            self.threshold.labels(policy_id, by).set(figure)
        self._thresholds = set(thresholds)

    def tracks(self, tracks: Iterable[Track], now: Moment) -> None:
        """Every track as it stands; the series of those that are gone end."""
        every = tuple(tracks)
        self._show({(track.policy, track.view): track.state for track in every})
        alerts = [track.alert for track in every if track.is_open and track.alert and not track.alert.test]
        standing = Tally(alert.severity for alert in alerts)
        for severity in Severity:
            self.standing.labels(severity.value).set(standing[severity])
        self.stale.set(sum(now.since(alert.opened) > STALE for alert in alerts))

    def _show(self, states: dict[tuple[str, str], AlertState]) -> None:
        for policy, view in self._states.keys() - states.keys():
            for each in AlertState:
                self.state.remove(policy, view, each.value)
        for (policy, view), state in states.items():
            if self._states.get((policy, view)) is not state:
                for each in AlertState:
                    self.state.labels(policy, view, each.value).set(each is state)
        self._states = states

    def change(self, change: Change, alert: Alert) -> None:
        """Count a transition."""
        self.changes.labels(alert.policy, alert.severity.value, change.value).inc()
        if change is Change.ACKNOWLEDGED:
            self.acknowledge_seconds.observe(max(0.0, alert.changed.since(alert.opened).total_seconds()))
