"""The hall itself, painted once a scene: floor, walls, lamps, racks, the fenced cell. It knows no time and nobody who moves in it."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from appliance.demo.brush import Brush, Colour, Picture, Stamp, each, mix, shade, shadow
from appliance.demo.camera import Camera
from appliance.demo.solids import Box, Pose, faces

HALF_WIDTH_M = 8.0
DEPTH_M = 16.0
CEILING_M = 6.5
DOOR_WIDTH_M = 3.0
DOOR_HEIGHT_M = 3.3
FENCE_HEIGHT_M = 1.9
GATE_M = 1.3
YELLOW: Colour = (238, 190, 22)
CARDBOARD: Colour = (168, 128, 84)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The press cell's footprint in metres. Its gate is at the end of the front fence that is nearer to the hall's middle."""

    left_m: float = 1.6
    right_m: float = 6.2
    front_m: float = 9.6
    back_m: float = 13.6

    def holds(self, x_m: float, z_m: float) -> bool:
        """Whether somebody who stands at x, z is inside the fence."""
        return self.left_m < x_m < self.right_m and self.front_m < z_m < self.back_m

    @property
    def inner_side_m(self) -> float:
        """The x of the side fence that faces the hall's middle."""
        return self.left_m if abs(self.left_m) < abs(self.right_m) else self.right_m

    @property
    def outwards(self) -> float:
        """1 where the cell extends to the right of its inner side, -1 where to the left."""
        return 1.0 if self.inner_side_m == self.left_m else -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a hall looks like."""

    floor: Colour = (126, 128, 126)
    wall: Colour = (150, 160, 166)
    trim: Colour = (64, 86, 110)
    press: Colour = (58, 96, 140)
    leaf: Colour = (96, 112, 120)
    door_m: float = -4.6
    """The x of the door's left edge in the back wall."""
    brightness: float = 1.0
    seed: int = 1
    """Scatters stains, racks and boxes."""


@lru_cache(maxsize=2)
def paint(camera: Camera, look: Look, cell: Cell) -> Picture:
    """The hall without anybody in it, the door shut, the press without its ram: uint8[height, width, 3]. Not to be drawn on: it is kept."""
    rng = np.random.default_rng(look.seed)
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    brush = Brush()
    _shell(brush, camera, look)
    brush.onto(picture)
    _floor(picture, camera, look, rng)
    brush = Brush()
    _marks(brush, camera, cell)
    brush.onto(picture, 0.75)
    _furniture(picture, camera, look, rng)
    _press(picture, camera, look, cell)
    _fence(cell, camera, front=False).onto(picture)
    return _light(picture, camera, look)


@lru_cache(maxsize=2)
def fence(cell: Cell, camera: Camera) -> Stamp | None:
    """The fence's near sides, which stand before whoever is inside."""
    return _fence(cell, camera, front=True).stamp((camera.width, camera.height), 0.92)


def _shell(brush: Brush, camera: Camera, look: Look) -> None:
    """Walls, ceiling and the lamps under it."""
    w, d, c = HALF_WIDTH_M, DEPTH_M, CEILING_M
    brush.polygon(camera.project([(-w, 0, d), (w, 0, d), (w, c, d), (-w, c, d)]), look.wall)
    for side, dim in ((-w, 0.82), (w, 0.7)):
        brush.polygon(camera.project([(side, 0, 1), (side, 0, d), (side, c, d), (side, c, 1)]), shade(look.wall, dim))
    brush.polygon(camera.project([(-w, c, 1), (w, c, 1), (w, c, d), (-w, c, d)]), shade(look.wall, 0.45))
    brush.polygon(camera.project([(-w, 0, d), (w, 0, d), (w, 1.1, d), (-w, 1.1, d)]), look.trim)
    for side, dim in ((-w, 0.82), (w, 0.7)):
        brush.polygon(camera.project([(side, 0, 1), (side, 0, d), (side, 1.1, d), (side, 1.1, 1)]), shade(look.trim, dim))
    for x in np.arange(-w, w, 0.8):  # the cladding's joints
        brush.line(camera.project([(x, 0, d), (x, c, d)]), 0.5, shade(look.wall, 0.86))
    for x in np.arange(-w + 0.6, w - 1, 2.6):  # a band of windows
        pane = camera.project([(x, 4.5, d), (x + 2, 4.5, d), (x + 2, 5.7, d), (x, 5.7, d)])
        brush.polygon(pane, (214, 228, 236))
        brush.line(camera.project([(x + 1, 4.5, d), (x + 1, 5.7, d)]), 1, shade(look.wall, 0.7))
    for x in (-w + 0.05, -w / 3, w / 3, w - 0.05):  # columns
        brush.polygon(camera.project([(x - 0.16, 0, d), (x + 0.16, 0, d), (x + 0.16, c, d), (x - 0.16, c, d)]), shade(look.trim, 1.15))
    for z in (7.0, 10.0, 13.0):
        brush.polygon(camera.project([(-w, c, z), (w, c, z), (w, c - 0.4, z), (-w, c - 0.4, z)]), shade(look.trim, 0.7))
        for x in (-4.2, 0.0, 4.2):
            tube = [(x - 0.9, c - 0.5, z), (x + 0.9, c - 0.5, z), (x + 0.9, c - 0.66, z), (x - 0.9, c - 0.66, z)]
            brush.polygon(camera.project(tube), (255, 252, 238))


