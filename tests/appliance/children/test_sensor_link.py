"""A sensor process that was taken over makes nothing but itself fail, whatever it does with its wire. Real processes, each with one misdeed."""

import asyncio
from pathlib import Path

import pytest

from appliance.children.child import ChildLost
from appliance.children.sensor_link import SensorLink
from appliance.clock import boot_id
from sensors.news import SensorFigures, SensorNews
from sensors.settings import SegmentSettings, SensorSettings, WindowShape
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window
from sensors.wire import WireError
from tests.sensors.harness import Scene, record

SHAPE = WindowShape(length_s=2, every_s=1, fps=2, longest_side=320)


class Heard:
    """Takes all that a link hands on, and releases every window at once."""

    def __init__(self) -> None:
        self.link: SensorLink
        self.news_count = 0
        self.troubled = 0
        self.twice = asyncio.Event()

    async def window(self, window: Window) -> None:
        self.link.release(window.id)

    def news(self, _news: SensorNews) -> None:
        self.news_count += 1

    def figures(self, figures: SensorFigures) -> None:
        self.troubled += bool(figures.segments_problem)
        if self.troubled == 2:
            self.twice.set()

    async def slots(self, _layout: SlotLayout, _descriptor: int) -> None:
        """Nobody judges."""


@pytest.mark.parametrize(
    ("misdeed", "problem"),
    [
        ("garbage", "Invalid JSON"),
        ("half", "Invalid JSON"),
        ("flood", "says too much"),
        ("fat", "too"),  # a condition that changes 380 times a second would be as many lines in the journal
        ("deaf", "does not read"),
        ("another", "speaks for"),
        ("elsewhere", "a window of slots"),  # it points the judge out of its own memory
        ("large", "frames of"),
        ("eternal", "no sensor says that"),  # nobody can reckon with such a time: whoever published it ended the box
        ("prophet", "no moment of any box"),
        ("nameless", "a window called"),
        ("shows-too-often", "shows its picture too often"),
        ("bomb", "a preview that is too large"),  # 30 bytes that fill the memory of whoever unpacks them
        ("no-picture", "no whole JPEG"),
    ],
)
def test_a_misdeed_ends_the_process_and_is_said(misdeed: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("from tests.drills.rogue import begin\nbegin()\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")

    async def story() -> int:
        heard = Heard()
        settings = SensorSettings(sensor=SensorId(f"rogue-{misdeed}"), source="file:/nowhere", window=SHAPE, slots=12)
        heard.link = SensorLink(settings, None, heard)
        async with asyncio.timeout(60):
            with pytest.raises((ChildLost, WireError), match=problem):
                await heard.link.run_once()
        return heard.news_count

    assert asyncio.run(story()) <= 40


def test_that_no_segments_can_be_kept_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "runtime").write_text("no folder")
    film = record(tmp_path / "film.mp4", Scene(seconds=5))
    segments = SegmentSettings(folder=str(tmp_path / "runtime"), seconds=60, bytes=1 << 26)

    async def story() -> None:
        heard = Heard()
        settings = SensorSettings(sensor=SensorId("gate"), source=f"file:{film}", window=SHAPE, slots=12, segments=segments)
        heard.link = SensorLink(settings, None, heard)
        running = asyncio.create_task(heard.link.run_once())
        async with asyncio.timeout(60):
            await heard.twice.wait()
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(story())
    assert [line.message for line in caplog.records if "evidence" in line.message] == [
        f"gate: there may be no evidence of it: segments cannot be written to {tmp_path}/runtime/{boot_id()}/gate: Not a directory"
    ]
