"""The helper that sends one message through Apprise, and ends: `python -m alerts.channels.people_main`.

It reads the message as JSON, with the URL that it goes to, from its standard input, and writes what became of it to its standard
output. Without a title it only says whether Apprise knows such a URL. Nobody but whoever started it is told the URL.
"""

import json
import logging
import re
import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apprise import Apprise

MAX_WORDS = 300
REFUSED = re.compile(r"error=4(?!08|25|29)\d\d\b")
"""A status of HTTP that tomorrow will be the same: no such token, not allowed, not like this."""


class Words(logging.Handler):
    """What Apprise says went wrong."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """The first words are kept."""
        self.text = self.text or record.getMessage()[:MAX_WORDS]


def answer(note: dict[str, str]) -> dict[str, str]:
    """Send it, and say what became of it."""
    words = Words()
    logging.getLogger("apprise").addHandler(words)
    logging.getLogger("apprise").propagate = False
    try:
        from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - an extra
    except ImportError as error:
        return {"outcome": "retry", "reason": f"apprise is not installed ({error.name})"}
    service = Apprise(asset=AppriseAsset(secure_logging=True, storage_mode="memory"))
    if not service.add(note["url"]):
        return {"outcome": "refused", "reason": "Apprise knows no such URL"}
    if "title" not in note:
        return {"outcome": "delivered", "reason": ", ".join(str(each.service_name) for each in service)}
    if _sent(service, note, note["attach"] or None):
        return {"outcome": "delivered"}
    first, words.text = words.text, ""
    if note["attach"] and _sent(service, note, None):
        return {"outcome": "delivered", "reason": f"without its picture: {first}"}
    return {"outcome": "refused" if REFUSED.search(words.text or first) else "retry", "reason": first or "not sent"}


def _sent(service: "Apprise", note: dict[str, str], attach: str | None) -> bool:
    from apprise import NotifyFormat, NotifyType  # noqa: PLC0415 - as above

    kind = NotifyType(note["tone"])
    return bool(service.notify(body=note["body"], title=note["title"], notify_type=kind, body_format=NotifyFormat.TEXT, attach=attach))


def main() -> None:
    """Read, send, write."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
