"""Sensor processes that were taken over do their worst beside a good one; it is the good one, and the box, that are watched."""

import re
import time
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Listener, eventually
from tests.drills.conftest import OPENING_S

MISDEEDS = ("garbage", "flood", "just-not-a-flood", "fat", "half", "deaf", "stopped", "silent")
WHY = {
    "garbage": "Invalid JSON",
    "flood": "says too much",
    "fat": "too",
    "half": "Invalid JSON",
    "deaf": "does not read",
    "stopped": "silent for",
    "silent": "silent for",
}
ROGUE = """\
  rogue-{misdeed}:
    source: file:{film}
    window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}
"""
SECONDS = 45
MOST_LAG_S = 0.1


@pytest.fixture
def taken_over(appliance: Appliance, tmp_path: Path) -> Appliance:
    """A box whose sensors called rogue-... are."""
    folder = tmp_path / "rogue"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("from tests.drills.rogue import begin\nbegin()\n")
    appliance.environment["PYTHONPATH"] = f"{folder}:{Path(__file__).parents[2]}"
    appliance.sensors = "".join(ROGUE.format(misdeed=each, film=appliance.film) for each in MISDEEDS) + "judge:"
    return appliance


@pytest.mark.broker
@pytest.mark.timeout(240)
@pytest.mark.drill(
    29, "rogue-sensors",
    done="Eight sensor processes that were taken over, at once: garbage, floods, floods just below the limit, 60 kB a message, half messages, "
    "windows without ever reading, stopped, silent",
    sees="each of them is lost and restarted, the journal says why; the good sensor's windows are late by less than 100 ms, its alarms go on",
)  # fmt: skip
def test_rogue_sensors_delay_no_other(taken_over: Appliance, listener: Listener, measured: dict[str, float]) -> None:
    box = taken_over
    box.start()
    eventually(lambda: listener.events("something-there", "opened"), OPENING_S, "an alarm opens all the same")
    eventually(lambda: box.log().count(" is lost (broken)") >= len(MISDEEDS) - 2, 40, "those that break the protocol are given up")
    before = box.metrics_text()
    until = time.monotonic() + SECONDS
    eventually(lambda: time.monotonic() > until, SECONDS + 5, "they did their worst")
    after = box.metrics_text()
    ages = buckets(before, after, 'omniwatch_window_age_seconds_bucket{{le="{le}",stage="cued"}}')
    lags = buckets(before, after, 'omniwatch_loop_lag_seconds_bucket{{le="{le}"}}')
    measured.update({"windows judged within, s": at_most(ages, 1.0), "loop lag p99 within, s": at_most(lags, 0.99)})
    assert at_most(lags, 0.99) <= MOST_LAG_S
    assert len(listener.events("something-there", "opened")) >= SECONDS // 8
    eventually(lambda: box.figure('omniwatch_sensor_up{sensor="wall"}') == 1, 5, "the metrics show it")
    for misdeed, why in WHY.items():
        assert re.search(rf"rogue-{misdeed} is lost.*{why}", box.log()), misdeed
    assert listener.of("/sensor/wall")[-1]["restarts"] == 0
    assert box.stop() == 0


def buckets(before: str, after: str, series: str) -> list[tuple[float, float]]:
    """What came to each bucket of a histogram between two looks, in all."""
    bounds = ("0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "+Inf")
    out = []
    for bound in bounds:
        name = re.escape(series.format(le=bound))
        counts = [re.search(rf"^{name} (\S+)$", text, re.MULTILINE) for text in (before, after)]
        if counts[1]:
            out.append((float(bound.replace("+Inf", "inf")), float(counts[1][1]) - (float(counts[0][1]) if counts[0] else 0.0)))
    return out


def at_most(found: list[tuple[float, float]], share: float) -> float:
    """The bound under which so large a share of them lies."""
    total = found[-1][1]
    return next(bound for bound, count in found if count >= share * total)
