"""Orders: what a person may tell a running box, one a message, and how its answers look. It knows neither how they travel nor who does them.

Everything in a message is bounded: whoever sends it may be anybody who is let in.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from alerts.announcement import MAX_TEXT
from alerts.event import MAX_SHELF, MAX_WHY
from appliance.control.status import Status
from sensors.wire import Codec

MAX_NAME = 120
MAX_SHOWN = 100
"""Lines of an answer, and rows of the audit trail that are shown at a time."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
"""A policy, a view, a sensor, a mode, or the id of an alert; whether there is one is not known here."""
Why = Annotated[str, Field(max_length=MAX_WHY)]


class Origin(StrEnum):
    """The way that an order came."""

    CONTROL = "control"
    """The control socket of the machine itself."""
    MQTT = "mqtt"
    """The broker. Who gave it is only what its sender calls itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """I have seen this alarm."""

    verb: Literal["ack"] = "ack"
    what: Name
    """A policy, or an alert's id, whole or its first letters."""
    view: Name | None = None
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelve:
    """Be silent about this for a while."""

    verb: Literal["shelve"] = "shelve"
    what: Name
    view: Name | None = None
    span_s: Annotated[float, Field(gt=0, le=MAX_SHELF.total_seconds())]
    why: Annotated[Why, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshelve:
    """Speak again."""

    verb: Literal["unshelve"] = "unshelve"
    what: Name
    view: Name | None = None
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """End a latched alarm whose cause has gone."""

    verb: Literal["clear"] = "clear"
    what: Name
    view: Name | None = None
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """Send an alarm of this policy the whole way, marked as a test."""

    verb: Literal["test-alarm"] = "test-alarm"
    what: Name
    view: Name | None = None
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Watch in this mode."""

    verb: Literal["arm"] = "arm"
    mode: Name | None = None
    """None: the one in which it was armed last."""
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disarm:
    """Only policies that name no mode watch on."""

    verb: Literal["disarm"] = "disarm"
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Say this aloud now, over the box's loudspeaker. It is answered when it has been said."""

    verb: Literal["say"] = "say"
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the evidence of a sensor between two times."""

    verb: Literal["forget"] = "forget"
    sensor: Name
    start: AwareDatetime
    end: AwareDatetime
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """Test yourself now, and say stage by stage how it went."""

    verb: Literal["drill"] = "drill"
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStatus:
    """How does everything stand? A question: it leaves no trail."""

    verb: Literal["status"] = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAudit:
    """Who told you what, and is the trail whole? A question."""

    verb: Literal["audit"] = "audit"
    last: Annotated[int, Field(ge=1, le=MAX_SHOWN)] = 20


Deed = Acknowledge | Shelve | Unshelve | Clear | Test | Arm | Disarm | Say | Forget | Drill
Question = AskStatus | AskAudit
Order = Deed | Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order, and for whom it is."""

    order: Annotated[Order, Field(discriminator="verb")]
    box: Name | None = None
    """`<site>/<box>`, where the sender knows it: another box does not obey. None: whoever hears it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an order."""

    kind: Literal["answer"] = "answer"
    done: bool
    says: tuple[str, ...]
    """Lines for people, at most MAX_SHOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """How everything stands."""

    kind: Literal["status"] = "status"
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the audit trail."""

    number: int
    at: AwareDatetime
    origin: str
    who: str
    verb: str
    about: str
    why: str
    outcome: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAnswer:
    """The end of the audit trail, and whether all of it is as it was written."""

    kind: Literal["audit"] = "audit"
    rows: tuple[AuditRow, ...]
    checked: int
    begun: int
    """How often it began anew: more than once where a file was lost, or the disk was away for a while."""
    broken: str
    """What does not fit, and where; empty where all does."""


Reply = Annotated[Answer | StatusAnswer | AuditAnswer, Field(discriminator="kind")]

REQUESTS: Codec[Request] = Codec(Request)
REPLIES: Codec[Answer | StatusAnswer | AuditAnswer] = Codec(Reply)


def refused(*lines: str) -> Answer:
    """It was not done, and why."""
    return Answer(done=False, says=lines)


def done(*lines: str) -> Answer:
    """It was done."""
    return Answer(done=True, says=lines)
