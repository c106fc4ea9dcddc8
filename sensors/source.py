"""The seam in front of every kind of source: it opens, feeds an assembly until it gives out, and says why it did."""

from dataclasses import dataclass
from typing import Protocol

from sensors.assembly import Assembly
from sensors.recorder import Recorder
from sensors.window import Sense


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a source turned out to be."""

    senses: frozenset[Sense]
    width: int = 0
    height: int = 0
    fps: float = 0.0
    codec: str = ""
    sound_codec: str = ""
    sound_rate_hz: int = 0
    detail: str = ""
    """What of it is not used, and why."""


class Sink(Protocol):
    """Where a source's frames and sound go."""

    assembly: Assembly
    recorder: Recorder | None
    """Keeps what comes for evidence; None: nobody does."""

    def opened(self, what: Opened) -> None:
        """Something has come of it: a new epoch begins, and what it is made of is known."""
        ...

    def progress(self) -> None:
        """Something fresh has come."""
        ...


class Source(Protocol):
    """One kind of source."""

    def run_once(self, sink: Sink) -> None:
        """Open, and feed until it gives out: SensorFault then. Returns only at the end of a recording."""
        ...
