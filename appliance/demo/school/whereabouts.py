"""Where in a view each thing is, token by token: what a lesson can point at while it says what is there. It knows the renderer, and no model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from appliance.demo import fire
from appliance.demo.camera import Camera, Points
from appliance.demo.hall import DEPTH_M, DOOR_HEIGHT_M, DOOR_WIDTH_M, Cell
from appliance.demo.scene import Painter, Stage
from appliance.demo.school.questions import SIGHT, Fact
from appliance.demo.solids import Pose
from appliance.demo.timeline import Act, Kind, Timeline

Span = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
Map = npt.NDArray[np.int8]
TOKEN = 32
MUCH, TRACE = 0.025, 0.004
"""Shares of a token's area from which a thing counts as there, and under which as not there."""
HERE, UNSURE = 1, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A timeline on its stage, and its painter."""

    stage: Stage
    timeline: Timeline
    painter: Painter

    def map(self, times: tuple[float, ...], view: Span, size: tuple[int, int]) -> Map:
        """int8[pairs, rows, columns, facts]: 1 here, 0 not here, -1 too little to say; a pair counts with either of its frames."""
        shares = np.stack([self._frame(at, view, size) for at in times])
        most = shares.reshape(len(times) // 2, 2, *shares.shape[1:]).max(1)
        return np.where(most >= MUCH, HERE, np.where(most <= TRACE, 0, UNSURE)).astype(np.int8)

    def _frame(self, at_s: float, view: Span, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        rows, columns = size[0] // TOKEN, size[1] // TOKEN
        camera = self.stage.camera
        out = np.zeros((rows, columns, len(SIGHT)), np.float32)
        for fact, box in self._boxes(at_s):
            canvas = np.zeros((camera.height, camera.width), np.float32)
            left, top, right, bottom = (max(0, round(edge)) for edge in box)
            canvas[top:bottom, left:right] = 1
            out[..., SIGHT.index(fact)] = np.maximum(out[..., SIGHT.index(fact)], _cut(canvas, view, (columns, rows)))
        clouds = ((Fact.SMOKE, 1 - np.exp(-2.0 * self.painter.smoke_density(at_s)), 0.35), (Fact.FLAME, self.painter.heat(at_s), 0.75))
        for fact, field, level in clouds:
            thick = cv2.resize((field > level).astype(np.float32), (camera.width, camera.height), interpolation=cv2.INTER_NEAREST)
            out[..., SIGHT.index(fact)] = _cut(np.asarray(thick, np.float32), view, (columns, rows))
        return out

    def _boxes(self, at_s: float) -> Iterator[tuple[Fact, Span]]:
        """The rectangle of everybody and everything that has one."""
        camera, cell = self.stage.camera, self.stage.cell
        for act in self.timeline.of(Kind.PERSON):
            if act.runs(at_s):
                box = _around(outline(camera, act.place(at_s)))
                yield Fact.PERSON, box
                yield Fact.INSIDE if depth(cell, act.place(at_s)) > 0 else Fact.OUTSIDE, box
        for act in self.timeline.of(Kind.FORKLIFT):
            if act.runs(at_s):
                yield Fact.FORKLIFT, _around(hull(camera, act, at_s))
        left = self.stage.look.door_m
        for act in self.timeline.of(Kind.DOOR):
            ajar = min(at_s - act.start_s, act.end_s - at_s, 1.0)
            if ajar > 0:
                corners = [(x, y, DEPTH_M) for x in (left, left + DOOR_WIDTH_M * ajar) for y in (0.0, DOOR_HEIGHT_M)]
                yield Fact.DOOR, _around(camera.project(corners))


def depth(cell: Cell, place: tuple[float, float]) -> float:
    """How far inside the fence, in metres; negative outside."""
    return min(place[0] - cell.left_m, cell.right_m - place[0], place[1] - cell.front_m, cell.back_m - place[1])


def outline(camera: Camera, place: tuple[float, float]) -> Points:
    """The corners of the upright rectangle that somebody fills."""
    x, z = place
    return camera.project([(x + side, y, z) for side in (-0.25, 0.25) for y in (0.0, 1.75)])


def hull(camera: Camera, act: Act, at_s: float) -> Points:
    """The corners of the box that a forklift fills, without its forks."""
    along, away = act.course(at_s)
    x, z = act.place(at_s)
    pose = Pose(x_m=x, z_m=z, heading_rad=float(np.arctan2(away, along)))
    return camera.project(pose.place(np.array([(x, y, z) for x in (-1.4, 0.6) for y in (0.0, 2.1) for z in (-0.55, 0.55)], np.float64)))


def share(points: Points, view: Span, enough: float) -> bool | None:
    """Whether `enough` of a thing's rectangle lies inside the view; None where only a little does."""
    left, top, right, bottom = _around(points)
    wide, tall = min(right, view[2]) - max(left, view[0]), min(bottom, view[3]) - max(top, view[1])
    if wide <= 0 or tall <= 0:
        return False
    return True if wide * tall >= enough * (right - left) * (bottom - top) else None


def area(field: fire.Field, view: Span, level: float, cells: int) -> bool | None:
    """Whether a cloud is over `level` on enough of the view; None where there is a trace of it."""
    left, top, right, bottom = (round(edge / fire.COARSE) for edge in view)
    part = field[top:bottom, left:right]
    if int((part > level).sum()) >= cells:
        return True
    return None if part.size and float(part.max()) > level / 6 else False


def any_of(labels: Iterable[bool | None]) -> bool | None:
    """Yes where one is, no where all are, else unknown."""
    known = list(labels)
    if True in known:
        return True
    return None if None in known else False


def _around(points: Points) -> Span:
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return float(left), float(top), float(right), float(bottom)


def _cut(canvas: npt.NDArray[np.float32], view: Span, grid: tuple[int, int]) -> npt.NDArray[np.float32]:
    left, top, right, bottom = (round(edge) for edge in view)
    return np.asarray(cv2.resize(canvas[top:bottom, left:right], grid, interpolation=cv2.INTER_AREA), np.float32)
