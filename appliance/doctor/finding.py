"""A finding of the doctor's: what was looked at, how it is, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a finding reads."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


COLOURS: Mapping[Health, str] = {Health.OK: "green", Health.WARNING: "yellow", Health.FAILURE: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line, and a second where there is something to do."""

    what: str
    health: Health
    says: str
    do: str = ""
