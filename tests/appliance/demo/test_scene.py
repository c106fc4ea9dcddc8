"""The demo's hall: what it shows and sounds like is what its timeline says."""

from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from appliance.demo.film import write
from appliance.demo.hall import Cell
from appliance.demo.noises import RATE_HZ
from appliance.demo.scene import DEMO, DEMO_STAGE, FPS, Painter, render, sound, truth
from appliance.demo.school.lesson import WINDOW_S
from appliance.demo.school.listening import sounds
from appliance.demo.school.looking import sights, zone_of
from appliance.demo.school.questions import TOPICS, Asked, Fact
from appliance.demo.timeline import Act, Kind, Timeline, walk

QUIET_S = 2.0
"""Nothing happens yet in the demo."""


def differing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two pictures differ by more than noise."""
    return np.abs(one.astype(int) - other).max(2) > 40


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(DEMO_STAGE, DEMO, 1)


@pytest.mark.parametrize(
    ("at_s", "x", "y"),
    [
        (9.4, 320, 260),  # the walker, in the middle of the aisle
        (24.0, 470, 215),  # the intruder, before the press
        (34.6, 320, 240),  # the forklift, half-way
        (44.0, 318, 175),  # flames over the drum
        (54.0, 200, 150),  # daylight in the open door
    ],
)
def test_an_act_is_seen_where_it_happens_and_nowhere_else_but_at_the_press(painter: Painter, at_s: float, x: int, y: int) -> None:
    changed = differing(painter.picture(at_s), painter.picture(QUIET_S))
    changed[:40] = False  # the clock
    changed[150:220, 425:505] &= at_s == 24.0  # the press's ram, which always moves
    assert changed[y - 40 : y + 40, x - 40 : x + 40].sum() > 150
    changed[max(0, y - 160) : y + 100, x - 130 : x + 130] = False
    assert changed.sum() < 60


def test_while_nothing_happens_only_the_press_and_the_clock_move(painter: Painter) -> None:
    changed = differing(painter.picture(1.0), painter.picture(QUIET_S))
    changed[:40] = False
    rows, columns = np.nonzero(changed)
    left, top, right, bottom = zone_of(DEMO_STAGE.camera, DEMO_STAGE.cell)
    assert len(rows) > 0
    assert left < columns.min()
    assert columns.max() < right
    assert top < rows.min()
    assert rows.max() < bottom


def test_the_same_seed_paints_the_same_pictures() -> None:
    one, other = (list(islice(render(DEMO, seed), 3)) for seed in (5, 5))
    assert np.array_equal(one, other)


def test_each_alarm_is_owed_once_and_in_the_order_of_the_film() -> None:
    due = truth(DEMO, DEMO_STAGE.cell)
    assert [one.policy for one in due] == ["press-cell-entry", "smoke-or-flame", "alarm-bell", "breaking-glass", "shouting"]
    assert all(before.end_s < after.start_s for before, after in pairwise(due))
    assert due[-1].end_s + WINDOW_S / 2 <= DEMO.length_s


def test_whoever_walks_along_the_fence_owes_no_alarm() -> None:
    cell = Cell()
    past = walk(Kind.PERSON, 1.0, (0.0, -7.0, cell.front_m - 0.5), (8.0, 7.0, cell.front_m - 0.5))
    through = walk(Kind.PERSON, 1.0, (0.0, 2.2, cell.front_m - 1.0), (3.0, 2.2, cell.front_m + 2.0))
    assert truth(Timeline(length_s=10, acts=(past,)), cell) == ()
    (due,) = truth(Timeline(length_s=10, acts=(through,)), cell)
    assert due.start_s == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "low_hz", "high_hz"),
    [
        (Kind.BELL, 700, 5000),  # strikes on a shell
        (Kind.GLASS, 2500, 8000),  # splinters
        (Kind.SHOUT, 300, 3500),  # a voice and its formants
    ],
)
def test_a_noise_stands_out_of_the_hum_where_it_belongs(kind: Kind, low_hz: int, high_hz: int) -> None:
    act = next(act for act in DEMO.acts if act.kind is kind)
    wave = sound(DEMO, 3)

    def band(start_s: float) -> float:
        part = wave[round(start_s * RATE_HZ) : round((start_s + 0.8) * RATE_HZ)]
        power, hz = np.abs(np.fft.rfft(part)) ** 2, np.fft.rfftfreq(len(part), 1 / RATE_HZ)
        return float(power[(hz > low_hz) & (hz < high_hz)].sum())

    assert band(act.start_s) > 100 * band(QUIET_S)
    assert np.abs(wave).max() <= 1.0


def test_the_film_can_be_read_back_whole(tmp_path: Path) -> None:
    short = Timeline(length_s=2.0, acts=(Act(kind=Kind.BELL, start_s=0.5, end_s=1.5),))
    path = tmp_path / "hall.mp4"
    write(path, render(short, 1), sound(short, 1), FPS)
    with av.open(str(path)) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        samples = sum(frame.samples for frame in film.decode(audio=0))
    assert len(pictures) == 2 * FPS
    assert np.abs(pictures[5].astype(int) - Painter(DEMO_STAGE, short, 1).picture(5 / FPS)).mean() < 6
    assert samples == pytest.approx(2 * RATE_HZ, abs=3000)


def test_lessons_name_what_was_played() -> None:
    seen, heard = list(sights(3, 24)), list(sounds(3, 40))
    for fact in (Fact.INSIDE, Fact.OUTSIDE, Fact.FORKLIFT, Fact.DOOR):
        assert {True, False} <= {one.hall_truth[fact] for one in seen}, fact
    for fact in (Fact.BELL, Fact.GLASS, Fact.SHOUT):
        loud = [np.abs(one.wave).max() for one in heard if one.truth[fact]]
        assert min(loud) > 0.03, fact
    both = [one for one in seen if one.hall_truth[Fact.INSIDE] or one.hall_truth[Fact.OUTSIDE]]
    assert both
    assert all(one.hall_truth[Fact.PERSON] for one in both)


@pytest.mark.parametrize(
    ("ask", "other", "whole", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (False, True, False, True),
        (False, False, False, False),
        (None, True, None, True),  # too close to call, unless the other part decides
        (None, False, False, None),
    ],
)
def test_a_compound_answer_follows_from_its_parts(*, ask: bool | None, other: bool | None, whole: bool | None, either: bool | None) -> None:
    known: dict[Fact, bool | None] = dict.fromkeys(Fact, False) | {Fact.BELL: ask, Fact.GLASS: other}
    parts = tuple(topic for topic in TOPICS if topic.facts in ((Fact.BELL,), (Fact.GLASS,)))
    assert Asked(ask="?", unless=None, topics=parts, every=True).answer(known) is whole
    assert Asked(ask="?", unless=None, topics=parts, every=False).answer(known) is either
