"""What the blank control has found, as `check` and `doctor` read it while the box runs or not: a look into its store, which changes nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from analyzers.omni.folder import read
from analyzers.omni.plan import this_machine
from appliance.blank.findings import FINDING, NAME, Flag, flags
from appliance.config.configuration import Configuration
from appliance.store.database_file import NAME as DATABASE
from appliance.store.remembered import named
from appliance.store.rows import read as read_row

WAIT_S = 2.0
"""For a box that writes at the moment."""


def kept_flags(configuration: Configuration) -> tuple[Flag, ...]:
    """The policies that said yes to nothing, under the model and in the words that are configured now.

    None of them where nothing was kept. ModelError where the model is not there; PermissionError where the store may not be read.
    """
    judge = configuration.judge
    database = configuration.state / DATABASE
    if judge.model is None or not database.exists():
        return ()
    model = read(judge.model).fingerprint(judge.quantization, this_machine(judge.device).device)
    found = (read_row(FINDING, value) for value in _rows(database))
    return flags(configuration.policies, filter(None, found), model)


def _rows(database: Path) -> list[str]:
    """What is kept. A store that holds no settings yet, or none that can be read, keeps nothing: whoever opens it for good says so."""
    with database.open("rb"):  # PermissionError, with a name; nothing of SQLite's holds it
        pass
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as connection:
            return [value for _, value in named(connection, NAME)]
    except sqlite3.Error:
        return []
