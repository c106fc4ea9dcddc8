"""What keeps an alarm from being told, that it has a name, and that the alarm is told when it ends."""

from datetime import timedelta

import pytest

from alerts.event import MAX_SHELF, Commanded, Verb
from analyzers.policy import Acknowledge, OnNoData, PolicyId, Severity, Trigger
from analyzers.schedule import parse
from sensors.moment import BootId, Moment
from tests.alerts.conftest import Story

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_an_alarm_within_the_cooldown_is_on_record_and_not_told() -> None:
    told = Story(cooldown=MINUTE)
    assert told.tell("yny") == ["triggered", "cleared", "cooldown"]
    assert told.track.state == "active"
    assert told.told == ["opened", "cleared"]


def test_one_that_still_stands_at_the_end_of_the_cooldown_is_told_then() -> None:
    told = Story(cooldown=MINUTE)
    told.tell("yny")  # cleared at 12 s
    assert told.ticks(17, 71) == []
    late = told.tick(72)
    assert (late.reason, late.change, late.told, late.alert.transition) == ("told_late", "opened", True, 2)


def test_one_that_has_cleared_by_then_is_not_told_and_neither_is_its_end() -> None:
    told = Story(cooldown=MINUTE)
    assert told.tell("ynyn")[-2:] == ["cooldown", "untold"]
    assert told.ticks(21, 100) == []
    assert told.told == ["opened", "cleared"]


def test_alarms_that_were_not_told_do_not_prolong_the_cooldown() -> None:
    told = Story(cooldown=MINUTE)
    told.tell("yn" + "yn" * 7)  # cleared and told at 12 s; then on and off every 4 s
    assert told.tell("y") == ["triggered"]


def test_reminders_come_until_somebody_acknowledges() -> None:
    told = Story(remind_every=MINUTE)
    told.tell("y")
    told.ticks(9, 140)
    told.say("acknowledge", 141)
    told.ticks(142, 400)
    assert told.told == ["opened", "reminded", "reminded", "acknowledged"]
    assert [decision.alert.changed for decision in told.decisions if decision.change == "reminded"] == [told.at(68), told.at(128)]


def test_an_alarm_that_cleared_unseen_is_reminded_of() -> None:
    told = Story(remind_every=MINUTE, acknowledge=Acknowledge.REQUIRED)
    told.tell("yn")
    assert [decision.change for decision in told.ticks(13, 80)] == ["reminded"]


def test_a_shelved_alarm_is_told_when_the_shelf_ends() -> None:
    told = Story()
    told.say("shelve", 0, MINUTE)
    assert told.tell("y") == ["shelved"]
    assert told.ticks(9, 59) == []
    late = told.tick(60)
    assert (late.reason, late.change, late.told) == ("shelf_ended", "opened", True)


def test_a_shelved_alarm_is_told_when_somebody_unshelves_it() -> None:
    told = Story()
    told.say("shelve", 0, HOUR)
    told.tell("y")
    assert told.say("unshelve", 30).change == "opened"
    assert told.say("unshelve", 31).reason == "duplicate"


def test_shelving_an_open_alarm_is_told_and_so_is_its_end() -> None:
    told = Story(remind_every=MINUTE)
    told.tell("y")
    told.say("shelve", 10, 5 * MINUTE)
    told.ticks(11, 310)
    assert told.told == ["opened", "shelved", "unshelved"]
    assert told.transitions == [1, 2, 3]


def test_shelving_keeps_who_and_why_and_has_an_end() -> None:
    told = Story()
    told.say("shelve", 0, HOUR)
    assert (told.track.shelf.who, told.track.shelf.why, told.track.shelf.until) == ("anna", "maintenance", told.at(3600))


@pytest.mark.parametrize("span", [None, timedelta(0), -SECOND, MAX_SHELF + SECOND])
def test_nobody_shelves_without_an_end_within_a_day(span: timedelta | None) -> None:
    with pytest.raises(ValueError, match="shelve for how long"):
        Commanded(verb=Verb.SHELVE, who="anna", span=span, at=Story().at(0))


def test_nobody_shelves_without_a_name() -> None:
    with pytest.raises(ValueError, match="say who"):
        Commanded(verb=Verb.SHELVE, who="", span=HOUR, at=Story().at(0))


def test_a_reboot_with_the_clock_set_back_ends_a_shelf() -> None:
    told = Story()
    told.say("shelve", 0, HOUR)
    told.tell("y")
    lost = Moment(utc=told.at(0).utc - timedelta(days=20_000), boot_ns=0, boot_id=BootId("second"))
    told.at = lambda seconds: lost.plus(seconds * SECOND)
    assert told.tick(1).change == "opened"


def test_an_inhibited_alarm_is_told_when_its_inhibitor_has_ended() -> None:
    told = Story(inhibited_by=frozenset({PolicyId("picture-dark")}))
    told.during(("picture-dark", "hall"))
    assert told.tell("y") == ["suppressed"]
    assert told.track.withheld.silence.by == ("picture-dark",)
    told.during()
    assert told.tick(9).change == "opened"


