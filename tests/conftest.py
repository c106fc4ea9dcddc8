"""What tests of several packages share: where the recordings lie that are not shipped with the project."""

import os
from pathlib import Path

import pytest

RECORDINGS = Path(os.environ.get("OMNIWATCH_RECORDINGS", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings with labels; the test is skipped where it is missing."""
    if not (RECORDINGS / "labels.json").exists():
        pytest.skip(f"no recordings with labels.json in {RECORDINGS}; name their folder in OMNIWATCH_RECORDINGS")
    return RECORDINGS
