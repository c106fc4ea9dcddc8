"""What the journal says of alarms: each thing once, and a warning only where somebody is called for."""

import logging

import pytest

from alerts.decision import Decision
from alerts.event import Described
from analyzers.description import Description
from analyzers.interview import JudgeCondition, JudgeNews
from analyzers.policy import Trigger
from analyzers.transcript import Transcript
from appliance.report import down, put_down
from tests.alerts.conftest import Story


def lines(decisions: list[Decision], caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    with caplog.at_level(logging.INFO, "omniwatch"):
        for decision in decisions:
            if decision.alert:
                put_down(decision, decision.alert)
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_an_opening_is_a_warning_with_its_score_and_a_clearing_good_news_without(caplog: pytest.LogCaptureFixture) -> None:
    told = Story(trigger=Trigger(count=1, of=1), threshold=0.8)
    told.tell("yn")
    assert lines(told.decisions, caplog) == [
        ("WARNING", "medium opened: smoke on hall (triggered, score 0.88, threshold 0.80)"),
        ("INFO", "medium cleared: smoke on hall (cleared)"),
    ]


def test_the_end_of_a_judge_says_who_stands_in_for_it() -> None:
    news = JudgeNews(condition=JudgeCondition.DOWN, detail="no answer within 30 s")
    assert down(news, stood_in=True) == "the judge is down: no answer within 30 s; cues stand in"
    assert down(news, stood_in=False) == "the judge is down: no answer within 30 s; nobody stands in: `fallback: none`"


def test_more_that_is_known_of_an_alarm_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    told = Story()
    told.judged("y", 0, note="door")
    told.judged("y", 1, note="door, hall")
    assert [line for _, line in lines(told.decisions, caplog)] == [
        "medium opened: smoke on hall (triggered, score 0.88, threshold 0.50): door",
        "medium updated: smoke on hall (updated, score 0.88, threshold 0.50): door, hall",
    ]


def test_what_was_said_aloud_is_in_no_line_of_the_journal(caplog: pytest.LogCaptureFixture) -> None:
    told = Story()
    told.tell("y")
    assert told.track.alert
    description = Description(what="Somebody at the gate", first="", transcript=Transcript(text="open the gate"))
    told.fold(Described(alert=told.track.alert, told=True, description=description, at=told.at(10)))
    said = [line for _, line in lines(told.decisions, caplog)]
    assert said[-1] == "medium updated: smoke on hall (described): the model says: Somebody at the gate"
    assert not any("open the gate" in line for line in said)
