"""What the windows allow, and that the rules do what the arithmetic says."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.timing import timing
from analyzers.policy import Policy, PolicyId, Trigger
from sensors.settings import WindowShape
from sensors.window import SensorId
from tests.alerts.conftest import Story

SECOND = timedelta(seconds=1)
OVERLAPPING = WindowShape(length_s=8, every_s=4, fps=1, longest_side=576)
APART = WindowShape(length_s=4, every_s=4, fps=1, longest_side=576)
MAX_AGE = 20 * SECOND

POLICY = Policy(id=PolicyId("glass"), title="Glass", ask="Does glass break?", sensors=(SensorId("hall"),))


def wanting(count: int, of: int) -> Policy:
    return replace(POLICY, trigger=Trigger(count=count, of=of))


@pytest.mark.parametrize(
    ("count", "of", "shape", "soonest", "latest", "shortest", "confirms_itself"),
    [
        (1, 1, OVERLAPPING, 0, 32, 0, False),
        (2, 3, OVERLAPPING, 4, 36, 0, True),  # an instant lies in two windows
        (3, 4, OVERLAPPING, 8, 40, 0, False),  # any event, but no single instant
        (4, 5, OVERLAPPING, 12, 44, 4, False),
        (1, 1, APART, 0, 28, 0, False),
        (2, 3, APART, 4, 32, 0, False),
        (3, 4, APART, 8, 36, 4, False),
    ],
)
def test_when_an_alarm_can_open(count, of, shape, soonest, latest, shortest, confirms_itself) -> None:  # noqa: ANN001, PLR0913, PLR0917 - a table
    found = timing(wanting(count, of), shape, MAX_AGE)
    assert (found.soonest, found.latest, found.shortest) == (soonest * SECOND, latest * SECOND, shortest * SECOND)
    assert found.confirms_itself == confirms_itself


def test_an_event_that_stirs_nothing_is_found_by_the_patrol_or_not_at_all() -> None:
    patrolled = replace(POLICY, patrol=timedelta(minutes=5))
    assert timing(patrolled, OVERLAPPING, MAX_AGE).latest_if_still == 332 * SECOND
    assert timing(POLICY, OVERLAPPING, MAX_AGE).latest_if_still is None


def test_a_span_that_is_too_short_for_the_windows_can_never_open() -> None:
    tight = replace(wanting(3, 4), trigger_span=7 * SECOND)
    assert Story(tight).tell("yyyyyy") == ["not_enough"] * 6


def test_clearing_waits_for_whole_windows() -> None:
    slow = replace(POLICY, clear_after=30 * SECOND)
    found = timing(slow, OVERLAPPING, MAX_AGE)
    assert (found.clears_soonest, found.clears_latest) == (32 * SECOND, 64 * SECOND)


@pytest.mark.parametrize(("count", "of"), [(1, 1), (2, 2), (2, 3), (3, 4), (5, 7)])
def test_the_rules_open_at_the_soonest_moment_and_clear_at_the_soonest(count: int, of: int) -> None:
    policy = replace(wanting(count, of), clear_after=10 * SECOND)
    found = timing(policy, OVERLAPPING, MAX_AGE)
    story = Story(policy, clear_after=policy.clear_after)
    story.tell("y" * count + "n" * 10)
    opened, cleared = [one.alert for one in story.decisions if one.alert]
    first_end = story.at(8)
    assert opened.opened.since(first_end) == found.soonest
    assert cleared.cleared.since(first_end) == found.soonest + 4 * SECOND + found.clears_soonest
