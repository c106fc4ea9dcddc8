"""Evidence: a clip of what a sensor saw and heard around the opening of an alert, as it lies in the evidence folder. Values only."""

from dataclasses import dataclass

from sensors.moment import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One clip that is whole and on the disk."""

    file: str
    """Its path below the evidence folder; made of validated names alone."""
    poster: str | None
    """A JPEG of the moment of the alarm, below the same folder; None where there is no picture."""
    sha256: str
    """Of the file, in hexadecimal."""
    bytes: int
    start: Moment
    end: Moment
    """What it shows: it begins at the last whole picture before what was wanted, so a little earlier."""
    masked: bool
    """Encoded again with the masks burnt in; False: the camera's own packets."""
    sound: bool
