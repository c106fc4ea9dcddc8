"""The fleet: real sensor processes, started and stopped as the configuration says."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.children.fleet import Fleet, SensorStatus, Uses
from appliance.clock import BoxClock
from appliance.config.configuration import load
from appliance.metrics import Metrics
from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.news import Mute, SensorCondition, SensorFigures, SensorNews
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window
from tests.sensors.harness import Scene, record

CONFIG = """\
site: plant
box: test
timezone: UTC
sensors:
  gate: {source: "file:/nowhere.mp4"}
policies:
  - {id: moves, ask: Does it move?, sensors: [gate], fallback: {motion: 0.1}}
"""


def test_a_stop_in_the_middle_of_a_reload_is_not_swallowed_by_it(tmp_path: Path) -> None:
    (tmp_path / "appliance.yaml").write_text(CONFIG)
    configuration = load(tmp_path / "appliance.yaml")

    async def story() -> None:
        started = asyncio.Event()

        async def window(_window: Window) -> None:
            """There is no film."""

        async def void(_sensor: SensorId) -> None:
            """Nothing waits."""

        def slots(_layout: SlotLayout, _memory: int) -> None:
            started.set()

        fleet = Fleet(Uses(window=window, slots=slots, void=void, detach=lambda _sensor: None), BoxClock(), Metrics())
        await fleet.apply(configuration.sensors)
        await started.wait()
        reloading = asyncio.create_task(fleet.apply(()))
        await asyncio.sleep(0)
        reloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reloading
        await fleet.close()

    asyncio.run(story())


def test_a_sensor_whose_process_hangs_is_lost_although_the_last_that_it_said_was_that_it_is_online() -> None:
    start = Moment(utc=datetime(2026, 3, 1, tzinfo=UTC), boot_ns=100 * NANOSECONDS, boot_id=BootId("b"))
    online = SensorNews(sensor=SensorId("gate"), condition=SensorCondition.ONLINE)
    status = SensorStatus(news=online, since=start, stall_after=timedelta(seconds=10), waits_since=start)
    assert status.delivers(start.plus(timedelta(seconds=12)))
    assert status.is_lost(start.plus(timedelta(seconds=13)))
    fresh = replace(status, figures=SensorFigures(sensor=SensorId("gate"), last_frame_boot_ns=start.boot_ns + 5 * NANOSECONDS))
    assert fresh.delivers(start.plus(timedelta(seconds=17)))
    assert fresh.is_lost(start.plus(timedelta(seconds=18)))
    resumed = replace(status, waits_since=start.plus(timedelta(hours=1)))
    assert not resumed.is_lost(start.plus(timedelta(hours=1, seconds=12)))
    opening = replace(status, news=replace(online, condition=SensorCondition.OPENING))
    assert not opening.is_lost(start.plus(timedelta(hours=1)))


def test_a_sensor_that_starts_while_the_box_speaks_is_told_so(tmp_path: Path) -> None:
    record(tmp_path / "room.mp4", Scene(seconds=8.0, at_s=(3.2,)))
    source, window = f"file:{tmp_path}/room.mp4", "{length: 2s, every: 1s, fps: 2, longest_side: 160}"
    (tmp_path / "appliance.yaml").write_text(CONFIG.replace('{source: "file:/nowhere.mp4"}', f'{{source: "{source}", window: {window}}}'))
    configuration = load(tmp_path / "appliance.yaml")

    async def story() -> None:
        seen: asyncio.Queue[Window] = asyncio.Queue()

        async def void(_sensor: SensorId) -> None:
            """Nothing waits."""

        uses = Uses(window=seen.put, slots=lambda _layout, _memory: None, void=void, detach=lambda _sensor: None)
        fleet = Fleet(uses, BoxClock(), Metrics())
        await fleet.apply(configuration.sensors)
        fleet.mute([SensorId("gate"), SensorId("gone")], Mute(number=1, start_boot_ns=0, end_boot_ns=1 << 62))  # its process is not up yet
        async with asyncio.timeout(20):
            first = await seen.get()
        assert first.own_voice == 1
        await fleet.close()

    asyncio.run(story())


def test_that_the_box_speaks_too_much_is_said_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "appliance.yaml").write_text(CONFIG)

    async def story() -> None:
        async def nothing(_of: object) -> None:
            """Nothing waits."""

        uses = Uses(window=nothing, slots=lambda _layout, _memory: None, void=nothing, detach=lambda _sensor: None)
        fleet = Fleet(uses, BoxClock(), Metrics())
        await fleet.apply(load(tmp_path / "appliance.yaml").sensors)
        for over_s in (0.0, 1.0, 2.0):
            fleet.figures(SensorFigures(sensor=SensorId("gate"), unmuted_s=over_s))
        await fleet.close()

    asyncio.run(story())
    assert sum("the box spoke for over a tenth of an hour" in line.message for line in caplog.records) == 1
