import pytest

from sensors.fault import FaultReason, SensorFault
from sensors.main import wait_s, was_healthy

CAMERA, FILE = "rtsp://10.0.0.1/a", "file:/hall.mp4"


@pytest.mark.parametrize(("failures", "most_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (100_000, 30.0)])
def test_the_wait_between_tries_doubles_to_a_cap_and_is_never_the_same(failures: int, most_s: float) -> None:
    waits = {wait_s(failures) for _ in range(100)}
    assert 0.8 * most_s <= min(waits) < max(waits) <= most_s
    assert len(waits) > 50


@pytest.mark.parametrize(
    ("source", "reason", "lasted_s", "healthy"),
    [
        (CAMERA, FaultReason.ENDED, 59.0, False),  # a camera that ends again and again is asked ever less often
        (CAMERA, FaultReason.STALLED, 61.0, True),
        (FILE, FaultReason.ENDED, 12.0, True),  # a short file is a camera that restarts
        (FILE, FaultReason.ENDED, 0.1, False),  # an empty one is not to be read ten times a second
        (FILE, FaultReason.BROKEN, 12.0, False),
    ],
)
def test_a_source_that_did_well_is_soon_opened_again(source: str, reason: FaultReason, lasted_s: float, *, healthy: bool) -> None:
    assert was_healthy(source, SensorFault(reason), lasted_s) is healthy
