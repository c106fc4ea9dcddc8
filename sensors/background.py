"""The slowly learnt background of a still camera, and what differs from it. It knows neither zones nor what a difference means.

Four things look like a difference and are none. A change of exposure or light is the same picture under another gain: it is
fitted and taken out, and where the fit cannot follow a lamp that was switched, the background is taken over at once. A soft
shadow or a drifting patch of light makes no new edges. A ghost (somebody who was learnt into the background has left) has its
edges in the background and not in the picture. And whatever stays for `ABSORB_S` belongs to the place by then.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Levels = NDArray[np.float32]
Mask = NDArray[np.uint8]

ABSORB_S = 300.0
"""A difference that stays for so long is part of the place: a parked pallet, a chair that was moved."""
GHOST_S = 2.0
"""A still difference whose edges lie in the background is a ghost after so long."""
SOFT_S = 4.0
"""A difference without edges (a shadow, a reflex) is learnt within about so long."""
LEARN_S = 20.0
"""Time constant with which unchanged pixels follow the picture."""
SPREAD_S = 30.0
"""Time constant of each pixel's usual deviation (noise, a flickering screen, leaves)."""
SMALLEST = 12
"""Pixels of the reduced picture; a smaller difference is noise."""
LIGHT_SHARE = 0.3
"""A sudden difference over more than this share, with the edges where they were, is light."""

_SQUARE = np.ones((3, 3), np.uint8)


def edges(luma: Luma) -> Luma:
    """How strong an edge lies within a pixel of each pixel, in luma levels."""
    return np.asarray(cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, _SQUARE), np.uint8)


def gain(now: Levels, before: Levels) -> float:
    """By what factor the light has changed, by the median of a sample: a person in the picture does not sway it."""
    return float(np.median((now[::3, ::3] + 4.0) / (before[::3, ::3] + 4.0)))


def same_place(now: Luma, before: Luma, factor: float) -> bool:
    """Whether most of the strong edges of `before` are still where they were, after the light changed by `factor`."""
    strong = before > max(16.0, float(before.mean()) * 1.5)
    if np.count_nonzero(strong) < SMALLEST:
        return False
    kept = np.count_nonzero(now[strong] > 0.35 * min(factor, 1.0) * before[strong])
    return bool(kept > 0.7 * np.count_nonzero(strong))


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """Connected differences: a label for each pixel (0 is none), and for each label the mean edges that were won and lost along its rim."""

    labels: NDArray[np.int32]
    areas: NDArray[np.int32]
    won: NDArray[np.float64]
    lost: NDArray[np.float64]


