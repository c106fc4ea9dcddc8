"""What can be measured of a window without understanding it, each a number with a unit. It knows no thresholds of policies."""

from dataclasses import dataclass
from enum import StrEnum


class CueName(StrEnum):
    """The cues that a policy's `wake` and `fallback` may name. The docstring under each is its unit and meaning."""

    MOTION = "motion"
    """0..1: share of the view's area that moves from one frame to the next, at its most in the window. A change of light is none."""
    CHANGED = "changed"
    """0..1: share of the view's area that differs from the slowly learnt background, at the window's end.

    Who stands still stays in it, for five minutes; light, soft shadows and what has left are not in it. Who is there from the
    first frame is background until they move.
    """
    DARK = "dark"
    """0..1: 1 is black (1 - mean luma / 255, at the window's end)."""
    COVERED = "covered"
    """0..1: share of the detail that this camera usually shows, in relation to the light, which is missing (a hand, paint, fog, lost focus)."""
    FROZEN = "frozen"
    """Seconds for which the picture has lacked the noise that this camera's pictures usually have. A thrifty stream repeats a still
    scene for the length of a group of pictures, so seconds mean nothing yet."""
    MOVED = "moved"
    """0..1: how far the camera's outlook is displaced against its history, as a share of the picture's width, to a hundredth; 1: nothing of
    it is to be found any more. 0 again after five minutes: then the new outlook is its own."""
    LOUD = "loud"
    """dBFS (0 is full scale, always negative or zero): RMS of the loudest 100 ms."""
    ONSET = "onset"
    """dB: the largest rise of a sound that goes on for about 200 ms, over the second before and over the site's own floor, taken as the
    median of four bands from 100 Hz to 8 kHz. A keystroke, a beep and what swells over seconds are none; glass, a slam and a shout are."""
    TONE = "tone"
    """0..1: share of the window's sound energy above 200 Hz in steady narrow tones (a bell, a squeal, an alarm) that are not the hum of the place."""
    SILENCE = "silence"
    """Seconds for which the sound has been over 10 dB below the site's own floor; within minutes that is its new floor."""
    DIGITAL_SILENCE = "digital_silence"
    """Seconds of samples that are all exactly the same value: a dead or muted microphone, never a quiet room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in shares of the picture's width and height: 0..1, x to the right, y down."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cues:
    """The cues of one view in one window. None: this sense was not there, so nothing was measured."""

    motion: float | None = None
    motion_at: Box | None = None
    """Where the motion was, in shares of the view; None without motion."""
    changed: float | None = None
    changed_at: Box | None = None
    dark: float | None = None
    covered: float | None = None
    frozen: float | None = None
    moved: float | None = None
    loud: float | None = None
    onset: float | None = None
    tone: float | None = None
    silence: float | None = None
    digital_silence: float | None = None

    def value(self, name: CueName) -> float | None:
        """The number called `name`, or None where its sense was missing."""
        value: float | None = getattr(self, name.value)
        return value
