"""A clip that is being played: the hidden sensor's end, and what is seen of it on its way. It decides nothing about what it sees."""

import asyncio
from collections.abc import Callable

from alerts.decision import Decision
from alerts.reason import Reason
from analyzers.judgement import Judgement
from appliance.children.judge_link import JudgeLink
from appliance.pipeline import Pipeline
from appliance.selftest.clips import SHAPE, Clip
from appliance.selftest.trip import Passed, Stage
from sensors.news import SensorCondition, SensorFigures, SensorNews
from sensors.slots import SlotLayout
from sensors.window import Window

NO_ANSWERS = (Reason.IDLE, Reason.WITHDRAWN)


class Player:
    """Receives what the sensor process says of a clip, and is shown what becomes of its window."""

    def __init__(self, clip: Clip, pipeline: Pipeline, judge: JudgeLink) -> None:
        """The trip begins now."""
        self.clip = clip
        self.stages: list[Passed] = []
        self.judgement: Judgement | None = None
        self.decision: Decision | None = None
        self.problem = ""
        self._pipeline = pipeline
        self._judge = judge
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    def reached(self, stage: Stage, says: str = "", *, ago_s: float = 0.0) -> None:
        """A stage, so long ago."""
        self.stages.append(Passed(stage=stage, at_s=self._loop.time() - self._began - ago_s, says=says))
        self._news.set()

    def failed(self, problem: str) -> None:
        """It goes no further."""
        self.problem = self.problem or problem
        self._news.set()

    async def until(self, holds: Callable[[], bool], within_s: float, otherwise: str) -> bool:
        """Wait until something holds; where it does not in time, that is what has failed."""
        try:
            async with asyncio.timeout(within_s):
                while not holds() and not self.problem:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self.failed(otherwise)
        return not self.problem

    # What the sensor process says.

    async def window(self, window: Window) -> None:
        """The clip's one window goes the way of any other."""
        self.reached(Stage.WINDOW, f"{SHAPE.length_s:g} s of {' and '.join(sorted(window.senses)) or 'nothing'}")
        await self._pipeline.window(window)

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """The judge reads the clip's slots as it does those of a camera."""
        self._judge.slots(layout, descriptor)

    def news(self, news: SensorNews) -> None:
        """It is open, or cannot be read."""
        if news.condition is SensorCondition.ONLINE:
            self.reached(Stage.OPENED, f"{news.width}x{news.height} {news.codec}, {news.sound_codec or 'no sound'}")
        elif news.condition is SensorCondition.LOST:
            self.failed(f"the clip cannot be read ({news.reason})")

    def figures(self, figures: SensorFigures) -> None:
        """Nothing of these matters to a clip."""

    # What the data path shows.

    def saw(self, what: Judgement | Decision) -> None:
        """The answer, and what the rules made of it, once that is written."""
        if isinstance(what, Judgement):
            if self.judgement is None:
                self.judgement = what
                score = f", score {what.log_odds:+.2f}" if what.log_odds is not None else ""
                self.reached(Stage.JUDGED, f"{what.verdict.value.replace('_', ' ')}{score}, by {what.by.value}")
        elif self.judgement is not None and self.decision is None and what.reason not in NO_ANSWERS:
            self.decision = what
            self._news.set()
