"""Arm modes: what a policy that names some of them does while the box is in another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.reason import Reason
from analyzers.policy import OnNoData
from tests.alerts.conftest import SECOND, Story

AT_NIGHT = {"modes": frozenset({"away", "night"})}


def story(mode: str | None, **wants: object) -> Story:
    told = Story(**wants)
    told.context = replace(told.context, mode=mode)
    return told


@pytest.mark.parametrize(
    ("mode", "wants", "outcome"),
    [
        ("night", AT_NIGHT, ["triggered"]),
        ("home", AT_NIGHT, ["disarmed"]),
        (None, AT_NIGHT, ["disarmed"]),
        ("home", {}, ["triggered"]),
        (None, {}, ["triggered"]),  # a policy without modes watches whatever the mode is
    ],
)
def test_a_yes_opens_an_alarm_only_in_the_modes_that_its_policy_names(mode: str | None, wants: dict[str, object], outcome: list[str]) -> None:
    assert story(mode, **wants).tell("y") == outcome


def test_what_is_open_when_the_box_is_disarmed_holds_and_clears_and_does_not_open_again() -> None:
    told = story("night", **AT_NIGHT)
    told.tell("y")
    told.context = replace(told.context, mode=None)
    assert told.tell("yny") == ["held", "cleared", "disarmed"]


def test_yes_answers_from_before_the_box_was_armed_do_not_count() -> None:
    told = story("home", **AT_NIGHT, trigger=replace(Story().policy.trigger, count=2, of=3))
    told.tell("y")
    told.context = replace(told.context, mode="night")
    assert told.tell("yy") == ["not_enough", "triggered"]


def test_nothing_seen_is_no_alarm_of_a_policy_that_does_not_watch_now() -> None:
    told = story("home", **AT_NIGHT, on_no_data=OnNoData.ALARM, clear_after=10 * SECOND)
    told.judged("0", 0)
    assert told.tick(60).reason is Reason.IDLE
    told.context = replace(told.context, mode="away")
    assert told.tick(61).reason is Reason.NO_DATA_LASTED


def test_a_shelf_ends_in_any_mode() -> None:
    told = story("home", **AT_NIGHT)
    told.say("shelve", 1, timedelta(minutes=1))
    assert told.tick(62).reason is Reason.SHELF_ENDED
