"""What a sensor process says, and what it is told, besides windows. Small values that travel as datagrams."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sensors.fault import FaultReason
from sensors.window import SensorId


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
