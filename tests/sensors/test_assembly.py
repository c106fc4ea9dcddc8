import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.assembly import Assembly
from sensors.clock import RecordingTime
from sensors.holds import Holds
from sensors.moment import NANOSECONDS
from sensors.settings import Zone
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, ViewId, Window
from tests.sensors.harness import REPLAY, SENSOR, settings_for

SIGHT, SOUND = frozenset({Sense.SIGHT}), frozenset({Sense.SOUND})
BOTH = SIGHT | SOUND
RATE_HZ = 16_000


@dataclass(frozen=True)
class Plain:
    """A picture of one grey, 96 high and 160 wide unless it says otherwise."""

    grey: int
    height: int = 96

    def luma(self) -> NDArray[np.uint8]:
        return np.full((self.height, 160), self.grey, np.uint8)

    def rgb(self) -> NDArray[np.uint8]:
        return np.full((self.height, 160, 3), self.grey, np.uint8)


@dataclass
class Told:
    """A window, and what lay in its slots when it was told."""

    window: Window
    greys: list[int]
    sound: NDArray[np.float32]


@dataclass
class Stage:
    """An assembly with windows of 2 s, one a second, at 2 frames a second; a frame's grey is its time in tenths of a second."""

    slots: Slots
    holds: Holds
    assembly: Assembly = field(init=False)
    told: list[Told] = field(default_factory=list)
    releases: bool = True

    def take(self, window: Window) -> None:
        view = window.views[0]
        frames = self.slots.window_frames(window.slots, view.id, view.height, view.width) if view.height else np.empty((0, 1, 1, 1))
        self.told.append(Told(window=window, greys=[round(float(frame.mean())) for frame in frames], sound=self.slots.window_sound(window.slots)))
        if self.releases:
            self.holds.release(window.id)

    def picture(self, at_s: float, **wants: int) -> None:
        self.assembly.picture(round(at_s * NANOSECONDS), Plain(round(at_s * 10) % 256, **wants))

    def sound(self, begin_s: float, seconds: float) -> None:
        """Sound whose samples are their own numbers, so that any that is amiss shows."""
        begin = round(begin_s * RATE_HZ)
        samples = np.arange(begin, begin + round(seconds * RATE_HZ), dtype=np.float32)
        self.assembly.sound(round(begin_s * NANOSECONDS), samples)

    def play(self, begin_s: float, end_s: float, *, fps: float = 10.0, sight: bool = True, sound: bool = True) -> None:
        """Frames and 100 ms of sound in turn."""
        for number in range(round((end_s - begin_s) * fps)):
            at_s = begin_s + number / fps
            if sight:
                self.picture(at_s)
            if sound:
                self.sound(at_s, 1 / fps)

    @property
    def firsts(self) -> list[int]:
        return [told.window.first_pair for told in self.told]

    @property
    def senses(self) -> list[frozenset[Sense]]:
        return [told.window.senses for told in self.told]


@pytest.fixture
def stages() -> Iterator["Stages"]:
    made = Stages()
    yield made
    for stage in made.made:
        stage.slots.close()


class Stages:
    def __init__(self) -> None:
        self.made: list[Stage] = []

    def __call__(self, senses: frozenset[Sense] = BOTH, *, replay: bool = False, slots: int = 8, zones: Sequence[Zone] = ()) -> Stage:
        settings = settings_for("file:x", replay=REPLAY if replay else None, slots=slots, zones=tuple(zones))
        layout = SlotLayout.of(settings)
        memory = create(layout)
        stage = Stage(slots=Slots(layout, memory, writable=True), holds=Holds(slots))
        os.close(memory)
        stage.assembly = Assembly(settings, stage.slots, holds=stage.holds, moment=RecordingTime(REPLAY).moment, out=stage.take)
        stage.assembly.begin(senses)
        self.made.append(stage)
        return stage


def test_windows_hold_exactly_the_frames_and_samples_of_their_span(stages: Stages) -> None:
    stage = stages()
    stage.play(0, 10.1)
    assert stage.firsts == list(range(9))
    for told in stage.told:
        begin = told.window.first_pair
        assert told.greys == [10 * begin, 10 * begin + 5, 10 * begin + 10, 10 * begin + 15]
        assert np.array_equal(told.sound, np.arange(begin * RATE_HZ, (begin + 2) * RATE_HZ))
        assert (told.window.start.boot_ns, told.window.end.boot_ns) == (begin * NANOSECONDS, (begin + 2) * NANOSECONDS)
        assert told.window.senses == BOTH
    assert stage.assembly.figures.windows == 9


