"""The drill of random kills, in short."""

import pytest

from tests.appliance.conftest import Appliance, Broker
from tests.drills.kills import Kills


@pytest.mark.broker
@pytest.mark.rtsp
@pytest.mark.timeout(240)
def test_ten_random_kills_lose_no_alarm(appliance: Appliance, broker: Broker) -> None:
    kills = Kills(appliance, broker, seed=1)
    try:
        kills.begin()
        kills.run(10)
        kills.settle()
        assert kills.verdict()["alarm events"]
    finally:
        kills.end()
