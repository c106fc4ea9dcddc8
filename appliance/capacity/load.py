"""Sensors that are not there: windows of the configured shape, full of noise, put to the real judge as a box would put them.

They end on one grid, as those of real sensors do, so that a burst comes at once. Everything stirs: each policy is asked about each window.
Meanwhile as many real sensor processes decode, and what their windows are late by is added to the judge's time.
"""

import asyncio
import heapq
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle, islice

import numpy as np

from analyzers.judge import Question
from analyzers.judgement import Cause, Judgement
from analyzers.policy import Policy
from analyzers.queue import Queue
from appliance.capacity.conditions import asked_about, judged_sensors
from appliance.capacity.decoding import Decoders, Heard, p95
from appliance.capacity.ramp import Tried, first_load
from appliance.children.judge_link import JudgeLink
from appliance.clock import BoxClock
from appliance.config.configuration import Configuration, SensorConfig
from appliance.loaded_judge import NoJudge
from appliance.outlook import view_size
from appliance.pipeline import BATCH
from appliance.wiring import QUEUE_CAPACITY
from sensors.cues import Cues
from sensors.moment import NANOSECONDS, Moment
from sensors.slots import SlotLayout, Slots, create
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

MEASURED_S, BURSTS = 12.0, 3
"""How long a load is watched: so long, and for so many windows of each sensor."""
ROUNDS = 3
"""Of the first look at how quick the judge is; the quickest counts."""
LOOK_S = 2.0
"""How long processes are watched to know about what one takes."""
EPOCH = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A configured sensor that is copied: its policies by view, and a piece of memory with noise that all copies share."""

    sensor: SensorConfig
    policies: Mapping[ViewId, tuple[Policy, ...]]
    layout: SlotLayout
    memory: int

    @classmethod
    def of(cls, configuration: Configuration, sensor: SensorConfig) -> "Model":
        """Fill the memory."""
        shape = sensor.settings.window
        layout = SlotLayout.of(replace(sensor.settings, slots=shape.pairs + shape.stride_pairs))
        memory = create(layout)
        made = cls(sensor=sensor, policies=asked_about(configuration, sensor), layout=layout, memory=memory)
        slots, random = Slots(layout, memory, writable=True), np.random.default_rng(0)
        for slot in range(layout.count):
            slots.sound(slot)[:] = random.standard_normal(layout.samples) * 0.1
            for view, (width, height) in made.sizes().items() if Sense.SIGHT in sensor.senses else ():
                slots.frames(slot, view, height, width)[:] = random.integers(0, 255, (2, height, width, 3))
        return made

    def sizes(self) -> dict[ViewId, tuple[int, int]]:
        """Width and height of the frames of each view that is asked about; zeros where it only listens."""
        zones = {zone.view: zone for zone in self.sensor.settings.zones}
        sees = Sense.SIGHT in self.sensor.senses
        return {view: view_size(self.sensor.settings.window, zones.get(view)) if sees else (0, 0) for view in self.policies}


@dataclass(slots=True, kw_only=True)
class Copy:
    """One copy, and how far it is."""

    model: Model
    name: SensorId
    burst: int = 0

    @property
    def every_s(self) -> float:
        """From one window to the next."""
        return self.model.sensor.settings.window.every_s

    def view(self, view: ViewId) -> ViewId:
        """One of the configured sensor's views, as this copy's."""
        return ViewId(self.name + view.removeprefix(self.model.sensor.settings.sensor))

    def layout(self) -> SlotLayout:
        """The shared memory, under this copy's name."""
        return replace(self.model.layout, sensor=self.name, views=tuple(map(self.view, self.model.layout.views)))

    def questions(self, end: Moment) -> list[Question]:
        """Those about the next window, which ends at `end`."""
        shape = self.model.sensor.settings.window
        first = self.burst * shape.stride_pairs
        self.burst += 1
        window = Window(
            id=WindowId(f"{self.name}/{EPOCH}/{first}"),
            sensor=self.name,
            epoch=EPOCH,
            first_pair=first,
            start=end.plus(timedelta(seconds=-shape.length_s)),
            end=end,
            slots=tuple((first + number) % self.model.layout.count for number in range(shape.pairs)),
            senses=self.model.sensor.senses,
            views=tuple(View(id=self.view(view), width=width, height=height, cues=Cues()) for view, (width, height) in self.model.sizes().items()),
        )
        return [Question(window=window, view=self.view(view), policies=policies) for view, policies in self.model.policies.items()]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What comes of one load, as it goes."""

    counts_from_ns: int
    shares: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    def answered(self, question: Question, every_s: float, now_ns: int) -> None:
        if question.window.end.boot_ns >= self.counts_from_ns:
            took_s = (now_ns - question.window.end.boot_ns) / NANOSECONDS
            self.seconds.append(took_s)
            self.shares.append(took_s / every_s)

    def dropped(self, question: Question) -> None:
        self.lost += question.window.end.boot_ns >= self.counts_from_ns

    def result(self, sensors: int, heard: Heard) -> Tried:
        """Time from the sensor and time with the judge, added as if the same windows were late with both: the safe side."""
        return Tried(
            sensors=sensors,
            answered=len(self.shares),
            p95=p95(self.shares) + heard.late,
            p95_s=p95(self.seconds) + heard.late_s,
            late_s=heard.late_s,
            lost=self.lost,
            silent=heard.silent,
            cores=heard.cores,
        )


class Load:
    """Any number of copies of the configured sensors, in turn, and the judge that they are put to."""

    def __init__(self, configuration: Configuration, judge: JudgeLink, decoders: Decoders) -> None:
        """They are made as they are needed."""
        self._decoders = decoders
        self._models = tuple(Model.of(configuration, sensor) for sensor in judged_sensors(configuration))
        self._max_age = configuration.judge.max_age
        self._judge = judge
        self._clock = BoxClock()
        self._copies: list[Copy] = []

    def close(self) -> None:
        """Let the memory go."""
        for model in self._models:
            os.close(model.memory)

    @property
    def step_s(self) -> float:
        """About how long one load takes."""
        longest_s = max(model.sensor.settings.window.every_s for model in self._models)
        return longest_s + max(MEASURED_S, BURSTS * longest_s)

    async def first_guess(self) -> int:
        """How many sensors the box should hold, by how quickly waiting windows are judged and by what decoding takes. NoJudge where it cannot."""
        copies = self._first(max(BATCH, len(self._models)))
        await self._decoders.run(len(copies))
        windows_s, took = sum(1 / copy.every_s for copy in copies) / len(copies), []
        for _ in range(ROUNDS):
            now = self._clock.now()
            questions = [question for copy in copies for question in copy.questions(now)]
            began = time.monotonic()
            for start in range(0, len(questions), BATCH):
                await self._asked(tuple(questions[start : start + BATCH]))
            took.append((time.monotonic() - began) / len(copies))
        await self._decoders.heard_for(LOOK_S)
        return first_load(int(1 / (windows_s * min(took))), self._decoders.heard().cores, len(os.sched_getaffinity(0)))

    async def put(self, sensors: int, times: float = 1.0) -> Tried:
        """Have so many sensors judged for a while, `times` as long as usual. Ends at once where a window is lost. NoJudge where the judge goes."""
        await self._decoders.run(sensors)
        fed = self._first(sensors)
        longest_s = max(copy.every_s for copy in fed)
        begin_ns = self._clock.now().boot_ns
        # The first windows of each are not counted: a sensor that is new has more to look at than one that is known.
        tally = _Tally(counts_from_ns=begin_ns + round(longest_s * NANOSECONDS))
        queue = Queue(capacity=QUEUE_CAPACITY, max_age=self._max_age)
        beginning = asyncio.get_running_loop().call_later(longest_s, self._decoders.begin)
        seconds = longest_s + times * max(MEASURED_S, BURSTS * longest_s)
        feeding = asyncio.create_task(self._feed(fed, queue, tally, begin_ns + round(seconds * NANOSECONDS)), name="sensors")
        every_s = {copy.name: copy.every_s for copy in fed}
        try:
            while not tally.lost and not (feeding.done() and not len(queue)):
                taken = queue.take(self._clock.now().boot_ns, BATCH)
                for drop in taken.shed:
                    tally.dropped(drop.question)
                if not taken.batch:
                    await asyncio.sleep(0.005)
                    continue
                await self._asked(taken.batch)
                now_ns = self._clock.now().boot_ns
                for question in taken.batch:
                    tally.answered(question, every_s[question.window.sensor], now_ns)
        finally:
            beginning.cancel()
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        return tally.result(sensors, self._decoders.heard())

    async def _feed(self, copies: list[Copy], queue: Queue, tally: _Tally, until_ns: int) -> None:
        """Put each sensor's windows into the queue when they end, all on one grid."""
        began = self._clock.now()
        due = [(0.0, number) for number in range(len(copies))]
        while due and began.boot_ns + due[0][0] * NANOSECONDS < until_ns:
            at_s, number = heapq.heappop(due)
            end = began.plus(timedelta(seconds=at_s))
            await asyncio.sleep(max(0.0, -self._clock.now().since(end).total_seconds()))
            for question in copies[number].questions(end):
                for drop in queue.put(question):
                    tally.dropped(drop.question)
            heapq.heappush(due, (at_s + copies[number].every_s, number))

    def _first(self, count: int) -> list[Copy]:
        """So many copies, of the configured sensors in turn."""
        for number, model in islice(enumerate(cycle(self._models)), len(self._copies), count):
            copy = Copy(model=model, name=SensorId(f"load-{number}"))
            self._judge.slots(copy.layout(), model.memory)
            self._copies.append(copy)
        return self._copies[:count]

    async def _asked(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        answers = await self._judge.judge(batch)
        if not self._judge.ready:
            raise NoJudge(f"it went in the middle: {self._judge.news.detail}")
        if any(answer.cause is Cause.JUDGE_FAULT for answer in answers):
            raise NoJudge("it could not judge such windows: what it wrote above says why")
        return answers
