"""What is said of an alert, and what is not said again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.announcement import MAX_SAID, MAX_TEXT, Said, spoken, text_of, texts_of
from alerts.audience import Audience
from alerts.decision import Decision
from alerts.reason import Reason
from alerts.track import Track
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from analyzers.schedule import parse
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

NIGHT = datetime(2026, 3, 2, 23, tzinfo=UTC)
CELL = PolicyId("press-cell-entry")


def at(seconds: float) -> Moment:
    return Moment(utc=NIGHT, boot_ns=0, boot_id=BootId("b")).plus(timedelta(seconds=seconds))


SUMMARY = "Person in the cell on press-cell.cell (score 0.89, threshold 0.50): two people"


def alert(severity: Severity = Severity.HIGH, *, test: bool = False) -> Alert:
    return Alert(
        id=AlertId("a" * 26), policy=CELL, sensor=SensorId("press-cell"), view=ViewId("press-cell.cell"), severity=severity,
        state=AlertState.ACTIVE, transition=1, opened=at(0), changed=at(0), by=JudgeKind.CUES, summary=SUMMARY, test=test,
    )  # fmt: skip


def test_a_policys_phrase_is_said_or_else_the_alarms_summary_without_its_figure() -> None:
    assert text_of(alert(), {CELL: "Attention. Leave the cell."}) == "Attention. Leave the cell."
    assert text_of(alert(), {PolicyId("other"): "Fire"}) == "Person in the cell on press-cell.cell: two people"


def test_a_test_says_that_it_is_one() -> None:
    assert text_of(alert(test=True), {CELL: "Leave the cell."}) == "Test. Leave the cell."


HOSTILE = [
    ("several\nlines\r\n\tand\x00zeroes \x1b[31m", "several lines and zeroes [31m"),
    ("[[h@'loU]] phonemes", "h@'loU phonemes"),
    ("\u202eright to left", "right to left"),
    ("--voices=x", "--voices=x"),
    ("w" * 1000, "w" * MAX_TEXT),
    ("word " * 200, ("word " * 48).strip()),
]


@pytest.mark.parametrize(("text", "said"), HOSTILE)
def test_what_a_scene_or_a_model_wrote_is_one_bounded_line(text: str, said: str) -> None:
    assert spoken(text) == said


@given(st.text())
def test_whatever_is_written_can_be_given_to_a_speaking_program(text: str) -> None:
    said = spoken(text)
    assert len(said) <= MAX_TEXT
    assert said.isprintable()
    assert "[[" not in said
    said.encode()


def test_the_same_is_not_said_again_within_its_time_and_other_words_are() -> None:
    said = Said(again_after=timedelta(minutes=1)).after("Fire", at(0))
    assert said.repeats("Fire", at(59))
    assert not said.repeats("Fire", at(60))
    assert not said.repeats("Smoke", at(1))
    assert said.after("Smoke", at(70)).texts == (("Smoke", at(70)),)


def test_only_so_many_texts_are_remembered() -> None:
    said = Said(again_after=timedelta(hours=1))
    for number in range(2 * MAX_SAID):
        said = said.after(str(number), at(number))
    assert len(said.texts) == MAX_SAID
    assert said.repeats(str(2 * MAX_SAID - 1), at(2 * MAX_SAID))


AUDIENCE = Audience(channel="speech", changes=frozenset({Change.OPENED}), least=Severity.HIGH, quiet=parse("22:00-06:00", "UTC"))
TOLD = [
    ("high, by day", Severity.HIGH, Change.OPENED, 12, True),
    ("high, in quiet hours", Severity.HIGH, Change.OPENED, 0, False),
    ("critical is never too quiet", Severity.CRITICAL, Change.OPENED, 0, True),
    ("medium is not urgent enough", Severity.MEDIUM, Change.OPENED, 12, False),
    ("its end is not spoken of", Severity.HIGH, Change.CLEARED, 12, False),
]


@pytest.mark.parametrize("row", TOLD, ids=[row[0] for row in TOLD])
def test_who_is_told_of_what_and_when(row: tuple[str, Severity, Change, int, bool]) -> None:
    why, severity, change, hours, told = row
    decision = Decision(
        track=Track(policy=CELL, sensor=SensorId("press-cell"), view=ViewId("press-cell.cell")),
        reason=Reason.TRIGGERED, change=change, alert=alert(severity), told=True,
    )  # fmt: skip
    assert AUDIENCE.wants(decision, at(hours * 3600)) is told, why


def test_all_that_is_said_of_phrases_is_known_beforehand() -> None:
    phrases = {CELL: "Attention.  Leave the cell.", PolicyId("fire"): "Fire.", PolicyId("smoke"): "Fire."}
    known = texts_of(phrases)
    assert known == ("Attention. Leave the cell.", "Fire.", "Test. Attention. Leave the cell.", "Test. Fire.")
    assert {text_of(alert(), phrases), text_of(alert(test=True), phrases)} <= set(known)
