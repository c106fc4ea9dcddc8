"""Puts a first configuration in its place: tried out as a whole beside it, then all of it or nothing. What is there already is not touched.

A box has nothing half-configured: what is interrupted leaves things as they were. What is replaced, where that was asked for, is kept
beside as `NAME.old`.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from appliance.config.configuration import load
from appliance.config.problems import ConfigError, Problem
from appliance.setup.answers import AnswersForm
from appliance.setup.draft import catalogues_of, configuration_text, secrets_of
from appliance.setup.shelf import FOLDER, Shelf

SECRETS = "secrets"
OWN, FOLDER_OWN, GROUP_READS, GROUP_ENTERS = 0o600, 0o700, 0o040, 0o010
OLD = ".old"


class PlaceTaken(Exception):  # noqa: N818 - the world's fault
    """Something is there already, or cannot be written. Its text says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What was written."""

    configuration: Path
    files: tuple[Path, ...]
    """All that is new, the configuration last."""


def place(answers: AnswersForm, shelf: Shelf, target: Path, *, overwrite: bool) -> Placed:
    """Write the configuration, its passwords and its catalogues. PlaceTaken; ConfigError where `check` would refuse what was to be written."""
    texts = _texts(answers, shelf, target)
    check_free(target, overwrite=overwrite)
    try:
        target.parent.mkdir(mode=FOLDER_OWN, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".omniwatch-setup-", dir=target.parent) as folder:
            for name, text in texts.items():
                _write(Path(folder) / name, text)
            _try_out(Path(folder) / target.name, target)
            files = _move(Path(folder), tuple(texts), target.parent, overwrite=overwrite)
    except OSError as error:
        raise PlaceTaken(f"{error.filename or target}: {error.strerror}; is it yours to write? As root: sudo omniwatch setup") from None
    return Placed(configuration=target, files=files)


def check_free(target: Path, *, overwrite: bool) -> None:
    """PlaceTaken where a configuration is there already and is not to be replaced."""
    if target.exists() and not overwrite:
        otherwise = f"name another file, or say --overwrite (it is then kept as {target.name}{OLD})"
        raise PlaceTaken(f"{target} is there already, and stays as it is: {otherwise}")


def _texts(answers: AnswersForm, shelf: Shelf, target: Path) -> dict[str, bytes]:
    """The contents of all files by their names within the configuration's folder; the configuration last: without it nothing else counts."""
    secrets = {f"{SECRETS}/{name}": secret.reveal().encode() for name, secret in secrets_of(answers).items()}
    catalogues = {f"{FOLDER}/{file.name}": file.read_bytes() for file in catalogues_of(answers, shelf)}
    return {**secrets, **catalogues, target.name: configuration_text(answers, shelf).encode()}


def _write(file: Path, text: bytes) -> None:
    file.parent.mkdir(mode=FOLDER_OWN, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _try_out(staged: Path, target: Path) -> None:
    """Read it as the box would, with the secrets that lie there already. ConfigError with its problems told of the file that was to be."""
    secrets = staged.parent / SECRETS
    secrets.mkdir(mode=FOLDER_OWN, exist_ok=True)
    there = target.parent / SECRETS
    borrowed = [secrets / each.name for each in (there.iterdir() if there.is_dir() else ()) if not (secrets / each.name).exists()]
    for link in borrowed:
        link.symlink_to(there.absolute() / link.name)
    try:
        load(staged, secrets=secrets)
    except ConfigError as error:
        raise ConfigError([_of(target, problem) for problem in error.problems]) from None


def _of(target: Path, problem: Problem) -> Problem:
    hint = problem.hint or "nothing was written: answer otherwise"
    return Problem(
        file=target,
        line=problem.line,
        column=problem.column,
        path=problem.path,
        message=problem.message,
        source_line=problem.source_line,
        hint=hint,
    )


def _move(source: Path, names: tuple[str, ...], folder: Path, *, overwrite: bool) -> tuple[Path, ...]:
    """Move files into their place, all or none, each with the folder's owner."""
    owner = folder.stat()
    moved: list[Path] = []
    with ExitStack() as otherwise:
        for name in names:
            file, new = folder / name, source / name
            if file.exists() and file.read_bytes() == new.read_bytes():
                continue
            if not file.parent.exists():
                file.parent.mkdir(mode=FOLDER_OWN)
                otherwise.callback(file.parent.rmdir)
                _give(file.parent, owner)
            if file.exists():
                _set_aside(file, otherwise, overwrite=overwrite)
            _give(new, owner)
            os.link(new, file)  # unlike a rename it never takes the place of what somebody else has just put there
            otherwise.callback(file.unlink)
            moved.append(file)
        otherwise.pop_all()
    return tuple(moved)


def _set_aside(file: Path, otherwise: ExitStack, *, overwrite: bool) -> None:
    if not overwrite:
        raise PlaceTaken(f"{file} is there already, with other contents, and stays as it is: move it away, or say --overwrite")
    old = file.with_name(file.name + OLD)
    file.replace(old)
    otherwise.callback(old.replace, file)


def _give(file: Path, folder: os.stat_result) -> None:
    """What root writes belongs to whom the configuration's folder belongs to; where that is shared with the box's group, what is no secret is too."""
    if os.geteuid() == 0:
        shutil.chown(file, folder.st_uid, folder.st_gid)
        if folder.st_gid != 0 and folder.st_mode & GROUP_READS and SECRETS not in {file.name, file.parent.name}:
            file.chmod(file.stat().st_mode | (GROUP_READS if file.is_file() else GROUP_READS | GROUP_ENTERS))
