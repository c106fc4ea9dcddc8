"""What the scripts that install have to agree on. Whether they work is for a bare Debian to say: `scripts/drills install`."""

from pathlib import Path

import pytest
from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["scripts/bundle", "scripts/setup", "Dockerfile"])
def test_sources_are_built_alike_on_every_debian(name: str) -> None:
    """A venv of Debian 12 has no `wheel` package: its pip cannot build old sources (a setup.py alone) unless it is told how."""
    text = (ROOT / name).read_text()
    held = [line for line in text.splitlines() if "--require-hashes" in line or line.startswith("wheel() {")]
    built = [line for line in held if " -m pip " in line or "pip install" in line]
    assert built
    assert all("--use-pep517" in line for line in built)


def test_all_code_is_in_the_wheel() -> None:
    """In a checkout nothing shows that a package is left out; on an installed box the command then ends with a traceback."""
    shipped = set(apply_configuration(Distribution({"src_root": str(ROOT)}), str(ROOT / "pyproject.toml")).packages or ())
    tops = ("sensors", "analyzers", "alerts", "appliance")
    written = {".".join(file.parent.relative_to(ROOT).parts) for top in tops for file in (ROOT / top).rglob("*.py")}
    assert shipped == written
