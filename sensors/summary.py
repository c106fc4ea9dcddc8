"""From the readings of a window to its cues. It measures nothing itself."""

from collections.abc import Sequence
from dataclasses import replace

from sensors.cues import Cues
from sensors.sight_cues import SightReading
from sensors.sound_cues import SoundReading


def summarise(sight: Sequence[SightReading], sound: Sequence[SoundReading]) -> Cues:
    """The cues of one view's readings within a window, in order of time; a sense without a reading stays None."""
    return _with_sound(_with_sight(Cues(), sight), sound)


def _with_sight(cues: Cues, readings: Sequence[SightReading]) -> Cues:
    if not readings:
        return cues
    last = readings[-1]
    liveliest = max(readings, key=lambda reading: reading.motion)
    return replace(
        cues,
        motion=liveliest.motion,
        motion_at=liveliest.motion_at,
        changed=last.changed,
        changed_at=last.changed_at,
        dark=last.dark,
        covered=last.covered,
        frozen=last.frozen_s,
        moved=last.moved,
    )


def _with_sound(cues: Cues, readings: Sequence[SoundReading]) -> Cues:
    if not readings:
        return cues
    last = readings[-1]
    energy = sum(reading.energy for reading in readings)
    return replace(
        cues,
        loud=max(reading.loud for reading in readings),
        onset=max(reading.onset for reading in readings),
        tone=sum(reading.tone * reading.energy for reading in readings) / energy if energy > 0.0 else 0.0,
        silence=last.silence_s,
        digital_silence=last.digital_silence_s,
    )
