"""A sensor process that was taken over makes nothing but itself fail, whatever it does with its wire. Real processes, each with one misdeed."""

import asyncio
from pathlib import Path

import pytest

from appliance.children.child import ChildLost
from appliance.children.sensor_link import SensorLink
from sensors.news import SensorFigures, SensorNews
from sensors.settings import SensorSettings, WindowShape
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window
from sensors.wire import WireError

SHAPE = WindowShape(length_s=2, every_s=1, fps=2, longest_side=320)


class Heard:
    """Takes all that a link hands on, and releases every window at once."""

    def __init__(self) -> None:
        self.link: SensorLink
        self.news_count = 0

    async def window(self, window: Window) -> None:
        self.link.release(window.id)

    def news(self, _news: SensorNews) -> None:
        self.news_count += 1

    def figures(self, _figures: SensorFigures) -> None:
        """Nothing depends on them here."""

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
    ],
)
def test_a_misdeed_ends_the_process_and_is_said(misdeed: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("from tests.drills.rogue import begin\nbegin()\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")

    async def story() -> int:
        heard = Heard()
        settings = SensorSettings(sensor=SensorId(f"rogue-{misdeed}"), source="file:/nowhere", window=SHAPE, slots=12)
        heard.link = SensorLink(settings, None, heard)
        async with asyncio.timeout(60):
            with pytest.raises((ChildLost, WireError), match=problem):
                await heard.link.run_once()
        return heard.news_count

    assert asyncio.run(story()) <= 40
