"""The judge process as the supervisor sees it: load it within a budget, ask it one batch at a time, and end it at its deadline.

It decides nothing about what to ask. A batch that the judge did not survive is not tried again.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from analyzers.gate import Refusal, unanswered
from analyzers.interview import Answers, Batch, Cost, Detach, Heard, JudgeCondition, JudgeNews, JudgeSettings, Perceived, Policies, Said, WishEnded
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.policy import Policy
from appliance.children.child import Child, ChildLost, Program
from appliance.children.wish_link import WishLink, ask_of
from sensors.slots import SlotLayout
from sensors.window import SensorId
from sensors.wire import Codec, WireError

IDLE_SILENCE_S = 365 * 86400.0
"""An idle judge says nothing. Its deadline counts from the question."""
GRACE_S = 0.5

SAYS: Codec[Said] = Codec(Said)
HEARS: Codec[Heard] = Codec(Heard)


class AsyncJudge(Protocol):
    """A judge that answers later."""

    @property
    def ready(self) -> bool:
        """Whether it takes questions now."""
        ...

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """One judgement for each policy of each question. Never raises for what a judge may do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long a judge may take."""

    loading: timedelta
    batch: timedelta
    memory_bytes: int | None = None
    """What its process may have of memory of its own; None: what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A batch that was answered: what it cost."""

    questions: int
    took_s: float
    """By the supervisor's clock, with the way there and back."""
    cost: Cost


class JudgeLink:
    """A judge in a process of its own, or none as long as no settings are given."""

    def __init__(self, changed: Callable[[JudgeNews], None], measured: Callable[[Work], None], module: str = "analyzers.main") -> None:
        """`changed` is told each new condition, `measured` what each batch cost; `module` is the program."""
        self._module = module
        self.news = JudgeNews(condition=JudgeCondition.DOWN, detail="not started")
        self._changed = changed
        self._measured = measured
        self._settings: JudgeSettings | None = None
        self._budget = Budget(loading=timedelta(0), batch=timedelta(0))
        self._wanted = asyncio.Event()
        self._policies: tuple[Policy, ...] = ()
        self._slots: dict[SensorId, tuple[SlotLayout, int]] = {}
        self._child: Child | None = None
        self._batches = 0
        self._answer: asyncio.Future[tuple[Judgement, ...]] | None = None
        self._partial: list[Judgement] = []
        self._due = 0
        self._cost = Cost()
        self.wishes = WishLink(lambda message: self._send(HEARS.encode(message)), self._hangs)

    def configure(self, settings: JudgeSettings | None, budget: Budget) -> None:
        """Be this judge from now on. A process of other settings ends, and `run_once` with it; another budget costs no model."""
        self._budget = budget
        if settings == self._settings:
            return
        self._settings = settings
        if settings is None:
            self._wanted.clear()
        else:
            self._wanted.set()
        if self._child:
            self._child.kill()

    @property
    def pid(self) -> int | None:
        """The process, if there is one now."""
        return self._child.pid if self._child else None

    @property
    def ready(self) -> bool:
        """Whether a model is loaded and answers."""
        return self._child is not None and self.news.condition is JudgeCondition.READY

    async def run_once(self) -> None:
        """Run the child until it ends, hangs or breaks the protocol: ChildLost or WireError then."""
        await self._wanted.wait()
        settings = self._settings
        if settings is None:
            return
        child = await Child.start(Program(name="judge", module=self._module, descriptors={}, memory_bytes=self._budget.memory_bytes))
        problem = "ended"
        loading = asyncio.get_running_loop().call_later(self._budget.loading.total_seconds(), self._too_slow, child)
        try:
            self._child = child
            self._tell(JudgeNews(condition=JudgeCondition.LOADING))
            child.send(HEARS.encode(settings))
            self._send_policies()
            for layout, memory in self._slots.values():
                child.send(HEARS.encode(layout), (memory,))
            await self._listen(child, loading)
        except ChildLost as lost:
            problem = lost.problem
            raise
        finally:
            loading.cancel()
            self._child = None
            self.wishes.lost()
            if self._answer and not self._answer.done():
                self._answer.set_exception(ChildLost("judge", "ended in the middle of a batch"))
            if self.news.condition is not JudgeCondition.DOWN and not _is_stopping():
                self._tell(JudgeNews(condition=JudgeCondition.DOWN, detail=f"the judge process {problem}"))
            child.kill()
            await child.close()

    async def _listen(self, child: Child, loading: asyncio.TimerHandle) -> None:
        async for data in child.messages(IDLE_SILENCE_S):
            self._hear(SAYS.decode(data))
            if self.news.condition is not JudgeCondition.LOADING:
                loading.cancel()
            if self.news.condition is JudgeCondition.DOWN:
                raise ChildLost("judge", self.news.detail)

    def _too_slow(self, child: Child) -> None:
        self._tell(JudgeNews(condition=JudgeCondition.DOWN, detail=f"the model did not load within {self._budget.loading.total_seconds():g} s"))
        child.kill()

    def _tell(self, news: JudgeNews) -> None:
        if news != self.news:
            self.news = news
            self._changed(news)

    def _hear(self, message: Said) -> None:
        match message:
            case JudgeNews():
                self._tell(message)
            case Perceived() | WishEnded():
                self.wishes.hear(message)
            case Answers():
                if message.id != self._batches or not self._answer:
                    raise WireError(f"answers batch {message.id}, asked was {self._batches}")
                self._partial.extend(message.judgements)
                if len(self._partial) > self._due:
                    raise WireError(f"{len(self._partial)} answers, asked for were {self._due}")
                self._cost = message.cost
                if not message.more and not self._answer.done():
                    self._answer.set_result(tuple(self._partial))

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """Ask, and wait until the deadline. What it did not answer is FAILED; the child that did not answer is ended."""
        child = self._child
        if not child or not self.ready:
            return failed(batch, Cause.JUDGE_DOWN)
        datagram = self._batch(batch)
        if datagram is None:
            half = len(batch) // 2
            return (*await self.judge(batch[:half]), *await self.judge(batch[half:]))
        self._partial, self._due = [], sum(len(question.policies) for question in batch)
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._answer = loop.create_future()
        try:
            child.send(datagram)
            answers = await self._answered(self._answer)
            self._measured(Work(questions=len(batch), took_s=loop.time() - began, cost=self._cost))
        except TimeoutError:
            self._hangs()
            return failed(batch, Cause.JUDGE_FAULT)
        except ChildLost:
            return failed(batch, Cause.JUDGE_FAULT)
        finally:
            self._answer = None
        return _in_order(batch, answers)

    def _hangs(self) -> None:
        """It does not answer in its time: it is ended."""
        self._tell(JudgeNews(condition=JudgeCondition.DOWN, detail=f"no answer within {self._budget.batch.total_seconds():g} s"))
        if self._child:
            self._child.kill()

    async def _answered(self, answer: asyncio.Future[tuple[Judgement, ...]]) -> tuple[Judgement, ...]:
        """The answer within the deadline; or at once after it, where it was we who stood still while it lay there. TimeoutError else."""
        for wait_s in (self._budget.batch.total_seconds(), GRACE_S):
            await asyncio.wait((answer,), timeout=wait_s)
            if answer.done():
                return answer.result()
        raise TimeoutError

    def _batch(self, batch: tuple[Question, ...]) -> bytes | None:
        """The datagram of a batch, with no more of each window than is asked about; None where it would be too large for one."""
        try:
            datagram = HEARS.encode(Batch(id=self._batches + 1, asks=tuple(ask_of(question) for question in batch)))
        except ValueError:
            if len(batch) == 1:
                raise
            return None
        self._batches += 1
        return datagram

    def slots(self, layout: SlotLayout, memory: int) -> None:
        """A sensor process starts with this shared memory. The descriptor is duplicated."""
        self.detach(layout.sensor)
        self._slots[layout.sensor] = (layout, os.dup(memory))
        if self._child:
            self._send(HEARS.encode(layout), (self._slots[layout.sensor][1],))

    def detach(self, sensor: SensorId) -> None:
        """A sensor is gone from the configuration, or about to have other slots."""
        known = self._slots.pop(sensor, None)
        if known:
            os.close(known[1])
            self._send(HEARS.encode(Detach(sensor=sensor)))

    def policies(self, policies: tuple[Policy, ...]) -> None:
        """From now on questions are of these."""
        self._policies = policies
        if self._child:
            self._send_policies()

    def _send_policies(self) -> None:
        for datagram in _datagrams(self._policies, first=True):
            self._send(datagram)

    def _send(self, datagram: bytes, descriptors: Sequence[int] = ()) -> None:
        if self._child:
            try:
                self._child.send(datagram, descriptors)
            except ChildLost as lost:
                self._child.kill(lost.problem)


