"""The queue between gate and judge: bounded, newest window first, fair between views. It reads no clock and knows no judge.

Live, a view has at most one question waiting: a newer window takes the place of an older one, and what waited for too long is shed.
Beside it each policy of a view may have one low question waiting, a second step or a blank; at most one of those comes out at a turn.

Turns are dealt by stride scheduling: every lane has a reading that grows by 1 / weight a turn, and the smallest is next, so that a
busy view cannot starve another. A view that was idle begins at the others' reading: it saves up nothing.
In a replay nothing is lost: first in, first out.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from analyzers.judge import Question
from analyzers.judgement import Cause
from analyzers.policy import PolicyId
from sensors.moment import NANOSECONDS
from sensors.window import SensorId, ViewId

LOW_WEIGHT = 0.1
"""What a second step weighs against a question."""

_Lane = tuple[ViewId, PolicyId | None]
"""A view; and the policy whose low lane of that view it is, None: the view's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A question that will not be asked, and why: SUPERSEDED or TOO_OLD. Whoever gets it records that and releases the slots."""

    question: Question
    cause: Cause
    low: bool = False
    """It was a second step: nobody waits for a judgement of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What comes out at a turn."""

    batch: tuple[Question, ...]
    shed: tuple[Dropped, ...]
    low: Question | None = None
    """The second step whose turn it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """Totals since the start, and what waits now. Put = taken + superseded + shed + waiting."""

    put: int
    taken: int
    superseded: int
    shed: int
    waiting: int


class Queue:
    """The questions that wait for the judge."""

    def __init__(self, *, capacity: int, max_age: timedelta, lossless: bool = False) -> None:
        """`capacity`: questions, over all views and lanes; `lossless`: a replay, which waits instead of dropping."""
        self._capacity = capacity
        self.configure(max_age)
        self._lossless = lossless
        self._fifo: deque[Question] = deque()
        self._waiting: dict[_Lane, Question] = {}
        self._readings: dict[_Lane, float] = {}
        self._reached = 0.0
        self._put = self._taken = self._superseded = self._shed = 0

    def configure(self, max_age: timedelta) -> None:
        """From now on, what is older is shed."""
        self._max_age_ns = round(max_age.total_seconds() * NANOSECONDS)

    def __len__(self) -> int:
        """Questions that wait."""
        return len(self._fifo) + len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a replay has to wait before it puts more in."""
        return len(self) >= self._capacity

    def statistics(self) -> QueueFigures:
        """The totals and what waits."""
        return QueueFigures(put=self._put, taken=self._taken, superseded=self._superseded, shed=self._shed, waiting=len(self))

    def put(self, question: Question, *, low: bool = False) -> tuple[Dropped, ...]:
        """Let a question wait; those that it superseded, itself where a newer window of its view is waiting already.

        `low`: a second step, or a blank; its lane is that of its first policy. OverflowError in a lossless queue that is full: ask `full` first.
        """
        if self._lossless:
            if self.full:
                raise OverflowError(f"the queue of a replay holds {self._capacity} questions; wait until it is no longer full")
            self._put += 1
            self._fifo.append(question)
            return ()
        self._put += 1
        dropped = self._place((question.view, question.policies[0].id if low else None), question)
        self._superseded += len(dropped)
        return dropped

    def _place(self, lane: _Lane, question: Question) -> tuple[Dropped, ...]:
        older = self._waiting.get(lane)
        if older is not None and older.window.end.boot_ns > question.window.end.boot_ns:
            return (_dropped(lane, question, Cause.SUPERSEDED),)
        self._waiting[lane] = question
        if older is not None:
            return (_dropped(lane, older, Cause.SUPERSEDED),)
        self._readings[lane] = max(self._readings.get(lane, self._reached), self._reached)
        if len(self._waiting) <= self._capacity:
            return ()
        # Second steps go first, then the oldest: what is new is worth most.
        surplus = min(self._waiting, key=lambda key: (key[1] is None, self._waiting[key].window.end.boot_ns))
        return (_dropped(surplus, self._waiting.pop(surplus), Cause.SUPERSEDED),)

    def take(self, now_ns: int, limit: int, *, low: Callable[[Question], bool] = lambda _question: False) -> Taken:
        """At most `limit` questions to be asked together now (boot time), views of one window side by side; and what is too old.

        `low`: whether a low question may come out now; the one of these whose turn it is does so as well.
        """
        if self._lossless:
            batch = tuple(self._fifo.popleft() for _ in range(min(limit, len(self._fifo))))
            self._taken += len(batch)
            return Taken(batch=batch, shed=())
        old = [lane for lane, question in self._waiting.items() if now_ns - question.window.end.boot_ns > self._max_age_ns]
        shed = tuple(_dropped(lane, self._waiting.pop(lane), Cause.TOO_OLD) for lane in old)
        second = self._deal_low(limit, low)
        batch = tuple(self._deal(limit))
        self._shed += len(shed)
        self._taken += len(batch) + (second is not None)
        self._forget_idle()
        return Taken(batch=batch, shed=shed, low=second)

    def drop(self, sensor: SensorId) -> tuple[Dropped, ...]:
        """The waiting questions of a sensor whose slots are void: nobody can look at their windows any more."""
        lanes = [lane for lane, question in self._waiting.items() if question.window.sensor == sensor]
        void = [_dropped(lane, self._waiting.pop(lane), Cause.TOO_OLD) for lane in lanes]
        void += [Dropped(question=question, cause=Cause.TOO_OLD) for question in self._fifo if question.window.sensor == sensor]
        self._fifo = deque(question for question in self._fifo if question.window.sensor != sensor)
        self._shed += len(void)
        return tuple(void)

    def _deal(self, limit: int) -> list[Question]:
        batch: list[Question] = []
        while len(batch) < limit and (lanes := self._lanes(low=False)):
            first = lanes[0]
            self._reached = self._readings[first]
            window = self._waiting[first].window.id
            together = [lane for lane in lanes if self._waiting[lane].window.id == window]
            batch += [self._next(lane) for lane in together[: limit - len(batch)]]
        return batch

    def _deal_low(self, limit: int, may: Callable[[Question], bool]) -> Question | None:
        """The first low question that may come out, if fewer than `limit` questions are to come before it."""
        before, lanes = self._lanes(low=False), [lane for lane in self._lanes(low=True) if may(self._waiting[lane])]
        if not lanes or (len(before) >= limit and self._turn(before[limit - 1]) <= self._turn(lanes[0])):
            return None
        return self._next(lanes[0])

    def _lanes(self, *, low: bool) -> list[_Lane]:
        """Those in which something waits, by their turns."""
        return sorted((lane for lane in self._waiting if (lane[1] is not None) is low), key=self._turn)

    def _turn(self, lane: _Lane) -> tuple[float, int]:
        """Whose turn it is: the smallest reading, and of equal ones the window that waits longest."""
        return self._readings[lane], self._waiting[lane].window.end.boot_ns

    def _next(self, lane: _Lane) -> Question:
        question = self._waiting.pop(lane)
        weight = max((policy.weight for policy in question.policies), default=1.0)
        self._readings[lane] += 1.0 / (weight * (1.0 if lane[1] is None else LOW_WEIGHT))
        return question

    def _forget_idle(self) -> None:
        """Where nobody waits nobody is owed anything, and a reading that the others have passed says nothing: no view is remembered for ever."""
        if not self._waiting:
            self._readings, self._reached = {}, 0.0
        self._readings = {lane: value for lane, value in self._readings.items() if lane in self._waiting or value > self._reached}


def _dropped(lane: _Lane, question: Question, cause: Cause) -> Dropped:
    return Dropped(question=question, cause=cause, low=lane[1] is not None)
