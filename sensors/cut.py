"""What a clip helper is told and what it answers: values that travel as datagrams, so that nobody else needs its libraries."""

import re
from dataclasses import dataclass
from typing import Literal

from sensors.cues import Box

DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_PROBLEM = 300
MAX_REPEATS = 100
PART = ".part"
"""The end of the name of a file that is not whole yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOrder:
    """Make a clip of this. Times are boot times."""

    kind: Literal["cut"] = "cut"
    segments: str
    """The folder of the sensor's segments."""
    start_ns: int
    end_ns: int
    moment_ns: int
    """What the poster shows."""
    masks: tuple[Box, ...] = ()
    original: bool = False
    """Keep the camera's own packets although there are masks. The poster is masked all the same."""
    repeats: int = 1
    """So often, one after the other: for a recording that has to last, and is no evidence. At most MAX_REPEATS."""
    target: str
    """Where to: a path without its ending. The clip gets `.mp4.part` or `.mov.part`, the poster `.jpg.part`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """It is made, and on the disk."""

    kind: Literal["made"] = "made"
    suffix: Literal[".mp4", ".mov"]
    poster: bool
    sha256: str
    bytes: int
    poster_bytes: int
    start_ns: int
    end_ns: int
    masked: bool
    sound: bool

    def __post_init__(self) -> None:
        """Refuse what no clip is like: the helper has read a camera's bytes, and what it says is published."""
        if not DIGEST.fullmatch(self.sha256) or min(self.bytes, self.poster_bytes) < 0 or self.end_ns < self.start_ns:
            raise ValueError("no clip is like that")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncut:
    """It could not be made."""

    kind: Literal["unmade"] = "unmade"
    problem: str
    """At most MAX_PROBLEM characters."""
    missing: bool = False
    """There is nothing to make it of: no later try will do better."""

    def __post_init__(self) -> None:
        """Refuse an essay."""
        if len(self.problem) > MAX_PROBLEM:
            raise ValueError(f"a problem of more than {MAX_PROBLEM} characters")
