"""What a sensor process says, and what it is told, besides windows. Small values that travel as datagrams."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Literal

from sensors.fault import FaultReason
from sensors.moment import FARTHEST_NS
from sensors.window import SensorId

MAX_TEXT = 300


class SensorCondition(StrEnum):
    """Where a sensor stands."""

    OPENING = "opening"
    ONLINE = "online"
    LOST = "lost"
    """It was told to open, or had opened, and there is nothing fresh. The process tries again for ever."""
    ENDED = "ended"
    """A recording has been read to its end. Only in a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorNews:
    """A change of condition, with the reason. `detail` never holds a credential or more than 300 characters."""

    kind: Literal["sensor"] = "sensor"
    sensor: SensorId
    condition: SensorCondition
    reason: FaultReason | Literal[""] = ""
    """Why it is lost. A closed set: metrics use it as a label."""
    detail: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    codec: str = ""
    sound_codec: str = ""
    sound_rate_hz: int = 0

    def __post_init__(self) -> None:
        """Refuse what no sensor says: it goes into the journal, to the broker and onto terminals."""
        _check((self.width, self.height, self.sound_rate_hz), (self.fps,), (self.detail, self.codec, self.sound_codec))


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFigures:
    """Once a second while the process lives: totals since it started and the newest measurements."""

    kind: Literal["figures"] = "figures"
    sensor: SensorId
    frames: int = 0
    pairs: int = 0
    windows: int = 0
    dropped_pairs: int = 0
    """Pairs for which no slot was free."""
    jumps: int = 0
    """Times at which the source's own clock jumped and was anchored again."""
    reconnects: int = 0
    """Times at which its source was opened again."""
    last_frame_boot_ns: int = 0
    last_sound_boot_ns: int = 0
    level_dbfs: float = -120.0
    muted_s: float = 0.0
    """Of its sound that was the box's own voice."""
    unmuted_s: float = 0.0
    """Of the box's own voice that was heard and judged, because a tenth of the hour had been muted already."""
    segments_lost: int = 0
    """Segments for evidence of which something could not be kept."""
    segments_problem: str = ""
    """Why the newest of them could not; nothing while all goes well."""

    def __post_init__(self) -> None:
        """Refuse what no sensor says: whoever publishes it reckons with it."""
        counts = (self.frames, self.pairs, self.windows, self.dropped_pairs, self.jumps, self.reconnects, self.segments_lost)
        figures = (self.level_dbfs, self.muted_s, self.unmuted_s)
        _check((*counts, self.last_frame_boot_ns, self.last_sound_boot_ns), figures, (self.segments_problem,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The windows `windows` need their slots no longer. A slot is free when no window that holds it is left."""

    kind: Literal["release"] = "release"
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """What is heard from one boot time to another is the box's own voice. Said again under the same number, it ends otherwise than was thought."""

    kind: Literal["mute"] = "mute"
    number: int
    start_boot_ns: int
    end_boot_ns: int


def _check(numbers: tuple[int, ...], figures: tuple[float, ...], texts: tuple[str, ...]) -> None:
    if any(abs(number) > FARTHEST_NS for number in numbers) or not all(map(isfinite, figures)) or any(len(text) > MAX_TEXT for text in texts):
        raise ValueError("no sensor says that")
