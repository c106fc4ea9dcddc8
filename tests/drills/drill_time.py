"""Time is not what it seems: the wall clock is set by hours, is wrong at the start, summer time begins and ends, everything stands still."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Listener, eventually
from tests.drills.conftest import OPENING_S
from tests.drills.wall_clock import WallClock

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
HOUR_S = 3600
OFF = 'omniwatch_judgements_total{by="gate",cause="off_schedule",policy="something-there",verdict="not_asked"}'
ASKED = 'omniwatch_judgements_total{by="cues",cause="",policy="something-there",verdict="no"}'


@pytest.fixture
def wall_clock(tmp_path: Path, appliance: Appliance) -> Iterator[WallClock]:
    """The clock of the appliance and its children."""
    clock = WallClock(tmp_path / "clock")
    clock.make()
    appliance.environment |= clock.environment
    yield clock
    appliance.kill()


def opened(ear: Listener) -> int:
    return len(ear.events("something-there", "opened"))


def another(ear: Listener, what: str) -> None:
    """One more alarm of the scene opens and clears."""
    before, over = opened(ear), len(ear.events("something-there", "cleared"))
    eventually(lambda: opened(ear) > before, OPENING_S, f"an alarm opens {what}")
    eventually(lambda: len(ear.events("something-there", "cleared")) > over, OPENING_S, f"and clears {what}")


@pytest.mark.drill(
    15, "wall-clock-jumps",
    done="The wall clock of the running box is set forward by 5 hours, then back by 8",
    sees="`clock-stepped` opens each time and clears, the journal says by how much, alarms open and clear as if nothing were, none is doubled",
)  # fmt: skip
def test_a_wall_clock_that_is_set(appliance: Appliance, listener: Listener, wall_clock: WallClock) -> None:
    appliance.start()
    eventually(lambda: opened(listener), OPENING_S, "an alarm opens")
    for number, (hours, step) in enumerate(((5, "+18000"), (-3, "-28800")), 1):
        wall_clock.shift(hours * HOUR_S)
        eventually(lambda n=number: len(listener.events("clock-stepped", "opened")) == n, 10, "the step is an alarm")
        eventually(lambda: appliance.is_active("clock-stepped"), 5, "the metrics show it")
        assert f"the wall clock was set by {step}" in appliance.log()
        another(listener, "after the step")
        eventually(lambda n=number: len(listener.events("clock-stepped", "cleared")) == n, 90, "the alarm about the step clears")
    alerts = [event["data"]["alert"] for event in listener.events("something-there", "opened")]
    assert len(alerts) == len(set(alerts))
    assert not listener.events("sensor-lost", "opened")
    assert appliance.stop() == 0


@pytest.mark.drill(
    26, "boot-with-a-wrong-clock",
    done="The box starts while its clock shows 1 January 2020; after some alarms NTP puts it right",
    sees="alarms go out from the start, `clock-stepped` opens, the journal says by how much, history is not deleted for its age, alarms go on",
)  # fmt: skip
def test_a_box_that_starts_with_a_wrong_clock(appliance: Appliance, listener: Listener, wall_clock: WallClock) -> None:
    wall_clock.show(datetime(2020, 1, 1, tzinfo=UTC))
    appliance.start()
    another(listener, "on the first of January 2020")
    assert listener.events("something-there", "opened")[0]["data"]["opened"].startswith("2020-01-01")
    wall_clock.shift(0)
    eventually(lambda: listener.events("clock-stepped", "opened"), 10, "the step is an alarm")
    another(listener, "after NTP")
    assert not listener.events("something-there", "opened")[-1]["data"]["opened"].startswith("2020")
    eventually(lambda: appliance.figure("omniwatch_store_up") == 1, 5, "the metrics show it")
    assert appliance.stop() == 0


@pytest.mark.drill(
    11, "summer-time",
    done="In Berlin, a policy of 01:00-02:30 over the nights in which summer time begins (there is no 02:30) and ends (02:30 comes twice)",
    sees="it is asked until 01:59:59 and not after 03:00 (`off_schedule` counts up); in autumn it is asked in the hour that comes twice, both times",
)  # fmt: skip
@pytest.mark.parametrize(
    "night",
    [  # when the box starts, and whether the policy comes to its hours then, or leaves them
        (datetime(2026, 3, 29, 0, 59, 35, tzinfo=UTC), False),  # 01:59:35, 25 s later it is 03:00
        (datetime(2026, 10, 25, 0, 29, 35, tzinfo=UTC), False),  # 02:29:35 in summer time, its end
        (datetime(2026, 10, 25, 0, 59, 35, tzinfo=UTC), True),  # 02:59:35 in summer time, 25 s later it is 02:00 again
    ],
)
def test_a_night_over_a_change_of_summer_time(appliance: Appliance, listener: Listener, wall_clock: WallClock, night: tuple[datetime, bool]) -> None:
    before, stays = night
    appliance.timezone, appliance.policy = "Europe/Berlin", "    active: 01:00-02:30\n"
    wall_clock.show(before)
    appliance.start()
    eventually(lambda: listener.of("/sensor/wall"), OPENING_S, "the sensor is known")
    if stays:
        eventually(lambda: appliance.figure(OFF) >= 3, OPENING_S, "it is not asked before the hour comes again")
        eventually(lambda: opened(listener), 60, "in the hour that comes again it is")
    else:
        eventually(lambda: opened(listener), OPENING_S, "an alarm opens in its hours")
        eventually(lambda: appliance.figure(OFF) >= 10, 60, "its hours are over")
    assert appliance.stop() == 0


@pytest.mark.drill(
    27, "suspended",
    done="The whole box is stopped for half a minute (SIGSTOP to all of its processes) and goes on (SIGCONT), as a machine that sleeps",
    sees="`watch-gap` opens and says for how long nobody watched, the journal too; no sensor or judge is given up for it, alarms go on",
)  # fmt: skip
def test_a_box_that_is_suspended(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: opened(listener), OPENING_S, "an alarm opens")
    assert appliance.process
    pids = [appliance.process.pid, *appliance.children().values()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    stopped = datetime.now(UTC)
    eventually(lambda: (datetime.now(UTC) - stopped).total_seconds() > 30, 40, "half a minute is over")
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: listener.events("watch-gap", "opened"), 15, "the gap is an alarm")
    assert "nobody watched for 3" in listener.events("watch-gap", "opened")[0]["data"]["summary"]
    assert "nobody watched for 3" in appliance.log()
    another(listener, "after the sleep")
    assert listener.of("/sensor/wall")[-1]["restarts"] == 0
    eventually(lambda: appliance.is_active("watch-gap"), 5, "the metrics show it")
    assert appliance.stop() == 0
