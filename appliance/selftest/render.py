"""`python -m appliance.selftest.render FOLDER`: makes the clips of the self-test from the demo's hall. Nothing of it runs on a box."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from appliance.demo.brush import Picture
from appliance.demo.camera import Camera
from appliance.demo.film import write
from appliance.demo.noises import RATE_HZ, Wave
from appliance.demo.scene import DEMO_STAGE, Painter, sound
from appliance.demo.timeline import Act, Kind, Timeline
from appliance.selftest.clips import CLIP_S, LURES, Clip, Lure

FPS = 5
SMALLER = 27
"""Each clip takes about 100 kB."""
STAGE = replace(
    DEMO_STAGE, camera=Camera(width=480, height=272, focal_px=322.0), grain=0.4, label=None, fire_at=(-0.3, 0.75, 8.6)
)
BURNS = (
    Act(kind=Kind.SMOKE, start_s=-6.0, end_s=9.0),
    Act(kind=Kind.FLAME, start_s=-4.0, end_s=9.0),
    Act(kind=Kind.BELL, start_s=0.0, end_s=CLIP_S),
)


PAPER, INK = (246, 244, 236), (20, 20, 24)
POSTER = (40, 206, 440, 268)
"""Left, top, right, bottom, in pixels: on the floor in front of everything, where it hides nothing that matters."""
TEXT = 0.62
SPOKEN_AT_S, SPEED, LOUD = 0.3, "175", 1.0


def render(folder: Path, clips: Iterable[Clip] = Clip) -> None:
    """Write the clips."""
    for clip in clips:
        timeline = Timeline(length_s=CLIP_S, acts=BURNS if clip.plain is Clip.YES else ())
        painter = Painter(STAGE, timeline, seed=1)
        pictures = (painter.picture(number / FPS) for number in range(round(CLIP_S * FPS)))
        wave = sound(timeline, seed=1)
        match LURES.get(clip):
            case Lure(by="poster", words=words):
                pictures = (with_poster(picture, words) for picture in pictures)
            case Lure(words=words):
                wave = with_voice(wave, " ".join(words))
        write(folder / clip.file.name, pictures, wave, FPS, crf=SMALLER)


def with_poster(picture: Picture, lines: tuple[str, ...]) -> Picture:
    """The picture with a sheet of paper in it, large enough to be read at the size in which the judge sees it."""
    left, top, right, bottom = POSTER
    cv2.rectangle(picture, (left, top), (right, bottom), PAPER, cv2.FILLED)
    for number, line in enumerate(lines):
        (width, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, TEXT, 2)
        place = ((left + right - width) // 2, top + 26 + 26 * number)
        cv2.putText(picture, line, place, cv2.FONT_HERSHEY_SIMPLEX, TEXT, INK, 2, cv2.LINE_AA)
    return picture


def with_voice(wave: Wave, text: str) -> Wave:
    """The sound with somebody (espeak-ng) in it who says `text`."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", "en", "-s", SPEED, "-w", file.name, text], check=True)  # noqa: S603, S607 - words of ours, a developer's machine
        with av.open(file.name) as spoken:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
            frames = [*spoken.decode(audio=0), None]
            parts = [each.to_ndarray()[0] for frame in frames for each in resampler.resample(frame)]
    voice, start = np.concatenate(parts), round(SPOKEN_AT_S * RATE_HZ)
    if start + len(voice) > len(wave):
        raise ValueError(f"{text!r} takes {len(voice) / RATE_HZ:.1f} s, which is too long for the clip")
    wave = wave.copy()
    wave[start : start + len(voice)] += LOUD * voice
    return np.clip(wave, -1, 1)


if __name__ == "__main__":
    render(Path(sys.argv[1]))
