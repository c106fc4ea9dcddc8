"""A test of a policy's way to people: an alert of its own that opens, is told, and ends by itself."""

from dataclasses import replace

from alerts.event import Evidenced, Ticked, Withdrawn
from alerts.evidence import Clip
from alerts.names import ALARM_FLOOD, BOX
from alerts.reason import Reason
from alerts.rules import withdrawals
from tests.alerts.conftest import SECOND, Story


def test_a_test_is_told_as_one_and_ends_by_itself() -> None:
    told = Story()
    opened = told.say("test", 1)
    assert (opened.change, opened.told, opened.alert.test) == ("opened", True, True)
    assert opened.alert.summary == "TEST: Smoke on hall: asked for by anna"
    assert not told.ticks(2, 10)
    over = told.tick(11)
    assert (over.change, over.told, over.alert.id, over.alert.transition, over.alert.state) == ("cleared", True, opened.alert.id, 2, "normal")
    assert told.track == Story().track


def test_a_test_is_told_whatever_silences_alarms_and_feeds_no_flood() -> None:
    told = Story(cooldown=3600 * SECOND)
    told.tell("yn")
    told.say("shelve", 17, 60 * SECOND)
    told.during((ALARM_FLOOD, BOX))
    opened = told.say("test", 18)
    assert opened.told
    assert not opened.opens


def test_there_is_no_test_while_an_alarm_stands_and_no_second_one_beside_the_first() -> None:
    told = Story()
    told.tell("y")
    assert told.say("test", 9).reason is Reason.STILL_HOLDS
    told.tell("n")
    told.say("test", 13)
    assert told.say("test", 14).reason is Reason.DUPLICATE


def test_an_alarm_that_opens_during_a_test_is_an_alert_of_its_own_and_outlasts_it() -> None:
    told = Story()
    test = told.say("test", 1).alert
    told.tell("y")
    real = told.decisions[-1].alert
    assert real.id != test.id
    assert not real.test
    assert told.tick(20).alert.id == test.id
    assert told.track.alert == real
    assert told.tell("n") == ["cleared"]


def test_a_test_cannot_be_acknowledged_or_reset() -> None:
    told = Story()
    told.say("test", 1)
    assert [told.say(verb, 2).reason for verb in ("acknowledge", "reset")] == [Reason.NO_ALARM] * 2


def test_a_clip_of_a_test_counts_as_a_transition_of_the_test() -> None:
    told = Story()
    test = told.say("test", 1).alert
    clip = Clip(file="a.mp4", poster=None, sha256="0", bytes=1, start=told.at(0), end=told.at(2), masked=False, sound=False)
    assert told.fold(Evidenced(alert=test, told=True, clip=clip, at=told.at(5))).alert.transition == 2
    over = told.tick(20).alert
    assert (over.transition, over.evidence) == (3, (clip,))


def test_a_clock_that_a_reboot_has_set_back_ends_a_test() -> None:
    told = Story()
    opened = told.say("test", 100).alert
    later = replace(told.at(0), boot_id="second", utc=opened.opened.utc - 3600 * SECOND)
    assert told.fold(Ticked(at=later)).change == "cleared"


def test_the_test_of_a_policy_that_is_withdrawn_ends_before_its_alarm() -> None:
    told = Story()
    test = told.say("test", 1).alert
    told.tell("y")
    assert told.fold(Withdrawn(at=told.at(10))).alert.id == test.id
    assert told.fold(Withdrawn(at=told.at(10))).reason is Reason.WITHDRAWN


def test_both_end_where_both_stand() -> None:
    told = Story()
    told.say("test", 1)
    told.tell("y")
    ends = withdrawals(told.track, told.at(10))
    assert [(end.alert.test, end.change) for end in ends] == [(True, "cleared"), (False, "cleared")]
    assert ends[-1].track == Story().track


def test_a_second_that_was_taken_just_before_a_command_ends_neither_its_test_nor_its_shelf() -> None:
    told = Story()
    told.say("test", 1)
    told.say("shelve", 1, 60 * SECOND)
    assert told.tick(0.99).reason is Reason.IDLE
    assert told.track.test
    assert told.track.shelf


def test_a_second_that_was_taken_just_before_an_alarm_opened_reminds_nobody() -> None:
    told = Story(remind_every=60 * SECOND)
    told.tell("y")
    assert told.tick(7.99).reason is Reason.IDLE
