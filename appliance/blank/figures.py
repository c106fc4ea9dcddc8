"""The figure of the blank control, for Prometheus: what the model says to each policy where there is nothing."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from analyzers.policy import PolicyId


class BlankFigures:
    """One series a policy that was asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """With what it means."""
        self._known: set[PolicyId] = set()
        self._score = Gauge(
            "omniwatch_policy_blank_log_odds",
            "The highest score that the policy got of a window that holds nothing; from its threshold on it says yes to nothing.",
            ["policy"],
            registry=registry,
        )

    def stand(self, scores: Mapping[PolicyId, float]) -> None:
        """From now on these; the series of the others end."""
        for policy in self._known - scores.keys():
            self._score.remove(policy)
        for policy, score in scores.items():
            self._score.labels(policy).set(score)
        self._known = set(scores)