@pytest.mark.parametrize(
    ("view", "outcome"),
    [("hall", "suppressed"), ("hall.cell", "suppressed"), ("box", "suppressed"), ("hall.door", "triggered"), ("door", "triggered")],
)
def test_an_inhibitor_counts_on_the_same_view_its_sensor_or_the_box(view: str, outcome: str) -> None:
    told = Story(zone="cell", inhibited_by=frozenset({PolicyId("picture-dark")}))
    told.during(("picture-dark", view))
    assert told.tell("y") == [outcome]


def test_when_one_silence_ends_and_another_holds_the_track_names_the_other() -> None:
    told = Story(inhibited_by=frozenset({PolicyId("picture-dark")}))
    told.say("shelve", 0, MINUTE)
    told.during(("picture-dark", "hall"))
    told.tell("y")
    assert told.track.withheld.silence.reason == "shelved"
    assert told.tick(60).reason == "suppressed"
    assert told.track.withheld.silence.reason == "suppressed"
    told.during()
    assert told.tick(61).told


@pytest.mark.parametrize(("severity", "outcome"), [(Severity.HIGH, "flood"), (Severity.CRITICAL, "triggered")])
def test_in_a_flood_only_what_is_critical_is_told_singly(severity: Severity, outcome: str) -> None:
    told = Story(severity=severity)
    told.during(("alarm-flood", "box"))
    assert told.tell("y") == [outcome]


def test_acknowledging_an_alarm_that_was_withheld_tells_it() -> None:
    told = Story()
    told.say("shelve", 0, HOUR)
    told.tell("y")
    assert told.say("acknowledge", 10).told
    assert told.tell("n") == ["cleared"]
    assert told.told == ["acknowledged", "cleared"]


def test_an_unseen_alarm_that_must_be_seen_outlives_its_silence() -> None:
    told = Story(acknowledge=Acknowledge.REQUIRED)
    told.say("shelve", 0, MINUTE)
    assert told.tell("yn") == ["shelved", "untold"]
    late = told.tick(60)
    assert (late.change, late.told, late.alert.state) == ("opened", True, "cleared_unacknowledged")


def test_commands_that_do_not_fit_change_nothing_and_say_why() -> None:
    told = Story()
    before = told.track
    assert [told.say(verb, 1).reason for verb in ("acknowledge", "reset", "unshelve")] == ["no_alarm", "no_alarm", "duplicate"]
    assert told.track == before
    told.tell("y")
    assert told.say("reset", 9).reason == "still_holds"
    told.say("acknowledge", 10)
    assert told.say("acknowledge", 11).reason == "duplicate"


def test_a_latched_alarm_is_ended_by_a_reset_and_only_when_its_cause_has_gone() -> None:
    told = Story(latched=True)
    told.tell("y")
    assert told.say("reset", 9).reason == "still_holds"
    told.tell("n")
    ended = told.say("reset", 13)
    assert (ended.change, ended.alert.state, ended.alert.acknowledged_by) == ("cleared", "normal", "anna")
    assert told.track.state == "normal"


def test_a_latched_alarm_that_triggers_again_is_told_again() -> None:
    told = Story(latched=True)
    told.tell("y")
    told.say("acknowledge", 9)
    told.tell("ny")
    assert told.told == ["opened", "acknowledged", "reopened"]
    assert told.track.state == "active"


def test_no_data_opens_only_where_the_policy_wants_it_and_only_after_a_while() -> None:
    held, alarmed = Story(clear_after=MINUTE), Story(clear_after=MINUTE, on_no_data=OnNoData.ALARM)
    for told in (held, alarmed):
        told.tell("n0")
        told.ticks(13, 71)
    assert held.ticks(72, 80) == []
    opened = alarmed.tick(72)
    assert (opened.reason, opened.change, opened.alert.by) == ("no_data_lasted", "opened", "supervisor")
    assert opened.alert.summary == "Smoke on hall: no data"


def test_data_that_comes_back_in_time_opens_nothing_and_no_data_out_of_hours_neither() -> None:
    back = Story(clear_after=MINUTE, on_no_data=OnNoData.ALARM)
    back.tell("0?")
    off = Story(clear_after=MINUTE, on_no_data=OnNoData.ALARM, active=parse("22:00-06:00", "Europe/Berlin"))
    off.tell("0")
    assert back.ticks(20, 100) == off.ticks(20, 100) == []


def test_a_yes_after_a_blind_alarm_is_news_and_only_a_no_ends_it() -> None:
    told = Story(on_no_data=OnNoData.ALARM)
    told.tell("0")
    told.tick(9)
    assert told.tell("?-y?n") == ["unsure", "not_asked", "triggered", "unsure", "cleared"]
    assert told.told == ["opened", "reopened", "cleared"]


def test_what_is_pending_falls_back_when_its_yes_is_too_old() -> None:
    told = Story(trigger=Trigger(count=2, of=3))
    told.tell("y")  # its window ended at 8 s; the span is 24 s
    assert told.ticks(9, 32) == []
    assert told.tick(33).reason == "fell_back"
    assert not told.track.asks_always


def test_time_alone_never_clears() -> None:
    told = Story()
    told.tell("y")
    assert told.ticks(9, 4000) == []
    assert told.track.state == "active"
