from dataclasses import dataclass

import av
import pytest
from av.packet import Packet
from av.stream import Stream

from sensors.clock import BoxTime
from sensors.fault import FaultReason, SensorFault
from sensors.moment import NANOSECONDS, BootId
from sensors.stream import Freshness

STALL_S = 10.0


class SetTime(BoxTime):
    """A box whose time is set by hand."""

    def __init__(self) -> None:
        super().__init__(BootId("set"))
        self.at_s = 0.0

    def now_ns(self) -> int:
        return round(self.at_s * NANOSECONDS)


@dataclass(frozen=True)
class Came:
    """A packet: when it came, its presentation time, and of which sense."""

    at_s: float
    pts: int | None
    picture: bool = True


def packet(pts: int | None) -> "Packet[Stream]":
    made = av.Packet(b"x")
    made.pts = pts
    return made


def told(packets: list[Came]) -> list[bool]:
    box = SetTime()
    freshness = Freshness(STALL_S, box)
    out = []
    for came in packets:
        box.at_s = came.at_s
        out.append(freshness.packet(packet(came.pts), picture=came.picture))
    return out


def test_a_new_time_is_fresh_and_an_old_one_or_none_is_not() -> None:
    assert told([Came(0.1, 0), Came(0.2, 1), Came(0.3, 1), Came(0.4, None), Came(0.5, 2)]) == [True, True, False, False, True]


@pytest.mark.parametrize(
    "packets",
    [
        # Packets come, but their times stand still.
        [Came(0.0, 0), *(Came(0.5 * number, 0) for number in range(22))],
        # Packets without a time are no sign of life either.
        [Came(0.0, 0), *(Came(0.5 * number, None) for number in range(22))],
        # From a camera that hangs FFmpeg hands out one last packet after the first timeout, and waits as long again.
        [Came(0.0, 0), Came(0.1, 1), Came(10.2, 2)],
        # The picture has died, the sound lives on: opening the camera again may bring it back.
        [Came(0.0, 0), *(Came(0.5 * number, number, picture=False) for number in range(22))],
    ],
)
def test_what_is_not_fresh_for_too_long_is_stalled(packets: list[Came]) -> None:
    with pytest.raises(SensorFault) as caught:
        told(packets)
    assert caught.value.reason is FaultReason.STALLED


def test_a_slow_camera_and_one_without_a_picture_are_not_stalled() -> None:
    assert all(told([Came(9.0 * number, number) for number in range(10)]))
    assert all(told([Came(0.1 * number, number, picture=False) for number in range(1000)]))


def test_a_sound_that_dies_does_not_cost_the_picture() -> None:
    assert all(told([Came(0.0, 0, picture=False), *(Came(0.1 * number, number) for number in range(1000))]))
