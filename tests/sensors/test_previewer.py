"""Previews: masked, within their bounds whatever the scene, in time, and from a real sensor process for as long as somebody looks on."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sensors.cues import Box
from sensors.jpeg import sides
from sensors.moment import NANOSECONDS
from sensors.picture import Pixels
from sensors.preview import LEAST_BYTES, LEAST_SIDE, MOST_BYTES, MOST_SIDE, Preview, PreviewShape
from sensors.previewer import Previewer
from sensors.window import SensorId
from sensors.wire import MAX_DATAGRAM_BYTES, Codec
from tests.sensors.harness import BACKGROUND, FLASH, Scene, record, running, settings_for

DOOR = SensorId("door")
SECOND = PreviewShape(every_s=1, longest_side=640, bytes=MOST_BYTES)
CORNER = Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5)
NOISE: Pixels = np.random.default_rng(7).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)


@dataclass
class Still:
    """A frame that is there already."""

    pixels: Pixels

    def luma(self) -> Pixels:
        return self.pixels[:, :, 0]

    def rgb(self) -> Pixels:
        return self.pixels


def unpacked(jpeg: bytes) -> Pixels:
    """Its picture, RGB."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def seen(pixels: Pixels, shape: PreviewShape = SECOND, *masks: Box, at_s: tuple[float, ...] = (1.0,)) -> list[bytes]:
    """The previews of a scene that stays, where a frame comes at each of these times."""
    made: list[Preview] = []
    previewer = Previewer(DOOR, masks, made.append)
    previewer.show(shape)
    for at in at_s:
        previewer.see(round(at * NANOSECONDS), Still(pixels))
    return [each.jpeg for each in made]


def test_what_is_masked_is_black_in_it_and_the_rest_has_its_colours() -> None:
    red = np.full((480, 640, 3), (200, 40, 30), np.uint8)
    picture = unpacked(seen(red, SECOND, CORNER)[0])
    assert picture.shape == (480, 640, 3)
    assert picture[:232, :312].max() <= 3, "but for the edge, in whose JPEG blocks is some of both"
    assert np.abs(picture[248:, 328:].reshape(-1, 3).mean(axis=0) - (200, 40, 30)).max() < 4
    assert red.min() == 30, "the frame itself is not touched"


@pytest.mark.parametrize("bytes_", [LEAST_BYTES, 12_000, MOST_BYTES])
@pytest.mark.parametrize("side", [LEAST_SIDE, 320, MOST_SIDE])
@pytest.mark.parametrize("pixels", [NOISE, NOISE[:40], NOISE[:, :24], NOISE[:1, :1], np.zeros((2160, 3840, 3), np.uint8)])
def test_it_is_within_its_bounds_whatever_the_scene(pixels: Pixels, side: int, bytes_: int) -> None:
    (jpeg,) = seen(pixels, PreviewShape(every_s=1, longest_side=side, bytes=bytes_))
    width, height = sides(jpeg)
    assert len(jpeg) <= bytes_
    assert max(width, height) <= min(side, max(pixels.shape[:2]))
    assert unpacked(jpeg).shape == (height, width, 3)


def test_the_largest_fits_into_a_datagram_and_comes_back_as_it_was() -> None:
    jpeg = seen(NOISE)[0]
    filled = jpeg[:-2] + bytes(MOST_BYTES - len(jpeg)) + jpeg[-2:]
    codec: Codec[Preview] = Codec(Preview)
    told = Preview(sensor=SensorId("s" * 48), jpeg=filled)
    assert len(codec.encode(told)) <= MAX_DATAGRAM_BYTES
    assert codec.decode(codec.encode(told)) == told


def test_a_scene_that_has_calmed_down_is_fine_again() -> None:
    made: list[Preview] = []
    previewer = Previewer(DOOR, (), made.append)
    previewer.show(replace(SECOND, bytes=8000))
    calm = np.full((480, 640, 3), 90, np.uint8)
    for at, pixels in enumerate((calm, NOISE, *[calm] * 10)):
        previewer.see(at * NANOSECONDS, Still(pixels))
    widths = [sides(each.jpeg)[0] for each in made]
    assert (widths[0], widths[-1]) == (640, 640)
    assert widths[1] <= 320


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        ((0.0, 0.5, 1.0, 1.5, 2.0), 3),
        ((0.0, 0.98, 2.01, 2.99, 4.02), 5),  # a camera of one frame a second, which is never quite in time
        ((0.0, 100.0, 100.2, 100.4, 101.0), 3),  # after a gap it begins anew, and makes up for nothing
        ((100.0, 3.0, 3.5, 4.0), 3),  # so it does where the source's clock jumped back
    ],
)
def test_there_is_one_in_each_of_its_times(at_s: tuple[float, ...], expected: int) -> None:
    assert len(seen(NOISE[:32, :32], at_s=at_s)) == expected


