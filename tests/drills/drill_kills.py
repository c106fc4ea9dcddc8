"""A thousand random kills: `scripts/drills kills`. In rounds of fifty, each a box of its own, so that a run can be broken off and gone on with."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Broker
from tests.drills.book import results
from tests.drills.kills import Kills

COUNT, ROUND = 1000, 50


def so_far(seed: int) -> Mapping[str, str | int | float]:
    """What the runs before have counted, where this one goes on with the seed that they have left."""
    last = next((each for each in results() if each.name == "kills"), None)
    return last.measured if last and last.outcome == "passed" and last.measured.get("next seed") == seed else {}


@pytest.mark.broker
@pytest.mark.rtsp
@pytest.mark.timeout(0)
@pytest.mark.drill(
    30,
    "kills",
    done="SIGKILL at random moments to random ones of the box's processes, the whole of it, and the broker, while the scene has an alarm every 6 s",
    sees="every alarm that the box has on record is heard outside, each under one id; every darkness that was watched undisturbed has its alarm",
)
def test_random_kills_lose_no_alarm(tmp_path: Path, film: Path, request: pytest.FixtureRequest, measured: dict[str, str | int | float]) -> None:
    left, seed = request.config.getoption("count") or COUNT, request.config.getoption("seed")
    total = Counter({name: figure for name, figure in so_far(seed).items() if isinstance(figure, int)})
    total.pop("next seed", None)
    while left > 0:
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        broker = Broker(folder)
        broker.start()
        kills = Kills(Appliance(folder, film, broker, site="flood: 1000 in 10m\n"), broker, seed)
        try:
            kills.begin()
            kills.run(min(left, ROUND))
            kills.settle()
            total.update({name: int(figure) for name, figure in kills.verdict().items()})
        finally:
            kills.end()
            broker.stop()
        left, seed = left - ROUND, seed + 1
        measured.update({**total, "next seed": seed})
