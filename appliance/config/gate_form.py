"""What an owner writes of a camera that says itself when something moves: where, and how long its silence may be."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from appliance.config.form import Form, Wait, between

MAX_GATE_TOPICS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Where a camera says whether something stirs."""

    topics: tuple[str, ...]
    silent_after: timedelta


def read_topic(text: str) -> str:
    """A single MQTT topic."""
    if not re.fullmatch(r"[^#+\0\s]+", text) or text.startswith(("$", "/")) or not text.isprintable():
        raise ValueError("write one topic as the camera publishes it, without + and #, like cam7/onvif-ej/VideoSource/MotionAlarm/&1")
    return text


def read_topics(topics: tuple[str, ...]) -> tuple[str, ...]:
    """At least one, each once."""
    if not topics:
        raise ValueError("name at least one topic")
    return tuple(dict.fromkeys(topics))


Topic = Annotated[str, Field(max_length=200), AfterValidator(read_topic)]


class GateForm(Form):
    """The camera's own word on whether something moves, at the broker of `notify: mqtt:`. It takes the place of the box's cues for sight."""

    topics: Annotated[tuple[Topic, ...], Field(max_length=MAX_GATE_TOPICS), AfterValidator(read_topics)]
    """Where it says so, topic by topic: motion, and tampering if it has that. ONVIF events, Axis's, or plain `ON` and `OFF`."""
    silent_after: Annotated[Wait, AfterValidator(between(timedelta(seconds=10), timedelta(days=7)))] = timedelta(hours=1)
    """After so long without a word on any of them the box's own cues decide again, and it says so."""

    def config(self) -> GateConfig:
        """As a value."""
        return GateConfig(topics=self.topics, silent_after=self.silent_after)
