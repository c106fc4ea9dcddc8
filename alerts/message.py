"""What people read of an alert on their phone or in their mail: a title and a few plain lines. Pure; it knows no service."""

from dataclasses import dataclass
from datetime import tzinfo

from alerts.alert import Change
from alerts.announcement import one_line
from alerts.notification import Notification

MAX_TITLE = 120
MAX_LINE = 320

WORDS = {
    Change.OPENED: "alarm",
    Change.REOPENED: "alarm again",
    Change.UPDATED: "more is known",
    Change.REMINDED: "still",
    Change.ACKNOWLEDGED: "acknowledged",
    Change.CLEARED: "over",
    Change.SHELVED: "shelved",
    Change.UNSHELVED: "no longer shelved",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Plain text, bounded, and without what services take for a call of somebody's name."""

    title: str
    body: str


def message(notification: Notification, box: str, timezone: tzinfo) -> Message:
    """What is written. Times are the site's own."""
    alert, change = notification.alert, notification.change
    lines = [alert.summary, f"opened {alert.opened.utc.astimezone(timezone):%Y-%m-%d %H:%M:%S}"]
    if said := alert.description:
        lines += [f"the model says: {said.what}", *([f"to do first: {said.first}"] if said.first else [])]
    if change is not Change.OPENED:
        lines.append(f"{WORDS[change]} {alert.changed.utc.astimezone(timezone):%Y-%m-%d %H:%M:%S}")
    if alert.acknowledged_by:
        lines.append(f"seen by {alert.acknowledged_by}")
    lines.append(f"{box}, number {alert.id[:8]}-{alert.transition}")
    test = "TEST " if alert.test else ""
    title = f"{test}{alert.severity.value} {WORDS[change]}: {alert.policy} on {alert.view}"
    return Message(title=_plain(title, MAX_TITLE), body="\n".join(_plain(line, MAX_LINE) for line in lines))


def _plain(text: str, most: int) -> str:
    return one_line(text.replace("@", "@ "), most)
