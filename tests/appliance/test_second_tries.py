"""When what a channel refused is tried again, in seconds."""

from alerts.facts import REFUSED_FOR
from alerts.notification import Delivery, NotificationId, Outcome
from appliance.second_tries import LEAST_S, MOST_S, SecondTries
from tests.appliance.test_outbox import now


def became(outcome: Outcome, *which: str) -> list[Delivery]:
    return [Delivery(notification=NotificationId(each), channel="mqtt", outcome=outcome, at=now()) for each in which]


def due_at(tries: SecondTries, since_s: int) -> int:
    """The first whole second at which a try is due."""
    return next(now_s for now_s in range(since_s, since_s + 10_000) if tries.are_due(now_s, parked=True))


def refused() -> SecondTries:
    """A channel that has refused something for the first time, at 1000 s."""
    tries = SecondTries()
    tries.begin((), 0)
    tries.settled(became(Outcome.REFUSED, "a"), 1000, parked=False)
    return tries


def test_at_the_start_they_are_due_whatever_is_known_and_later_only_where_any_are_parked() -> None:
    tries = SecondTries()
    assert tries.are_due(0, parked=False)
    tries.begin((), 0)
    assert not tries.are_due(9000, parked=False)


def test_pauses_double_up_to_one_that_is_shorter_than_the_alarm_of_a_refusal_stands() -> None:
    tries, now_s, pauses = refused(), 1000, []
    for _ in range(7):
        due_s = due_at(tries, now_s)
        pauses.append(due_s - now_s)
        now_s = due_s
        tries.begin(["a", "b"], now_s)
        tries.settled(became(Outcome.REFUSED, "a", "b"), now_s, parked=False)
    assert pauses == [60, 60, 120, 240, 480, 480, 480]
    assert REFUSED_FOR.total_seconds() > MOST_S


def test_when_all_that_was_tried_is_taken_the_next_are_due_at_once() -> None:
    tries = refused()
    tries.begin(["a", "b"], 1060)
    tries.settled(became(Outcome.DELIVERED, "a"), 1061, parked=True)
    assert not tries.are_due(1061, parked=True), "one of them is still on its way"
    tries.settled(became(Outcome.EXPIRED, "b"), 1062, parked=True)
    assert tries.are_due(1062, parked=True)


def test_that_others_are_taken_says_nothing_of_what_was_refused() -> None:
    tries = refused()
    tries.settled(became(Outcome.DELIVERED, "c"), 1001, parked=True)
    assert due_at(tries, 1001) == 1000 + LEAST_S


def test_that_others_are_refused_puts_nothing_off() -> None:
    tries = refused()
    tries.settled(became(Outcome.REFUSED, "c"), 1050, parked=True)
    assert due_at(tries, 1050) == 1000 + LEAST_S


def test_a_new_connection_is_a_reason_to_try_but_one_that_comes_and_goes_is_none() -> None:
    tries = refused()
    tries.hurry()
    assert tries.are_due(1001, parked=True)
    for _ in range(3):
        tries.begin(["a"], due_at(tries, 1001))
        tries.settled(became(Outcome.REFUSED, "a"), 1001, parked=False)
    tries.begin(["a"], 2000)
    tries.settled(became(Outcome.REFUSED, "a"), 2000, parked=False)
    tries.hurry()
    assert due_at(tries, 2000) == 2000 + LEAST_S