@lru_cache(maxsize=1)
def _grain() -> npt.NDArray[np.float32]:
    """Concrete seen from above, float32[512, 512] around 0, the same for every hall."""
    rng = np.random.default_rng(0)
    layers = [cv2.GaussianBlur(rng.standard_normal((512, 512)).astype(np.float32), (0, 0), s) * s for s in (1, 4, 18)]
    return np.asarray(np.sum(layers, 0), np.float32)


def _floor(picture: Picture, camera: Camera, look: Look, rng: np.random.Generator) -> None:
    """Concrete with slabs, stains and the lamps' reflections."""
    x, z = camera.floor()
    inside = (np.abs(x) < HALF_WIDTH_M) & (z < DEPTH_M)
    shift = rng.uniform(0, 500, 2)
    with np.errstate(invalid="ignore"):
        at = [np.where(inside, (part * 40 + move) % 511, 0).astype(np.float32) for part, move in zip((x, z), shift, strict=True)]
        slab = np.minimum(np.abs((x + 20) % 4 - 2), np.abs(z % 4 - 2))
        lamps = sum(np.exp(-(((x - lx) / 2.0) ** 2) - ((z - lz) / 1.6) ** 2) for lx in (-4.2, 0.0, 4.2) for lz in (7.0, 10.0, 13.0))
    tone = 1 + 0.05 * cv2.remap(_grain(), at[0], at[1], cv2.INTER_LINEAR) - 0.12 * np.exp(-((slab / 0.035) ** 2)) + 0.16 * lamps
    tone *= 0.88 + 0.012 * np.where(inside, z, 0)
    picture[inside] = np.clip(np.array(look.floor) * tone[inside][:, None], 0, 255).astype(np.uint8)


def _marks(brush: Brush, camera: Camera, cell: Cell) -> None:
    """Painted lines: the aisle across the hall, and the hatched border of the cell."""
    for z in (6.9, 9.0):
        line = [(-HALF_WIDTH_M, 0, z), (HALF_WIDTH_M, 0, z), (HALF_WIDTH_M, 0, z + 0.12), (-HALF_WIDTH_M, 0, z + 0.12)]
        brush.polygon(camera.project(line), (222, 222, 214))
    low, high, front = cell.left_m, cell.right_m, cell.front_m
    for x in np.arange(low, high - 0.2, 0.5):
        stripe = [(x, 0, front - 0.42), (x + 0.25, 0, front - 0.42), (x + 0.5, 0, front - 0.1), (x + 0.25, 0, front - 0.1)]
        brush.polygon(camera.project(stripe), YELLOW)


def _furniture(picture: Picture, camera: Camera, look: Look, rng: np.random.Generator) -> None:
    """Racks along the outer wall, pallets and drums where nobody walks."""
    side = -HALF_WIDTH_M
    boxes: list[Box] = []
    for z in (9.6, 11.6, 13.6):
        boxes += [Box(low=(side, level, z), high=(side + 0.9, level + 0.08, z + 1.8), colour=(196, 92, 40)) for level in (0.1, 1.3, 2.5)]
        for level in (0.18, 1.38, 2.58):
            crates = rng.uniform(0.5, 0.95, 2)
            for at, tall in zip((z + 0.1, z + 1.0), crates, strict=True):
                colour = shade(CARDBOARD, float(rng.uniform(0.7, 1.2)))
                boxes.append(Box(low=(side + 0.1, level, at), high=(side + 0.8, level + tall, at + 0.75), colour=colour))
        boxes.append(Box(low=(side + 0.85, 0, z - 0.05), high=(side + 0.93, 3.4, z + 0.03), colour=(50, 80, 140)))
    for x, z in ((6.9, 7.9), (7.0, 14.6)):
        tall = float(rng.uniform(0.5, 1.1))
        boxes.append(Box(low=(x - 0.5, 0, z - 0.5), high=(x + 0.5, 0.14, z + 0.5), colour=(140, 104, 62)))
        colour = shade(CARDBOARD, float(rng.uniform(0.7, 1.2)))
        boxes.append(Box(low=(x - 0.42, 0.14, z - 0.42), high=(x + 0.42, 0.14 + tall, z + 0.42), colour=colour))
    outline = camera.project([(side, 0, 9.4), (side + 1.5, 0, 9.4), (side + 1.5, 0, DEPTH_M), (side, 0, DEPTH_M)])
    shadow(picture, outline, 0.45, 5)
    brush = Brush()
    each(faces(boxes, Pose(), camera), brush)
    cabinet = [Box(low=(-0.6, 0, DEPTH_M - 0.5), high=(0.7, 2.1, DEPTH_M), colour=mix(look.trim, (190, 196, 198), 0.7))]
    each(faces(cabinet, Pose(), camera), brush)
    brush.onto(picture)


