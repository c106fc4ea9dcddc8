"""The queue: newest first, fair, bounded, and nothing that goes in is ever unaccounted for."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from analyzers.judge import Question
from analyzers.judgement import Cause
from analyzers.policy import Policy, PolicyId
from analyzers.queue import Dropped, Queue, QueueFigures, Taken
from sensors.cues import Cues
from sensors.moment import BootId, Moment
from sensors.window import Sense, SensorId, View, ViewId, Window, WindowId

SECOND = 1_000_000_000


def ANY(_question: Question) -> bool:  # noqa: N802 - a constant that is a function
    """Whatever is low may come out."""
    return True


START = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
MAX_AGE = timedelta(seconds=20)


def question(view: str, end_s: float, weight: float = 1.0) -> Question:
    sensor = SensorId(view.partition(".")[0])
    policy = Policy(id=PolicyId("p"), title="", ask="?", sensors=(sensor,), weight=weight)
    end = START.plus(timedelta(seconds=end_s))
    window = Window(
        id=WindowId(f"{sensor}/0/{end_s}"), sensor=sensor, epoch=0, first_pair=round(end_s), start=START, end=end,
        slots=(), senses=frozenset(Sense), views=(View(id=ViewId(view), height=0, width=0, cues=Cues()),),
    )  # fmt: skip
    return Question(window=window, view=ViewId(view), policies=(policy,))


def live(capacity: int = 100) -> Queue:
    return Queue(capacity=capacity, max_age=MAX_AGE)


def views(taken: Taken) -> list[str]:
    return [one.view for one in taken.batch]


def test_a_newer_window_takes_the_place_of_an_older_one() -> None:
    queue = live()
    older, newer = question("hall", 1), question("hall", 2)
    assert queue.put(older) == ()
    assert queue.put(newer) == (Dropped(question=older, cause=Cause.SUPERSEDED),)
    assert queue.take(2 * SECOND, 10) == Taken(batch=(newer,), shed=())


def test_a_window_that_comes_late_is_superseded_by_the_newer_one_that_waits() -> None:
    queue = live()
    older, newer = question("hall", 1), question("hall", 2)
    queue.put(newer)
    assert queue.put(older) == (Dropped(question=older, cause=Cause.SUPERSEDED),)
    assert queue.take(2 * SECOND, 10).batch == (newer,)


def test_views_do_not_supersede_each_other() -> None:
    queue = live()
    assert queue.put(question("hall", 1)) == queue.put(question("hall.cell", 1)) == queue.put(question("yard", 1)) == ()
    assert len(queue) == 3


def test_what_waited_for_longer_than_max_age_is_shed() -> None:
    queue = live()
    old, fresh = question("hall", 1), question("yard", 2)
    queue.put(old)
    queue.put(fresh)
    assert queue.take(round(21.5 * SECOND), 10) == Taken(batch=(fresh,), shed=(Dropped(question=old, cause=Cause.TOO_OLD),))


def test_views_of_the_same_window_are_asked_together() -> None:
    queue = live()
    for one in (question("yard", 1), question("hall", 1), question("yard.gate", 1), question("hall.cell", 1)):
        queue.put(one)
    assert views(queue.take(SECOND, 3)) == ["yard", "yard.gate", "hall"]
    assert views(queue.take(SECOND, 3)) == ["hall.cell"]


def served(weights: dict[str, float], rounds: int) -> Counter[str]:
    """Every view has a new window before each turn; one is taken a turn."""
    queue, turns = live(), Counter[str]()
    for second in range(rounds):
        for view, weight in weights.items():
            queue.put(question(view, second, weight))
        turns.update(views(queue.take(second * SECOND, 1)))
    return turns


def test_views_share_the_judge_by_weight() -> None:
    turns = served({"hall": 3.0, "yard": 1.0, "gate": 1.0}, 500)
    assert turns["hall"] == pytest.approx(300, abs=3)
    assert turns["yard"] == pytest.approx(100, abs=3)


def test_a_busy_camera_of_many_zones_does_not_starve_another() -> None:
    queue, turns = live(), Counter[str]()
    for second in range(400):
        for view in ("hall", "hall.a", "hall.b", "hall.c", "yard"):
            queue.put(question(view, second))
        turns.update(views(queue.take(second * SECOND, 2)))
    assert turns["yard"] == pytest.approx(160, abs=4)


def test_a_view_that_was_idle_has_saved_nothing_up() -> None:
    queue = live()
    for second in range(100):
        queue.put(question("hall", second))
        queue.take(second * SECOND, 1)
    turns = Counter[str]()
    for second in range(100, 120):
        queue.put(question("hall", second))
        queue.put(question("yard", second))
        turns.update(views(queue.take(second * SECOND, 1)))
    assert turns["hall"] == pytest.approx(10, abs=1)


def test_a_second_step_waits_behind_questions_and_is_not_forgotten() -> None:
    queue, turns = live(), Counter[bool]()
    for second in range(330):
        queue.put(question("hall", second))
        queue.put(question("gate", second))
        queue.put(question("yard", second), low=True)
        taken = queue.take(second * SECOND, 1, low=ANY)
        turns.update([taken.low is not None])
        assert len(taken.batch) == 1
    assert turns[True] == pytest.approx(330 / 20, abs=2)
    queue.take(330 * SECOND, 10, low=ANY)
    queue.put(question("yard", 331), low=True)
    queue.take(331 * SECOND, 10, low=ANY)
    queue.put(question("gate", 332), low=True)
    taken = queue.take(332 * SECOND, 1, low=ANY)
    assert taken.low
    assert taken.low.view == "gate"


def test_a_second_step_comes_out_only_when_it_is_asked_for_and_takes_no_questions_place() -> None:
    queue = live()
    first, second = question("hall", 1), question("hall", 1)
    queue.put(first)
    queue.put(second, low=True)
    assert queue.take(SECOND, 0) == Taken(batch=(), shed=())
    assert queue.take(SECOND, 9) == Taken(batch=(first,), shed=())
    assert queue.take(SECOND, 9, low=ANY) == Taken(batch=(), shed=(), low=second)


def test_policies_that_hit_in_one_view_have_a_second_step_each_and_one_at_a_turn() -> None:
    queue = live()
    one = question("hall", 1)
    other = replace(one, policies=(replace(one.policies[0], id=PolicyId("other")),))
    assert queue.put(one, low=True) == queue.put(other, low=True) == ()
    assert queue.take(SECOND, 9, low=ANY).low is one
    assert queue.take(SECOND, 9, low=ANY).low is other


def test_a_second_step_that_is_too_old_or_void_says_that_it_was_one() -> None:
    queue = live()
    old, void = question("hall", 1), question("yard", 30)
    queue.put(old, low=True)
    queue.put(void, low=True)
    assert queue.take(30 * SECOND, 9).shed == (Dropped(question=old, cause=Cause.TOO_OLD, low=True),)
    assert queue.drop(SensorId("yard")) == (Dropped(question=void, cause=Cause.TOO_OLD, low=True),)


def test_a_full_queue_gives_up_second_steps_first_and_then_the_oldest() -> None:
    queue = live(capacity=2)
    look, old = question("hall", 5), question("yard", 1)
    queue.put(look, low=True)
    queue.put(old)
    assert queue.put(question("gate", 2)) == (Dropped(question=look, cause=Cause.SUPERSEDED, low=True),)
    assert queue.put(question("door", 3)) == (Dropped(question=old, cause=Cause.SUPERSEDED),)
    assert len(queue) == 2


@pytest.mark.parametrize("lossless", [False, True], ids=["live", "a replay"])
def test_a_sensor_that_is_gone_takes_its_questions_along_and_no_others(lossless: bool) -> None:  # noqa: FBT001 - a row of a table
    queue = Queue(capacity=9, max_age=MAX_AGE, lossless=lossless)
    hall, cell, yard = question("hall", 1), question("hall.cell", 1), question("yard", 1)
    for one in (hall, yard, cell):
        queue.put(one)
    assert {dropped.question.view for dropped in queue.drop(SensorId("hall"))} == {"hall", "hall.cell"}
    assert queue.take(SECOND, 9).batch == (yard,)


def test_a_replay_loses_nothing_and_keeps_its_order() -> None:
    queue = Queue(capacity=50, max_age=MAX_AGE, lossless=True)
    questions = [question("hall", second) for second in range(50)]
    for one in questions:
        assert queue.put(one) == ()
    assert queue.full
    with pytest.raises(OverflowError, match="50"):
        queue.put(question("hall", 51))
    taken = [one for _ in range(10) for one in queue.take(10_000 * SECOND, 7).batch]
    assert taken == questions


def test_what_the_queue_remembers_of_views_that_are_gone_is_nothing() -> None:
    queue = live()
    for number in range(300):
        queue.put(question(f"camera{number}", number))
        queue.take(number * SECOND, 5)
    assert len(queue._readings) <= 2  # noqa: SLF001 - memory that grows for months shows nowhere else


class Accounting(RuleBasedStateMachine):
    """Whatever happens in whatever order, every question that goes in comes out once: taken, superseded or too old."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = live(capacity=4)
        self.now_s = 0.0
        self.inside: list[Question] = []
        self.out: list[int] = []

    def leave(self, one: Question) -> None:
        assert any(one is other for other in self.inside), "came out without having gone in, or twice"
        self.inside = [other for other in self.inside if other is not one]

    @rule(view=st.sampled_from(["hall", "hall.cell", "yard", "gate", "door", "dock"]), age_s=st.floats(0, 30), low=st.booleans())
    def put(self, view: str, age_s: float, low: bool) -> None:  # noqa: FBT001 - Hypothesis passes by name
        one = question(view, self.now_s - age_s)
        self.inside.append(one)
        for dropped in self.queue.put(one, low=low):
            assert dropped.cause is Cause.SUPERSEDED
            self.leave(dropped.question)

    @rule(limit=st.integers(1, 5), low=st.booleans())
    def take(self, limit: int, low: bool) -> None:  # noqa: FBT001 - Hypothesis passes by name
        taken = self.queue.take(round(self.now_s * SECOND), limit, low=lambda _: low)
        assert len(taken.batch) <= limit
        assert low or taken.low is None
        for one in (*taken.batch, *((taken.low,) if taken.low else ())):
            assert self.now_s - one.window.end.boot_ns / SECOND <= MAX_AGE.total_seconds() + 1e-6
            self.leave(one)
        for dropped in taken.shed:
            assert dropped.cause is Cause.TOO_OLD
            self.leave(dropped.question)

    @rule(sensor=st.sampled_from(["hall", "yard"]))
    def drop(self, sensor: str) -> None:
        for dropped in self.queue.drop(SensorId(sensor)):
            assert dropped.question.window.sensor == sensor
            self.leave(dropped.question)

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def what_waits_is_what_has_not_come_out(self) -> None:
        figures = self.queue.statistics()
        assert figures.waiting == len(self.queue) == len(self.inside) <= 4
        assert figures.put == figures.taken + figures.superseded + figures.shed + figures.waiting


TestAccounting = Accounting.TestCase


@given(st.lists(st.tuples(st.sampled_from(["hall", "yard"]), st.integers(1, 9)), max_size=30))
def test_a_replay_comes_out_as_it_went_in(steps: list[tuple[str, int]]) -> None:
    queue = Queue(capacity=1000, max_age=MAX_AGE, lossless=True)
    put = [question(view, number) for number, (view, _) in enumerate(steps)]
    for one in put:
        queue.put(one)
    taken = [one for _, limit in steps for one in queue.take(0, limit).batch]
    assert taken == put
    assert queue.statistics() == QueueFigures(put=len(put), taken=len(put), superseded=0, shed=0, waiting=0)
