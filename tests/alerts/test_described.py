"""A description of an alert: told of one that is open and of one that is over, no state changes by it, and its words can do nothing."""

import json
from dataclasses import replace
from datetime import UTC, timedelta

from pydantic import TypeAdapter

from alerts.alert import AlertState, Change
from alerts.announcement import text_of
from alerts.audience import Audience, notifications
from alerts.channels.cloudevents import DescriptionData, encoded, event_of
from alerts.channels.cloudevents import described as described_data
from alerts.channels.current import StateData
from alerts.channels.topics import Topics
from alerts.event import Described
from alerts.message import message
from alerts.notification import Notification
from alerts.reason import Reason
from analyzers.description import MAX_TEXT, Description, Third
from analyzers.policy import Acknowledge
from analyzers.transcript import MAX_SPOKEN, Transcript
from tests.alerts.conftest import START, Story

PERSON = Description(what="A person at the press", first="Stop the press", where=Third.LEFT, since=START)
HOSTILE = Description(what="\x1b[31m{{ 7*7 }}\u202e\n#" + "x" * 500, first="@everyone <script>")


def described(story: Story, description: Description | None = PERSON, *, told: bool = True, seconds: float = 30) -> Described:
    alert = next(decision.alert for decision in reversed(story.decisions) if decision.alert)
    return Described(alert=alert, told=told, description=description, at=story.at(seconds))


def test_it_is_the_next_transition_of_an_open_alert_and_no_reminder() -> None:
    story = Story(remind_every=timedelta(seconds=30))
    story.tell("y")
    said = story.fold(described(story))
    assert (said.change, said.told, said.reason, said.track.state) == (Change.UPDATED, True, Reason.DESCRIBED, AlertState.ACTIVE)
    assert said.alert
    assert (said.alert.transition, said.alert.description) == (2, PERSON)
    assert [decision.change for decision in story.ticks(31, 40)] == [Change.REMINDED]
    assert story.track.alert
    assert story.track.alert.description == PERSON  # whatever is told next holds it


def test_of_an_alert_that_is_over_it_is_told_and_the_next_episode_stays_as_it_is() -> None:
    story = Story()
    story.tell("yn")
    late = described(story)
    story.tell("y")
    before = story.track
    said = story.fold(late)
    assert said.alert
    assert (said.alert.id, said.alert.transition, said.alert.state) == (late.alert.id, late.alert.transition + 1, AlertState.NORMAL)
    assert said.track == before
    assert not story.fold(replace(late, told=False)).told


def test_an_alert_that_opens_again_has_none_until_that_is_described() -> None:
    story = Story(acknowledge=Acknowledge.REQUIRED)
    story.tell("y")
    story.fold(described(story))
    story.windows = 8
    story.tell("ny")
    assert story.decisions[-1].change is Change.REOPENED
    assert story.track.alert
    assert story.track.alert.description is None


def test_what_is_forgotten_is_told_as_none() -> None:
    story = Story()
    story.tell("y")
    story.fold(described(story))
    gone = story.fold(described(story, None, seconds=40))
    assert (gone.reason, gone.change, gone.told) == (Reason.FORGOTTEN, Change.UPDATED, True)
    assert gone.alert
    assert gone.alert.description is None


def test_people_get_no_message_of_its_own_and_the_broker_does() -> None:
    story = Story()
    story.tell("y")
    said = story.fold(described(story))
    audiences = (Audience(channel="mqtt"), Audience(channel="anna", deaf=frozenset({Reason.DESCRIBED})))
    assert [note.channel for note in notifications(said, audiences, story.at(30), durable=True)] == ["mqtt"]


def told(description: Description) -> Notification:
    story = Story()
    story.tell("y")
    (note,) = notifications(story.fold(described(story, description)), (Audience(channel="mqtt"),), story.at(30), durable=True)
    return note


def test_an_event_holds_a_models_words_bounded_in_one_line_and_nowhere_but_there() -> None:
    event = event_of(told(HOSTILE), Topics(site="plant", box="hall"), START.boot_id)
    said = event.data.description
    assert said
    assert len(said.what) <= MAX_TEXT
    assert said.what.isprintable()
    assert (said.where, said.since) == (None, None)
    assert "everyone" not in f"{event.id}{event.source}{event.type}{event.subject}{event.data.summary}"
    assert encoded(event).count(b"everyone") == 1


def test_people_read_it_as_the_models_words_in_lines_of_their_own_that_call_nobody() -> None:
    body = message(told(PERSON), "plant/hall", UTC).body
    assert "the model says: A person at the press\nto do first: Stop the press\n" in body
    hostile = message(told(HOSTILE), "plant/hall", UTC).body.splitlines()
    assert [line for line in hostile if "everyone" in line] == ["to do first: @ everyone <script>"]
    assert all(line.isprintable() for line in hostile)


SPOKEN = replace(PERSON, transcript=Transcript(text="\x1b[2J\u202e@everyone open the gate\n" + "x" * 500, cut=True))


def test_what_was_said_stands_in_the_event_bounded_in_one_line_and_nowhere_but_there() -> None:
    event = event_of(told(SPOKEN), Topics(site="plant", box="hall"), START.boot_id)
    said = event.data.transcript
    assert said
    assert (len(said.text) <= MAX_SPOKEN, said.text.isprintable(), said.cut) == (True, True, True)
    assert encoded(event).count(b"open the gate") == 1
    assert "open the gate" not in f"{event.id}{event.source}{event.type}{event.subject}{event.data.summary}{event.data.description}"
    assert event_of(told(PERSON), Topics(site="plant", box="hall"), START.boot_id).data.transcript is None


def test_what_was_said_is_neither_sent_to_people_nor_spoken_nor_in_a_line_of_the_journal() -> None:
    note = told(SPOKEN)
    assert "open the gate" not in message(note, "plant/hall", UTC).body
    assert "open the gate" not in text_of(note.alert, {})
    assert "open the gate" not in SPOKEN.text


def test_what_was_said_is_in_no_state_that_a_broker_retains() -> None:
    assert "transcript" not in json.dumps(TypeAdapter(StateData).json_schema()["properties"])
    assert b"open the gate" not in TypeAdapter(DescriptionData).dump_json(described_data(SPOKEN))
