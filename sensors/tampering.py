"""Signs that the camera itself is not as it was: covered or out of focus, frozen, moved. It knows no zones and raises no alarm."""

from dataclasses import dataclass

import cv2
import numpy as np

from sensors.background import Levels, Luma, edges, usual_edge

USUAL_S = 600.0
"""Time constant with which the camera's usual detail, noise and outlook are learnt."""
SETTLE_S = 5.0
"""After so long the first impression counts."""
NOISE_LEVELS = 6.0
"""Edges below this many luma levels are noise or compression, not detail."""
LOOK_EVERY_S = 1.0
"""Detail is looked at so often: it changes slowly and costs more than the rest."""
SEARCH_EVERY_S = 3.0
"""A displaced outlook is searched for so often, and believed when it was found twice: a truck passes, a knock stays."""
IN_PLACE = 0.8
"""Over this correlation with its history the outlook is where it was, and nothing is searched."""
FOUND = 0.5
BETTER = 0.15
"""The outlook is found elsewhere when its correlation there is over the first and by the second better than in its old place."""
LOST = 0.3
"""Under this, and with detail enough to tell, nothing of the outlook is anywhere near."""
LOST_S = 30.0
"""It looks somewhere else altogether when nothing was found for so long."""
TEXTURE_LEVELS = 3.0
"""A picture with less detail than this (standard deviation) could be anywhere: a cover, fog, night."""
REACH = 0.2
"""Displacements up to this share of each side are found."""
ADOPT_S = 300.0
"""After so long a new outlook is the camera's own."""

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
        self._until_look_s = 0.0
        self._usual_detail = 0.0
        self._covered = 0.0
        self._usual_noise = 0.0
        self._rows: Luma | None = None
        self._frozen_s = 0.0
        self._outlook = _Outlook()

    def see(self, luma: Luma, small: Luma, passed_s: float) -> Tampering:
        """Fold one frame, whole and reduced."""
        self._see_noise(luma, passed_s)
        self._until_look_s -= passed_s
        if self._until_look_s <= 0.0:
            self._until_look_s = LOOK_EVERY_S
            self._see_detail(luma, small.shape)
            self._outlook.see(small, self._rate(LOOK_EVERY_S))
        self._age_s += passed_s
        return Tampering(covered=self._covered, frozen_s=self._frozen_s, moved=self._outlook.moved)

    def _rate(self, passed_s: float) -> float:
        """How much the newest counts: a plain average at first, then a slow one."""
        return passed_s / min(USUAL_S, self._age_s + passed_s) if passed_s else 1.0

    def _see_detail(self, luma: Luma, small: tuple[int, ...]) -> None:
        """Edges in relation to the light there is, so that a lamp that is switched off covers nothing.

        At twice the reduced size: lost focus takes the finest detail first.
        """
        half = np.asarray(cv2.resize(luma, (2 * small[1], 2 * small[0]), interpolation=cv2.INTER_AREA), np.uint8)
        edge = edges(half)
        noise = np.uint8(min(255.0, max(NOISE_LEVELS, 1.5 * usual_edge(edge))))
        detail = float((np.maximum(edge, noise) - noise).mean()) / (float(half.mean()) + 8.0)
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


class _Outlook:
    """Where a camera usually looks, and whether it still does."""

    def __init__(self) -> None:
        self.moved = 0.0
        self._usual: Levels = np.zeros((0, 0), np.float32)
        self._until_search_s = 0.0
        self._found = 0
        self._lost_s = 0.0
        self._moved_s = 0.0

    def see(self, small: Luma, rate: float) -> None:
        """Fold one picture, about once a second."""
        now = small.astype(np.float32)
        now -= cv2.blur(now, (9, 9))
        if not self._usual.size or self._moved_s > ADOPT_S:
            self._settle(now)
        self._moved_s = self._moved_s + LOOK_EVERY_S if self.moved else 0.0
        if float(now.std()) < TEXTURE_LEVELS:
            return
        here = _correlation(now, self._usual)
        if here > IN_PLACE:
            self._usual += (now - self._usual) * np.float32(rate)
            self.moved, self._found, self._lost_s = 0.0, 0, 0.0
            return
        self._until_search_s -= LOOK_EVERY_S
        if self._until_search_s <= 0.0:
            self._until_search_s = SEARCH_EVERY_S
            self._search(now, here)

    def _settle(self, now: Levels) -> None:
        self._usual = now.copy()
        self.moved, self._found, self._lost_s, self._moved_s = 0.0, 0, 0.0, 0.0

    def _search(self, now: Levels, here: float) -> None:
        distance, likeness = _displacement(self._usual, now)
        displaced = likeness > FOUND and likeness > here + BETTER
        self._found = self._found + 1 if displaced else 0
        self._lost_s = self._lost_s + SEARCH_EVERY_S if max(likeness, here) < LOST else 0.0
        if self._found >= 2:
            self.moved = distance
        elif self._lost_s >= LOST_S:
            self.moved = 1.0
        elif not displaced and here > FOUND:
            self.moved = 0.0


def _correlation(one: Levels, other: Levels) -> float:
    return float(cv2.matchTemplate(one, other, cv2.TM_CCORR_NORMED)[0, 0])


def _displacement(before: Levels, now: Levels) -> tuple[float, float]:
    """How far the middle of `before` is displaced in `now`, in shares of the width, and how like it is there."""
    height, width = before.shape
    down, right = round(height * REACH), round(width * REACH)
    middle = before[down : height - down, right : width - right]
    _, likeness, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(now, middle, cv2.TM_CCORR_NORMED))
    return float(np.hypot(x - right, y - down)) / width, float(likeness)