def _is_stopping() -> bool:
    """Whether the task that asks is being cancelled: an orderly end is no fault."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _datagrams(policies: tuple[Policy, ...], *, first: bool) -> list[bytes]:
    """Policies in as many datagrams as their texts need; one alone always fits."""
    try:
        return [HEARS.encode(Policies(first=first, policies=policies))]
    except ValueError:
        half = len(policies) // 2
        if not half:
            raise
    return _datagrams(policies[:half], first=first) + _datagrams(policies[half:], first=False)


def failed(batch: tuple[Question, ...], cause: Cause) -> tuple[Judgement, ...]:
    """The judgements of a batch that nobody answered."""
    return tuple(_failed(question, policy, cause) for question in batch for policy in question.policies)


def _failed(question: Question, policy: Policy, cause: Cause) -> Judgement:
    refusal = Refusal(verdict=Verdict.FAILED, cause=cause)
    return unanswered(policy, question.window, question.view, refusal, by=JudgeKind.SUPERVISOR)


def _in_order(batch: tuple[Question, ...], answers: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """The answers in the questions' order; what was not asked for, or is of another time, is left out, and what is missing has failed."""
    by_key = {(answer.window, answer.start, answer.end, answer.view, answer.policy): answer for answer in answers}
    return tuple(
        by_key.get((of.id, of.start, of.end, question.view, policy.id)) or _failed(question, policy, Cause.JUDGE_FAULT)
        for question, of in ((question, question.window) for question in batch)
        for policy in question.policies
    )
