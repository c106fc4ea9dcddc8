import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors.fault import FaultReason
from sensors.main import HEARS
from sensors.news import Release, SensorCondition, SensorNews
from sensors.window import SensorId, Window
from sensors.wire import Codec, WireError
from tests.sensors.harness import REPLAY, Scene, record, running, settings_for


@pytest.fixture
def mute_server() -> Iterator[int]:
    """A port at which somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def private_bytes(pid: int) -> int:
    """Memory that is the process's own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def hang(seconds: float) -> None:
    """What a supervisor does that hangs: what the sensor process does meanwhile is what is tested."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        assert not select.select([nobody], [], [], seconds)[0]


def test_it_ends_at_once_when_its_socket_closes_in_the_middle_of_a_hanging_read(tmp_path: Path, mute_server: int) -> None:
    with running(settings_for(f"rtsp://127.0.0.1:{mute_server}/x"), tmp_path) as sensor:
        sensor.read_until(lambda: sensor.figures is not None)
        sensor.end.close()
        began = time.monotonic()
        assert sensor.process.wait(5) == 0
    assert time.monotonic() - began < 1


def test_a_camera_that_never_answers_is_a_timeout(tmp_path: Path, mute_server: int) -> None:
    with running(settings_for(f"rtsp://127.0.0.1:{mute_server}/x", stall_after_s=1.0), tmp_path) as sensor:
        assert sensor.wait_for(SensorCondition.LOST, 4).reason is FaultReason.TIMEOUT


def test_an_outage_is_told_once_however_often_it_is_tried(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with running(settings_for(f"rtsp://127.0.0.1:{port}/x"), tmp_path, secret={"username": "anna", "password": "hush"}) as sensor:
        assert sensor.wait_for(SensorCondition.LOST).reason is FaultReason.REFUSED
        for _ in range(3):
            sensor.figures = None
            sensor.read_until(lambda: sensor.figures is not None)
        told = b"".join(sensor.said).decode() + sensor.errors()
    assert len(sensor.news) == 1
    assert all(word not in told for word in ("anna", "hush", "127.0.0.1"))


def test_a_local_camera_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with running(settings_for("v4l2:/dev/video97"), tmp_path) as sensor:
        lost = sensor.wait_for(SensorCondition.LOST)
    assert (lost.reason, lost.detail) == (FaultReason.NOT_FOUND, "there is no /dev/video97")


def test_a_source_that_is_not_in_the_table_is_refused(tmp_path: Path) -> None:
    with running(settings_for("http://127.0.0.1/x.mp4"), tmp_path) as sensor:
        assert sensor.wait_for(SensorCondition.LOST).reason is FaultReason.UNSUPPORTED


def test_a_supervisor_that_does_not_read_for_five_seconds_costs_neither_memory_nor_order(tmp_path: Path) -> None:
    file = record(tmp_path / "long.mp4", Scene(seconds=20, at_s=()))
    with running(settings_for(f"file:{file}"), tmp_path) as sensor:
        sensor.read_until(lambda: len(sensor.seen) == 1)
        before = private_bytes(sensor.process.pid)
        hang(5)
        assert private_bytes(sensor.process.pid) < before + 8 * 2**20
        sensor.read_until(lambda: sensor.seen[-1].window.first_pair >= sensor.seen[0].window.first_pair + 6)
    firsts = [each.window.first_pair for each in sensor.seen]
    assert firsts == sorted(set(firsts))


def test_a_replay_whose_windows_nobody_releases_waits_and_ends_with_its_socket(tmp_path: Path) -> None:
    file = record(tmp_path / "long.mp4", Scene(seconds=20, at_s=()))
    with running(settings_for(f"file:{file}", replay=REPLAY, slots=5), tmp_path) as sensor:
        sensor.releases = False
        sensor.read_until(lambda: len(sensor.seen) == 3)
        for _ in range(2):
            sensor.figures = None
            sensor.read_until(lambda: sensor.figures is not None)
        assert len(sensor.seen) == 3
        assert sensor.figures
        assert sensor.figures.dropped_pairs == 0
        for seen in list(sensor.seen):
            sensor.release(seen.window)
        sensor.releases = True
        sensor.read_to_the_end()
    assert [seen.window.first_pair for seen in sensor.seen] == list(range(19))


def test_a_supervisor_that_breaks_the_protocol_is_left(tmp_path: Path, mute_server: int) -> None:
    with running(settings_for(f"rtsp://127.0.0.1:{mute_server}/x"), tmp_path) as sensor:
        sensor.end.send(b'{"kind": "release", "windows": 7}')
        assert sensor.process.wait(5) == 4
        assert "Traceback" not in sensor.errors()


def test_ctrl_c_at_the_terminal_is_left_to_the_supervisor(tmp_path: Path, mute_server: int) -> None:
    with running(settings_for(f"rtsp://127.0.0.1:{mute_server}/x"), tmp_path) as sensor:
        sensor.read_until(lambda: sensor.figures is not None)
        sensor.process.send_signal(signal.SIGINT)
        sensor.figures = None
        sensor.read_until(lambda: sensor.figures is not None)
        assert sensor.errors() == ""


def test_no_core_file_is_written_with_a_password_in_it(tmp_path: Path, mute_server: int) -> None:
    with running(settings_for(f"rtsp://127.0.0.1:{mute_server}/x"), tmp_path) as sensor:
        sensor.read_until(lambda: sensor.figures is not None)
        limits = Path(f"/proc/{sensor.process.pid}/limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]


def test_a_reason_outside_the_closed_set_is_no_message() -> None:
    codec: Codec[SensorNews] = Codec(SensorNews)
    good = SensorNews(sensor=SensorId("door"), condition=SensorCondition.LOST, reason=FaultReason.STALLED)
    assert codec.decode(codec.encode(good)) == good
    assert {codec.decode(codec.encode(SensorNews(sensor=good.sensor, condition=good.condition, reason=reason))).reason for reason in FaultReason}
    with pytest.raises(WireError):
        codec.decode(codec.encode(good).replace(b"stalled", b"my cat"))


def test_a_child_hears_nothing_but_settings_and_releases() -> None:
    assert HEARS.decode(HEARS.encode(Release(windows=("door/1/2",)))) == Release(windows=("door/1/2",))
    with pytest.raises(WireError):
        HEARS.decode(b'{"kind": "window"}')
    assert Window.__dataclass_fields__["kind"].default == "window"
