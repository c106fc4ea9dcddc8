from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from sensors.clock import CAMERA, DEVICE, RECORDING, BoxTime, RecordingTime, SourceClock
from sensors.moment import NANOSECONDS, BootId
from sensors.settings import Replay

MS = 1_000_000
BEGIN_NS = 5_000 * NANOSECONDS
"""Boot time at which the camera's picture of presentation time `FIRST_NS` was taken."""
FIRST_NS = 77 * NANOSECONDS
FRAME_NS = NANOSECONDS // 15


class Camera:
    """A camera of 15 frames a second whose clock goes `ppm` too fast, over a network with 1 to 20 ms of delay."""

    def __init__(self, ppm: float = 0.0) -> None:
        self.clock = SourceClock(CAMERA)
        self._fast = 1.0 + ppm / 1e6
        self._number = 0
        self._random = np.random.default_rng(1)

    def frame(self, *, late_ns: int = 0) -> tuple[int, int | None]:
        """The next frame: when it was taken, and when the clock says that it was."""
        true_ns = self._number * FRAME_NS
        self._number += 1
        delay_ns = late_ns + round(self._random.uniform(1, 20) * MS)
        at_ns = self.clock.at_ns("picture", FIRST_NS + round(true_ns * self._fast), BEGIN_NS + true_ns + delay_ns)
        return BEGIN_NS + true_ns, at_ns

    def errors(self, seconds: float, *, late_ns: int = 0) -> list[int]:
        """How far off the frames of the next seconds are told, in ns."""
        told = [self.frame(late_ns=late_ns) for _ in range(round(15 * seconds))]
        return [at_ns - true_ns for true_ns, at_ns in told if at_ns is not None]


def test_nothing_is_placed_before_the_source_was_heard_for_half_a_second() -> None:
    camera = Camera()
    told = [camera.frame()[1] for _ in range(30)]
    assert told[:7] == [None] * 7
    assert None not in told[9:]


def test_what_was_buffered_while_it_was_opened_does_not_make_it_late() -> None:
    camera = Camera()
    for number in range(20):
        # The probe took 1.3 s: its frames are all read at its end.
        camera.frame(late_ns=1333 * MS - number * FRAME_NS)
    camera.errors(1)
    assert all(0 <= error <= 20 * MS for error in camera.errors(5))


@pytest.mark.parametrize("ppm", [-200.0, -20.0, 20.0, 200.0])
def test_a_clock_that_drifts_is_followed_for_hours_both_ways(ppm: float) -> None:
    errors = Camera(ppm).errors(2 * 3600)
    assert max(errors) < 20 * MS
    assert min(errors) > -20 * MS  # a drift of an hour not followed would be 720 ms at 200 ppm


def test_following_never_moves_a_frame_by_more_than_5_ms() -> None:
    camera = Camera(-200.0)
    told = [at_ns for at_ns in (camera.frame()[1] for _ in range(15 * 300)) if at_ns is not None]
    assert all(abs(b - a - FRAME_NS) <= 5 * MS + MS for a, b in pairwise(told))


def test_a_burst_after_a_stall_does_not_move_the_clock() -> None:
    camera = Camera()
    before = camera.errors(30)[-1]
    for number in range(60):  # 4 s of frames that come at once
        camera.frame(late_ns=4 * NANOSECONDS - number * FRAME_NS)
    assert all(abs(error - before) <= 5 * MS for error in camera.errors(30))


def test_picture_and_sound_share_one_anchor() -> None:
    clock = SourceClock(CAMERA)
    for number in range(40):
        now_ns = BEGIN_NS + number * 50 * MS
        sound = clock.at_ns("sound", number * 50 * MS, now_ns + 30 * MS)
        picture = clock.at_ns("picture", number * 50 * MS, now_ns + 300 * MS)  # a slow encoder
    assert sound is not None
    assert sound == picture


@pytest.mark.parametrize(
    "jump_ns",
    [
        -10 * NANOSECONDS,  # its clock was set back
        60 * NANOSECONDS,  # its clock was set on
        -(2**32) * NANOSECONDS // 90_000,  # 32 bits of 90 kHz are full
    ],
)
def test_a_jump_is_counted_and_frames_and_sound_stay_where_they_belong_and_together(jump_ns: int) -> None:
    clock, jumped_ns = SourceClock(CAMERA), {"picture": 0, "sound": 0}
    for number in range(15 * 40):
        true_ns = number * FRAME_NS
        if number >= 15 * 10:
            jumped_ns["picture"] = jump_ns
        if number >= 15 * 10 + 2:  # the sound comes a little later
            jumped_ns["sound"] = jump_ns
        placed = [clock.at_ns(stream, FIRST_NS + true_ns + jumped_ns[stream], BEGIN_NS + true_ns + 10 * MS) for stream in jumped_ns]
        if number > 15:
            assert all(at_ns is not None and 0 <= at_ns - BEGIN_NS - true_ns <= 20 * MS for at_ns in placed), number
            assert placed[0] == placed[1]
    assert clock.jumps == 1


def test_a_device_that_loses_samples_is_moved_on() -> None:
    clock = SourceClock(DEVICE)
    told_ns = BEGIN_NS
    for tenth in range(1, 400):
        counted = tenth - (10 if tenth > 100 else 0)  # a second of sound was lost
        at_ns = clock.at_ns("sound", counted * 100 * MS, BEGIN_NS + tenth * 100 * MS)
        assert at_ns is not None
        told_ns = at_ns
    assert clock.jumps == 1
    assert told_ns == BEGIN_NS + 399 * 100 * MS


def recording_times(*seconds: float) -> tuple[list[float], int]:
    """Where a recording that begins at 3 s places pictures of these presentation times, and how often it jumped."""
    clock, latest, placed = SourceClock(RECORDING, offset_ns=-3 * NANOSECONDS), 0, []
    for second in seconds:
        at_ns = clock.at_ns("picture", round(second * NANOSECONDS), latest)
        assert at_ns is not None
        placed.append(at_ns / NANOSECONDS)
        latest = max(latest, at_ns)
    return placed, clock.jumps


@pytest.mark.parametrize(
    ("seconds", "placed", "jumps"),
    [
        ((3, 4, 5), [0, 1, 2], 0),  # from its own zero
        ((3, 4, 604, 605), [0, 1, 601, 602], 0),  # a hole is a hole
        ((3, 4, 5, 3, 4, 5), [0, 1, 2, 2, 3, 4], 1),  # two recordings in one file
        ((3, 4, 2**33), [0, 1, 1], 1),  # no recording has such a time
        ((2**33, 2**33 + 1), [0, 1], 0),  # nor begins with it
    ],
)
def test_a_recording_has_its_own_time_from_zero_that_never_goes_back(seconds: tuple[float, ...], placed: list[float], jumps: int) -> None:
    assert recording_times(*seconds) == (placed, jumps)


def test_a_moment_of_a_recording_is_its_start_and_its_own_time() -> None:
    start = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    moment = RecordingTime(Replay(start_utc_s=start.timestamp(), boot_id=BootId("tape"))).moment(1_500 * MS)
    assert (moment.utc, moment.boot_ns, moment.boot_id) == (start + timedelta(seconds=1.5), 1_500 * MS, "tape")


def test_a_moment_of_the_box_has_the_boot_time_that_it_was_asked_for_and_the_wall_time_that_it_was_then() -> None:
    box = BoxTime(BootId("now"))
    before = datetime.now(UTC)
    moment = box.moment(box.now_ns() - 60 * NANOSECONDS)
    assert timedelta(seconds=59.5) < before - moment.utc <= timedelta(seconds=60)
