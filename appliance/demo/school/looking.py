"""Lessons for the eye: windows of other halls, cameras and people than the demo's, cut as the sensor cuts them, with what is so in them."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from appliance.demo import hall
from appliance.demo.brush import Picture
from appliance.demo.camera import Camera
from appliance.demo.scene import Painter, Stage
from appliance.demo.school.lesson import CELL_SIZE, FRAME_TIMES_S, HALL_SIZE, WINDOW_S, Seen
from appliance.demo.school.questions import Fact, Label
from appliance.demo.school.stages import clothes, fire_spot, random_stage, side, truck
from appliance.demo.school.whereabouts import Scene, Span, any_of, area, depth, hull, outline, share
from appliance.demo.timeline import Act, Kind, Timeline, Waypoint, walk

BEFORE_S = 12.0
"""How far into its own timeline a window lies, so that what began earlier is there."""
STAGE_WINDOWS = 8
"""Windows painted on one stage: painting a hall costs more than a window."""
GATE_M = 0.3
"""Nearer to the fence's line than this, somebody is neither inside nor outside."""


def sights(seed: int, count: int) -> Iterator[Seen]:
    """`count` windows of pictures."""
    rng = np.random.default_rng((seed, 1))
    stage = random_stage(rng)
    for number in range(count):
        if number % STAGE_WINDOWS == 0:
            stage = random_stage(rng)
        stage = replace(stage, fire_at=fire_spot(rng, stage.cell), clothes=(clothes(rng), clothes(rng)), truck=truck(rng))
        yield _sight(rng, stage)


def _sight(rng: np.random.Generator, stage: Stage) -> Seen:
    """One window on `stage`."""
    start = BEFORE_S + float(rng.uniform(0, 10))
    acts = (*_person(rng, stage.cell, start), *_forklift(rng, stage.cell, start), *_burning(rng, start))
    timeline = Timeline(length_s=start + WINDOW_S, acts=acts)
    painter = Painter(stage, timeline, int(rng.integers(1 << 30)))
    times = tuple(start + at for at in FRAME_TIMES_S)
    scene = Scene(stage=stage, timeline=timeline, painter=painter)
    frames = [camera_wear(rng, painter.picture(at)) for at in times]
    whole = (0.0, 0.0, float(stage.camera.width), float(stage.camera.height))
    zone = zone_of(stage.camera, stage.cell, rng.uniform(-8, 8, 4))
    truth = [[_facts(scene, at, view) for at in times] for view in (whole, zone)]
    return Seen(
        hall=np.stack([shrink(frame, whole, HALL_SIZE) for frame in frames]),
        cell=np.stack([shrink(frame, zone, CELL_SIZE) for frame in frames]),
        hall_truth=_over_window(truth[0]),
        cell_truth=_over_window(truth[1]),
        hall_map=scene.map(times, whole, HALL_SIZE),
        cell_map=scene.map(times, zone, CELL_SIZE),
    )


def zone_of(camera: Camera, cell: hall.Cell, jitter: npt.ArrayLike = (0, 0, 0, 0)) -> Span:
    """The picture's part that shows the cell: its fence, its press and those inside."""
    corners = [(x, y, z) for x in (cell.left_m, cell.right_m) for y in (0.0, 3.0) for z in (cell.front_m, cell.back_m)]
    flat = camera.project(corners)
    move = np.asarray(jitter, np.float64)
    left, top = np.maximum(flat.min(0) - 10 + move[:2], 0)
    right, bottom = np.minimum(flat.max(0) + 10 + move[2:], (camera.width, camera.height))
    return float(left), float(top), float(right), float(bottom)


def shrink(frame: Picture, span: Span, size: tuple[int, int]) -> Picture:
    """The part of `frame` inside `span` at the model's size."""
    left, top, right, bottom = (round(edge) for edge in span)
    small = cv2.resize(frame[top:bottom, left:right], (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def camera_wear(rng: np.random.Generator, frame: Picture) -> Picture:
    """What a lossy codec does to a frame, near enough: blocks of an eighth of its detail."""
    if rng.random() < 0.5:
        return frame
    _, packed = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 95))])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _person(rng: np.random.Generator, cell: hall.Cell, start_s: float) -> Iterator[Act]:
    """Nobody, somebody inside or outside, or somebody on the way in or out; now and then two."""
    for likely in (0.72, 0.15):
        if rng.random() < likely:
            kind = rng.choice(["inside", "outside", "aisle", "gate"], p=[0.34, 0.2, 0.34, 0.12])
            spots = {"inside": _inside, "outside": _outside, "aisle": _aisle, "gate": _gate}[str(kind)](rng, cell)
            yield _stroll(rng, spots, start_s)


Spots = list[tuple[float, float]]


def _inside(rng: np.random.Generator, cell: hall.Cell) -> Spots:
    return [(float(rng.uniform(cell.left_m + 0.4, cell.right_m - 0.4)), float(rng.uniform(cell.front_m + 0.4, cell.back_m - 1.8))) for _ in range(3)]


