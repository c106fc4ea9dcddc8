import numpy as np
import pytest

from sensors.cues import Box
from sensors.picture import cropped, fitted, for_cues, masked
from sensors.settings import Zone, size_of
from sensors.window import ViewId

WHITE = np.full((100, 200, 3), 255, np.uint8)


@pytest.mark.parametrize(
    ("source", "longest_side", "expected"),
    [
        ((1080, 1920), 576, (320, 576)),  # the usual camera
        ((1920, 1080), 576, (576, 320)),  # one that hangs on its side
        ((480, 640), 640, (480, 640)),  # as it is
        ((360, 640), 640, (352, 640)),  # to the nearest multiple of 32
        ((90, 160), 640, (96, 160)),  # never enlarged beyond that
        ((2000, 20), 640, (640, 32)),  # a strip
        ((7, 5), 640, (32, 32)),
    ],
)
def test_sides_are_multiples_of_32_within_the_longest(source: tuple[int, int], longest_side: int, expected: tuple[int, int]) -> None:
    assert size_of(*source, longest_side) == expected
    assert fitted(np.zeros((*source, 3), np.uint8), longest_side).shape == (*expected, 3)


def test_masks_are_rounded_outwards_and_leave_the_rest_and_the_original_alone() -> None:
    out = masked(WHITE, [Box(x0=0.1026, y0=0.501, x1=0.1974, y1=0.509)])
    black = np.argwhere(out[:, :, 0] == 0)
    assert (black.min(axis=0).tolist(), black.max(axis=0).tolist()) == ([50, 20], [50, 39])
    assert len(black) == 20
    assert WHITE.min() == 255


def test_a_mask_of_the_whole_picture_leaves_nothing() -> None:
    assert masked(WHITE, [Box(x0=0.0, y0=0.0, x1=1.0, y1=1.0)]).max() == 0


def test_what_is_masked_shines_through_neither_in_the_picture_nor_in_the_cues_after_shrinking() -> None:
    secret = np.zeros((720, 1280), np.uint8)
    secret[200:301, 300:501] = 255
    box = Box(x0=300 / 1280, y0=200 / 720, x1=501 / 1280, y1=301 / 720)
    assert for_cues(secret, [box]).max() == 0
    assert for_cues(secret, [box]).shape == (360, 640)
    assert fitted(masked(np.repeat(secret[:, :, None], 3, axis=2), [box]), 320).max() == 0


def test_a_zone_is_cropped_to_its_polygons_bounding_box_at_full_resolution() -> None:
    picture = np.arange(100 * 200 * 3, dtype=np.uint32).reshape(100, 200, 3).astype(np.uint8)
    zone = Zone(view=ViewId("hall.door"), polygon=((0.25, 0.1), (0.5, 0.3), (0.3, 0.555)))
    assert np.array_equal(cropped(picture, zone), picture[10:56, 50:100])


@pytest.mark.parametrize(
    "polygon",
    [((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), ((0.5, 0.5), (0.5001, 0.5), (0.5, 0.5001)), ((0.999, 0.999), (1.0, 0.999), (1.0, 1.0))],
)
def test_no_zone_is_empty_or_leaves_the_picture(polygon: tuple[tuple[float, float], ...]) -> None:
    part = cropped(WHITE, Zone(view=ViewId("hall.door"), polygon=polygon))
    assert part.shape[0] >= 1
    assert part.shape[1] >= 1


def test_cues_are_measured_on_small_pictures_as_they_are() -> None:
    luma = np.zeros((360, 640), np.uint8)
    assert for_cues(luma, []) is luma
