"""Who else on this machine may read what is secret: passwords, and the database that says what the cameras saw."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.config.keyring import Keyring
from appliance.config.problems import HintedError
from appliance.doctor.finding import Finding, Health
from appliance.store.database_file import NAME

READ, ENTER = 0o4, 0o1
WHO = {3: "its group", 0: "everybody"}
"""By the place of their three bits in a file's mode."""
DATABASE = (NAME, f"{NAME}-wal", f"{NAME}-shm")


def look_at_secrets(keyring: Keyring, names: Iterable[str]) -> Iterator[Finding]:
    """The files that `!secret` names. One that is not there is the configuration's problem."""
    yield from _findings("secret", filter(None, (_file(keyring, name) for name in names)), keyring.folder)


def look_at_state(state: Path) -> Iterator[Finding]:
    """The database."""
    yield from _findings("state", (state / name for name in DATABASE), state)


def _file(keyring: Keyring, name: str) -> Path | None:
    try:
        return keyring.file(name)
    except HintedError:
        return None


def _findings(what: str, files: Iterable[Path], folder: Path) -> Iterator[Finding]:
    told = {file: who for file in files if (who := readers(file))}
    if told:
        says = "; ".join(f"{file} can be read by {who}" for file, who in told.items())
        yield Finding(what=what, health=Health.WARNING, says=says, do=f"chmod 700 {folder}; chmod 600 {' '.join(map(str, told))}")


def readers(file: Path) -> str:
    """Who but its owner may read it: those who may also enter its folder. Nobody, where it is not there or not even to be looked for."""
    try:
        mode, folder = file.stat().st_mode, file.parent.stat().st_mode
    except OSError:
        return ""
    return " and ".join(name for shift, name in WHO.items() if mode >> shift & READ and folder >> shift & ENTER)
