"""The drill of bent inputs, in short."""

from pathlib import Path

import pytest

from tests.drills.fuzz import feed, kinds

DATAGRAMS = ("what a sensor says", "what a sensor is told", "what a judge says", "what a judge is told", "orders to the box", "orders over MQTT")


@pytest.mark.parametrize("name", DATAGRAMS)
def test_what_is_bent_was_good_before(name: str, tmp_path: Path) -> None:
    kind = kinds(tmp_path)[name]
    for good in kind.good:
        kind.decode(good)


@pytest.mark.parametrize("name", DATAGRAMS)
def test_bent_datagrams_are_taken_or_refused(name: str, tmp_path: Path) -> None:
    tally = feed(kinds(tmp_path)[name], 1500, seed=1)
    assert tally.outcomes["refused"] > 100


def test_bent_configurations_are_taken_or_refused(tmp_path: Path) -> None:
    tally = feed(kinds(tmp_path)["configurations"], 40, seed=1)
    assert tally.outcomes["refused"] > 10