def _outside(rng: np.random.Generator, cell: hall.Cell) -> Spots:
    edge = (abs(cell.inner_side_m) - 0.5) * side(cell)
    far = -6.3 * side(cell)
    return [(float(rng.uniform(min(edge, far), max(edge, far))), float(rng.uniform(6.6, 14.8))) for _ in range(3)]


def _aisle(rng: np.random.Generator, cell: hall.Cell) -> Spots:
    """Along the front of the fence, or anywhere across the hall."""
    low, high = (cell.left_m - 1.0, cell.right_m + 0.8) if rng.random() < 0.65 else (-7.5, 7.5)
    return [(float(x), float(rng.uniform(7.2, cell.front_m - 0.45))) for x in rng.uniform(low, high, 2)]


def _gate(rng: np.random.Generator, cell: hall.Cell) -> Spots:
    gate = cell.inner_side_m + 0.65 * cell.outwards
    spots = [(float(rng.uniform(-6, 6)), float(rng.uniform(7.0, 8.6))), (gate, cell.front_m - 0.8), (gate, cell.front_m + 0.9), _inside(rng, cell)[0]]
    return spots if rng.random() < 0.5 else spots[::-1]


def _stroll(rng: np.random.Generator, spots: Spots, start_s: float) -> Act:
    """A walk over `spots`, of which the window shows any part; it may stand a while, and begin or end in the window."""
    speed, at, path = float(rng.uniform(0.8, 2.1)), 0.0, list[Waypoint]()
    for number, (x, z) in enumerate(spots):
        if number:
            at += float(np.hypot(x - path[-1][1], z - path[-1][2])) / speed + 0.01
        path.append((at, x, z))
        if rng.random() < 0.4:
            at += float(rng.uniform(0.5, 5.0))
            path.append((at, x, z))
    path.append((at + 0.01, *spots[-1]))
    return walk(Kind.PERSON, start_s + float(rng.uniform(-at, WINDOW_S - 0.5)), *path)


def _forklift(rng: np.random.Generator, cell: hall.Cell, start_s: float) -> Iterator[Act]:
    """A forklift in about a third of the windows."""
    if rng.random() < 0.36:
        z, speed = float(rng.uniform(6.9, cell.front_m - 1.1)), float(rng.uniform(1.5, 4.2))
        spots: Spots = [(-10.0, z), (10.0, float(z + rng.uniform(-0.2, 0.2)))]
        if rng.random() < 0.25:
            x = -float(rng.uniform(0.0, 4.5)) * side(cell)
            spots = [(x, 5.0), (x, 14.0)]
        if rng.random() < 0.5:
            spots = spots[::-1]
        length = float(np.hypot(spots[1][0] - spots[0][0], spots[1][1] - spots[0][1])) / speed
        yield walk(Kind.FORKLIFT, start_s - float(rng.uniform(-2.5, length)), (0.0, *spots[0]), (length, *spots[1]))


def _burning(rng: np.random.Generator, start_s: float) -> Iterator[Act]:
    """Smoke, flames, both or neither; and the door."""
    for kind, likely in ((Kind.SMOKE, 0.28), (Kind.FLAME, 0.24), (Kind.DOOR, 0.38)):
        if rng.random() < likely:
            begin = start_s + float(rng.uniform(-7, 3.5))
            yield Act(kind=kind, start_s=begin, end_s=begin + float(rng.uniform(2.5, 10)))


def _facts(scene: Scene, at_s: float, view: Span) -> dict[Fact, Label]:
    """What one frame shows inside `view`."""
    stage, timeline, painter = scene.stage, scene.timeline, scene.painter
    people = [act.place(at_s) for act in timeline.of(Kind.PERSON) if act.runs(at_s)]
    seen = [share(outline(stage.camera, place), view, 0.4) for place in people]
    deep = [depth(stage.cell, place) for place in people]
    trucks = [share(hull(stage.camera, act, at_s), view, 0.35) for act in timeline.of(Kind.FORKLIFT) if act.runs(at_s)]
    door = max((min(at_s - act.start_s, act.end_s - at_s) for act in timeline.of(Kind.DOOR)), default=-1.0)
    return {
        Fact.INSIDE: any_of(_side_of(one, far) for one, far in zip(seen, deep, strict=True)),
        Fact.OUTSIDE: any_of(_side_of(one, -far) for one, far in zip(seen, deep, strict=True)),
        Fact.PERSON: any_of(seen),
        Fact.FORKLIFT: any_of(trucks),
        Fact.SMOKE: area(1 - np.exp(-2.0 * painter.smoke_density(at_s)), view, 0.35, 22),
        Fact.FLAME: area(painter.heat(at_s), view, 0.75, 7),
        Fact.DOOR: True if door >= 0.4 else False if door <= 0 else None,
    }


def _over_window(frames: list[dict[Fact, Label]]) -> dict[Fact, Label]:
    """Yes where one frame shows it clearly, no where none shows a trace, else unknown."""
    return {fact: any_of(frame[fact] for frame in frames) for fact in frames[0]}


def _side_of(seen: Label, beyond_m: float) -> Label:
    """Whether somebody seen so is clearly on the side of the fence that they are `beyond_m` deep in."""
    if seen is False or beyond_m < -GATE_M:
        return False
    return seen if beyond_m > GATE_M else None
