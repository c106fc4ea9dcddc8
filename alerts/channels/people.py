"""A way to people: one entry of `notify.people`, through Apprise, which speaks to some hundred services.

Apprise runs in a helper process a message, with a time limit, so that a service that hangs hangs nobody else. The entry's URL holds
its secrets: it goes to the helper by standard input, and whatever comes back has them taken out.
"""

import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from alerts.alert import Alert, Change
from alerts.announcement import one_line
from alerts.message import message
from alerts.notification import Delivery, Notification, Outcome
from analyzers.policy import Severity
from analyzers.schedule import Schedule
from sensors.moment import Moment
from sensors.secret import Secret

HELPER = "alerts.channels.people_main"
INSTALL = "pip install 'apprise>=2.2,<3'"
LIMIT_S = 30.0
"""A message takes a second or two; a mail server with a picture some more."""
MAX_POSTER_BYTES = 5_000_000
MAX_ANSWER = 4096
MAX_REASON = 120
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
TOLD = frozenset({Change.OPENED, Change.REOPENED, Change.REMINDED, Change.CLEARED})

log = logging.getLogger("omniwatch.people")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSettings:
    """What the owner says of one entry."""

    name: str
    """The channel's: `people-` and the name of the secret."""
    url: Secret
    """As Apprise writes it."""
    least: Severity = Severity.HIGH
    quiet: Schedule | None = None
    tell: frozenset[Change] = TOLD
    max_age: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whence messages come."""

    box: str
    timezone: tzinfo
    evidence: Path
    """The folder below which the posters of clips lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The helper's word."""

    outcome: Literal["delivered", "refused", "retry"]
    reason: str = ""


ANSWER = TypeAdapter(Answer)


class PeopleChannel:
    """One entry as a way out."""

    def __init__(self, settings: PersonSettings, place: Place, now: Callable[[], Moment], limit_s: float = LIMIT_S) -> None:
        """`limit_s`: for a message, its picture included."""
        self._settings = settings
        self._place = place
        self._now = now
        self._limit_s = limit_s
        self._problem = ""

    async def send(self, notification: Notification) -> Delivery:
        """Send a message, with the newest poster that there is of the alert."""
        text = message(notification, self._place.box, self._place.timezone)
        poster = await asyncio.to_thread(_poster, notification.alert, self._place.evidence)
        severity, change = notification.alert.severity, notification.change
        note = {"title": text.title, "body": text.body, "tone": tone(severity, change), "attach": poster or "", "url": self._settings.url.reveal()}
        answer = await ask_helper(note, self._limit_s)
        reason = without(self._settings.url, answer.reason)
        self._went(reason if answer.outcome != "delivered" else "")
        return Delivery(notification=notification.id, channel=notification.channel, outcome=Outcome(answer.outcome), reason=reason, at=self._now())

    def _went(self, problem: str) -> None:
        """An outage is logged once, and its end once."""
        if problem and not self._problem:
            log.warning("%s: %s", self._settings.name, problem)
        elif self._problem and not problem:
            log.warning("%s: messages go out again", self._settings.name)
        self._problem = problem


def tone(severity: Severity, change: Change) -> str:
    """Which of Apprise's four kinds of message it is."""
    if change is Change.CLEARED:
        return "success"
    return {Severity.CRITICAL: "failure", Severity.HIGH: "failure", Severity.MEDIUM: "warning", Severity.LOW: "info"}[severity]


def without(url: Secret, text: str) -> str:
    """A service's words in a line that can be shown; nothing is left in it of the URL's parts, whole or in pieces of four characters and more."""
    parts = re.split(r"[:/@?&=,+]+", url.reveal())
    wholes = {form for part in parts for form in (part, unquote(part))}
    pieces = {piece for whole in wholes for piece in (whole, *re.split(r"\W+", whole)) if len(piece) > 3}
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, "***")
    return one_line(text, MAX_REASON)


def _poster(alert: Alert, folder: Path) -> str | None:
    """The newest picture of an alert that can be sent; None where there is none."""
    for clip in reversed(alert.evidence):
        if clip.poster is not None:
            file = (folder / clip.poster).resolve()
            with suppress(OSError):
                if file.is_relative_to(folder.resolve()) and 0 < file.stat().st_size <= MAX_POSTER_BYTES:
                    return str(file)
    return None


async def ask_helper(note: dict[str, str], limit_s: float) -> Answer:
    """What the helper says of a message. It is ended at the limit."""
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", HELPER, stdin=pipe, stdout=pipe, stderr=nothing, env=environment, limit=MAX_ANSWER
        )
    except OSError as error:
        return Answer(outcome="retry", reason=f"the helper cannot be started: {error.strerror}")
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await process.communicate(json.dumps(note).encode())
    except TimeoutError:
        return Answer(outcome="retry", reason=f"no answer within {limit_s:g} s")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await process.wait()
    try:
        return ANSWER.validate_json(said[:MAX_ANSWER])
    except ValidationError:
        return Answer(outcome="retry", reason=f"the helper ended with {process.returncode}")
