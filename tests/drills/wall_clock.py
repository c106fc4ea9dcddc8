"""A wall clock that can be set for an appliance and its children alone, while they run; the machine's own is left as it is."""

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "wall_clock.c"
AGAIN = """\
import os, sys
if os.environ.get("LD_PRELOAD") != {library!r}:
    os.environ["LD_PRELOAD"] = {library!r}
    os.execv(sys.executable, sys.orig_argv)
"""
"""Children get no LD_PRELOAD from the supervisor, but its PYTHONPATH: each begins once more with the clock."""


@dataclass
class WallClock:
    """The clock: how far it is from the machine's own."""

    folder: Path

    def make(self) -> None:
        """Build what is preloaded."""
        if not shutil.which("gcc"):
            pytest.skip("gcc is not installed")
        self.folder.mkdir()
        self.file.write_bytes(struct.pack("d", 0.0))
        library = self.folder / "wall_clock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", f'-DCLOCK="{self.file}"', "-o", library, SOURCE, "-lm"], check=True)
        (self.folder / "sitecustomize.py").write_text(AGAIN.format(library=str(library)))

    @property
    def file(self) -> Path:
        return self.folder / "offset"

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.folder}:{Path(__file__).parents[2]}"}

    def shift(self, seconds: float) -> None:
        """Be so far from the machine's clock, from now on and at once."""
        with self.file.open("r+b") as file:
            os.pwrite(file.fileno(), struct.pack("d", seconds), 0)

    def show(self, moment: datetime) -> None:
        """Show this time now."""
        self.shift((moment - datetime.now(UTC)).total_seconds())
