"""Smoke and flames as clouds of soft puffs, each a function of its own age. It knows when to burn only from its caller."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from appliance.demo.brush import Picture
from appliance.demo.camera import Camera

Field = npt.NDArray[np.float32]

SMOKE_LIFE_S = 4.0
SMOKE_EVERY_S = 0.11
FLAME_LIFE_S = 0.9
FLAME_EVERY_S = 0.02
COARSE = 4
"""Clouds are computed on every fourth pixel: they have no edges that would show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Puff:
    """A soft disc in the picture."""

    u: float
    v: float
    radius_px: float
    weight: float


def _born(now_s: float, span: tuple[float, float], every_s: float, life_s: float) -> range:
    """The numbers of the puffs that are alive at `now_s` of a source that works over `span`."""
    start_s, end_s = span
    first = max(0, int(np.ceil((now_s - life_s - start_s) / every_s)))
    last = int(np.floor((min(now_s, end_s) - start_s) / every_s))
    return range(first, last + 1)


def _dice(seed: int, number: int) -> npt.NDArray[np.float64]:
    """Four numbers in 0..1 that belong to one puff for ever."""
    mixed = np.array([(number * 2654435761 + seed * 40503 + k * 97531) % 1_000_003 for k in range(4)], np.float64)
    return (np.sin(mixed * 12.9898) * 43758.5453) % 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that burns at x, y, z (metres) from span[0] to span[1] (seconds)."""

    camera: Camera
    at: tuple[float, float, float]
    span: tuple[float, float]
    seed: int


def smoke_puffs(source: Source, now_s: float) -> list[Puff]:
    """The smoke of a source at `now_s`."""
    puffs, at, span, camera = [], source.at, source.span, source.camera
    for number in _born(now_s, span, SMOKE_EVERY_S, SMOKE_LIFE_S):
        age = now_s - span[0] - number * SMOKE_EVERY_S
        a, b, c, d = _dice(source.seed, number)
        up = at[1] + 0.2 + (0.7 + 0.35 * a) * age
        drift = (b - 0.5) * (0.5 + 0.25 * age) + 0.22 * age + 0.22 * np.sin(1.7 * age + 6 * c)
        u, v = camera.project((at[0] + drift, up, at[2]))[0]
        radius = (0.2 + 0.17 * age + 0.16 * d) * camera.scale(at[0], at[2])
        fade = min(1.0, age / 0.5) * (1 - age / SMOKE_LIFE_S)
        puffs.append(Puff(u=float(u), v=float(v), radius_px=radius, weight=(0.55 + 0.5 * c) * fade))
    return puffs


def flame_puffs(source: Source, now_s: float) -> list[Puff]:
    """The tongues of a fire at `now_s`; it takes a second to grow."""
    puffs, at, span, camera = [], source.at, source.span, source.camera
    for number in _born(now_s, span, FLAME_EVERY_S, FLAME_LIFE_S):
        born = number * FLAME_EVERY_S
        age = (now_s - span[0] - born) / FLAME_LIFE_S
        a, b, c, _ = _dice(source.seed + 1, number)
        grown = min(1.0, 0.35 + born / 1.2)
        across = (a - 0.5) * 0.95 * grown * (1 - 0.8 * age) + 0.1 * age * np.sin(11 * now_s + 6 * b)
        u, v = camera.project((at[0] + across, at[1] + grown * 1.75 * age * (0.35 + 0.65 * c) * (1.2 - abs(a - 0.5)), at[2]))[0]
        radius = 0.17 * grown * (1 - 0.7 * age) * camera.scale(at[0], at[2])
        puffs.append(Puff(u=float(u), v=float(v), radius_px=max(radius, 1.0), weight=0.62 * (1 - 0.55 * age)))
    return puffs


def cloud(puffs: list[Puff], camera: Camera, stretch: float = 1.0) -> Field:
    """The puffs' sum on every fourth pixel, float32[height / 4, width / 4]; `stretch` over 1 makes them taller."""
    height, width = camera.height // COARSE, camera.width // COARSE
    field = np.zeros((height, width), np.float32)
    for puff in puffs:
        u, v, reach = puff.u / COARSE, puff.v / COARSE, puff.radius_px / COARSE
        left, right = max(0, int(u - 2.2 * reach)), min(width, int(u + 2.2 * reach) + 2)
        top, bottom = max(0, int(v - 2.2 * reach * stretch)), min(height, int(v + 2.2 * reach * stretch) + 2)
        if right <= left or bottom <= top:
            continue
        across = np.exp(-(((np.arange(left, right) - u) / reach) ** 2)).astype(np.float32)
        down = np.exp(-(((np.arange(top, bottom) - v) / (reach * stretch)) ** 2)).astype(np.float32)
        field[top:bottom, left:right] += puff.weight * down[:, None] * across
    return field


def smoke(picture: Picture, density: Field, tone: float) -> None:
    """Lay smoke of `tone` (0..255) over `picture`, in place."""
    full = cv2.resize(1 - np.exp(-2.0 * density), (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.flatnonzero(full.max(1) > 0.01), np.flatnonzero(full.max(0) > 0.01)
    if not len(rows):
        return
    where = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    veil = np.clip(full[where], 0, 0.93)[..., None]
    lit = tone * (1.06 - 0.22 * veil)
    picture[where] = (picture[where] * (1 - veil) + lit * veil * np.array([1.0, 1.0, 1.02], np.float32)).astype(np.uint8)


def flame(picture: Picture, heat: Field) -> None:
    """Let a fire of `heat` shine over `picture`, in place."""
    size = (picture.shape[1], picture.shape[0])
    glow = cv2.resize(cv2.GaussianBlur(heat, (0, 0), 9), size, interpolation=cv2.INTER_LINEAR)[..., None]
    full = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC)
    body = np.clip((full - 0.35) * 2.2, 0, 1)[..., None]
    colour = np.stack([np.clip(120 + 190 * full, 0, 255), np.clip(230 * (full - 0.3), 0, 245), np.clip(200 * (full - 1.35), 0, 190)], 2)
    light = picture + glow * np.array([130.0, 62.0, 14.0], np.float32)
    picture[:] = np.clip(light * (1 - body) + colour * body, 0, 255).astype(np.uint8)
