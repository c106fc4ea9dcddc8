"""Signs that the camera itself is not as it was: covered or out of focus, frozen, moved. It knows no zones and raises no alarm."""

from dataclasses import dataclass

import cv2
import numpy as np

from sensors.background import Levels, Luma, edges, recognised

USUAL_S = 600.0
"""Time constant with which the camera's usual detail, noise and outlook are learnt."""
SETTLE_S = 5.0
"""After so long the first impression counts."""
NOISE_LEVELS = 6
"""Edges below this many luma levels are noise or compression, not detail."""
LOOK_EVERY_S = 1.0
"""Detail and outlook are looked at so often: they change slowly and cost more than the rest."""
COVERED = 0.5
"""A camera that is covered so far is not asked where it looks."""
RECOGNISED = 0.5
"""The outlook is where it was while so large a share of its strong edges is still in place, whoever stands in front of the rest."""
HELD_S = 3.0
"""A camera has been moved when its outlook is found elsewhere for so long: a truck passes, a knock stays."""
LOST_S = 30.0
"""It looks somewhere else altogether when nothing of its outlook was recognised for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """What was found at one frame. Units as in `sensors.cues`."""

    covered: float
    frozen_s: float
    moved: float


class Tamper:
    """The memory of one camera's usual detail, noise and outlook."""

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self._age_s = 0.0
        self._usual_detail = 0.0
        self._usual_noise = 0.0
        self._rows: Luma | None = None
        self._covered = 0.0
        self._frozen_s = 0.0
        self._outlook: Levels | None = None
        self._until_look_s = 0.0
        self._found_s = 0.0
        self._lost_s = 0.0
        self._moved = 0.0

    def see(self, luma: Luma, small: Luma, passed_s: float) -> Tampering:
        """Fold one frame, whole and reduced."""
        self._see_noise(luma, passed_s)
        self._until_look_s -= passed_s
        if self._until_look_s <= 0.0:
            self._until_look_s = LOOK_EVERY_S
            self._see_detail(luma, small.shape)
            self._see_outlook(small)
        self._age_s += passed_s
        return Tampering(covered=self._covered, frozen_s=self._frozen_s, moved=self._moved)

    def _rate(self, passed_s: float) -> float:
        """How much the newest counts: a plain average at first, then a slow one."""
        return passed_s / min(USUAL_S, self._age_s + passed_s) if passed_s else 1.0

    def _see_detail(self, luma: Luma, small: tuple[int, ...]) -> None:
        """Edges in relation to the light there is, so that a lamp that is switched off covers nothing.

        At twice the reduced size: lost focus takes the finest detail first.
        """
        half = np.asarray(cv2.resize(luma, (2 * small[1], 2 * small[0]), interpolation=cv2.INTER_AREA), np.uint8)
        above = np.maximum(edges(half), NOISE_LEVELS) - np.uint8(NOISE_LEVELS)
        detail = float(above.mean()) / (float(half.mean()) + 8.0)
        settled = self._age_s >= SETTLE_S and self._usual_detail > 0.0
        self._covered = 1.0 - min(1.0, detail / self._usual_detail) if settled else 0.0
        self._usual_detail += (detail - self._usual_detail) * self._rate(LOOK_EVERY_S)

    def _see_noise(self, luma: Luma, passed_s: float) -> None:
        """Compare every eighth row bit by bit; a step far below this camera's usual noise is an encoder's ripple on a frozen picture."""
        rows = luma[::8].copy()
        if self._rows is None or self._rows.shape != rows.shape:
            self._rows = rows
            return
        step = float(cv2.norm(rows, self._rows, cv2.NORM_L1)) / rows.size
        self._frozen_s = self._frozen_s + passed_s if step <= 0.05 * self._usual_noise or step == 0.0 else 0.0
        self._usual_noise += (step - self._usual_noise) * self._rate(passed_s)
        self._rows = rows

    def _see_outlook(self, small: Luma) -> None:
        outline = edges(small).astype(np.float32)
        if self._outlook is None or self._outlook.shape != outline.shape:
            self._outlook = outline
            return
        if self._covered > COVERED or recognised(outline, self._outlook) > RECOGNISED:
            self._outlook += (outline - self._outlook) * np.float32(self._rate(LOOK_EVERY_S))
            self._moved, self._found_s, self._lost_s = 0.0, 0.0, 0.0
            return
        distance = _displacement(self._outlook, outline)
        self._found_s = self._found_s + LOOK_EVERY_S if distance else 0.0
        self._lost_s = 0.0 if distance else self._lost_s + LOOK_EVERY_S
        if distance and self._found_s >= HELD_S:
            self._moved = distance
        elif self._lost_s >= LOST_S:
            self._moved = 1.0


def _displacement(before: Levels, now: Levels) -> float:
    """How far `now` is displaced against `before`, in shares of the width; 0 where it is not found anywhere."""
    height, width = before.shape
    window = np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
    (right, down), _ = cv2.phaseCorrelate(before, now, window)
    shift = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
    there = np.asarray(cv2.warpAffine(before, shift, (width, height)), np.float32)
    return float(np.hypot(right, down)) / width if recognised(now, there) > RECOGNISED else 0.0
