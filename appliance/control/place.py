"""Where the control socket of a box lies, for the box and for whoever looks for it. It opens no socket."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.config.filling import fill
from appliance.config.yaml_marks import read

FILE = "control"
RUNTIME = Path("/run/omniwatch")
STATE = Path("/var/lib/omniwatch")
LONGEST = 107
"""Bytes of a Unix socket's address, the last one a zero."""


def socket_path(state: Path) -> Path:
    """Where a box listens: in the folder that systemd made for it, else beside its database."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(runtime, FILE) if runtime else state / FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a box may be found, the likeliest first, and which box it has to be."""

    paths: tuple[Path, ...]
    box: str | None
    """`<site>/<box>`; None: whichever is there."""


def places(config: Path | None) -> Places:
    """Of the box of a configuration, or of this machine's. No secret is read. ConfigError where the file cannot be read."""
    if config is None:
        return Places(paths=(RUNTIME / FILE, STATE / FILE), box=None)
    form = fill(read(config)).form
    return Places(paths=((config.parent / form.state).absolute() / FILE, RUNTIME / FILE), box=f"{form.site}/{form.box}")


@contextmanager
def address(path: Path) -> Iterator[str]:
    """The address of the socket at `path`, however deep it lies: Unix allows 107 bytes, so a long one goes by its folder's descriptor."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