def blobs(mask: Mask, now: Luma, before: Luma) -> Blobs:
    """The connected differences in `mask`, with the edges along their rims in the picture and in the background."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    labels = np.asarray(labels, np.int32)
    wide = np.asarray(cv2.dilate(labels.astype(np.uint16), _SQUARE), np.int32)
    rim = np.flatnonzero(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, _SQUARE))
    owner = wide.ravel()[rim]
    step = now.ravel()[rim].astype(np.float64) - before.ravel()[rim]
    sizes = np.maximum(np.bincount(owner, minlength=count), 1)
    won = np.bincount(owner, np.maximum(step, 0.0), minlength=count) / sizes
    lost = np.bincount(owner, np.maximum(-step, 0.0), minlength=count) / sizes
    return Blobs(labels, np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32), won, lost)


class Background:
    """The background of one camera, on the reduced picture."""

    def __init__(self, luma: Luma) -> None:
        """Begin with `luma` as what is usual."""
        self._relearn(luma)

    def _relearn(self, luma: Luma) -> None:
        self._usual: Levels = luma.astype(np.float32)
        self._spread: Levels = np.ones_like(self._usual)
        self._since: Levels = np.zeros_like(self._usual)
        self._ghost: Levels = np.zeros_like(self._usual)
        self.changed: Mask = np.zeros_like(luma)

    def forget(self, luma: Luma) -> None:
        """The camera looks elsewhere: begin again with `luma`."""
        self._relearn(luma)

    def see(self, luma: Luma, moving: Mask, passed_s: float) -> Mask:
        """Fold one picture that came `passed_s` after the last; the mask (0 or 1) of what differs from the background."""
        now = luma.astype(np.float32)
        self._follow_light(now)
        raw = self._differs(now)
        picture, place = edges(luma), edges(cv2.convertScaleAbs(self._usual))
        factor = gain(now, self._usual)
        if np.count_nonzero(raw) > LIGHT_SHARE * raw.size and same_place(picture, place, factor):
            self._take_over(now, factor)
            raw = self._differs(now)
            place = edges(cv2.convertScaleAbs(self._usual))
        solid, ghost, soft = self._sort(raw, picture, place, moving)
        self._age(solid, ghost, passed_s)
        self._learn(now, solid, soft, passed_s)
        self.changed = solid
        return solid

    def _follow_light(self, now: Levels) -> None:
        """Fit the exposure (a gain and an offset) where nothing is changed, and carry the whole background along."""
        usual = self._usual[::2, ::2]
        sample = now[::2, ::2]
        factor = gain(now, self._usual)
        fits = (np.abs(sample - usual * factor) < 6.0 + 0.1 * usual) & (self.changed[::2, ::2] == 0)
        if np.count_nonzero(fits) < 0.1 * fits.size:
            return
        x, y = usual[fits], sample[fits]
        mean_x, mean_y = float(x.mean()), float(y.mean())
        x = x - mean_x
        slope = (float(x @ (y - mean_y)) + factor * 100.0 * x.size) / (float(x @ x) + 100.0 * x.size)
        cv2.multiply(self._usual, slope, dst=self._usual)
        cv2.add(self._usual, mean_y - slope * mean_x, dst=self._usual)
        np.clip(self._usual, 0.0, 255.0, out=self._usual)

    def _differs(self, now: Levels) -> Mask:
        """Where the picture is further from the background than light, noise and this pixel's own unrest explain."""
        bound = 4.0 + 0.05 * self._usual + 4.0 * self._spread
        mask = (np.abs(now - self._usual) > bound).view(np.uint8)
        return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE), np.uint8)

    def _take_over(self, now: Levels, factor: float) -> None:
        """The light was switched: the picture is the background, but for what stood out before."""
        self._usual = np.where(self.changed > 0, np.minimum(self._usual * factor, 255.0), now).astype(np.float32)
        self._spread.fill(1.0)

    def _sort(self, raw: Mask, picture: Luma, place: Luma, moving: Mask) -> tuple[Mask, Mask, Mask]:
        """Tell what is there from ghosts and from what has no edges. Ghosts count as there until they have been still for a while."""
        if not raw.any():
            return raw, raw, raw
        found = blobs(raw, picture, place)
        sharp = (found.won + found.lost > 5.0) & (found.areas >= SMALLEST)
        sharp[0] = False
        stirs = np.bincount(found.labels[moving > 0], minlength=sharp.size) > 0.02 * found.areas
        left = sharp & (found.lost > 1.5 * found.won) & ~stirs
        solid = sharp.astype(np.uint8)[found.labels]
        return solid, left.astype(np.uint8)[found.labels], raw & (1 - solid)

    def _age(self, solid: Mask, ghost: Mask, passed_s: float) -> None:
        self._since = (self._since + passed_s) * solid
        self._ghost = (self._ghost + passed_s) * ghost

    def _learn(self, now: Levels, solid: Mask, soft: Mask, passed_s: float) -> None:
        """Follow the picture where nothing is changed; take over what has stayed for long, and ghosts."""
        away = now - self._usual
        rate = np.where(soft > 0, min(1.0, passed_s / SOFT_S), min(1.0, passed_s / LEARN_S)).astype(np.float32)
        rate[solid > 0] = 0.0
        rate[(self._since > ABSORB_S) | (self._ghost > GHOST_S)] = 1.0
        quiet = (solid | soft) == 0
        self._spread += np.where(quiet, (np.abs(away) - self._spread) * min(1.0, passed_s / SPREAD_S), 0.0).astype(np.float32)
        self._usual += away * rate
