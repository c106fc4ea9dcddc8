"""The second step: as an alarm of the model opens, the model is asked what there is and what to do first, and the text follows as an update.

The first message has gone out by then. A hit waits in the queue of all questions, in a low lane; its window's slots are held until the
judge has perceived it. Each hit ends in one text that is told, or in one reason why there is none, which is counted.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.alert import Alert
from alerts.announcement import one_line
from alerts.decision import Decision
from alerts.event import Described
from alerts.names import SELF_TEST
from analyzers.description import Description, Undescribed
from analyzers.interview import WishEnded
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement
from analyzers.policy import PolicyId
from analyzers.transcript import outcome
from appliance.children.judge_link import JudgeLink
from appliance.children.wish_link import UnderWay
from appliance.clock import Clock
from appliance.config.judge_form import JudgeConfig
from appliance.describing_figures import DescribingFigures
from appliance.pipeline import Pipeline
from appliance.standing import as_it_stands
from appliance.store import description_rows
from appliance.store.store import Store, StoreFailed
from appliance.watch import Watch
from sensors.moment import NANOSECONDS, Moment
from sensors.window import SensorId, ViewId, WindowId

log = logging.getLogger("omniwatch")

WANTED_FOR = timedelta(seconds=60)
"""From the alarm on. Whoever was told has looked by then."""
MAX_WAITING = 16
"""Hits. Each may hold a window's slots."""

