"""What cameras say of themselves, as they say it, and what anybody could say in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels.camera_word import Said, read
from alerts.channels.listening import MAX_PAYLOAD

ROWS = [
    ("an ONVIF property", '{"UtcTime": "2026-11-25T12:00:00Z", "Source": {"VideoSource": "1"}, "Data": {"State": "true"}}', "stirs"),
    ("quotes may be left out", '{"UtcTime": "2026-11-25T12:00:00Z", "Source": {}, "Data": {"IsMotion": false}}', "still"),
    ("items in a list", '{"Data": {"SimpleItem": [{"Name": "State", "Value": "true"}]}}', "stirs"),
    ("a number beside it is nothing that is so", '{"Data": {"ObjectId": "1", "State": "false"}}', "still"),
    ("what is only in the source does not count", '{"Source": {"State": "true"}, "Data": {"ObjectId": "1"}}', "unreadable"),
    ("Axis", '{"topic": "axis:VMD/Camera1", "message": {"source": {}, "key": {}, "data": {"active": "1"}}}', "stirs"),
    ("Axis, at rest", '{"message": {"data": {"active": "0"}}}', "still"),
    ("a plain word", "ON", "stirs"),
    ("a plain word with a line's end", "off\n", "still"),
    ("a digit", "0", "still"),
    ("a deleted property", "", "gone"),
    ("one of two is so", '{"Data": {"IsMotion": "false", "IsTamper": "true"}}', "stirs"),
    ("nothing of the kind", '{"Data": {}}', "unreadable"),
    ("another word", "perhaps", "unreadable"),
    ("a list", "[1]", "unreadable"),
    ("half a message", '{"Data": {"State": ', "unreadable"),
    ("very deep", '{"Data":' * 500 + "1" + "}" * 500, "unreadable"),
    ("a lone surrogate", '{"Data": {"State": "\\ud800"}}', "unreadable"),
    ("too long", " " * MAX_PAYLOAD + "on", "unreadable"),
]


@pytest.mark.parametrize(("why", "payload", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_message_says(why: str, payload: str, said: str) -> None:
    assert read(payload.encode()) is Said(said), why


def test_what_is_no_text_says_nothing() -> None:
    assert read(b"\xff\xfe{") is Said.UNREADABLE


@given(st.binary(max_size=MAX_PAYLOAD + 1))
def test_nothing_that_may_come_is_more_than_a_word(payload: bytes) -> None:
    assert read(payload) in Said
