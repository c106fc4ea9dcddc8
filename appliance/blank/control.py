"""The blank control of one box: asks the judge, once for each model, question and shape of windows, what it says where there is nothing.

It asks only while nothing else waits for the judge, and takes a fifth of its time at most. What is found is kept in the store, shown
and told to the journal; it goes past the rules, and changes nothing.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from alerts.names import BLANK_SENSOR
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement
from analyzers.policy import PolicyId
from analyzers.share import Share
from appliance.blank.blanks import Asking, Source, askings
from appliance.blank.figures import BlankFigures
from appliance.blank.findings import ADVICE, FINDING, NAME, Finding, outcome
from appliance.blank.hollow import hollow
from appliance.children.fleet import Fleet
from appliance.children.judge_link import JudgeLink
from appliance.clock import Clock
from appliance.config.configuration import Configuration, SensorConfig
from appliance.pipeline import Pipeline
from appliance.store.remembered import forget, named, remember
from appliance.store.rows import read
from appliance.store.store import Store, StoreFailed
from appliance.watch import NOTHING, Watch
from sensors.news import SensorCondition
from sensors.window import Sense, SensorId

LOOK_EVERY_S = 1.0

log = logging.getLogger("omniwatch.blank-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the control works with."""

    pipeline: Pipeline
    judge: JudgeLink
    fleet: Fleet
    store: Store
    clock: Clock
    figures: BlankFigures


