"""What a camera says of itself over MQTT: whether something stirs in front of it. Pure; anybody may have sent it.

Read are ONVIF's events in JSON (`{"Data": {"State": "true"}}`, also with its items in a list), Axis's (`{"message": {"data":
{"active": "1"}}}`) and single words (`ON`, `OFF`).
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import JsonValue
from pydantic_core import from_json

from alerts.channels.listening import MAX_PAYLOAD

TRUE = frozenset({"true", "1", "on", "yes", "active"})
FALSE = frozenset({"false", "0", "off", "no", "inactive"})
NAMES = frozenset({"state", "ismotion", "istamper", "active", "logicalstate", "motion", "isinside"})
"""Of what is said whether it is so; a number beside it (an object's, a channel's) says nothing of the kind."""


class Said(StrEnum):
    """What a message says."""

    STIRS = "stirs"
    STILL = "still"
    GONE = "gone"
    """The camera says nothing of it any more: an empty message deletes a property."""
    UNREADABLE = "unreadable"


def read(payload: bytes) -> Said:
    """What is said. Several things at once: something stirs if one of them does."""
    if not payload:
        return Said.GONE
    if len(payload) > MAX_PAYLOAD:
        return Said.UNREADABLE
    try:
        text = payload.decode()
        words = {text.strip().lower()} if not text.lstrip().startswith("{") else set(_words(from_json(text)))
    except ValueError:
        return Said.UNREADABLE
    if words & TRUE:
        return Said.STIRS
    return Said.STILL if words & FALSE else Said.UNREADABLE


def _words(body: JsonValue) -> Iterator[str]:
    """The words for what is so, or not, in a message's data."""
    for name, value in _items(_data(body)):
        if name.lower() in NAMES and isinstance(value, str | bool | int):
            yield str(value).strip().lower()


def _data(body: JsonValue) -> JsonValue:
    match body:
        case {"Data": data} | {"message": {"data": data}}:
            return data
        case _:
            return body


def _items(data: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    match data:
        case {"SimpleItem": [*items]}:
            for item in items:
                match item:
                    case {"Name": str(name), "Value": value}:
                        yield name, value
        case Mapping():
            yield from data.items()
