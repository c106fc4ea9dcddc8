"""Those who move in the hall: people, a forklift, the press's ram, the door. Each is drawn from a few numbers; none knows what time it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.demo.brush import Brush, Colour, Picture, each, mix, shade, shadow
from appliance.demo.camera import Camera
from appliance.demo.hall import DEPTH_M, DOOR_HEIGHT_M, DOOR_WIDTH_M, Cell, Look, press_pose
from appliance.demo.solids import Box, Pose, faces

Spot = Callable[[float, float], tuple[float, float]]
"""Metres right of and above the feet, as a picture position."""
STEP_M = 0.75
"""One step of a walking person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clothes:
    """What somebody wears, and how tall they are."""

    vest: Colour = (240, 110, 24)
    helmet: Colour = (245, 245, 240)
    trousers: Colour = (44, 56, 84)
    skin: Colour = (206, 158, 126)
    height_m: float = 1.78


def person(picture: Picture, camera: Camera, at: tuple[float, float], *, walked_m: float, heading: float, clothes: Clothes) -> None:
    """Somebody at floor position `at` who has walked so far; `heading` is -1 (left) to 1 (right), 0 towards or away from the camera."""
    foot = camera.project((at[0], 0.0, at[1]))[0]
    size = camera.scale(*at) * clothes.height_m / 1.78
    _puddle(picture, camera, at, 0.34)
    side = float(np.sign(heading)) or 1.0
    stretch = 0.35 + 0.65 * abs(heading)
    swing = 0.55 * np.sin(np.pi * walked_m / STEP_M)
    bounce = 0.03 * abs(np.cos(np.pi * walked_m / STEP_M))

    def spot(right: float, up: float) -> tuple[float, float]:
        return float(foot[0] + right * size * side), float(foot[1] - (up + bounce) * size)

    brush = Brush()
    hips, neck = (0.0, 0.92), (0.03 * stretch, 1.44)
    dark = shade(clothes.trousers, 0.75)
    _arm(brush, spot, size, (neck[0] - 0.02, neck[1] - 0.06), swing=swing * stretch, colour=shade(clothes.vest, 0.62))
    _leg(brush, spot, size, hips, swing=-swing * stretch, colour=dark)
    _leg(brush, spot, size, hips, swing=swing * stretch, colour=clothes.trousers)
    half = 0.19 - 0.03 * abs(heading)
    waist, shoulders = half * 0.85, half * 1.12
    torso = [spot(-waist, 0.86), spot(waist, 0.86), spot(shoulders + neck[0], 1.42), spot(neck[0], 1.5), spot(-shoulders + neck[0], 1.42)]
    brush.polygon(torso, clothes.vest)
    for low in (0.98, 1.16):
        band = [spot(-half * 0.92, low), spot(half * 0.92, low), spot(half * 0.95, low + 0.06), spot(-half * 0.95, low + 0.06)]
        brush.polygon(band, (226, 228, 214))
    _arm(brush, spot, size, (neck[0] + 0.02, neck[1] - 0.06), swing=-swing * stretch, colour=shade(clothes.vest, 0.85))
    head = spot(neck[0] + 0.03, 1.62)
    brush.line([spot(neck[0], 1.46), head], 0.1 * size, shade(clothes.skin, 0.8))
    brush.oval(head, (0.1 * size, 0.125 * size), clothes.skin)
    brush.oval((head[0], head[1] - 0.03 * size), (0.135 * size, 0.14 * size), clothes.helmet, (180.0, 360.0))
    brush.line([spot(neck[0] - 0.11, 1.645), spot(neck[0] + 0.2 * max(stretch, 0.75), 1.645)], 0.035 * size, shade(clothes.helmet, 0.9))
    brush.onto(picture)


def _leg(brush: Brush, spot: Spot, size: float, hip: tuple[float, float], *, swing: float, colour: Colour) -> None:
    """Thigh, shin and boot; the knee bends while the leg swings back."""
    knee = (hip[0] + 0.44 * np.sin(swing), hip[1] - 0.44 * np.cos(swing))
    bend = swing - max(0.0, -swing) * 0.9 - 0.06
    ankle = (knee[0] + 0.44 * np.sin(bend), knee[1] - 0.44 * np.cos(bend))
    brush.line([spot(*hip), spot(*knee)], 0.165 * size, colour)
    brush.line([spot(*knee), spot(*ankle)], 0.125 * size, colour)
    brush.line([spot(ankle[0] - 0.02, max(ankle[1] - 0.03, 0.03)), spot(ankle[0] + 0.12, max(ankle[1] - 0.03, 0.03))], 0.09 * size, (34, 32, 30))


