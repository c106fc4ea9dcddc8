"""The page of the drills says what the drills have said, and nothing else."""

from dataclasses import replace
from pathlib import Path

from tests.drills.book import PAGE, Result, keep, page, results

RESULT = Result(
    number=8, name="disk-full", done="The disk was filled", sees="`store-failed` opens", outcome="passed", took_s=12.3,
    measured={"alarms": 4}, machine="2 cores", date="2026-05-04",
)  # fmt: skip


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text() == page(results()), "run: python -m tests.drills.book"


def test_a_result_is_read_as_it_was_written_and_the_newest_run_counts(tmp_path: Path) -> None:
    keep(RESULT, tmp_path)
    failed = replace(RESULT, outcome="failed", reason="no alarm | within 10 s")
    keep(failed, tmp_path)
    assert results(tmp_path) == (failed,)


def test_a_drill_that_failed_says_so_in_its_row() -> None:
    row = page([replace(RESULT, outcome="failed", reason="no alarm | within 10 s")]).splitlines()[-4:]
    assert any("**failed**: no alarm / within 10 s" in line and line.count("|") == 6 for line in row)
