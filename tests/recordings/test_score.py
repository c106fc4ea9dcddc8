"""The scorer itself: what it calls found, late, false and chatter, and that the two baselines fail it."""

from tests.recordings.score import AIMS, Event, Line, always_on, events_of, every, lines_of, score

PERSON = Event(kind="person", start_s=10.0, end_s=20.0)
GLASS = Event(kind="glass_break", start_s=60.0, end_s=61.5)
TYPING = Event(kind="typing", start_s=30.0, end_s=40.0)


def opened(policy: str, at_s: float) -> Line:
    return Line(policy=policy, at_s=at_s, opened=True)


def cleared(policy: str, at_s: float) -> Line:
    return Line(policy=policy, at_s=at_s, opened=False)


def passed(*lines: Line, events: tuple[Event, ...] = (PERSON, GLASS)) -> dict[str, bool]:
    return {report.policy: report.passed for report in score(lines, events, (TYPING,))}


def test_alarms_in_time_and_nowhere_else_pass() -> None:
    assert passed(opened("presence", 12), cleared("presence", 25), opened("loud-sound", 61)) == {"presence": True, "loud-sound": True}


def test_nothing_at_all_is_a_miss() -> None:
    assert passed() == {"presence": False, "loud-sound": False}


def test_an_alarm_later_than_four_seconds_is_a_miss() -> None:
    assert not passed(opened("presence", 14.1))["presence"]
    assert not passed(opened("loud-sound", 64.1))["loud-sound"]


def test_a_state_that_is_open_already_is_found_and_an_impulse_is_not() -> None:
    twice = (PERSON, Event(kind="person", start_s=22.0, end_s=30.0), GLASS, Event(kind="glass_break", start_s=70.0, end_s=71.0))
    assert passed(opened("presence", 12), opened("loud-sound", 61), events=twice) == {"presence": True, "loud-sound": False}


def test_a_state_that_cleared_before_the_event_is_a_miss() -> None:
    assert not passed(opened("presence", 9.6), cleared("presence", 9.9))["presence"]


def test_an_alarm_outside_its_own_kind_of_event_is_false_and_a_benign_one_is_said_so() -> None:
    lines = opened("presence", 12), opened("loud-sound", 33), opened("loud-sound", 61)
    reports = {report.policy: report for report in score(lines, (PERSON, GLASS), (TYPING,))}
    assert reports["loud-sound"].false == reports["loud-sound"].benign == (33.0,)
    assert not reports["loud-sound"].passed
    assert not passed(opened("presence", 12), opened("presence", 61))["presence"]


def test_an_alarm_that_opens_again_and_again_chatters() -> None:
    lines = [line for at in range(10, 14) for line in (opened("presence", at), cleared("presence", at + 0.5))]
    assert not passed(*lines)["presence"]


def test_both_baselines_fail_a_recording_with_both_kinds() -> None:
    for lines in (always_on(AIMS), every(10.0, 139.4, AIMS)):
        assert passed(*lines) == {"presence": False, "loud-sound": False}


def test_lines_and_labels_are_read() -> None:
    objects = [
        {"kind": "judgement", "policy": "presence", "sensor": "e", "at_s": 1.0, "verdict": "no", "score": 0.1},
        {"kind": "alarm", "policy": "presence", "sensor": "e", "at_s": 12, "state": "opened", "severity": "medium"},
        {"kind": "alarm", "policy": "presence", "sensor": "e", "at_s": 25.5, "state": "cleared", "severity": "medium"},
    ]
    assert lines_of(objects) == (opened("presence", 12.0), cleared("presence", 25.5))
    assert events_of([{"kind": "person", "start_s": 10, "end_s": 20}]) == (PERSON,)
