"""Alert events as CloudEvents 1.0 in structured mode: what travels over MQTT, as types, so that its schema can be generated.

It knows no broker. Texts are bounded and hold nothing that could act on a terminal or page that shows them.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

from alerts.alert import MAX_SUMMARY, AlertId, AlertState, Change
from alerts.channels.topics import Topics
from alerts.event import MAX_WHO
from alerts.evidence import Clip
from alerts.notification import Notification
from analyzers.description import MAX_TEXT, Description, Third
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from analyzers.transcript import MAX_SPOKEN, Transcript
from sensors.moment import BootId
from sensors.window import SensorId, ViewId

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TYPE = "io.omniwatch.alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipData:
    """A clip of the alert, for the other end: what it is called on the box, and how to tell that it is the same."""

    file: str
    poster: str | None
    sha256: str
    bytes: int
    start: datetime
    end: datetime
    masked: bool
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptionData:
    """What a model has said of the window that opened the alert: words to be shown and checked by people, never acted upon by a program."""

    what: str
    first: str
    """The first thing to do, as the model thinks; may be empty."""
    where: Third | None
    """In which third of the view's picture; None where there is none."""
    since: datetime | None
    """From when on it is to be seen in the window; None where nobody could say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptData:
    """What was said aloud in the window that opened the alert, as a model took it: somebody's words, which may be meant for whoever reads them."""

    text: str
    """In the language that was spoken; empty: nobody speaks."""
    cut: bool
    """Whether more may have been said than there was room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertData:
    """An alert as it stands after a transition, for the other end."""

    alert: AlertId
    transition: int
    """Counts the alert's transitions: of two events the higher number is the later one, in whatever order they arrive."""
    change: Change
    policy: PolicyId
    sensor: SensorId
    view: ViewId
    severity: Severity
    state: AlertState
    log_odds: float | None
    """The score, as natural log-odds of yes against no; no probability unless it was calibrated."""
    threshold: float | None
    """In the same unit: the score from which on an answer is a yes."""
    summary: str
    opened: datetime
    cleared: datetime | None
    window_end: datetime | None
    """The end of the window that opened it: what passed since then is the box's delay."""
    acknowledged_by: str | None
    by: JudgeKind
    """The judge that opened it."""
    test: bool
    durable: bool
    """False: the box could not store it; it will not be repeated after a restart."""
    boot_id: BootId
    evidence: tuple[ClipData, ...]
    description: DescriptionData | None
    """None until there is one."""
    transcript: TranscriptData | None
    """None where its policy does not want one, until there is one, and where there was no time for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """The envelope. The names are those of CloudEvents 1.0."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """`<alert>-<transition>`: the same for every copy of one event, so that repeats can be dropped."""
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: AlertData


EVENT = TypeAdapter(AlertEvent)


def event_of(notification: Notification, topics: Topics, boot_id: BootId) -> AlertEvent:
    """What is to be told, as an event."""
    alert = notification.alert
    return AlertEvent(
        id=f"{alert.id}-{alert.transition}",
        source=topics.source,
        type=f"{TYPE}.{notification.change}",
        subject=f"{alert.policy}/{alert.view}",
        time=alert.changed.utc,
        data=AlertData(
            alert=alert.id,
            transition=alert.transition,
            change=notification.change,
            policy=alert.policy,
            sensor=alert.sensor,
            view=alert.view,
            severity=alert.severity,
            state=alert.state,
            log_odds=alert.log_odds,
            threshold=alert.threshold,
            summary=plain(alert.summary, MAX_SUMMARY),
            opened=alert.opened.utc,
            cleared=alert.cleared.utc if alert.cleared else None,
            window_end=alert.window_end.utc if alert.window_end else None,
            acknowledged_by=plain(alert.acknowledged_by, MAX_WHO) if alert.acknowledged_by else None,
            by=alert.by,
            test=alert.test,
            durable=notification.durable,
            boot_id=boot_id,
            evidence=tuple(_clip(clip) for clip in alert.evidence),
            description=described(alert.description),
            transcript=_spoken(alert.description.transcript) if alert.description and alert.description.transcript else None,
        ),
    )


def _clip(clip: Clip) -> ClipData:
    return ClipData(
        file=clip.file,
        poster=clip.poster,
        sha256=clip.sha256,
        bytes=clip.bytes,
        start=clip.start.utc,
        end=clip.end.utc,
        masked=clip.masked,
        sound=clip.sound,
    )


def described(description: Description | None) -> DescriptionData | None:
    """A model's words, bounded and without what could act on whoever shows them."""
    if description is None:
        return None
    since = description.since.utc if description.since else None
    return DescriptionData(
        what=plain(description.what, MAX_TEXT), first=plain(description.first, MAX_TEXT), where=description.where, since=since
    )


def _spoken(transcript: Transcript) -> TranscriptData:
    return TranscriptData(text=plain(transcript.text, MAX_SPOKEN), cut=transcript.cut)


def encoded(event: AlertEvent) -> bytes:
    """The event as structured-mode JSON."""
    return EVENT.dump_json(event)


def plain(text: str, most: int) -> str:
    """`text` in one bounded line: control, formatting and direction marks and lone surrogates become blanks."""
    return "".join(" " if unicodedata.category(each) in CONTROLS else each for each in text[:most])


CONTROLS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