def test_the_end_of_a_recording_finishes_the_last_window_with_sound_that_lacks_a_little(stages: Stages) -> None:
    stage = stages(replay=True)
    stage.play(0, 3.9)
    stage.picture(3.9)
    stage.sound(3.9, 0.06)
    assert stage.firsts == [0, 1]
    stage.assembly.end()
    assert (stage.firsts, stage.senses[-1]) == ([0, 1, 2], BOTH)
    assert not stage.told[-1].sound[-640:].any()


def test_sound_that_begins_a_little_late_and_pictures_too_still_make_the_first_window_whole(stages: Stages) -> None:
    stage = stages(replay=True)
    for number in range(25):
        stage.sound(0.021 + number / 10, 0.1)
        stage.picture(0.08 + number / 10)
    assert stage.told[0].window.senses == BOTH
    assert stage.told[0].window.first_pair == 0


def test_each_instant_gets_the_nearest_frame_of_a_rate_that_varies(stages: Stages) -> None:
    stage = stages(SIGHT)
    for at_s in (0.0, 0.3, 0.6, 0.9, 1.3, 1.6, 1.9, 2.0, 2.1, 2.3, 2.6, 3.3, 4.1, 4.2):
        stage.picture(at_s)
    assert [told.greys for told in stage.told] == [[0, 6, 9, 16], [9, 16, 20, 26], [20, 26, 33, 33]]


def test_a_camera_of_one_frame_in_two_seconds_has_no_holes(stages: Stages) -> None:
    stage = stages(SIGHT)
    stage.play(0, 12, fps=0.5, sound=False)
    assert stage.firsts == list(range(9))
    assert stage.told[1].greys == [20, 20, 20, 20]
    assert stage.told[0].greys == [0, 0, 20, 20]


def test_frames_too_far_apart_leave_a_hole_instead_of_old_pictures(stages: Stages) -> None:
    stage = stages(SIGHT)
    stage.play(0, 8, fps=0.2, sound=False)
    stage.play(8, 12, sound=False)
    assert not {1, 2, 3} & set(stage.firsts)
    assert {0, 4, 5, 8, 9} <= set(stage.firsts)


def test_sound_that_comes_a_second_after_its_picture_lies_where_it_belongs(stages: Stages) -> None:
    stage = stages()
    for tenth in range(80):
        stage.picture(tenth / 10)
        if tenth >= 10:
            stage.sound((tenth - 10) / 10, 0.1)
    assert stage.firsts == [0, 1, 2, 3, 4, 5][: len(stage.firsts)]
    assert len(stage.firsts) >= 5
    for told in stage.told:
        begin = told.window.first_pair
        assert told.window.senses == BOTH
        assert np.array_equal(told.sound, np.arange(begin * RATE_HZ, (begin + 2) * RATE_HZ))
        assert told.greys[0] == 10 * begin


@pytest.mark.parametrize(("dies", "left"), [("sound", SIGHT), ("picture", SOUND)])
def test_when_one_sense_dies_the_other_goes_on_alone_and_its_cues_with_it(stages: Stages, dies: str, left: frozenset[Sense]) -> None:
    stage = stages()
    stage.play(0, 4)
    stage.play(4, 12, sight=dies != "picture", sound=dies != "sound")
    assert stage.firsts == list(range(len(stage.firsts)))
    assert stage.firsts[-1] >= 7
    assert stage.senses[:3] == [BOTH] * 3
    assert stage.senses[4:] == [left] * len(stage.senses[4:])
    cues = stage.told[-1].window.views[0].cues
    assert (cues.motion is None) == (dies == "picture")
    assert (cues.loud is None) == (dies == "sound")
    assert (stage.told[-1].window.views[0].height == 0) == (dies == "picture")


def test_no_window_spans_a_gap_of_three_seconds_and_what_follows_is_whole(stages: Stages) -> None:
    stage = stages()
    stage.play(0, 5)
    stage.play(8, 14.1)
    assert [told.window.first_pair for told in stage.told if told.window.senses == BOTH] == [0, 1, 2, 3, 8, 9, 10, 11, 12]


def test_a_hole_of_a_night_costs_nothing(stages: Stages) -> None:
    stage = stages(replay=True)
    stage.play(0, 4)
    night_s = 8 * 3600.0
    stage.play(night_s, night_s + 4.1)
    assert [told.window.first_pair for told in stage.told if told.window.senses == BOTH] == [0, 1, 2, 28800, 28801, 28802]
    assert len(stage.told) < 12


