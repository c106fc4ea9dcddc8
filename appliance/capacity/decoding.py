"""Sensor processes that decode beside the judge that is measured, as on a real box: one for each sensor of a load.

Their windows are not judged, as a recording that begins anew has gaps between them; how late they come is heard, and what the processes take.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from analyzers.omni.machine import free_bytes
from appliance.children.child import ChildLost
from appliance.children.sensor_link import SensorLink
from appliance.clock import BoxClock
from appliance.config.configuration import SensorConfig, least_slots
from sensors.fault import FaultReason
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.slots import SlotLayout
from sensors.window import SensorId, Window
from sensors.wire import WireError

UP_S = 120.0
"""For all that a load needs more to be up: each loads its libraries first, half a second of a core."""
SETTLE_S = 3.0
PROCESS_BYTES, SPARE_BYTES = 96 << 20, 512 << 20
"""What is reckoned for a process (measured: 46 MiB of its own with H.264 of 768x432), and what stays free: no more are started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the processes were like for a while."""

    late: float
    """Age of a window as it comes from its process, as a share of `every`; 95 of 100 were younger. 0 where none came."""
    late_s: float
    silent: int
    """Processes that are wanted and give nothing: not started for lack of memory, not up, or broken."""
    cores: float
    """That one process takes."""


class _Decoder:
    """One process. It is the receiver of its link."""

    def __init__(self, sensor: SensorConfig, source: str, name: SensorId) -> None:
        shape = sensor.settings.window
        settings = replace(sensor.settings, sensor=name, source=source, slots=least_slots(shape), segments=None)
        self.ages_s: list[float] = []
        self.every_s = shape.every_s
        self.settled = asyncio.Event()
        self._is_up = False
        self._clock = BoxClock()
        self._link = SensorLink(settings, sensor.credentials if source == sensor.settings.source else None, self)
        self._task = asyncio.create_task(self._run(), name=f"decoder {name}")

    @property
    def is_over(self) -> bool:
        return self._task.done()

    @property
    def delivers(self) -> bool:
        return self._is_up and not self._task.done()

    def used_s(self) -> float:
        """Seconds of a core, since it started."""
        with suppress(OSError):
            fields = Path(f"/proc/{self._link.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            await self._link.run_once()
        except (ChildLost, WireError):
            self._is_up = False
        finally:
            self.settled.set()

    async def window(self, window: Window) -> None:
        self.ages_s.append(max(0.0, self._clock.now().since(window.end).total_seconds()))
        self._link.release(window.id)

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """Nobody reads them."""

    def figures(self, figures: SensorFigures) -> None:
        """Nobody asks."""

    def news(self, news: SensorNews) -> None:
        """A recording that is over begins anew."""
        self._is_up = news.condition is SensorCondition.ONLINE or (self._is_up and news.reason is FaultReason.ENDED)
        self.settled.set()


class Decoders:
    """As many processes as a load has sensors: of each configured one in turn."""

    def __init__(self, sensors: Sequence[SensorConfig], sources: Sequence[str | None]) -> None:
        """`sources`: what is decoded for each of `sensors`; None: the device itself, and only for the first of its kind."""
        self._kinds = tuple(zip(sensors, sources, strict=True))
        self._running: list[_Decoder | None] = []
        self._began: tuple[float, dict[_Decoder, float]] = 0.0, {}
        self._unstarted = 0

    async def run(self, count: int) -> None:
        """Have so many run, and wait until each has opened its source, or will not."""
        over = [*self._running[count:], *(decoder for decoder in self._up() if decoder.is_over)]
        await asyncio.gather(*(decoder.close() for decoder in over if decoder))
        self._running = [None if decoder and decoder.is_over else decoder for decoder in self._running[:count]]
        wanted = [number for number in range(count) if self._source(number) and not (number < len(self._running) and self._running[number])]
        room = max(0, (free_bytes() - SPARE_BYTES) // PROCESS_BYTES)
        self._unstarted = max(0, len(wanted) - room)
        self._running += [None] * (count - len(self._running))
        for number in wanted[:room]:
            self._running[number] = _Decoder(self._sensor(number), self._source(number), SensorId(f"load-{number}"))
        if wanted:
            await self._settle()
        self.begin()

    def _sensor(self, number: int) -> SensorConfig:
        return self._kinds[number % len(self._kinds)][0]

    def _source(self, number: int) -> str:
        """What a copy decodes; '' where nothing can be."""
        sensor, source = self._kinds[number % len(self._kinds)]
        return source or (sensor.settings.source if number < len(self._kinds) else "")

    async def _settle(self) -> None:
        """Wait until all are up, and a little more: they all load at once, and that is no decoding."""
        opening = [asyncio.create_task(decoder.settled.wait()) for decoder in self._up()]
        _, late = await asyncio.wait(opening, timeout=UP_S) if opening else (set(), set())
        for task in late:
            task.cancel()
        await asyncio.sleep(SETTLE_S)

    def begin(self) -> None:
        """What is heard counts from now."""
        for decoder in self._up():
            decoder.ages_s.clear()
        self._began = asyncio.get_running_loop().time(), {decoder: decoder.used_s() for decoder in self._up()}

    async def heard_for(self, seconds: float) -> None:
        """Wait until `begin` is so long ago, where there is a process at all."""
        if self._up():
            await asyncio.sleep(self._began[0] + seconds - asyncio.get_running_loop().time())

    def heard(self) -> Heard:
        """Since `begin`."""
        began_s, used = self._began
        seconds = asyncio.get_running_loop().time() - began_s
        spent = [decoder.used_s() - before_s for decoder, before_s in used.items() if decoder.delivers]
        return Heard(
            late=p95([age_s / decoder.every_s for decoder in self._up() for age_s in decoder.ages_s]),
            late_s=p95([age_s for decoder in self._up() for age_s in decoder.ages_s]),
            silent=self._unstarted + sum(not decoder.delivers for decoder in self._up()),
            cores=sum(spent) / len(spent) / seconds if spent and seconds else 0.0,
        )

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(decoder.close() for decoder in self._up()))
        self._running.clear()

    def _up(self) -> list[_Decoder]:
        return [decoder for decoder in self._running if decoder]


def p95(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed; 0 where there is none."""
    return sorted(values)[ceil(0.95 * len(values)) - 1] if values else 0.0
