"""What can go wrong with a source, in a closed set of words. The world's fault, never ours."""

from enum import StrEnum


class FaultReason(StrEnum):
    """Why a source gives nothing. Metrics use it as a label."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    """It did not answer when it was opened."""
    STALLED = "stalled"
    """It was open, and nothing fresh came."""
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    """A codec, size or rate that is not taken."""
    ENDED = "ended"
    BUSY = "busy"
    BROKEN = "broken"


class SensorFault(Exception):  # noqa: N818 - the world's fault, not an error of ours
    """A source could not be opened or gave out; `detail` holds neither address nor credential."""

    def __init__(self, reason: FaultReason, detail: str = "") -> None:
        """Why, and in whose words."""
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail[:300]