@pytest.mark.parametrize("every_s", [1, 10])
@pytest.mark.parametrize("fps", [1, 7, 12.5, 15, 20, 25, 29.97, 30, 60])
def test_of_a_camera_of_any_rate_there_is_one_in_each_of_its_times(fps: float, every_s: float) -> None:
    at_s = tuple(100 + number / fps for number in range(round(60 * fps)))
    assert len(seen(NOISE[:32, :32], replace(SECOND, every_s=every_s), at_s=at_s)) in {60 // every_s, 60 // every_s + 1}


def test_frames_that_come_out_of_their_order_make_no_more() -> None:
    at_s = tuple(100 + number / 25 + (0.3 if number % 3 else 0.0) for number in range(25 * 20))
    assert len(seen(NOISE[:32, :32], at_s=at_s)) in {20, 21}


def test_whoever_comes_anew_gets_one_at_once_and_never_two_in_a_second() -> None:
    made: list[Preview] = []
    previewer = Previewer(DOOR, (), made.append)
    hourly = replace(SECOND, every_s=3600)
    frames = ((0.0, True, 1), (0.5, True, 1), (1.0, False, 2), (60.0, False, 2), (61.0, True, 3), (3600.0, False, 3), (3700.0, False, 4))
    for at_s, asks, expected in frames:
        if asks:
            previewer.show(hourly)
        previewer.see(round(at_s * NANOSECONDS), Still(NOISE[:32, :32]))
        assert len(made) == expected, at_s


@pytest.mark.parametrize(
    ("every_s", "side", "bytes_"),
    [(0.5, 640, 9000), (3601, 640, 9000), (float("nan"), 640, 9000), (1, 63, 9000), (1, 1281, 9000), (1, 640, 3999), (1, 640, 48_001)],
)
def test_a_shape_out_of_bounds_is_none(every_s: float, side: int, bytes_: int) -> None:
    with pytest.raises(ValueError, match="no previews like"):
        PreviewShape(every_s=every_s, longest_side=side, bytes=bytes_)


def test_a_head_is_read_wherever_it_stands_and_nothing_else_is_taken_for_one() -> None:
    whole = seen(NOISE[:96, :160])[0]
    assert sides(whole) == (160, 96)
    for cut in range(len(whole) - 1):
        with pytest.raises(ValueError, match="no whole JPEG"):
            sides(whole[:cut])
    inside = (b"", b"\xff\xe0\x00\x00", b"\xff\xe0\xff\xff" * 9, b"\xff" * 99, whole[2:12])
    for rubbish in (b"", b"\x89PNG\r\n", whole[2:], *(b"\xff\xd8" + each + b"\xff\xd9" for each in inside)):
        with pytest.raises(ValueError, match="JPEG"):
            sides(rubbish)


def test_a_sensor_process_shows_what_its_camera_sends_from_when_it_is_told_until_it_is_told_otherwise(tmp_path: Path) -> None:
    film = record(tmp_path / "room.mp4", Scene(seconds=9.0, at_s=tuple(number / 10 for number in range(28, 90)), size=(320, 192)))
    with running(settings_for(f"file:{film}", masks=(CORNER,)), tmp_path) as sensor:
        sensor.read_until(lambda: len(sensor.seen) >= 1)
        assert not sensor.previews, "nobody looks on"
        sensor.show(PreviewShape(every_s=1, longest_side=160, bytes=LEAST_BYTES))
        sensor.read_until(lambda: any(unpacked(each.jpeg)[60:, 90:].mean() > (BACKGROUND + FLASH) / 2 for each in sensor.previews))
        sensor.show(None)
        sensor.previews.clear()
        known = len(sensor.seen)
        sensor.read_until(lambda: len(sensor.seen) >= known + 2)
        assert len(sensor.previews) <= 1, "one may have been on its way"
    for each in sensor.previews:
        assert unpacked(each.jpeg)[:40, :72].max() <= 3
