"""An allowance: so much at once, so much a second again, and a refusal costs nothing."""

from appliance.allowance import Allowance


def test_what_was_taken_comes_back_with_time_and_never_beyond_the_whole() -> None:
    allowance = Allowance(3, 2.0)
    assert [allowance.takes(1, 100.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.takes(1, 100.4)
    assert allowance.takes(1, 100.5)
    assert [allowance.takes(1, 900.0) for _ in range(4)] == [True, True, True, False]


def test_who_goes_on_asking_is_not_refused_for_longer() -> None:
    allowance = Allowance(1, 1.0)
    assert allowance.takes(1, 0.0)
    assert not any(allowance.takes(1, 0.1 + number * 0.01) for number in range(50))
    assert allowance.takes(1, 1.0)


def test_it_is_whole_once_nothing_was_taken_for_a_while() -> None:
    allowance = Allowance(2, 1.0)
    assert allowance.is_whole(0.0)
    allowance.takes(1, 0.0)
    assert not allowance.is_whole(0.9)
    assert allowance.is_whole(1.0)
