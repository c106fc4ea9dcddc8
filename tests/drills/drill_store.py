"""The store fails in every way that a disk has, at the start and later: alarms go out all the same, and the record says what it misses."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Broker, Listener, eventually
from tests.drills.conftest import OPENING_S, Ext4, fill, rot, run

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]
SEES = "`store-failed` opens (with the cause) and clears, `omniwatch_store_up` is 0 meanwhile, the journal says in the end what was missed"


def openings(ear: Listener, *, durable: bool) -> int:
    return sum(event["data"]["durable"] is durable for event in ear.events("something-there", "opened"))


def begin(box: Appliance, ear: Listener) -> None:
    box.start()
    eventually(lambda: openings(ear, durable=True), OPENING_S, "an alarm opens, and is durable")
    eventually(lambda: box.figure("omniwatch_store_up") == 1, 5, "the metrics show it")


def fails(box: Appliance, ear: Listener, problem: str, within_s: float = 30) -> None:
    """The alarm about the store, and the next alarm of the scene without it."""
    eventually(lambda: ear.events("store-failed", "opened"), within_s, "the failed store is an alarm")
    assert problem in ear.events("store-failed", "opened")[0]["data"]["summary"]
    eventually(lambda: box.figure("omniwatch_store_up") == 0, 5, "the metrics show it")
    before = openings(ear, durable=False)
    eventually(lambda: openings(ear, durable=False) > before, OPENING_S, "alarms go out without the store, and say so")
    eventually(lambda: "alarms go out without it" in box.log() or "alarms are told, but not remembered" in box.log(), 5, "the journal says it")


def works(box: Appliance, ear: Listener, within_s: float = 60) -> None:
    eventually(lambda: ear.events("store-failed", "cleared"), within_s, "the store works again")
    eventually(lambda: box.figure("omniwatch_store_up") == 1, 5, "the metrics show it")
    before = openings(ear, durable=True)
    eventually(lambda: openings(ear, durable=True) > before, OPENING_S, "alarms are durable again")
    assert "the store works again; it could not be relied on from" in box.log()
    assert box.process
    assert box.process.poll() is None
    assert "Traceback" not in box.log()


def record(state: Path) -> tuple[int, ...]:
    """Transitions written late, notifications told from memory: as the outage has them on record."""
    with closing(sqlite3.connect(f"file:{state}/omniwatch.db?mode=ro", uri=True)) as connection:
        rows: list[tuple[int, ...]] = connection.execute("SELECT late, told FROM outage").fetchall()
    assert len(rows) == 1, rows
    return rows[0]


@pytest.mark.drill(
    8, "disk-full",
    done="The disk of the database (tmpfs) is filled to the last byte, twice, and later emptied",
    sees=f"first alarms go on being durable in the room put aside; then {SEES}; `disk-low` opens",
)  # fmt: skip
def test_a_full_disk(appliance: Appliance, listener: Listener, state: Path, measured: dict[str, int]) -> None:
    begin(appliance, listener)
    rest = fill(state)
    before = openings(listener, durable=True)
    eventually(lambda: not (state / "omniwatch.db.ballast").exists(), 60, "the room that was put aside is given up")
    eventually(lambda: openings(listener, durable=True) > before, OPENING_S, "alarms are durable in it")
    assert not listener.events("store-failed", "opened")
    more = fill(state, "more")
    fails(appliance, listener, "full", 90)
    eventually(lambda: appliance.is_active("disk-low"), 20, "the disk is low")
    rest.unlink()
    more.unlink()
    works(appliance, listener)
    assert appliance.stop() == 0
    late, told = record(state)
    assert late >= 1
    assert told >= 1
    measured.update({"transitions written late": late, "notifications told from memory": told})


@pytest.mark.drill(
    9, "database-damaged-at-start",
    done="An alarm waits for a broker that is down, the box is killed, a page of history in its database turns to rubbish; both start again",
    sees="the alarm arrives under its own id, `store-failed` opens (where the damaged file is kept) and clears, the journal says it",
)  # fmt: skip
def test_a_database_that_is_damaged_at_the_start(appliance: Appliance, broker: Broker, measured: dict[str, int]) -> None:
    broker.stop()
    appliance.start()
    eventually(lambda: "opened: something-there" in appliance.log(), OPENING_S, "an alarm opens")
    eventually(lambda: "cleared: something-there" in appliance.log(), OPENING_S, "and clears")
    assert appliance.process
    appliance.kill()
    path = appliance.folder / "state" / "omniwatch.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        waiting = [row[0] for row in connection.execute("SELECT id FROM outbox ORDER BY number")]
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'span'").fetchone()[0]
    with path.open("r+b") as file:  # a page of history: what has still to be told is elsewhere in the file
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)
    broker.start()
    ear = Listener(broker.port)
    try:
        appliance.start()
        eventually(lambda: ear.events("store-failed", "cleared"), OPENING_S + 30, "the store works again")
        assert "is kept at" in ear.events("store-failed", "opened")[0]["data"]["summary"]
        told = {event["id"] for event in ear.of("/alert/")}
        assert {name.removesuffix("-mqtt") for name in waiting} <= told
        assert "the database could not be used (damaged)" in appliance.log()
        assert list(path.parent.glob("omniwatch.db.damaged-*"))
        measured.update({"notifications saved from the damaged file": len(waiting)})
    finally:
        ear.close()


@pytest.mark.drill(
    20, "state-not-mounted",
    done="The folder of the database can only be read when the box starts (a mount that came up read-only), and is put right after some alarms",
    sees=SEES,
)  # fmt: skip
def test_a_state_folder_that_cannot_be_written_at_the_start(appliance: Appliance, listener: Listener, state: Path, measured: dict[str, int]) -> None:
    run("mount", "-o", "remount,ro", state)
    appliance.start()
    fails(appliance, listener, "cannot open the store", OPENING_S)
    run("mount", "-o", "remount,rw", state)
    works(appliance, listener)
    assert appliance.stop() == 0
    measured["notifications told from memory"] = record(state)[1]


@pytest.mark.drill(
    23, "database-damaged-while-running",
    done="The database file and its journal are overwritten with rubbish from their first page on while the box runs",
    sees="`store-failed` opens and clears, a new file holds what stands, the damaged one is kept, no alarm has two ids; the journal says it",
)  # fmt: skip
def test_a_database_that_is_damaged_while_it_is_used(appliance: Appliance, listener: Listener) -> None:
    begin(appliance, listener)
    path = appliance.folder / "state" / "omniwatch.db"
    for file in (path, Path(f"{path}-wal")):
        rot(file)
    eventually(lambda: listener.events("store-failed", "opened"), 60, "the damage is an alarm")
    works(appliance, listener)
    assert list(path.parent.glob("omniwatch.db.damaged-*"))
    assert "the database could not be used (damaged)" in appliance.log()
    opened = [event["data"]["alert"] for event in listener.events("something-there", "opened")]
    assert len(opened) == len(set(opened))
    assert appliance.stop() == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


@pytest.mark.drill(
    24, "disk-turns-read-only",
    done="The kernel meets an error on the disk (ext4) and allows only reading; later it is unmounted, checked and mounted under the running box",
    sees=SEES,
)  # fmt: skip
def test_a_disk_that_turns_read_only(appliance: Appliance, listener: Listener, ext4: Ext4, measured: dict[str, int]) -> None:
    begin(appliance, listener)
    ext4.break_it()
    fails(appliance, listener, "")
    eventually(lambda: _is_let_go(ext4), 90, "the box lets go of the disk, so that it can be taken out")
    works(appliance, listener, 90)
    assert appliance.stop() == 0
    late, told = record(ext4.folder)
    measured.update({"transitions written late": late, "notifications told from memory": told})


def _is_let_go(disk: Ext4) -> bool:
    try:
        disk.repair()
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.mark.drill(
    25, "disk-hangs",
    done="The disk (ext4) answers nothing any more (fsfreeze), for a minute, then goes on",
    sees=f"{SEES}; the heartbeat never stops",
)  # fmt: skip
def test_a_disk_that_hangs(appliance: Appliance, listener: Listener, ext4: Ext4) -> None:
    begin(appliance, listener)
    beats = len(listener.of("/heartbeat"))
    run("fsfreeze", "-f", ext4.folder)
    fails(appliance, listener, "did not answer", 60)
    eventually(lambda: len(listener.of("/heartbeat")) > beats + 2, 60, "the box lives on")
    run("fsfreeze", "-u", ext4.folder)
    works(appliance, listener)
    assert appliance.stop() == 0
