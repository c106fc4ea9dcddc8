"""How the box writes its log: one line an event, to standard error, with the journal's priority where a journal listens.

As text for people, or each line as a JSON object for programs. What comes from outside (a camera's words, a broker's, a model's)
is in many of them, so nothing that could act on a terminal or begin a line of its own gets through.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType

from alerts.announcement import printable

PRIORITIES = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))
MAX_LINE = 2000
MAX_TRACE = 20_000

log = logging.getLogger("omniwatch")


class Format(StrEnum):
    """What a line looks like."""

    TEXT = "text"
    JSON = "json"


class Line(logging.Formatter):
    """A record as one bounded line; traces keep their lines, since only our own faults have them."""

    def __init__(self, *, journal: bool) -> None:
        """`journal`: systemd adds time and name itself, and reads `<N>` as the priority."""
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = super().format(record)
        lines = [printable(line) for line in text[:MAX_TRACE].splitlines()] if record.exc_info else [printable(text)[:MAX_LINE]]
        return "\n".join(priority(record) + line for line in lines) if self._journal else "\n".join(lines)


class JsonLine(logging.Formatter):
    """A record as a JSON object in one line: `time` (UTC), `level`, `logger`, `message`, its facts, and the `trace` of a fault of our own."""

    def __init__(self, *, journal: bool) -> None:
        """`journal`: systemd reads `<N>` as the priority, and takes it away."""
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts: Mapping[str, object] = record.__dict__.get("facts", {})
        body = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage())[:MAX_LINE],
            **{name: printable(value)[:MAX_LINE] if isinstance(value, str) else value for name, value in facts.items()},
        }
        if record.exc_info:
            body["trace"] = self.formatException(record.exc_info)[:MAX_TRACE]
        line = json.dumps(body, ensure_ascii=False)
        return priority(record) + line if self._journal else line


def priority(record: logging.LogRecord) -> str:
    """The journal's priority of a line."""
    return next((mark for level, mark in PRIORITIES if record.levelno >= level), "<7>")


def set_up(*, verbose: bool = False, form: Format = Format.TEXT) -> None:
    """Log to standard error from here on, also what ends the program unexpectedly."""
    handler = logging.StreamHandler(sys.stderr)
    journal = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(JsonLine(journal=journal) if form is Format.JSON else Line(journal=journal))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("omniwatch").setLevel(logging.DEBUG if verbose else logging.INFO)
    sys.excepthook = _broke


def _broke(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the program broke: %s", kind.__name__, exc_info=(kind, error, trace))
