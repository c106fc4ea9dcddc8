"""What judgements do to a track, told as stories: one letter a window, and what became of each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from alerts.event import Withdrawn
from alerts.facts import Gap
from alerts.rules import withdraw
from alerts.track import Track
from analyzers.policy import Acknowledge, OnNoData, PolicyId, Severity, Trigger
from analyzers.schedule import parse
from sensors.moment import BootId, Moment
from tests.alerts.conftest import Story

TWO_OF_THREE = Trigger(count=2, of=3)
THREE_OF_FOUR = Trigger(count=3, of=4)
SECOND = timedelta(seconds=1)

STORIES = [
    # why, what the policy wants, the windows, what became of them
    ("one yes opens 1 of 1", {}, "y", "triggered"),
    ("more of the same yes is not told again", {}, "yyy", "triggered held held"),
    ("two in a row open 2 of 3", {"trigger": TWO_OF_THREE}, "yy", "not_enough triggered"),
    ("a no between them does not matter to 2 of 3", {"trigger": TWO_OF_THREE}, "yny", "not_enough not_enough triggered"),
    ("two no answers push the yes out of 2 of 3", {"trigger": TWO_OF_THREE}, "ynny", "not_enough not_enough fell_back not_enough"),
    ("3 of 4 forgives one no", {"trigger": THREE_OF_FOUR}, "yyny", "not_enough not_enough not_enough triggered"),
    ("3 of 4 does not forgive two", {"trigger": THREE_OF_FOUR}, "ynny", "not_enough not_enough fell_back not_enough"),
    ("3 of 3 forgives none", {"trigger": Trigger(count=3, of=3)}, "yyny", "not_enough not_enough fell_back not_enough"),
    ("unsure neither counts nor resets", {"trigger": TWO_OF_THREE}, "y??y", "not_enough unsure unsure triggered"),
    ("a judge that failed neither counts nor resets", {"trigger": TWO_OF_THREE}, "yffy", "not_enough failed failed triggered"),
    ("nobody asked neither counts nor resets", {"trigger": TWO_OF_THREE}, "y--y", "not_enough not_asked not_asked triggered"),
    ("yes answers too far apart in time do not add up", {"trigger": TWO_OF_THREE}, "y------y", "not_enough" + " not_asked" * 6 + " not_enough"),
    ("only as far apart as the span", {"trigger": TWO_OF_THREE}, "y-----y", "not_enough" + " not_asked" * 5 + " triggered"),
    ("the owner may say the span", {"trigger": TWO_OF_THREE, "trigger_span": 8 * SECOND}, "y--y", "not_enough not_asked not_asked not_enough"),
    ("cues may open what the model is asked", {}, "Y", "triggered"),
    ("cues and model together fulfil a trigger", {"trigger": TWO_OF_THREE}, "Yy", "not_enough triggered"),
    ("a no clears", {}, "yn", "triggered cleared"),
    ("no has to last for clear_after", {"clear_after": 8 * SECOND}, "ynnn", "triggered clearing clearing cleared"),
    ("a yes begins the clearing anew", {"clear_after": 8 * SECOND}, "ynnynnn", "triggered clearing clearing held clearing clearing cleared"),
    ("unsure does not interrupt a clearing", {"clear_after": 8 * SECOND}, "yn?n", "triggered clearing unsure cleared"),
    ("no data interrupts a clearing", {"clear_after": 8 * SECOND}, "yn0nnn", "triggered clearing no_data clearing clearing cleared"),
    ("quiet windows never clear", {}, "y--------", "triggered" + " not_asked" * 8),
    ("unsure, failed and no data never clear", {}, "y?f0?f0", "triggered unsure failed no_data unsure failed no_data"),
    ("a no of the cues does not clear what the model opened", {}, "yNNNN", "triggered outranked outranked outranked outranked"),
    ("a no of the model clears what cues opened", {}, "Yn", "triggered cleared"),
    ("a no of the cues clears what cues opened", {}, "YN", "triggered cleared"),
    ("a model's vote for the trigger is a model's alarm", {"trigger": TWO_OF_THREE}, "YyNN", "not_enough triggered outranked outranked"),
    ("the answers of one alarm do not open the next", {"trigger": TWO_OF_THREE}, "yynyy", "not_enough triggered cleared not_enough triggered"),
    ("a latched alarm stays", {"latched": True}, "ynnn", "triggered latched latched latched"),
    ("a latched alarm opens again", {"latched": True}, "ynny", "triggered latched latched triggered"),
    ("calm is calm", {}, "nnn", "calm calm calm"),
]


@pytest.mark.parametrize(("wants", "letters", "outcome"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
def test_story(wants: dict[str, Any], letters: str, outcome: str) -> None:
    assert Story(**wants).tell(letters) == outcome.split()


def test_an_alert_says_what_opened_it() -> None:
    told = Story(trigger=TWO_OF_THREE, severity=Severity.HIGH)
    told.tell("yy")
    alert = told.decisions[-1].alert
    assert (alert.state, alert.severity, alert.transition, alert.by) == ("active", "high", 1, "omni")
    assert (alert.window, alert.window_end, alert.opened) == ("hall/0/1", told.at(12), told.at(12))
    assert alert.summary == "Smoke on hall (score 0.88, threshold 0.50)"


def test_a_score_is_shown_beside_what_it_was_compared_with() -> None:
    told = Story(threshold=0.8)
    told.tell("Y")
    assert told.track.alert
    assert told.track.alert.summary == "Smoke on hall (score 0.88, threshold 0.50)"  # cues have their own
    told = Story(threshold=0.8)
    told.tell("y")
    assert told.track.alert
    assert told.track.alert.summary == "Smoke on hall (score 0.88, threshold 0.80)"
    told.judged("Y", 1, note="door")
    assert told.track.alert.summary == "Smoke on hall (score 0.88, threshold 0.50): door"


def test_a_summary_is_bounded_and_claims_no_probability() -> None:
    told = Story(title="x" * 500)
    told.tell("y")
    summary = told.decisions[-1].alert.summary
    assert len(summary) == 300
    assert "probab" not in summary


def test_the_id_of_an_alert_follows_from_policy_view_and_moment() -> None:
    one, same, later = Story(), Story(), Story()
    one.tell("y")
    same.tell("y")
    later.tell("ny")
    ids = [told.decisions[-1].alert.id for told in (one, same, later)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 26
    assert set(ids[0]) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_an_old_no_is_not_counted_and_does_not_clear() -> None:
    told = Story()
    told.judged("y", 5)
    assert told.judged("n", 4, seconds=40).reason == "old_window"
    assert told.track.state == "active"


def test_a_late_yes_opens_where_a_newer_window_already_said_no() -> None:
    told = Story()
    told.judged("n", 5)
    assert told.judged("y", 4, seconds=40).change == "opened"


def test_late_answers_count_in_the_order_of_their_windows() -> None:
    told = Story(trigger=TWO_OF_THREE)
    told.judged("n", 2)
    told.judged("n", 3)
    told.judged("y", 0)
    assert told.judged("y", 1).change == "opened"


def test_a_late_yes_calls_off_a_clearing_that_its_window_contradicts() -> None:
    told = Story(clear_after=12 * SECOND)
    told.judged("y", 0)
    told.judged("n", 1)
    told.judged("n", 3)
    told.judged("y", 2)
    assert told.judged("n", 4).reason == "clearing"


def test_a_late_yes_from_before_the_clearing_belongs_to_the_alarm_that_cleared() -> None:
    told = Story()
    told.judged("y", 0)
    told.judged("n", 5)
    assert told.judged("y", 4, seconds=40).reason == "old_window"


def test_the_same_window_twice_counts_once() -> None:
    told = Story(trigger=TWO_OF_THREE)
    told.judged("y", 0)
    assert told.judged("y", 0, seconds=9).reason == "duplicate"
    assert told.judged("n", 0, seconds=9).reason == "duplicate"
    assert told.track.state == "pending"


def test_a_second_look_that_says_yes_takes_the_place_of_a_no() -> None:
    told = Story()
    told.judged("n", 0)
    assert told.judged("y", 0, seconds=12).change == "opened"


def test_no_answer_from_before_a_reboot_is_counted_or_in_the_way() -> None:
    told = Story(trigger=TWO_OF_THREE, clear_after=8 * SECOND)
    told.tell("yyn")
    second = Moment(utc=told.at(20).utc, boot_ns=0, boot_id=BootId("second"))
    told.at = lambda seconds: second.plus(seconds * SECOND)
    assert [told.judged("n", number).reason for number in range(3)] == ["clearing", "clearing", "cleared"]


def test_a_clock_that_is_set_changes_no_duration_within_a_boot() -> None:
    told = Story(clear_after=8 * SECOND)
    told.tell("yn")
    right = told.at
    told.at = lambda seconds: Moment(utc=right(seconds).utc - timedelta(days=9000), boot_ns=right(seconds).boot_ns, boot_id=BootId("first"))
    assert told.tell("nn") == ["clearing", "cleared"]


def test_a_cleared_alarm_waits_to_be_seen_where_that_is_required() -> None:
    told = Story(acknowledge=Acknowledge.REQUIRED)
    told.tell("yn")
    assert told.track.state == "cleared_unacknowledged"
    assert told.say("acknowledge", 20).alert.state == "normal"
    assert told.track.alert is None


def test_it_opens_again_as_the_same_alert_with_the_next_number() -> None:
    told = Story(acknowledge=Acknowledge.REQUIRED)
    told.tell("yny")
    assert told.told == ["opened", "cleared", "reopened"]
    assert told.transitions == [1, 2, 3]
    assert len({decision.alert.id for decision in told.decisions if decision.alert}) == 1


def test_a_higher_severity_and_a_new_note_are_updates_and_nothing_else_is() -> None:
    told = Story()
    told.judged("y", 0, note="door")
    told.judged("y", 1, note="door")
    told.judged("y", 2, note="door, hall")
    told.policy = Story(severity=Severity.CRITICAL).policy
    told.judged("y", 3, note="door, hall")
    told.policy = Story(severity=Severity.LOW).policy
    told.judged("y", 4, note="door, hall")
    assert told.told == ["opened", "updated", "updated"]
    assert told.track.alert.summary == "Smoke on hall (score 0.88, threshold 0.50): door, hall"
    assert told.track.alert.severity == "critical"


def test_a_yes_outside_the_hours_opens_nothing() -> None:
    told = Story(active=parse("mon-fri 22:00-06:00", "Europe/Berlin"))
    assert told.tell("y") == ["off_schedule"]
    assert told.track.state == "normal"


@pytest.mark.parametrize("letters", ["", "y", "yn", "y?0nnyn"])
def test_a_track_survives_the_store(letters: str) -> None:
    told = Story(acknowledge=Acknowledge.REQUIRED, trigger=TWO_OF_THREE)
    told.tell(letters)
    told.say("shelve", 60, timedelta(hours=1))
    kept = TypeAdapter(Track)
    assert kept.validate_json(kept.dump_json(told.track)) == told.track


def test_what_belongs_to_another_policy_is_refused() -> None:
    told = Story()
    told.policy = replace(told.policy, id=PolicyId("leak"))
    with pytest.raises(ValueError, match="a track of smoke was given the policy leak"):
        told.tell("y")


def test_a_policy_that_is_withdrawn_ends_its_alert_and_its_memory() -> None:
    told = Story()
    told.tell("y")
    told.say("shelve", 9, timedelta(hours=1))
    ended = told.fold(Withdrawn(at=told.at(10)))
    assert (ended.change, ended.told, ended.alert.state) == ("cleared", True, "normal")
    assert told.track == Story().track


def test_a_track_that_no_policy_claims_can_be_ended_without_one() -> None:
    told = Story()
    told.tell("y")
    ended = withdraw(told.track, told.at(10))
    assert (ended.change, ended.alert.transition, ended.track) == ("cleared", 2, Story().track)
    assert withdraw(ended.track, told.at(11)).change is None


def test_no_data_is_an_alarm_in_time_although_a_reboot_has_set_the_clock_back() -> None:
    story = Story(on_no_data=OnNoData.ALARM, clear_after=30 * SECOND)
    story.judged("0", 0)
    assert story.track.no_data_since
    ahead = replace(story.track.no_data_since, utc=story.track.no_data_since.utc + timedelta(days=365), boot_id=BootId("before"))
    story.track = replace(story.track, no_data_since=ahead, watermark=ahead)
    story.judged("0", 1)
    assert [decision.reason for decision in story.ticks(13, 45)] == ["no_data_lasted"]


def test_a_gap_over_a_clock_that_was_set_back_claims_no_duration() -> None:
    early = Moment(utc=datetime(2030, 1, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("before"))
    late = Moment(utc=datetime(2026, 1, 1, tzinfo=UTC), boot_ns=0, boot_id=BootId("now"))
    assert str(Gap(start=early, end=late, restarted=True)) == "restarted, nobody watched since 2030-01-01T00:00:00+00:00; the clock was set back"
    assert str(Gap(start=late, end=late.plus(9 * SECOND), restarted=True)) == "restarted, nobody watched for 9 s, since 2026-01-01T00:00:00+00:00"