Key = tuple[WindowId, PolicyId, ViewId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What descriptions work with."""

    store: Store
    pipeline: Pipeline
    judge: JudgeLink
    clock: Clock
    watch: Callable[[], Watch]
    figures: DescribingFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An alarm that opened, and what opened it."""

    alert: Alert
    question: Question

    @property
    def until(self) -> Moment:
        """After this nobody wants to hear more of it."""
        return self.alert.changed.plus(WANTED_FOR)


class Describing:
    """All descriptions of the box."""

    def __init__(self, means: Means) -> None:
        """Nothing is described until `configure` says so."""
        self._means = means
        means.pipeline.low_steps.append(self)
        self._config = JudgeConfig()
        self._waiting: dict[Key, Hit] = {}
        self._asked: tuple[Hit, UnderWay] | None = None
        self._something = asyncio.Event()
        self._unwanted: Undescribed | None = None
        """Why what is under way is not wanted any more."""
        self._telling = asyncio.Lock()
        """Held while a text is folded in, so that it is either forgotten with the rest or not told at all."""
        self._held: Key | None = None
        self._unwanted_keys: set[Key] = set()
        """Of those that wait: somebody has had forgotten what they are of."""

    def configure(self, judge: JudgeConfig) -> None:
        """Describe from now on as `judge` says. Switched off, what is under way ends untold, and what waits when its turn would have come."""
        self._config = judge
        if not judge.describes and self._asked:
            self._forgo(Undescribed.WITHDRAWN)

    def saw(self, what: Judgement | Decision) -> None:
        """Something was decided: an alarm that opens, by the model and told, is a hit."""
        if not isinstance(what, Decision) or not what.opens or not what.told or what.alert is None:
            return
        if self._config.describes and what.alert.by is JudgeKind.OMNI and what.alert.policy != SELF_TEST:
            self._opened(what.alert)

    def _opened(self, alert: Alert) -> None:
        holding, figures = self._means.pipeline.holding, self._means.figures
        figures.asked()
        window = holding.find(alert.window) if alert.window else None
        policy = self._means.watch().policies().get((alert.policy, alert.view))
        if window is None or policy is None:
            figures.unwritten(Undescribed.GONE)
        elif len(self._waiting) >= MAX_WAITING:
            figures.unwritten(Undescribed.CROWDED)
        else:
            question = Question(window=window, view=alert.view, policies=(policy,))
            holding.hold(window)
            self._waiting[_key(question)] = Hit(alert=alert, question=question)
            self._means.pipeline.put_low(question)

    @property
    def is_busy(self) -> bool:
        """Whether a hit is being described."""
        return self._asked is not None

    @property
    def is_free(self) -> bool:
        """Whether the judge can be asked now."""
        return not self.is_busy and self._means.judge.ready and self._config.describes

    def owns(self, question: Question) -> bool:
        """Whether it is a hit that waits."""
        return _key(question) in self._waiting

    async def begin(self, question: Question) -> None:
        """It is a hit's turn: the judge is asked at once, as its window's slots may be others' a moment later."""
        hit = self._waiting.pop(_key(question))
        if _key(question) in self._unwanted_keys:
            self._drop(question, Undescribed.FORGOTTEN)
            return
        self._held, self._unwanted = _key(question), None
        policy = self._means.watch().policies().get((hit.alert.policy, hit.alert.view))  # the judge knows it as it is since the last reload
        asked = replace(question, policies=(policy,)) if policy else question
        wishes = self._means.judge.wishes
        self._asked = (hit, wishes.send(asked, self._config.language, hit.until.boot_ns, lambda: self._let_go(hit)))
        self._something.set()

    def dropped(self, question: Question, cause: Cause) -> None:
        """A hit left the queue without a turn."""
        self._waiting.pop(_key(question))
        old = self._means.clock.now().since(question.window.end) >= self._config.max_age
        self._drop(question, Undescribed.CROWDED if cause is Cause.SUPERSEDED else Undescribed.STALE if old else Undescribed.GONE)

    def _drop(self, question: Question, why: Undescribed) -> None:
        """A hit is not described."""
        self._means.pipeline.holding.let_go(question.window)
        reason = why if self._config.describes else Undescribed.WITHDRAWN
        self._means.figures.unwritten(Undescribed.FORGOTTEN if _key(question) in self._unwanted_keys else reason)
        self._unwanted_keys.discard(_key(question))

    async def run(self) -> None:
        """Wait for descriptions, and tell them, for ever."""
        while True:
            self._something.clear()
            if self._asked:
                await self._finish(*self._asked)
            else:
                await self._something.wait()

    async def _finish(self, hit: Hit, wish: UnderWay) -> None:
        """Wait for what becomes of a hit. The next one may begin when that is known."""
        left = hit.until.since(self._means.clock.now()) + self._config.deadline
        try:
            ended = await self._means.judge.wishes.end_of(wish, max(0.0, left.total_seconds()))
            self._let_go(hit)
            why = self._unwanted or ended.why
            if why is None and ended.description:
                why = await self._told(hit, ended.description)
            self._count(hit, ended, why)
        finally:
            self._let_go(hit)
            self._asked = None
            self._means.pipeline.stir()

    def _let_go(self, hit: Hit) -> None:
        """Its window is needed no longer."""
        if self._held == _key(hit.question):
            self._held = None
            self._means.pipeline.holding.let_go(hit.question.window)

    async def _told(self, hit: Hit, description: Description) -> Undescribed | None:
        """Fold it into its alert, open or over; why not, where that cannot be."""
        try:
            found = await as_it_stands(hit.alert.id, self._means.pipeline, self._means.store)
        except StoreFailed:
            found = None
        policy = self._means.watch().policies().get((hit.alert.policy, hit.alert.view))
        if found is None or policy is None:
            return Undescribed.WITHDRAWN
        said = description if policy.transcript else description.without_transcript()  # it was wanted when the judge was asked, and may not be now
        async with self._telling:
            if self._unwanted or found[0].window != hit.alert.window:  # it has opened again meanwhile, and that is a hit of its own
                return self._unwanted or Undescribed.CROWDED
            event = Described(alert=found[0], told=found[1], description=said, at=self._means.clock.now())
            await self._means.pipeline.fold([(policy, hit.alert.view, event)])
        if policy.transcript:
            self._means.figures.transcribed(outcome(said.transcript))
        return None

    def _count(self, hit: Hit, ended: WishEnded, why: Undescribed | None) -> None:
        figures, alert = self._means.figures, hit.alert
        figures.spent(ended.took_s)
        if ended.first_word_ns is not None and alert.changed.boot_id == self._means.clock.now().boot_id:
            figures.first_word((ended.first_word_ns - alert.changed.boot_ns) / NANOSECONDS)
        if why is None:
            figures.written()
            return
        figures.unwritten(why)
        log.info("no description of %s on %s: %s", alert.policy, one_line(alert.view, 100), why)

    async def forget(self, sensor: SensorId, start: datetime, end: datetime) -> tuple[str, ...]:
        """What a sensor saw between two times is not described any more, and what was said of it is taken out. StoreFailed where that cannot be."""

        def is_of(hit: Hit) -> bool:
            window = hit.question.window
            return window.sensor == sensor and window.start.utc <= end and window.end.utc >= start

        self._unwanted_keys |= {key for key, hit in self._waiting.items() if is_of(hit)}
        if self._asked and is_of(self._asked[0]):
            self._forgo(Undescribed.FORGOTTEN)
        async with self._telling:
            policies, at = self._means.watch().policies(), self._means.clock.now()
            for track in self._means.pipeline.tracks():
                policy, alert = policies.get((track.policy, track.view)), track.alert
                if policy and alert and alert.sensor == sensor and description_rows.is_said_of(alert, start, end):
                    event = Described(alert=alert, told=track.withheld is None, description=None, at=at)
                    await self._means.pipeline.fold([(policy, track.view, event)])
        found = await self._means.store.do(lambda connection: description_rows.forget(connection, sensor, start, end), for_good=True)
        return tuple(f"description of alert {alert}" for alert in found)

    def _forgo(self, why: Undescribed) -> None:
        self._unwanted = why
        self._means.judge.wishes.forgo()


def _key(question: Question) -> Key:
    return question.window.id, question.policies[0].id, question.view
