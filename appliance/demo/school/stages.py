"""Other halls than the demo's: cameras, cells, people and trucks by chance."""

from dataclasses import replace

import numpy as np

from appliance.demo import actors, hall
from appliance.demo.brush import Colour
from appliance.demo.camera import Camera
from appliance.demo.scene import Stage


def random_stage(rng: np.random.Generator) -> Stage:
    """A hall with a camera and a cell of its own."""
    camera = Camera(
        x_m=float(rng.uniform(-1.0, 1.0)),
        height_m=float(rng.uniform(3.8, 4.7)),
        pitch_rad=float(rng.uniform(0.215, 0.275)),
        focal_px=float(rng.uniform(400, 465)),
    )
    left, width = float(rng.uniform(1.2, 2.0)), float(rng.uniform(4.2, 4.9))
    front, depth = float(rng.uniform(9.3, 10.0)), float(rng.uniform(3.8, 4.3))
    cell = hall.Cell(left_m=left, right_m=left + width, front_m=front, back_m=front + depth)
    door = float(rng.uniform(-6.2, -3.2))
    if rng.random() < 0.25:
        cell = replace(cell, left_m=-left - width, right_m=-left)
        door = -door - hall.DOOR_WIDTH_M
    look = hall.Look(
        floor=_grey(rng, 95, 150),
        wall=_grey(rng, 115, 190),
        trim=_paint(rng, 40, 120),
        press=_paint(rng, 40, 150),
        leaf=_grey(rng, 70, 140),
        door_m=door,
        brightness=float(rng.uniform(0.75, 1.15)),
        seed=int(rng.integers(1 << 30)),
    )
    label = "HALL 2 - PRESS LINE" if rng.random() < 0.7 else None
    tone = float(rng.uniform(70, 165))
    return Stage(camera=camera, look=look, cell=cell, smoke_tone=tone, grain=float(rng.uniform(0.5, 4)), label=label)


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    level, red, blue = rng.uniform(low, high), rng.uniform(0.94, 1.06), rng.uniform(0.94, 1.06)
    return float(level * red), float(level), float(level * blue)


def _paint(rng: np.random.Generator, low: float, high: float) -> Colour:
    red, green, blue = rng.uniform(low, high, 3)
    return float(red), float(green), float(blue)


def clothes(rng: np.random.Generator) -> actors.Clothes:
    """What somebody wears."""
    vests: tuple[Colour, ...] = ((240, 110, 24), (214, 224, 40), (230, 60, 40), (250, 150, 30))
    helmets: tuple[Colour, ...] = ((245, 245, 240), (238, 196, 30), (40, 90, 190), (210, 40, 36))
    return actors.Clothes(
        vest=vests[int(rng.integers(len(vests)))],
        helmet=helmets[int(rng.integers(len(helmets)))],
        trousers=_paint(rng, 35, 90),
        height_m=float(rng.uniform(1.62, 1.92)),
    )


def truck(rng: np.random.Generator) -> actors.Truck:
    """A forklift and its load."""
    bodies: tuple[Colour, ...] = ((226, 150, 24), (200, 40, 36), (60, 120, 70), (236, 190, 40))
    body = bodies[int(rng.integers(len(bodies)))]
    load = _grey(rng, 110, 170) if rng.random() < 0.3 else (170, 130, 84) if rng.random() < 0.6 else None
    return actors.Truck(body=body, load=load)


def side(cell: hall.Cell) -> float:
    """1 where the cell stands on the right."""
    return 1.0 if cell.right_m > 0 else -1.0


def fire_spot(rng: np.random.Generator, cell: hall.Cell) -> tuple[float, float, float]:
    """Where something may burn, in metres."""
    x = float(rng.uniform(-5.6, abs(cell.inner_side_m) - 0.9)) * side(cell)
    return x, 0.75, float(rng.uniform(10.5, 14.6))
