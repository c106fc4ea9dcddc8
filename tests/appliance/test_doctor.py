"""The doctor: whatever the machine is like, a finding and no trace."""

from pathlib import Path

import pytest

from appliance.doctor import _disk, _probe


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("import os; os.abort()", "ended with -6"),  # a native library that crashes
    ],
)
def test_a_library_that_is_missing_or_crashes_is_a_reason_in_words(program: str, says: str) -> None:
    assert _probe(program) == says


def test_a_state_that_cannot_be_looked_for_is_a_finding(tmp_path: Path) -> None:
    assert next(_disk(tmp_path / ("n" * 300) / "state")).what == "disk"
