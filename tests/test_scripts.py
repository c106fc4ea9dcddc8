"""What the scripts that install have to agree on. Whether they work is for a bare Debian to say: `scripts/drills install`."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["scripts/bundle", "scripts/setup", "Dockerfile"])
def test_sources_are_built_alike_on_every_debian(name: str) -> None:
    """A venv of Debian 12 has no `wheel` package: its pip cannot build old sources (a setup.py alone) unless it is told how."""
    text = (ROOT / name).read_text()
    held = [line for line in text.splitlines() if "--require-hashes" in line or line.startswith("wheel() {")]
    built = [line for line in held if " -m pip " in line or "pip install" in line]
    assert built
    assert all("--use-pep517" in line for line in built)