class BlankControl:
    """Asks about nothing, and remembers what was said."""

    def __init__(self, means: Means) -> None:
        """Nothing is asked until `configure` and `run`."""
        self._means = means
        means.pipeline.low_steps.append(self)
        self._sensors: tuple[SensorConfig, ...] = ()
        self._watch: Watch = NOTHING
        self._sources: dict[SensorId, Source] = {}
        self._plans_for: tuple[str, dict[SensorId, Source]] | None = None
        self._askings: tuple[Asking, ...] = ()
        self._found: dict[str, Finding] = {}
        self._failed: set[str] = set()
        self._recalled = False
        self._number = 0
        self._share = Share()
        self._asked: asyncio.Future[tuple[Judgement, ...]] | None = None
        self._flagged: set[PolicyId] = set()
        self.outcome = outcome((), {}, ())

    def configure(self, configuration: Configuration, watch: Watch) -> None:
        """These are the policies from now on; to be called before the judge is told them. What it could not answer is tried again."""
        self._sensors, self._watch, self._plans_for = configuration.sensors, watch, None
        names = {sensor.settings.sensor for sensor in configuration.sensors}
        self._sources = {name: source for name, source in self._sources.items() if name in names}
        self._failed.clear()
        for drop in self._means.pipeline.queue.drop(BLANK_SENSOR):
            self.dropped(drop.question, drop.cause)

    async def run(self) -> None:
        """Ask what was not asked yet, for ever."""
        while True:
            await self._recall()
            self._plan()
            if not (due := self._due()) or not await self._ask(due):
                await asyncio.sleep(LOOK_EVERY_S)

    # What is to be asked.

    def _plan(self) -> None:
        """Work out anew what there is to ask, where something has changed that it depends on."""
        judge = self._means.judge
        if self._means.pipeline.judge is None:  # cues alone agree with nothing that they do not measure
            model, sources, ready = "", {}, True
        else:
            model, sources, ready = self._model(), self._sources | dict(self._opened()), judge.ready
        if not ready or (self._plans_for == (model, sources)):
            return
        self._sources, self._plans_for = sources, (model, sources)
        self._askings = askings(self._watch, [sensor.settings for sensor in self._sensors], sources, model)
        self._show()

    def _model(self) -> str:
        """Who answers: the model, and that of a second look."""
        return f"{self._means.judge.news.model}\n{self._means.judge.news.detail}"

    def _opened(self) -> Iterator[tuple[SensorId, Source]]:
        """What sensors say of themselves that are online. Of one that is lost, what it said last holds."""
        status = self._means.fleet.status()
        for sensor in self._sensors:
            known = status.get(sensor.settings.sensor)
            if known and known.news.condition is SensorCondition.ONLINE:
                news, senses = known.news, sensor.senses
                width, height = (news.width, news.height) if Sense.SIGHT in senses else (0, 0)
                yield news.sensor, Source(width=width, height=height, has_sound=bool(news.sound_codec) and Sense.SOUND in senses)

    def _due(self) -> tuple[Asking, ...]:
        """What is asked next: of one blank, all that was not asked yet."""
        if not self._means.judge.ready or not self._recalled:
            return ()
        open_ = [each for each in self._askings if each.key not in self._found and each.key not in self._failed]
        return tuple(each for each in open_ if each.blank == open_[0].blank)

    # Its way through the queue.

    def owns(self, question: Question) -> bool:
        """Whether a question is about a blank."""
        return question.window.sensor == BLANK_SENSOR

    @property
    def is_free(self) -> bool:
        """Whether the judge has nothing else to do."""
        means = self._means
        return means.judge.ready and len(means.pipeline.queue) == 1 and not self._share.wait_s(asyncio.get_running_loop().time())

    async def begin(self, question: Question) -> None:
        """It is a blank's turn."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await self._means.judge.judge((question,))
        self._share.spend(loop.time(), loop.time() - began)
        self._answered(answers)

    def dropped(self, _question: Question, _cause: Cause) -> None:
        """A blank left the queue without a turn, as windows come first: it is asked another time."""
        self._answered(())

    def _answered(self, answers: tuple[Judgement, ...]) -> None:
        if self._asked and not self._asked.done():
            self._asked.set_result(answers)

    async def _ask(self, due: tuple[Asking, ...]) -> bool:
        """Ask about a blank when its turn comes; whether there was an answer."""
        means, model = self._means, self._model()
        self._number += 1
        self._asked = asyncio.get_running_loop().create_future()
        try:
            with hollow(due[0].blank) as made:
                means.judge.slots(made.layout, made.memory)
                question = made.question(self._number, means.clock.now(), tuple(each.policy for each in due))
                means.pipeline.put_low(question)
                answers = await self._asked
        finally:
            self._asked = None
            means.pipeline.queue.drop(BLANK_SENSOR)
            means.judge.detach(BLANK_SENSOR)
        if any(answer.cause is Cause.JUDGE_FAULT for answer in answers):
            self._give_up()
        elif model == self._model():  # another model may have come while it waited
            await self._take(due, answers)
        return bool(answers)

    # What comes of it.

    def _give_up(self) -> None:
        """The judge broke on a blank, and may have ended of it: nothing that is open is asked before the next start or reload, as windows need it."""
        self._failed |= {each.key for each in self._askings if each.key not in self._found}
        log.warning("the judge could not answer about a window that holds nothing; until the next start or reload no more of these are asked")
        self._show()

    async def _take(self, due: tuple[Asking, ...], answers: tuple[Judgement, ...]) -> None:
        """Keep the answers, if the judge was there to give any."""
        model = self._means.judge.news.model
        answered = ((asking, answer) for asking, answer in zip(due, answers, strict=False) if answer.by is JudgeKind.OMNI)
        new = {asking.key: Finding.of(asking, model, answer) for asking, answer in answered}
        if not new:
            return
        self._found |= new
        try:
            await remember(self._means.store, {NAME + key: FINDING.dump_json(finding).decode() for key, finding in new.items()})
            if not self._due():
                await self._tidy()
        except StoreFailed as error:
            log.debug("what was said of nothing is asked again at the next start: %s", error)  # the store says its outage, once
        self._show()

    async def _tidy(self) -> None:
        """Forget what no policy asks any more, once every sensor has opened: the store holds no more than the configuration asks for."""
        if any(sensor.settings.sensor not in self._sources for sensor in self._sensors):
            return
        wanted = {asking.key for asking in self._askings}

        def work(connection: sqlite3.Connection) -> None:
            for name, _ in named(connection, NAME):
                if name.removeprefix(NAME) not in wanted:
                    forget(connection, name)

        await self._means.store.do(work)
        self._found = {key: finding for key, finding in self._found.items() if key in wanted}

    async def _recall(self) -> None:
        """What was found before this start. A store that cannot be read is asked again."""
        if self._recalled:
            return
        try:
            rows = await self._means.store.do(lambda connection: named(connection, NAME))
        except StoreFailed:
            return
        self._found |= {name.removeprefix(NAME): finding for name, value in rows if (finding := read(FINDING, value))}
        self._recalled = True

    def _show(self) -> None:
        """Say where it stands; each policy that is newly flagged is a line of the journal, and so is the end."""
        before, now = self.outcome, outcome(self._askings, self._found, self._failed)
        self.outcome = now
        self._means.figures.stand(now.scores)
        for flag in now.flags:
            if flag.policy.id not in self._flagged:
                log.warning("%s: %s. Nothing is changed by itself", flag, ADVICE, extra=_facts(flag.policy.id, flag.finding))
        flagged = {flag.policy.id for flag in now.flags}
        for policy in self._flagged - flagged:
            log.info("%s no longer says yes to windows that hold nothing, or is not asked any more", policy)
        self._flagged = flagged
        if now.policies and now.asked == now.policies and (before.asked, before.policies) != (now.asked, now.policies):
            log.info("%s", now)


def _facts(policy: PolicyId, finding: Finding) -> dict[str, dict[str, object]]:
    """A flag for programs that read the journal."""
    return {"facts": {"event": "blank", "policy": policy, "blank": str(finding.blank), "log_odds": finding.log_odds}}
