"""The rendered hall: pictures of a timeline, one at a time, by the stage that it is played on. It knows no policy and no model."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from appliance.demo import actors, fire, hall
from appliance.demo.brush import Brush, Colour, Picture, Stamp
from appliance.demo.camera import Camera
from appliance.demo.noises import sound
from appliance.demo.solids import Pose
from appliance.demo.timeline import DEMO, Act, Due, Kind, Timeline, truth

__all__ = ["DEMO", "DEMO_STAGE", "FPS", "Due", "Painter", "Stage", "render", "sound", "truth"]

FPS = 15
PRESS_STROKE_S = 2.4
OPENING = datetime.fromisoformat("2026-03-09T14:02:00+00:00")
"""What the clock in the picture shows at the timeline's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything about a scene that does not happen: the place, the camera, what people wear."""

    camera: Camera = field(default_factory=Camera)
    look: hall.Look = field(default_factory=hall.Look)
    cell: hall.Cell = field(default_factory=hall.Cell)
    clothes: tuple[actors.Clothes, ...] = (actors.Clothes(), actors.Clothes(vest=(214, 224, 40), helmet=(238, 196, 30), trousers=(52, 54, 60)))
    truck: actors.Truck = field(default_factory=actors.Truck)
    fire_at: tuple[float, float, float] = (-0.3, 0.75, 12.2)
    smoke_tone: float = 112.0
    grain: float = 2.0
    """Standard deviation of the camera's noise, in grey levels."""
    label: str | None = "HALL 2 - PRESS LINE"


DEMO_STAGE = Stage()


class Painter:
    """Paints a timeline on a stage. What does not move is painted once."""

    def __init__(self, stage: Stage, timeline: Timeline, seed: int) -> None:
        """Paint the empty hall."""
        self._stage = stage
        self._timeline = timeline
        self._seed = seed
        self._empty = hall.paint(stage.camera, stage.look, stage.cell)
        self._fence: Stamp | None = hall.fence(stage.cell, stage.camera)
        self._noise = np.round(_white(stage.camera.height + 64, stage.camera.width + 64) * stage.grain).astype(np.int16)[..., None]

    def picture(self, at_s: float) -> Picture:
        """What the camera sees at `at_s`: uint8[height, width, 3]."""
        stage, picture = self._stage, self._empty.copy()
        actors.door(picture, stage.camera, stage.look, max((_ajar(act, at_s) for act in self._timeline.of(Kind.DOOR)), default=0.0))
        actors.ram(picture, stage.camera, stage.look, stage.cell, down=stroke(at_s))
        self._barrel(picture)
        self._fire(picture, at_s)
        self._people_and_trucks(picture, at_s)
        self._grain(picture, at_s)
        if stage.label:
            _caption(picture, stage.label, at_s)
        return picture

    def smoke_density(self, at_s: float) -> fire.Field:
        """How thick the smoke is, on every fourth pixel."""
        acts = self._timeline.of(Kind.SMOKE)
        span = [(act.start_s, act.end_s) for act in acts]
        puffs = [puff for one in span for puff in fire.smoke_puffs(self._source(one), at_s)]
        return fire.cloud(puffs, self._stage.camera)

    def heat(self, at_s: float) -> fire.Field:
        """How hot the flames are, on every fourth pixel."""
        acts = self._timeline.of(Kind.FLAME)
        span = [(act.start_s, act.end_s) for act in acts]
        puffs = [puff for one in span for puff in fire.flame_puffs(self._source(one), at_s)]
        return fire.cloud(puffs, self._stage.camera, stretch=1.5)

    def _source(self, span: tuple[float, float]) -> fire.Source:
        return fire.Source(camera=self._stage.camera, at=self._stage.fire_at, span=span, seed=self._seed)

    def _barrel(self, picture: Picture) -> None:
        """The drum that the demo's fire breaks out of."""
        x, top, z = self._stage.fire_at
        camera = self._stage.camera
        low, high = camera.project([(x, 0, z), (x, top, z)])
        radius = 0.34 * camera.scale(x, z)
        brush = Brush()
        body: Colour = (52, 92, 88)
        brush.oval((low[0] + 0.4 * radius, low[1]), (1.5 * radius, 0.5 * radius), (60, 60, 60))
        brush.polygon([(low[0] - radius, low[1]), (high[0] - radius, high[1]), (high[0] + radius, high[1]), (low[0] + radius, low[1])], body)
        brush.oval((low[0], low[1]), (radius, 0.3 * radius), body)
        lit = -0.4 * radius
        brush.polygon([(low[0] - radius, low[1]), (high[0] - radius, high[1]), (high[0] + lit, high[1]), (low[0] + lit, low[1])], (70, 118, 112))
        brush.oval((high[0], high[1]), (radius, 0.3 * radius), (34, 44, 44))
        brush.onto(picture)

    def _fire(self, picture: Picture, at_s: float) -> None:
        heat, density = self.heat(at_s), self.smoke_density(at_s)
        fire.smoke(picture, density, self._stage.smoke_tone)
        if heat.max() > 0:
            fire.flame(picture, heat)

    def _people_and_trucks(self, picture: Picture, at_s: float) -> None:
        """Those inside the cell, then the fence before them, then the others, far ones first."""
        moving = [(act.place(at_s), number, act) for number, act in enumerate(self._timeline.acts) if act.path and act.runs(at_s)]
        moving.sort(key=lambda one: -one[0][1])
        for place, number, act in moving:
            if self._stage.cell.holds(*place):
                self._mover(picture, act, number, at_s)
        if self._fence:
            self._fence.onto(picture)
        for place, number, act in moving:
            if not self._stage.cell.holds(*place):
                self._mover(picture, act, number, at_s)

    def _mover(self, picture: Picture, act: Act, number: int, at_s: float) -> None:
        place, (along, away) = act.place(at_s), act.course(at_s)
        if act.kind is Kind.FORKLIFT:
            pose = Pose(x_m=place[0], z_m=place[1], heading_rad=float(np.arctan2(away, along)))
            actors.forklift(picture, self._stage.camera, pose, rolled_m=act.gone_m(at_s), truck=self._stage.truck)
        else:
            clothes = self._stage.clothes[number % len(self._stage.clothes)]
            heading = along / (abs(along) + abs(away) + 1e-6)
            actors.person(picture, self._stage.camera, place, walked_m=act.gone_m(at_s), heading=heading, clothes=clothes)

    def _grain(self, picture: Picture, at_s: float) -> None:
        """The sensor's noise: one field, moved about from frame to frame."""
        down, right = (round(at_s * FPS) * 37) % 64, (round(at_s * FPS) * 53) % 64
        part = self._noise[down : down + picture.shape[0], right : right + picture.shape[1]]
        np.clip(picture + part, 0, 255, out=picture, casting="unsafe")


