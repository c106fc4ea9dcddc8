import threading

from sensors.holds import Holds


def test_a_slot_is_free_again_only_when_every_window_and_the_assembly_have_let_go() -> None:
    holds = Holds(1)
    slot = holds.take(wait=False)
    assert slot == 0
    holds.hold("a", [slot])
    holds.hold("b", [slot])
    holds.drop(slot)
    holds.release("a")
    assert holds.take(wait=False) is None
    holds.release("b")
    assert holds.take(wait=False) == slot


def test_no_slot_is_given_out_twice() -> None:
    holds = Holds(5)
    assert sorted(slot for slot in (holds.take(wait=False) for _ in range(5)) if slot is not None) == [0, 1, 2, 3, 4]
    assert holds.take(wait=False) is None


def test_a_window_that_is_released_twice_or_was_of_another_process_changes_nothing() -> None:
    holds = Holds(1)
    slot = holds.take(wait=False)
    assert slot is not None
    holds.hold("a", [slot])
    holds.release("a")
    holds.release("a")
    holds.release("of long ago")
    assert holds.take(wait=False) is None  # the assembly still holds it
    holds.drop(slot)
    assert holds.take(wait=False) == slot


def test_who_waits_gets_the_slot_that_another_thread_releases() -> None:
    holds = Holds(1)
    slot = holds.take(wait=False)
    assert slot is not None
    holds.hold("a", [slot])
    holds.drop(slot)
    got: list[int | None] = []
    waiting = threading.Thread(target=lambda: got.append(holds.take(wait=True)))
    waiting.start()
    holds.release("a")
    waiting.join(5)
    assert got == [slot]
