"""The cues of pictures, on a rendered room: everything that must count as a change, and everything that must not."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.settings import Zone
from sensors.sight_cues import SightMeter, SightReading
from sensors.window import ViewId

WIDTH, HEIGHT = 320, 180
HZ = 5
HALL = ViewId("hall")
CELL = ViewId("hall.cell")

Picture = NDArray[np.float32]
Scene = Callable[[float], Picture]
"""What the camera would show at a second, without noise."""


def room() -> Picture:
    """A wall with a door and a poster, over a floor of planks."""
    picture = np.full((HEIGHT, WIDTH), 150.0, np.float32)
    picture[110:] = 90.0
    picture[110:, ::14] = 60.0
    picture[30:110, 40:80] = 105.0
    picture[20:60, 200:260] = 60.0
    picture[25:55, 205:255:6] = 180.0
    return picture


ROOM = room()
RANDOM = np.random.default_rng(7)
NOISE = [RANDOM.standard_normal((HEIGHT, WIDTH)).astype(np.float32) for _ in range(8)]


def with_person(picture: Picture, left: float, top: int = 60) -> Picture:
    """Somebody in a dark jacket, 30 pixels wide and 100 high: 5 % of the picture."""
    shown = picture.copy()
    x = round(left)
    shown[top : top + 25, x + 8 : x + 22] = 120.0
    shown[top + 25 : top + 65, x : x + 30] = 35.0
    shown[top + 65 : top + 100, x + 4 : x + 26] = 55.0
    return shown


def watch(scene: Scene, until_s: float, *, noise: float = 2.0, meter: SightMeter | None = None, start_s: float = 0.0) -> dict[float, SightReading]:
    """The readings of the whole picture, by second."""
    meter = meter or SightMeter({HALL: None})
    readings = {}
    for number in range(round(start_s * HZ), round(until_s * HZ)):
        at = number / HZ
        picture = scene(at) + noise * NOISE[number % len(NOISE)]
        readings[at] = meter.see(np.clip(picture, 0, 255).astype(np.uint8), round(at * 1e9))[0]
    return readings


def between(readings: dict[float, SightReading], start_s: float, end_s: float) -> Iterator[SightReading]:
    return (reading for at, reading in readings.items() if start_s <= at < end_s)


def visit(at: float) -> Picture:
    """Empty for 5 s; somebody walks in until 8 s, stands still until 40 s, and has left at 43 s."""
    if at < 5 or at >= 43:
        return ROOM
    if at < 8:
        return with_person(ROOM, (at - 5) * 50)
    return with_person(ROOM, 150 if at < 40 else 150 + (at - 40) * 45)


def test_an_empty_room_neither_moves_nor_changes() -> None:
    readings = watch(lambda _: ROOM, 20)
    assert max(reading.motion for reading in readings.values()) == 0.0
    assert max(reading.changed for reading in readings.values()) == 0.0


def test_somebody_who_walks_moves_and_is_where_they_are() -> None:
    reading = watch(visit, 43)[7.0]
    assert reading.motion > 0.02
    assert reading.motion_at is not None
    assert 0.2 < reading.motion_at.x0 < reading.motion_at.x1 < 0.5
    assert 0.25 < reading.motion_at.y0 < reading.motion_at.y1 < 0.95


def test_somebody_who_stands_still_for_half_a_minute_stays_changed_and_does_not_move() -> None:
    readings = watch(visit, 60)
    still = list(between(readings, 10, 40))
    assert min(reading.changed for reading in still) > 0.03
    assert max(reading.motion for reading in still) < 0.005
    assert max(reading.changed for reading in between(readings, 46, 60)) == 0.0


def test_somebody_learnt_at_the_start_leaves_no_ghost() -> None:
    readings = watch(lambda at: with_person(ROOM, 150 if at < 10 else min(150 + (at - 10) * 60, 290)) if at < 13 else ROOM, 30)
    assert readings[12.0].changed > 0.02
    assert max(reading.changed for reading in between(readings, 17, 30)) == 0.0


def test_what_stays_for_over_five_minutes_belongs_to_the_place() -> None:
    readings = watch(lambda at: ROOM if at < 5 else with_person(ROOM, 150), 320)
    assert readings[300.0].changed > 0.03
    assert readings[319.0].changed == 0.0


ACROSS = np.mgrid[0:HEIGHT, 0:WIDTH][1]
LAMP = (0.4 + 0.6 * np.exp(-((ACROSS - 90) ** 2) / 90**2)).astype(np.float32)
LIGHTS: dict[str, Scene] = {
    "a lamp in the whole room is switched off": lambda at: ROOM * np.float32(1.0 if at < 10 else 0.35),
    "only the light from the side is left": lambda at: ROOM if at < 10 else ROOM * LAMP,
    "the exposure hunts": lambda at: ROOM * np.float32(1.0 + 0.15 * np.sin(at)),
    "daylight fades": lambda at: ROOM * np.float32(1.0 - 0.015 * at),
    "a cloud's soft shadow drifts through": lambda at: ROOM * (1.0 - 0.3 / (1.0 + np.exp((ACROSS - 12 * at) / 25))).astype(np.float32),
}


@pytest.mark.parametrize("name", LIGHTS)
def test_light_is_neither_motion_nor_change(name: str) -> None:
    readings = watch(LIGHTS[name], 30)
    assert max(reading.motion for reading in readings.values()) < 0.002
    # A share of a second in which a lamp's new light is learnt is allowed; a change that stays is not.
    assert sorted(reading.changed for reading in readings.values())[-3] < 0.004


def test_somebody_is_still_seen_after_the_light_was_switched_off_over_them() -> None:
    readings = watch(lambda at: visit(at) * np.float32(1.0 if at < 20 else 0.4), 60)
    assert min(reading.changed for reading in between(readings, 21, 40)) > 0.02
    assert max(reading.changed for reading in between(readings, 47, 60)) == 0.0


@pytest.mark.parametrize(("gain", "noise"), [(1.0, 10.0), (0.25, 3.0), (1.3, 1.0)], ids=["grainy", "dim", "bright"])
def test_noise_is_no_change_and_hides_nobody(gain: float, noise: float) -> None:
    readings = watch(lambda at: visit(at) * np.float32(gain), 60, noise=noise)
    assert max(reading.changed for reading in between(readings, 0, 5)) < 0.004
    assert min(reading.changed for reading in between(readings, 10, 40)) > 0.02
    assert max(reading.changed for reading in between(readings, 48, 60)) < 0.004


def test_a_screen_that_flickers_from_the_start_is_soon_no_change() -> None:
    def scene(at: float) -> Picture:
        picture = ROOM.copy()
        picture[30:110, 40:80] += 25.0 * np.sin(at * 9.0)
        return picture

    assert max(reading.changed for reading in between(watch(scene, 40), 25, 40)) < 0.004


def test_the_pulse_of_a_keyframe_is_no_motion() -> None:
    readings = watch(lambda at: ROOM + (4.0 * NOISE[0] if round(at * HZ) % 10 == 0 else 0.0), 30, noise=0.5)
    assert max(reading.motion for reading in readings.values()) < 0.002


def test_a_zone_measures_inside_its_polygon_only() -> None:
    triangle = Zone(view=CELL, polygon=((0.5, 0.2), (1.0, 0.2), (1.0, 0.9)))
    meter = SightMeter({HALL: None, CELL: triangle})
    for number in range(60):
        picture = ROOM if number < 30 else with_person(ROOM, 270)
        hall, cell = meter.see(picture.astype(np.uint8), number * 200_000_000)
    assert cell.view == CELL
    assert cell.changed > 3 * hall.changed > 0.0
    assert cell.changed_at is not None
    assert cell.changed_at.x0 > 0.5
    left = SightMeter({CELL: Zone(view=CELL, polygon=((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0)))})
    for number in range(60):
        (outside,) = left.see((ROOM if number < 30 else with_person(ROOM, 270)).astype(np.uint8), number * 200_000_000)
    assert outside.changed == 0.0


def test_a_camera_that_was_knocked_is_moved_and_learns_its_new_outlook() -> None:
    readings = watch(lambda at: ROOM if at < 15 else np.roll(ROOM, (4, 16), (0, 1)), 40)
    assert max(reading.moved for reading in between(readings, 0, 15)) == 0.0
    assert readings[39.0].moved == pytest.approx(np.hypot(16, 4) / WIDTH, abs=0.01)
    assert readings[39.0].changed < 0.01


def test_a_camera_turned_to_something_else_is_moved_altogether() -> None:
    other = np.asarray(cv2.GaussianBlur(RANDOM.uniform(0, 255, (HEIGHT, WIDTH)), (0, 0), 3) * 3 - 255, np.float32)
    assert watch(lambda at: ROOM if at < 15 else other, 60)[59.0].moved == 1.0


def test_a_person_a_lamp_and_a_cover_are_no_moved_camera() -> None:
    def scene(at: float) -> Picture:
        return visit(at) * np.float32(1.0 if at < 20 else 0.4) if at < 50 else np.full_like(ROOM, 12.0)

    assert max(reading.moved for reading in watch(scene, 70).values()) == 0.0


@pytest.mark.parametrize("cover", ["a hand", "fog", "lost focus"])
def test_missing_detail_is_covered(cover: str) -> None:
    covers: dict[str, Picture] = {
        "a hand": np.full_like(ROOM, 20.0),
        "fog": 190.0 + 0.05 * ROOM,
        "lost focus": np.asarray(cv2.GaussianBlur(ROOM, (0, 0), 8.0), np.float32),
    }
    readings = watch(lambda at: ROOM if at < 15 else covers[cover], 25)
    assert max(reading.covered for reading in between(readings, 0, 15)) < 0.1
    assert readings[24.0].covered > 0.7


def test_a_lamp_that_is_switched_off_covers_nothing_and_darkens() -> None:
    readings = watch(lambda at: ROOM * np.float32(1.0 if at < 15 else 0.2), 25, noise=1.0)
    assert readings[24.0].covered < 0.4
    assert readings[24.0].dark == pytest.approx(1.0 - 0.2 * float(ROOM.mean()) / 255.0, abs=0.01)


def test_frozen_counts_the_seconds_of_a_picture_without_its_noise() -> None:
    meter = SightMeter({HALL: None})
    assert max(reading.frozen_s for reading in watch(lambda _: ROOM, 20, meter=meter).values()) == 0.0
    assert watch(lambda _: ROOM, 50, noise=0.0, meter=meter, start_s=20)[49.8].frozen_s == pytest.approx(29.6, abs=0.5)


def test_a_frozen_picture_that_an_encoder_ripples_is_frozen() -> None:
    meter = SightMeter({HALL: None})
    watch(lambda _: ROOM, 20, noise=3.0, meter=meter)

    def rippled(at: float) -> Picture:
        picture = ROOM.copy()
        picture[round(at) % HEIGHT, ::9] += 1.0
        return picture

    assert watch(rippled, 40, noise=0.0, meter=meter, start_s=20)[39.8].frozen_s > 18


def test_a_new_size_is_learnt_anew() -> None:
    meter = SightMeter({HALL: None})
    watch(visit, 20, meter=meter)
    (reading,) = meter.see(np.full((240, 320), 90, np.uint8), 20_000_000_000)
    assert (reading.changed, reading.motion, reading.frozen_s) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("shape", [(360, 640), (720, 1280), (432, 768), (97, 131), (480, 270), (20, 24)])
def test_any_size_of_picture_is_measured(shape: tuple[int, int]) -> None:
    meter = SightMeter({HALL: None})
    for number in range(12):
        (reading,) = meter.see(np.full(shape, 100 + 60 * (number == 11), np.uint8), number * 200_000_000)
    assert reading.dark == pytest.approx(1 - 160 / 255)
