"""A preview: a camera's picture as a small JPEG, for people who look on. The values; `previewer.py` makes them.

It is masked like everything that leaves the sensor process, and nobody judges it.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from sensors.jpeg import sides
from sensors.window import SensorId

LEAST_BYTES, MOST_BYTES = 4_000, 48_000
"""Of a JPEG. The largest just fits, as base64, into a datagram."""
LEAST_SIDE, MOST_SIDE = 64, 1280
LEAST_S, MOST_S = 1, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewShape:
    """How often a preview is made, and how large it may be. ValueError outside of the bounds above."""

    every_s: float
    longest_side: int
    """In pixels; a picture that is smaller stays as it is."""
    bytes: int

    def __post_init__(self) -> None:
        """Refuse what would take a sensor's time, or not fit through its wire."""
        if not (LEAST_S <= self.every_s <= MOST_S and LEAST_SIDE <= self.longest_side <= MOST_SIDE and LEAST_BYTES <= self.bytes <= MOST_BYTES):
            raise ValueError(f"no previews like {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """A sensor is told: make previews of this shape from now on, one of them at once; None: none."""

    kind: Literal["show"] = "show"
    shape: PreviewShape | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The picture of a camera."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal["preview"] = "preview"
    sensor: SensorId
    jpeg: bytes

    def __post_init__(self) -> None:
        """Refuse what no sensor says: it goes to other people's programs, which will unpack it."""
        if len(self.jpeg) > MOST_BYTES or max(sides(self.jpeg)) > MOST_SIDE:
            raise ValueError("a preview that is too large")