def press_pose(cell: Cell) -> Pose:
    """Where the press stands: at the back of its cell."""
    return Pose(x_m=(cell.left_m + cell.right_m) / 2 + 0.4 * cell.outwards, z_m=cell.back_m - 1.5)


def _press(picture: Picture, camera: Camera, look: Look, cell: Cell) -> None:
    """The press without its ram."""
    pose, colour = press_pose(cell), look.press
    shadow(picture, camera.project(pose.place(np.array([(-1.3, 0, -0.5), (1.5, 0, -0.5), (1.5, 0, 1.4), (-1.3, 0, 1.4)], np.float64))), 0.5, 6)
    boxes = [
        Box(low=(-1.1, 0, 0), high=(1.1, 0.75, 1.2), colour=shade(colour, 0.8)),
        Box(low=(-1.1, 0.75, 0.5), high=(1.1, 2.2, 1.2), colour=shade(colour, 0.45)),
        Box(low=(-1.1, 0.75, 0), high=(-0.75, 2.2, 0.6), colour=colour),
        Box(low=(0.75, 0.75, 0), high=(1.1, 2.2, 0.6), colour=colour),
        Box(low=(-1.2, 2.2, -0.05), high=(1.2, 3.0, 1.2), colour=shade(colour, 1.1)),
    ]
    brush = Brush()
    each(faces(boxes, pose, camera), brush)
    for i in range(9):  # hazard stripes on the crown's edge
        x = -1.2 + i * 2.4 / 9
        stripe = np.array([(x, 2.2, -0.06), (x + 0.13, 2.2, -0.06), (x + 0.27, 2.36, -0.06), (x + 0.13, 2.36, -0.06)])
        brush.polygon(camera.project(pose.place(stripe)), YELLOW if i % 2 else (40, 40, 40))
    brush.onto(picture)


def _fence(cell: Cell, camera: Camera, *, front: bool) -> Brush:
    """One half of the fence: front and inner side, or back and outer side."""
    inner, outer = cell.inner_side_m, cell.left_m + cell.right_m - cell.inner_side_m
    gate = inner + GATE_M * cell.outwards
    runs = (
        [((gate, cell.front_m), (outer, cell.front_m)), ((inner, cell.back_m), (inner, cell.front_m))]
        if front
        else [((outer, cell.front_m), (outer, cell.back_m)), ((outer, cell.back_m), (inner, cell.back_m))]
    )
    brush = Brush()
    for (x0, z0), (x1, z1) in runs:
        panels = max(2, round(np.hypot(x1 - x0, z1 - z0) / 1.1))
        steps = np.linspace(0, 1, panels + 1)
        posts = [(x0 + (x1 - x0) * s, z0 + (z1 - z0) * s) for s in steps]
        for level in np.linspace(0.2, FENCE_HEIGHT_M - 0.05, 8):
            brush.line(camera.project([(x0, level, z0), (x1, level, z1)]), 0.45, (74, 76, 74))
        for s in np.linspace(0, 1, panels * 6 + 1):
            x, z = x0 + (x1 - x0) * s, z0 + (z1 - z0) * s
            brush.line(camera.project([(x, 0.15, z), (x, FENCE_HEIGHT_M, z)]), 0.4, (74, 76, 74))
        for level in (0.15, FENCE_HEIGHT_M):
            brush.line(camera.project([(x0, level, z0), (x1, level, z1)]), 1.6, YELLOW)
        for x, z in posts:
            brush.line(camera.project([(x, 0, z), (x, FENCE_HEIGHT_M + 0.08, z)]), 0.075 * camera.scale(x, z), YELLOW)
    return brush


def _light(picture: Picture, camera: Camera, look: Look) -> Picture:
    """Brighter in the middle, darker at the edges, a little unlike from hall to hall."""
    v, u = np.mgrid[-1 : 1 : camera.height * 1j, -1 : 1 : camera.width * 1j].astype(np.float32)
    level = look.brightness * (1.2 - 0.24 * (u**2 + 0.8 * v**2))
    return np.asarray(np.clip(picture * level[..., None], 0, 255), np.uint8)
