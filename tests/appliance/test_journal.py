"""The log: one line an event, for people and for programs, whatever somebody has written into it."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.journal import MAX_LINE, JsonLine, Line
from sensors.secret import Secret

HOSTILE = "wall\x1b[2J is \u202e well\r\n<3>omniwatch: the box is disarmed\ud800"


def record(message: str, *values: object, level: int = logging.WARNING, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("omniwatch.mqtt", level, __file__, 1, message, values, None)
    made.__dict__.update(more)
    return made


def broken() -> logging.LogRecord:
    try:
        int("one\ntwo")
    except ValueError:
        made = record("it broke")
        made.exc_info = sys.exc_info()
        return made


@pytest.mark.parametrize("form", [Line(journal=False), Line(journal=True), JsonLine(journal=False), JsonLine(journal=True)])
def test_what_comes_from_outside_makes_no_line_of_its_own(form: logging.Formatter) -> None:
    line = form.format(record("%s", HOSTILE))
    assert line.isprintable() or json.loads(line.removeprefix("<4>"))["message"].isprintable()
    assert "\n" not in line
    assert line.count("<3>") == 1, "as words within the line"
    assert not line.startswith("<3>")


@given(st.text(max_size=3 * MAX_LINE))
def test_a_line_is_one_and_bounded(text: str) -> None:
    assert len(Line(journal=True).format(record("%s", text)).splitlines()) == 1
    assert len(Line(journal=True).format(record("%s", text))) <= MAX_LINE + 3
    body = JsonLine(journal=False).format(record("%s", text))
    assert "\n" not in body
    assert len(json.loads(body)["message"]) <= MAX_LINE


def test_programs_get_facts_beside_the_words() -> None:
    line = JsonLine(journal=False).format(record("high opened: %s on %s", "fire", "hall", facts={"policy": "fire", "transition": 1, "who": HOSTILE}))
    body = json.loads(line)
    assert body["time"].endswith("+00:00")
    assert (body["level"], body["logger"], body["message"]) == ("warning", "omniwatch.mqtt", "high opened: fire on hall")
    assert (body["policy"], body["transition"]) == ("fire", 1)
    assert body["who"].isprintable()


def test_the_journals_priority_stands_before_a_line_and_before_each_of_a_trace() -> None:
    assert JsonLine(journal=True).format(record("x", level=logging.INFO)).startswith("<6>{")
    assert all(line.startswith("<4>") for line in Line(journal=True).format(broken()).split("\n"))
    assert len(Line(journal=False).format(broken()).split("\n")) > 3
    assert "ValueError" in json.loads(JsonLine(journal=False).format(broken()))["trace"]
    assert "\n" not in JsonLine(journal=False).format(broken())


def test_a_secret_shows_nothing_in_either() -> None:
    secret = Secret("right-horse")
    for form in (Line(journal=False), JsonLine(journal=False)):
        assert "right-horse" not in form.format(record("%s %r", secret, [secret], facts={"it": str(secret)}))
