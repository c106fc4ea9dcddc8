"""How long is waited between tries, and after what a source is soon tried again."""

import pytest

from sensors.backoff import Backoff
from sensors.fault import FaultReason, SensorFault
from sensors.main import was_healthy

CAMERA, FILE = "rtsp://10.0.0.1/a", "file:/hall.mp4"


@pytest.mark.parametrize(
    ("failures", "chance", "wait_s"),
    [
        (1, 0.0, 0.5),  # the first failure is tried again at once
        (2, 0.0, 1.0),
        (3, 1.0, 1.6),  # jitter only ever shortens
        (7, 0.0, 30.0),  # capped
        (10_000, 0.0, 30.0),  # after months of failing, too
        (10_000, 1.0, 24.0),
    ],
)
def test_waits_double_up_to_a_cap(failures: int, chance: float, wait_s: float) -> None:
    assert Backoff().wait_s(failures, chance) == pytest.approx(wait_s)


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