def _arm(brush: Brush, spot: Spot, size: float, shoulder: tuple[float, float], *, swing: float, colour: Colour) -> None:
    """Upper arm, forearm and hand."""
    elbow = (shoulder[0] + 0.29 * np.sin(swing), shoulder[1] - 0.29 * np.cos(swing))
    wrist = (elbow[0] + 0.27 * np.sin(swing + 0.45), elbow[1] - 0.27 * np.cos(swing + 0.45))
    brush.line([spot(*shoulder), spot(*elbow), spot(*wrist)], 0.1 * size, colour)
    brush.oval(spot(*wrist), (0.055 * size, 0.055 * size), (196, 150, 120))


def _puddle(picture: Picture, camera: Camera, at: tuple[float, float], radius_m: float) -> None:
    """The shadow under something that stands."""
    angles = np.linspace(0, 2 * np.pi, 18)
    ring = np.stack([at[0] + 0.12 + 1.5 * radius_m * np.cos(angles), 0 * angles, at[1] + radius_m * np.sin(angles)], 1)
    shadow(picture, camera.project(ring), 0.5, 0.08 * camera.scale(*at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truck:
    """A forklift's paint and load."""

    body: Colour = (226, 150, 24)
    load: Colour | None = (170, 130, 84)


def forklift(picture: Picture, camera: Camera, pose: Pose, *, rolled_m: float, truck: Truck) -> None:
    """A driverless forklift with tinted glass at `pose`; its forks lie ahead along x."""
    hull = pose.place(np.array([(-1.5, 0, -0.7), (2.0, 0, -0.7), (2.0, 0, 0.8), (-1.5, 0, 0.8)], np.float64))
    shadow(picture, camera.project(hull), 0.55, 4)
    grey, dark, glass = (70, 72, 74), (38, 38, 40), (52, 66, 74)
    rear = [
        Box(low=(-1.4, 0.3, -0.55), high=(-0.75, 1.2, 0.55), colour=shade(truck.body, 0.85)),
        Box(low=(-0.75, 0.25, -0.55), high=(0.45, 0.95, 0.55), colour=truck.body),
        Box(low=(-0.7, 0.95, -0.48), high=(0.38, 1.95, 0.48), colour=glass),
        Box(low=(-0.8, 1.95, -0.55), high=(0.48, 2.07, 0.55), colour=dark),
    ]
    front = [Box(low=(0.5, 0.1, side), high=(0.62, 2.35, side + 0.1), colour=grey) for side in (-0.45, 0.35)]
    front += [Box(low=(0.62, 0.12, side), high=(1.75, 0.18, side + 0.14), colour=grey) for side in (-0.35, 0.2)]
    if truck.load:
        front += [
            Box(low=(0.66, 0.18, -0.55), high=(1.75, 0.3, 0.55), colour=(132, 98, 58)),
            Box(low=(0.7, 0.3, -0.5), high=(1.7, 1.15, 0.5), colour=truck.load),
        ]
    brush = Brush()
    ahead = pose.place(np.array([(2.0, 0.5, 0.0), (-2.0, 0.5, 0.0)], np.float64)) - camera.eye
    parts = (rear, front) if np.linalg.norm(ahead[0]) < np.linalg.norm(ahead[1]) else (front, rear)
    sides = np.linalg.norm(pose.place(np.array([(0.0, 0.0, -0.57), (0.0, 0.0, 0.57)])) - camera.eye, axis=1)
    near = -0.57 if sides[0] < sides[1] else 0.57
    _wheels(brush, camera, pose, rolled_m=rolled_m, side=-near)
    for boxes in parts:
        each(faces(boxes, pose, camera), brush)
    _wheels(brush, camera, pose, rolled_m=rolled_m, side=near)
    beacon = camera.project(pose.place(np.array([(-0.2, 2.08, 0.0)])))[0]
    lit = rolled_m % 1.2 < 0.6
    brush.oval((float(beacon[0]), float(beacon[1])), (3.2, 3.2), (255, 190, 60) if lit else (150, 90, 20))
    brush.onto(picture)


def _wheels(brush: Brush, camera: Camera, pose: Pose, *, rolled_m: float, side: float) -> None:
    """The two wheels of one side, with spokes that turn."""
    angles = np.linspace(0, 2 * np.pi, 20)
    for x, radius in ((-0.95, 0.3), (0.25, 0.33)):
        ring = np.stack([x + radius * np.cos(angles), radius + radius * np.sin(angles), np.full_like(angles, side)], 1)
        hub = np.stack([x + 0.5 * radius * np.cos(angles), radius + 0.5 * radius * np.sin(angles), np.full_like(angles, side)], 1)
        turn = -rolled_m / radius
        spoke = np.array([(x, radius, side), (x + 0.48 * radius * np.cos(turn), radius + 0.48 * radius * np.sin(turn), side)])
        brush.polygon(camera.project(pose.place(ring)), (26, 26, 28))
        brush.polygon(camera.project(pose.place(hub)), (150, 150, 146))
        brush.line(camera.project(pose.place(spoke)), 1.2, (60, 60, 60))


def ram(picture: Picture, camera: Camera, look: Look, cell: Cell, *, down: float) -> None:
    """The press's ram, `down` 0 (up) to 1 (on the die)."""
    pose, low = press_pose(cell), 1.55 - 0.72 * down
    boxes = [Box(low=(-0.55, 0.75, 0.1), high=(0.55, 0.86, 0.5), colour=(120, 122, 124))]
    boxes += [Box(low=(side - 0.08, low + 0.2, 0.2), high=(side + 0.08, 2.2, 0.36), colour=(196, 198, 200)) for side in (-0.35, 0.35)]
    boxes.append(Box(low=(-0.72, low, 0.02), high=(0.72, low + 0.3, 0.55), colour=mix(look.press, (210, 214, 216), 0.75)))
    brush = Brush()
    each(faces(boxes, pose, camera), brush)
    lamp = camera.project(pose.place(np.array([(1.0, 3.12, 0.2)])))[0]
    brush.oval((float(lamp[0]), float(lamp[1])), (2.6, 2.6), (70, 220, 110))
    brush.onto(picture)


def door(picture: Picture, camera: Camera, look: Look, opened: float) -> None:
    """The sliding door in the back wall, `opened` 0 to 1, with daylight behind it."""
    x0, x1, top, z = look.door_m, look.door_m + DOOR_WIDTH_M, DOOR_HEIGHT_M, DEPTH_M - 0.02
    edge = x0 + DOOR_WIDTH_M * opened
    brush = Brush()
    frame = [(x0 - 0.15, 0, z), (x1 + 0.15, 0, z), (x1 + 0.15, top + 0.15, z), (x0 - 0.15, top + 0.15, z)]
    brush.polygon(camera.project(frame), shade(look.trim, 0.6))
    if opened > 0.01:
        brush.polygon(camera.project([(x0, 0, z), (edge, 0, z), (edge, top, z), (x0, top, z)]), (226, 240, 250))
        brush.polygon(camera.project([(x0, 0, z), (edge, 0, z), (edge, 1.0, z), (x0, 1.0, z)]), (176, 196, 166))
        brush.polygon(camera.project([(x0, 1.0, z), (edge, 1.0, z), (edge, 1.25, z), (x0, 1.25, z)]), (120, 150, 110))
    brush.polygon(camera.project([(edge, 0, z), (x1, 0, z), (x1, top, z), (edge, top, z)]), look.leaf)
    for level in np.arange(0.35, top, 0.42):
        brush.line(camera.project([(edge, level, z), (x1, level, z)]), 0.7, shade(look.leaf, 0.8))
    if opened < 0.9:
        band = camera.project([(edge + 0.05, 1.5, z), (x1 - 0.05, 1.5, z), (x1 - 0.05, 1.75, z), (edge + 0.05, 1.75, z)])
        brush.polygon(band, shade(look.leaf, 1.35))
    brush.onto(picture)
    if opened > 0.05:
        spill = Brush()
        spill.polygon(camera.project([(x0, 0, z), (edge, 0, z), (edge + 0.6, 0, z - 3.0 * opened), (x0 - 0.6, 0, z - 3.0 * opened)]), (236, 240, 236))
        spill.onto(picture, 0.35)