def test_a_hole_in_the_sound_of_up_to_100_ms_is_silence_and_a_longer_one_is_a_gap(stages: Stages) -> None:
    stage = stages(SOUND)
    stage.sound(0, 1.0)
    stage.sound(1.08, 2.92)
    stage.sound(4.2, 4.0)
    assert stage.firsts == [0, 1, 2, 5, 6]
    assert not stage.told[0].sound[RATE_HZ : RATE_HZ + 1280].any()
    assert np.array_equal(stage.told[0].sound[RATE_HZ + 1280 :], np.arange(RATE_HZ + 1280, 2 * RATE_HZ))


def test_sound_that_says_its_time_in_milliseconds_does_not_click(stages: Stages) -> None:
    stage = stages(SOUND)
    for number in range(300):  # 21.33 ms each, told as 21 or 22
        samples = np.ones(round((number + 1) * 1024 / 3) - round(number * 1024 / 3), np.float32)
        stage.assembly.sound(round(number * 1024 / 48) * 1_000_000, samples)
    assert stage.firsts == [0, 1, 2, 3, 4]
    assert all(told.sound.all() for told in stage.told)


def test_live_pairs_without_a_slot_are_dropped_and_counted_and_nothing_is_written_into_a_held_slot(stages: Stages) -> None:
    stage = stages(slots=5)
    stage.releases = False
    stage.play(0, 20)
    assert stage.firsts == [0, 1, 2, 3]
    assert stage.assembly.figures.dropped_pairs == 15
    for told in stage.told:  # unchanged to the end
        assert np.array_equal(stage.slots.window_sound(told.window.slots), told.sound)
        view = told.window.views[0]
        frames = stage.slots.window_frames(told.window.slots, view.id, view.height, view.width)
        assert [round(float(frame.mean())) for frame in frames] == told.greys
    for told in stage.told:
        stage.holds.release(told.window.id)
    stage.play(20, 24.1)
    assert stage.firsts[4:] == [20, 21, 22]


def test_a_replay_waits_for_slots_and_loses_nothing(stages: Stages) -> None:
    stage = stages(replay=True, slots=5)
    stage.releases = False
    playing = threading.Thread(target=stage.play, args=(0, 20.1))
    playing.start()
    while playing.is_alive():
        for told in list(stage.told):
            stage.holds.release(told.window.id)
        playing.join(0.001)
    assert stage.firsts == list(range(19))
    assert stage.assembly.figures.dropped_pairs == 0


def test_windows_that_overlap_share_the_slots_of_their_common_pairs(stages: Stages) -> None:
    stage = stages()
    stage.releases = False
    stage.play(0, 5.1)
    for earlier, later in zip(stage.told, stage.told[1:], strict=False):
        assert earlier.window.slots[1:] == later.window.slots[:-1]


def test_pairs_of_two_openings_never_share_a_window(stages: Stages) -> None:
    stage = stages()
    stage.play(0, 3.5)
    stage.assembly.begin(BOTH)
    stage.play(3.5, 7.1)
    assert [(told.window.epoch, told.window.first_pair) for told in stage.told if told.window.senses == BOTH] == [(1, 0), (1, 1), (2, 4), (2, 5)]
    assert len({told.window.id for told in stage.told}) == len(stage.told)


def test_a_jump_of_the_sources_clock_begins_an_epoch_and_is_counted(stages: Stages) -> None:
    stage = stages()
    stage.play(0, 3)
    stage.assembly.jumped()
    stage.play(3, 6.1)
    assert stage.assembly.figures.jumps == 1
    assert {told.window.epoch for told in stage.told} == {1, 2}


def test_a_camera_that_changes_its_size_has_no_window_of_two_sizes(stages: Stages) -> None:
    stage = stages(SIGHT)
    for tenth in range(80):
        stage.picture(tenth / 10, height=96 if tenth < 33 else 64)
    shown = {told.window.first_pair: told.window.views[0].height for told in stage.told}
    assert shown == {0: 96, 1: 96, 4: 64, 5: 64}


def test_every_zone_is_a_view_of_its_own_with_its_own_pixels(stages: Stages) -> None:
    zone = Zone(view=ViewId("door.gate"), polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)))
    stage = stages(SIGHT, zones=[zone])
    stage.play(0, 3.1, sound=False)
    window = stage.told[0].window
    assert [(view.id, view.height, view.width) for view in window.views] == [(SENSOR, 96, 160), ("door.gate", 96, 64)]
    assert window.view(ViewId("door.gate")).cues.motion is not None


def test_frames_that_come_out_of_order_or_before_the_first_pair_are_let_go(stages: Stages) -> None:
    stage = stages()
    stage.play(5, 8)
    stage.picture(2.0)
    stage.sound(2.0, 0.1)
    stage.play(8, 10.1)
    assert [told.window.first_pair for told in stage.told] == [5, 6, 7, 8]
    assert stage.told[-1].greys == [80, 85, 90, 95]
