"""All that the box keeps of what its sensors perceive, as one part: clips and descriptions of alarms, and second streams. Wiring alone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alerts.decision import Decision
from analyzers.judgement import Judgement
from appliance.children.fleet import Fleet
from appliance.children.judge_link import JudgeLink
from appliance.clock import Clock
from appliance.config.configuration import Configuration
from appliance.describing import Describing
from appliance.describing import Means as DescribingMeans
from appliance.evidence.evidence import Evidence, Means
from appliance.evidence.record_streams import RecordStreams
from appliance.evidence.room import EvidenceRoom
from appliance.metrics import Metrics
from appliance.pipeline import Pipeline
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.window import SensorId


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """The parts of the box that it works with."""

    store: Store
    pipeline: Pipeline
    fleet: Fleet
    judge: JudgeLink
    clock: Clock
    metrics: Metrics
    watch: Callable[[], Watch]


class Keeping:
    """Evidence, whatever fills its segments beside the sensors themselves, and descriptions."""

    def __init__(self, among: Among, state: Path) -> None:
        """Nothing runs until `apply` and `run`."""
        self._among = among
        self._streams = RecordStreams(among.metrics.evidence.second)
        room = EvidenceRoom(among.store, state, among.clock.now())
        means = Means(store=among.store, pipeline=among.pipeline, clock=among.clock, watch=among.watch, lost=self._is_lost)
        self.evidence = Evidence(means, room)
        self.describing = Describing(
            DescribingMeans(
                store=among.store,
                pipeline=among.pipeline,
                judge=among.judge,
                clock=among.clock,
                watch=among.watch,
                figures=among.metrics.describing,
            )
        )

    def saw(self, what: Judgement | Decision) -> None:
        """Something was decided."""
        self.evidence.saw(what)
        self.describing.saw(what)

    async def apply(self, configuration: Configuration) -> None:
        """Keep what `configuration` says from now on."""
        self.evidence.configure(configuration)
        self.describing.configure(configuration.judge)
        await self._streams.apply(configuration.sensors)

    async def run(self) -> None:
        """Make clips and have alarms described, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.evidence.run(), name="clips")
            tasks.create_task(self.describing.run(), name="descriptions")

    async def close(self) -> None:
        """End the processes."""
        await self._streams.close()

    async def remove(self, sensor: SensorId, start: datetime, end: datetime) -> Sequence[str]:
        """Forget what is kept of a sensor between two times; says of each thing what it was."""
        said = await self.describing.forget(sensor, start, end)
        return [*said, *(str(removed) for removed in await self.evidence.forget(sensor, start, end))]

    def full(self) -> str:
        """Why no more is kept; empty while there is room."""
        return self.evidence.statistics().full

    def gauge(self) -> None:
        """Say the figures."""
        self._among.metrics.evidence.stand(self.evidence.statistics())

    def _is_lost(self, sensor: SensorId) -> bool:
        lost = self._streams.is_lost(sensor)
        status = self._among.fleet.status().get(sensor)
        return lost if lost is not None else status is None or status.is_lost(self._among.clock.now())
