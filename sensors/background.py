"""The slowly learnt background of a still camera, and what differs from it. It knows neither zones nor what a difference means.

Four things look like a difference and are none. A change of exposure or light is the same picture under another gain: it is
fitted and taken out, and where the fit cannot follow a lamp that was switched, the background is taken over at once. A soft
shadow or a drifting patch of light makes no new edges. A ghost (somebody who was learnt into the background has left) has its
edges in the background and not in the picture. And whatever stays for `ABSORB_S` belongs to the place by then.

Masks are 0 or 255. OpenCV's own arithmetic is used where numpy would do: at this size a call costs more than its work.
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
FIRST_SPREAD = 2.0
"""Luma levels; what is taken for a pixel's usual deviation before any is known."""
FIRST_S = 2.0
SMALLEST = 12
"""Pixels of the reduced picture; a smaller difference is noise."""
SHARP_LEVELS = 2.0
SHARP_SHARE = 0.02
"""The rim of a thing differs by so many luma levels of edge, and by this share of the light there is; that of a shadow does not."""
LIGHT_SHARE = 0.3
"""A difference over more than this share, with the edges where they were, is light."""
STILL_THERE = 0.7
"""It is the same place under another light when so large a share of its strong edges is still where it was."""

_SQUARE = np.ones((3, 3), np.uint8)


def edges(luma: Luma) -> Luma:
    """How strong an edge lies within a pixel of each pixel, in luma levels."""
    return np.asarray(cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, _SQUARE), np.uint8)


def opened(mask: Mask) -> Mask:
    """`mask` without its specks."""
    if cv2.countNonZero(mask) < SMALLEST:
        return np.zeros_like(mask)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE), np.uint8)


def sample(picture: Levels) -> Levels:
    """Every fourth pixel each way, in a row: enough to tell the light by."""
    return picture[1::4, 1::4].ravel()


