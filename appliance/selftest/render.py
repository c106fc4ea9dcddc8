"""`python -m appliance.selftest.render FOLDER`: makes the clips of the self-test from the demo's hall. Nothing of it runs on a box."""

import sys
from dataclasses import replace
from pathlib import Path

from appliance.demo.camera import Camera
from appliance.demo.film import write
from appliance.demo.scene import DEMO_STAGE, Painter, sound
from appliance.demo.timeline import Act, Kind, Timeline
from appliance.selftest.clips import CLIP_S, Clip

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


def render(folder: Path) -> None:
    """Write both clips."""
    for clip, acts in ((Clip.YES, BURNS), (Clip.NO, ())):
        timeline = Timeline(length_s=CLIP_S, acts=acts)
        painter = Painter(STAGE, timeline, seed=1)
        pictures = (painter.picture(number / FPS) for number in range(round(CLIP_S * FPS)))
        write(folder / clip.file.name, pictures, sound(timeline, seed=1), FPS, crf=SMALLER)


if __name__ == "__main__":
    render(Path(sys.argv[1]))
