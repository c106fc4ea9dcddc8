"""How the box writes its log: one line an event, to standard error, with the journal's priority where a journal listens."""

import logging
import os
import sys

PRIORITIES = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))
MAX_LINE = 2000


class Line(logging.Formatter):
    """A record as one bounded line; traces keep their lines, since only our own faults have them."""

    def __init__(self, *, journal: bool) -> None:
        """`journal`: systemd adds time and name itself, and reads `<N>` as the priority."""
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = super().format(record)
        if not record.exc_info:
            text = text.replace("\n", " ")[:MAX_LINE]
        if not self._journal:
            return text
        prefix = next((mark for level, mark in PRIORITIES if record.levelno >= level), "<7>")
        return "\n".join(prefix + line for line in text.splitlines())


def set_up(*, verbose: bool = False) -> None:
    """Log to standard error from here on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(journal="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("omniwatch").setLevel(logging.DEBUG if verbose else logging.INFO)