def render(timeline: Timeline, seed: int, stage: Stage = DEMO_STAGE) -> Iterator[Picture]:
    """The pictures of `timeline` at 15 a second."""
    painter = Painter(stage, timeline, seed)
    for number in range(round(timeline.length_s * FPS)):
        yield painter.picture(number / FPS)


@lru_cache(maxsize=1)
def _white(height: int, width: int) -> npt.NDArray[np.float32]:
    """Noise of unit level, the same for every camera."""
    return np.random.default_rng(0).standard_normal((height, width), np.float32)


def stroke(at_s: float) -> float:
    """How far the press's ram is down: slow up, quick down."""
    phase = (at_s % PRESS_STROKE_S) / PRESS_STROKE_S
    return float(np.interp(phase, (0.0, 0.35, 0.45, 0.6, 1.0), (0.0, 0.0, 1.0, 1.0, 0.0)))


def _ajar(act: Act, at_s: float) -> float:
    """How far a door is open during `act`."""
    return float(np.clip(min(at_s - act.start_s, act.end_s - at_s), 0, 1))


def _caption(picture: npt.NDArray[np.uint8], label: str, at_s: float) -> None:
    """The site's name and the clock, as a camera writes them."""
    clock = (OPENING + timedelta(seconds=at_s)).strftime("%d.%m.%Y  %H:%M:%S")
    for text, left in ((label, 12), (clock, picture.shape[1] - 168)):
        for move, tone in ((1, (16, 16, 16)), (0, (244, 244, 244))):
            cv2.putText(picture, text, (left + move, 22 + move), cv2.FONT_HERSHEY_SIMPLEX, 0.46, tone, 1, cv2.LINE_AA)
