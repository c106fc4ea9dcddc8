"""What an operator is shown of an alarm that the model has described: its words as words, and what was said aloud apart from them."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from alerts.event import Described
from analyzers.description import Description
from analyzers.transcript import MAX_SPOKEN, Transcript
from appliance.control.orders import StatusAnswer
from appliance.control.show import show
from appliance.control.status import AlarmLine, alarm_lines
from tests.alerts.conftest import Story
from tests.appliance.control.test_unaddressed import EMPTY


def described(transcript: Transcript | None) -> tuple[AlarmLine, ...]:
    """An alarm that stands, and what was said."""
    story = Story()
    story.tell("y")
    alert = story.track.alert
    assert alert
    description = Description(what="Somebody at the gate", first="", transcript=transcript)
    story.fold(Described(alert=alert, told=True, description=description, at=story.at(10)))
    return alarm_lines((story.track,))


def printed(lines: tuple[AlarmLine, ...], *, as_json: bool = False) -> str:
    said = StringIO()
    show(StatusAnswer(status=replace(EMPTY, alarms=lines, alarms_in_all=len(lines))), Console(file=said, width=1000), as_json=as_json)
    return said.getvalue()


@pytest.mark.parametrize(
    ("transcript", "shown"),
    [
        (Transcript(text="Hilfe!"), 'the model hears: "Hilfe!"\n'),
        (Transcript(text="and then he", cut=True), 'the model hears: "and then he …"\n'),
        (Transcript(text=""), "the model hears: nobody speaks\n"),
        (Transcript(text="[red]\x1b[2Jgo"), 'the model hears: "[red] [2Jgo"\n'),
        (Transcript(text="x" * 999), f'the model hears: "{"x" * MAX_SPOKEN}"\n'),
    ],
    ids=["words", "cut", "nobody speaks", "a terminal's orders", "far too long"],
)
def test_what_was_said_is_shown_as_words_in_a_line_of_its_own(transcript: Transcript, shown: str) -> None:
    said = printed(described(transcript))
    assert "the model says: Somebody at the gate\n" in said
    assert shown in said


def test_what_nobody_wanted_to_know_is_not_shown() -> None:
    assert "hears" not in printed(described(None))
    assert json.loads(printed(described(None), as_json=True))["alarms"][0]["transcript"] is None
