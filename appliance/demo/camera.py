"""Where the demo's camera hangs, and where a point of the hall lands in its picture. It knows no hall and draws nothing.

Metres: x to the right, y up from the floor, z away from the camera along the floor. Pixels: u to the right, v down.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

NEAREST_M = 0.5
"""Points nearer than this, or behind the camera, are drawn as if they were here: a polygon that leaves the picture stays a polygon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A pinhole camera that looks along z and down by `pitch_rad`."""

    x_m: float = 0.0
    height_m: float = 4.2
    pitch_rad: float = 0.245
    focal_px: float = 430.0
    width: int = 640
    height: int = 360

    def project(self, points: npt.ArrayLike) -> Points:
        """The picture positions, float64[n, 2], of points float[n, 3] in metres."""
        p = np.atleast_2d(np.asarray(points, np.float64))
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        side, rise, away = p[:, 0] - self.x_m, p[:, 1] - self.height_m, p[:, 2]
        depth = np.maximum(away * cos - rise * sin, NEAREST_M)
        return np.stack(
            [self.width / 2 + self.focal_px * side / depth, self.height / 2 - self.focal_px * (rise * cos + away * sin) / depth], 1
        )

    def scale(self, x_m: float, z_m: float) -> float:
        """Pixels a metre for something that stands on the floor at x, z."""
        foot, head = self.project([(x_m, 0.0, z_m), (x_m, 1.0, z_m)])
        return float(foot[1] - head[1])

    @property
    def eye(self) -> Points:
        """Where the camera is."""
        return np.array([self.x_m, self.height_m, 0.0])

    def floor(self) -> tuple[Points, Points]:
        """The floor's x and z under every pixel, float64[height, width]; infinite above the horizon."""
        u, v = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        right, up = (u - self.width / 2) / self.focal_px, (self.height / 2 - v) / self.focal_px
        sin, cos = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        fall = sin - up * cos
        reach = np.where(fall > 1e-3, self.height_m / np.maximum(fall, 1e-3), np.inf)
        return self.x_m + right * reach, (cos + up * sin) * reach
