from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzers.judgement import Cause, Fingerprint, JudgeKind, Judgement, Verdict
from analyzers.policy import PolicyId
from appliance.store.spans import MAX_HOLE, MAX_SPAN, MAX_WAITING, Spans
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    return Moment(utc=START + timedelta(seconds=seconds), boot_ns=round(seconds * 1e9), boot_id=BootId("boot"))


def judged(seconds: float, verdict: Verdict = Verdict.NO, score: float | None = -2.0) -> Judgement:
    return Judgement(
        policy=PolicyId("fire"),
        sensor=SensorId("hall"),
        view=ViewId("hall"),
        window=None,
        start=at(seconds),
        end=at(seconds + 8),
        verdict=verdict,
        log_odds=score,
        by=JudgeKind.OMNI,
        took_s=0.25,
    )


def test_equal_answers_share_a_span_and_another_answer_begins_one() -> None:
    spans = Spans()
    for n, verdict in enumerate([Verdict.NO, Verdict.NO, Verdict.YES, Verdict.NO]):
        spans.add(judged(4.0 * n, verdict, -2.0 - n))
    found = spans.fetch()
    assert [(each.outcome.verdict, each.windows) for each in found] == [("no", 2), ("yes", 1), ("no", 1)]
    first = found[0]
    assert (first.start, first.end) == (at(0).utc, at(12).utc)
    assert (first.scored, first.least, first.most, first.total, first.took_s) == (2, -3.0, -2.0, -5.0, 0.5)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(judged(4), cause=Cause.IN_BAND), "another cause is another outcome"),
        (replace(judged(4), by=JudgeKind.CUES), "another judge"),
        (replace(judged(4), fingerprint=Fingerprint(model="m", question="q", view="v")), "another model"),
        (replace(judged(4), view=ViewId("hall.door")), "another view"),
        (judged(8 + MAX_HOLE.total_seconds() + 1), "nobody looked in between"),
        (judged(-30), "time went back"),
    ],
)
def test_what_begins_a_span_of_its_own(other: Judgement, why: str) -> None:
    spans = Spans()
    spans.add(judged(0))
    spans.add(other)
    assert len(spans.fetch()) == 2, why


def test_a_span_is_cut_so_that_history_can_be_deleted() -> None:
    spans = Spans()
    for n in range(2000):
        spans.add(judged(4.0 * n))
    found = spans.fetch()
    assert len(found) == 3
    assert all(each.end - each.start <= MAX_SPAN for each in found)
    assert sum(each.windows for each in found) == 2000


def test_a_span_that_grew_since_it_was_fetched_is_fetched_again_whole() -> None:
    spans = Spans(last=41)
    spans.add(judged(0))
    assert [(each.number, each.windows) for each in spans.fetch()] == [(42, 1)]
    assert not spans.waiting
    spans.add(judged(4))
    assert [(each.number, each.windows) for each in spans.fetch()] == [(42, 2)]


def test_what_could_not_be_stored_comes_again_in_its_newest_form() -> None:
    spans = Spans()
    spans.add(judged(0))
    failed = spans.fetch()
    spans.add(judged(4))
    spans.put_back(failed)
    assert [each.windows for each in spans.fetch()] == [2]


def test_what_nobody_fetches_is_bounded_and_counted() -> None:
    spans = Spans()
    for n in range(MAX_WAITING + 10):
        spans.add(judged(4.0 * n, Verdict.YES if n % 2 else Verdict.NO))
    assert spans.dropped == 10
    assert len(spans.fetch()) == MAX_WAITING


def test_a_score_that_is_no_number_stays_out_of_the_figures() -> None:
    spans = Spans()
    spans.add(judged(0, Verdict.FAILED, float("nan")))
    spans.add(judged(4, Verdict.FAILED, float("inf")))
    spans.add(judged(8, Verdict.FAILED, None))
    (span,) = spans.fetch()
    assert (span.windows, span.scored, span.total) == (3, 0, None)
