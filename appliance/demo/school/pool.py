"""Lessons on disk: windows painted once, read many times. Pictures and sounds are stored apart, so that any can be met with any."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from analyzers.omni.media import mel
from appliance.demo.school.lesson import CELL_SIZE, FRAME_TIMES_S, HALL_SIZE, WINDOW_S
from appliance.demo.school.listening import sounds
from appliance.demo.school.looking import sights
from appliance.demo.school.questions import SIGHT, SOUND, Fact, Label
from appliance.demo.small_model import feature_extractor

UNKNOWN = -1
BATCH = 2600
"""Windows of one seed."""
Lesson = TypeVar("Lesson")
MEL_FRAMES = round(WINDOW_S * 100)
HALL, CELL = 0, 1
"""The views, as they are numbered in the pool."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class Pool:
    """Windows and what is so in them. Labels are 1, 0, or -1 where a window is too close to call."""

    views: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
    """uint8[n, 4, height, width, 3] of the hall and of the cell; read from disk as needed."""
    seen: npt.NDArray[np.int8]
    """int8[n, 2, facts of sight]"""
    maps: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]
    """int8[n, 2, rows, columns, facts of sight] of the hall and of the cell: where it is so"""
    mels: npt.NDArray[np.float16]
    """float16[n, 128, 400]"""
    heard: npt.NDArray[np.int8]
    """int8[n, facts of sound]"""

    @property
    def count(self) -> int:
        """How many pictures, and how many sounds."""
        return len(self.seen)

    def truth(self, view: int | None, picture: int, noise: int | None) -> dict[Fact, Label]:
        """What is so in a window of this picture and this noise; all of a sense that is not there is unknown."""
        sight = self.seen[picture, view] if view is not None else [UNKNOWN] * len(SIGHT)
        sound = self.heard[noise] if noise is not None else [UNKNOWN] * len(SOUND)
        labels = zip((*SIGHT, *SOUND), (*sight, *sound), strict=True)
        return {fact: None if label == UNKNOWN else bool(label) for fact, label in labels}


def build(folder: Path, seed: int, count: int) -> None:
    """Paint and write `count` windows of pictures and as many of sound."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (count, len(FRAME_TIMES_S))
    sizes = {"hall": HALL_SIZE, "cell": CELL_SIZE}
    views = [np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, (*shape, *size, 3)) for name, size in sizes.items()]
    seen = np.empty((count, 2, len(SIGHT)), np.int8)
    maps: tuple[list[npt.NDArray[np.int8]], list[npt.NDArray[np.int8]]] = ([], [])
    for number, sight in enumerate(_in_batches(sights, seed, count)):
        views[HALL][number], views[CELL][number] = sight.hall, sight.cell
        maps[HALL].append(sight.hall_map)
        maps[CELL].append(sight.cell_map)
        for view, truth in ((HALL, sight.hall_truth), (CELL, sight.cell_truth)):
            seen[number, view] = [_code(truth[fact]) for fact in SIGHT]
    mels, heard = np.empty((count, 128, MEL_FRAMES), np.float16), np.empty((count, len(SOUND)), np.int8)
    extractor = feature_extractor()
    for number, noise in enumerate(_in_batches(sounds, seed, count)):
        mels[number] = mel(noise.wave, extractor)
        heard[number] = [_code(noise.truth[fact]) for fact in SOUND]
    rest = {"seen": seen, "hall_map": maps[HALL], "cell_map": maps[CELL], "mels": mels, "heard": heard}
    for name, array in rest.items():  # last, so that a folder which has them is whole
        np.save(folder / f"{name}.npy", np.asarray(array))


def load(folder: Path, seed: int, count: int) -> Pool:
    """The windows of `folder`, which are made first where they are not there."""
    if not (folder / "heard.npy").exists():
        build(folder, seed, count)
    views = np.load(folder / "hall.npy", mmap_mode="r"), np.load(folder / "cell.npy", mmap_mode="r")
    maps = np.load(folder / "hall_map.npy"), np.load(folder / "cell_map.npy")
    seen, mels, heard = (np.load(folder / f"{name}.npy") for name in ("seen", "mels", "heard"))
    return Pool(views=views, maps=maps, seen=seen, mels=mels, heard=heard)


def _in_batches(makers: Callable[[int, int], Iterator[Lesson]], seed: int, count: int) -> Iterator[Lesson]:
    """Lessons of as many seeds as are needed: each batch can be made again alone."""
    return chain.from_iterable(makers(100 * seed + batch, min(BATCH, count - at)) for batch, at in enumerate(range(0, count, BATCH)))


def _code(label: Label) -> int:
    return UNKNOWN if label is None else int(label)