def gain(now: Levels, before: Levels) -> float:
    """By what factor the light has changed between two samples, by the median: a person in the picture does not sway it."""
    ratios = (now + np.float32(4.0)) / (before + np.float32(4.0))
    ratios.partition(ratios.size // 2)
    return float(ratios[ratios.size // 2])


def usual_edge(edge: Luma) -> float:
    """The median edge of a picture, by a sample: what noise makes of a plain one."""
    sample = edge[1::3, 1::3].ravel()
    return float(np.partition(sample, sample.size // 2)[sample.size // 2])


def recognised(now: Luma, before: Luma) -> float:
    """0..1: the share of the strong edges of `before` that are still where they were, whatever the light; 1 where there are none."""
    mean = float(before.mean())
    strong = before > max(12.0, 1.5 * mean)
    if np.count_nonzero(strong) < SMALLEST:
        return 1.0
    scale = min(1.0, float(now.mean()) / max(mean, 1.0))
    return float(np.mean(now[strong] > np.maximum(0.5 * scale * before[strong], 1.2 * usual_edge(now))))


@dataclass(frozen=True, slots=True, eq=False)
class _Blobs:
    """Connected differences: a label for each pixel (0 is none); by label, its area and the edges won and lost along its rim, on average."""

    labels: NDArray[np.uint16]
    areas: NDArray[np.int32]
    won: NDArray[np.float64]
    lost: NDArray[np.float64]

    @classmethod
    def of(cls, mask: Mask, now: Luma, before: Luma) -> "_Blobs":
        """The connected differences in `mask`, between the edges of the picture and those of the background."""
        count, found, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
        labels = np.asarray(found, np.uint16)
        rim = np.flatnonzero(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, _SQUARE))
        owner = np.asarray(cv2.dilate(labels, _SQUARE), np.uint16).ravel()[rim]
        step = now.ravel()[rim].astype(np.int32) - before.ravel()[rim]
        sizes = np.maximum(np.bincount(owner, minlength=count), 1)
        net = np.bincount(owner, step, minlength=count) / sizes
        total = np.bincount(owner, np.abs(step), minlength=count) / sizes
        return cls(labels, np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32), (total + net) / 2, (total - net) / 2)

    def sharp(self, levels: float) -> NDArray[np.bool_]:
        """By label: whether it has edges of its own, or took some away, of so many luma levels."""
        sharp: NDArray[np.bool_] = (self.won + self.lost > levels) & (self.areas >= SMALLEST)
        sharp[0] = False
        return sharp

    def left(self, moving: Mask) -> NDArray[np.bool_]:
        """By label: whether its edges lie in the background and it is still: something that was there has left."""
        left: NDArray[np.bool_] = self.lost > 1.5 * self.won
        if cv2.countNonZero(moving):
            left &= np.bincount(self.labels[moving > 0], minlength=left.size) <= 0.02 * self.areas
        return left


class Background:
    """The background of one camera, on the reduced picture."""

    def __init__(self, luma: Luma) -> None:
        """Begin with `luma` as what is usual."""
        self.forget(luma)

    def forget(self, luma: Luma) -> None:
        """The camera looks elsewhere: begin again with `luma`."""
        self._usual: Levels = luma.astype(np.float32)
        self._spread: Levels = np.full_like(self._usual, FIRST_SPREAD)
        self._age_s = 0.0
        self._since: Levels = np.zeros_like(self._usual)
        self._ghost_for: Levels = np.zeros_like(self._usual)
        self._changed: Mask = np.zeros_like(luma)

    def see(self, luma: Luma, now: Levels, moving: Mask, passed_s: float) -> Mask:
        """Fold one picture (`now` is `luma` as floats) that came `passed_s` after the last; what differs from the background."""
        self._follow_light(now)
        away = self._away(now)
        raw = self._differs(away)
        if cv2.countNonZero(raw) > LIGHT_SHARE * raw.size and recognised(edges(luma), self._edges()) > STILL_THERE:
            self._take_over(now, moving)
            away = self._away(now)
            raw = self._differs(away)
        self._changed = self._sort(raw, luma, moving, passed_s)
        self._learn(now, away, raw, passed_s)
        return self._changed

    def _edges(self) -> Luma:
        return edges(np.asarray(cv2.convertScaleAbs(self._usual), np.uint8))

    def _follow_light(self, now: Levels) -> None:
        """Fit the exposure (a gain and an offset) where nothing is changed, and carry the whole background along."""
        x, y = sample(self._usual), sample(now)
        factor = gain(y, x)
        fits = np.abs(y - x * np.float32(factor)) < 6.0 + 0.1 * x
        weights = (fits & (self._changed[1::4, 1::4].ravel() == 0)).astype(np.float32)
        count = float(np.count_nonzero(weights))
        if count < 0.1 * weights.size:
            return
        mean_x, mean_y = float(weights @ x) / count, float(weights @ y) / count
        x -= np.float32(mean_x)
        weighted = x * weights
        # The ridge holds the slope at the plain gain where the picture has too little contrast to tell it from an offset.
        ridge = 100.0 * count
        slope = (float(weighted @ y) + factor * ridge) / (float(weighted @ x) + ridge)
        cv2.addWeighted(self._usual, slope, self._usual, 0.0, mean_y - slope * mean_x, dst=self._usual)

    def _away(self, now: Levels) -> Levels:
        """How far the picture is from the background; the mean of 3 x 3 pixels, which leaves a third of the noise."""
        return np.abs(cv2.blur(now - self._usual, (3, 3)))

    def _differs(self, away: Levels) -> Mask:
        """Where the picture is further from the background than light, noise and this pixel's own unrest explain."""
        bound = cv2.addWeighted(self._usual, 0.04, self._spread, 4.0, 3.0)
        return opened(np.asarray(cv2.compare(away, bound, cv2.CMP_GT), np.uint8))

    def _take_over(self, now: Levels, moving: Mask) -> None:
        """The light was switched: the picture is the background, but for what stood out before and what moves."""
        before = self._usual * np.float32(gain(sample(now), sample(self._usual)))
        kept = cv2.dilate(cv2.bitwise_or(self._changed, moving), _SQUARE) > 0
        self._usual = np.where(kept, np.minimum(before, np.float32(255.0)), now).astype(np.float32)
        self._spread.fill(1.0)

    def _sort(self, raw: Mask, luma: Luma, moving: Mask, passed_s: float) -> Mask:
        """What is there of `raw`: not what has no edges, not what has stayed for long, and ghosts only until they were still for a while."""
        solid, since, ghost_for = np.zeros_like(raw), np.zeros_like(self._since), np.zeros_like(self._ghost_for)
        left, top, width, height = cv2.boundingRect(raw)
        if width:
            # One more pixel on each side, for the rims.
            part = np.s_[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1]
            place = np.asarray(cv2.convertScaleAbs(self._usual[part]), np.uint8)
            found = _Blobs.of(np.ascontiguousarray(raw[part]), edges(luma[part]), edges(place))
            there = found.sharp(SHARP_LEVELS + SHARP_SHARE * cv2.mean(place)[0] + cv2.mean(self._spread[part])[0])
            solid[part] = shown = np.take(there * np.uint8(255), found.labels)
            since[part] = aged = cv2.copyTo(self._since[part] + np.float32(passed_s), shown)
            known = aged > ABSORB_S
            gone = there & found.left(np.ascontiguousarray(moving[part]))
            if gone.any():
                ghost_for[part] = aged = (self._ghost_for[part] + np.float32(passed_s)) * np.take(gone, found.labels)
                known |= aged > GHOST_S
            if known.any():
                self._usual[part][known] = luma[part][known]
                solid[part][known] = 0
        self._since, self._ghost_for = since, ghost_for
        return solid

    def _learn(self, now: Levels, away: Levels, raw: Mask, passed_s: float) -> None:
        """Follow the picture where nothing is changed, and faster where only light or shade is."""
        self._age_s += passed_s
        quiet = cv2.bitwise_not(raw)
        # At first a plain average: unrest that is there from the start is known within seconds.
        spread_rate = passed_s / min(SPREAD_S, self._age_s + FIRST_S)
        cv2.accumulateWeighted(away, self._spread, spread_rate, cv2.bitwise_not(self._changed))
        cv2.accumulateWeighted(now, self._usual, min(1.0, passed_s / LEARN_S), quiet)
        soft = cv2.subtract(raw, self._changed)
        if cv2.countNonZero(soft):
            cv2.accumulateWeighted(now, self._usual, min(1.0, passed_s / SOFT_S), soft)
