"""Where a model is to run, and how much memory there is. It imports no torch."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from analyzers.omni.folder import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a model is to run."""

    device: str
    """`cpu`, `cuda`, or `host`: the memory of a box that packs a model of 16 bits and does not run it."""
    memory_bytes: int

    @property
    def number_bytes(self) -> int:
        """Bytes of a number that is not quantized: bfloat16 on a GPU; float32 on a CPU, where bfloat16 is slower (measured: 2 to 3 times)."""
        return 4 if self.device == "cpu" else 2

    @property
    def library_bytes(self) -> int:
        """What the judge's process takes before it has a model (measured). On a GPU the card's own libraries count instead (not measured)."""
        return 500_000_000 if self.device == "cuda" else 310_000_000

    def less(self, taken: int) -> "Machine":
        """The same without so many bytes of its memory, which others hold."""
        return replace(self, memory_bytes=max(0, self.memory_bytes - taken))


def this_machine(device: str = "auto") -> Machine:
    """What a judge with this `device` would run on: the GPU where there is one and it may be used, else the memory of the box."""
    gpu = _gpu_bytes() if device != "cpu" and Path("/dev/nvidiactl").exists() else None
    if gpu:
        return Machine(device="cuda", memory_bytes=gpu)
    if device == "cuda":
        raise ModelError("judge.device is cuda, and this machine has no NVIDIA card that nvidia-smi knows")
    return Machine(device="cpu", memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _gpu_bytes() -> int | None:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, check=True, timeout=5, text=True)  # noqa: S603 - nothing in it comes from outside
        return int(told.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None  # a card without its tools is not planned for; loading sees it again


def free_bytes() -> int:
    """Memory that is free in this box now, or could be at once."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
