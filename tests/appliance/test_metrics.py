"""What Prometheus reads: states as they stand, and no series of what is gone."""

from prometheus_client import generate_latest

from alerts.alert import AlertState
from appliance.metrics import Metrics


def states(metrics: Metrics) -> list[str]:
    """The lines of states that hold."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return [line.partition("{")[2] for line in lines if line.startswith("omniwatch_alarm_state{") and line.endswith(" 1.0")]


def test_a_state_is_shown_until_its_track_is_gone() -> None:
    metrics = Metrics()
    metrics.tracks({("smoke", "hall"): AlertState.ACTIVE, ("fall", "hall"): AlertState.NORMAL})
    assert states(metrics) == ['policy="smoke",state="active",view="hall"} 1.0', 'policy="fall",state="normal",view="hall"} 1.0']
    metrics.tracks({("smoke", "hall"): AlertState.PENDING})
    assert states(metrics) == ['policy="smoke",state="pending",view="hall"} 1.0']
    metrics.tracks({})
    assert "hall" not in generate_latest(metrics.registry).decode()
