"""Does it stay as it is? `scripts/drills soak --minutes 120` samples memory, descriptors and threads of every process, and the database."""

import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from appliance.children.child import own_bytes
from tests.appliance.conftest import Appliance, Broker, Listener, eventually

MINUTES, EVERY_S = 120.0, 10.0
SENSORS, POLICIES = 6, 10
SITE = 20 * 10
"""Sensors times policies, for which the database's growth is told."""
DAY_S = 86_400.0
SETTLED = 1 / 3
"""So much of the time is left out: pools and caches fill."""
NOISE_BYTES = 3_000_000
"""Over the measured time. What grows by less cannot be told from what comes and goes."""
SENSOR = "  s{number}: {{source: 'file:{film}', window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}}}"
POLICY = "  - {{id: p{number}, ask: Is something there?, sensors: [{names}], senses: [sight], trigger: 2 of 3, clear_after: 2s, fallback: {cue}}}"
CUES = ("{changed: 0.05}", "{motion: 0.02}", "{changed: 0.5}", "{dark: 0.5}", "{motion: 0.5}")
CONFIG = """\
site: plant
box: soak
timezone: UTC
state: {folder}/state
flood: 1000 in 10m
metrics: {{listen: "127.0.0.1:{metrics}"}}
sensors:
{sensors}
policies:
{policies}
notify:
  mqtt: {{host: 127.0.0.1, port: {port}}}
"""
ROW_BYTES = 60
"""What a row takes besides its values: its header, its key and its place in the indices."""
Sample = tuple[float, int, int, int]
"""When, in seconds; memory of its own, in bytes; descriptors; threads."""


class Soaked(Appliance):
    """A box of some sensors, each with all policies: some with alarms every few seconds, some that never open."""

    def write(self) -> None:
        names = ", ".join(f"s{number}" for number in range(SENSORS))
        sensors = "\n".join(SENSOR.format(number=number, film=self.film) for number in range(SENSORS))
        policies = "\n".join(POLICY.format(number=number, names=names, cue=CUES[number % len(CUES)]) for number in range(POLICIES))
        text = CONFIG.format(folder=self.folder, metrics=self.metrics, sensors=sensors, policies=policies, port=self.broker.port)
        self.config.write_text(text)


@pytest.fixture
def box(tmp_path: Path, film: Path, broker: Broker) -> Iterator[Soaked]:
    """The box, not started yet."""
    soaked = Soaked(tmp_path, film, broker, environment={"MALLOC_ARENA_MAX": "2"})  # as the unit says
    yield soaked
    soaked.kill()


@pytest.mark.broker
@pytest.mark.timeout(0)
@pytest.mark.drill(
    18, "soak",
    done=f"{SENSORS} sensors with {POLICIES} policies each, of which four have an alarm every 8 s, for the time that the result says",
    sees="memory of every process flat within noise, descriptors and threads as at the start; the database grows as said",
)  # fmt: skip
def test_soak(box: "Soaked", listener: Listener, request: pytest.FixtureRequest, measured: dict[str, str | float]) -> None:
    minutes = request.config.getoption("minutes") or MINUTES
    box.start()
    eventually(lambda: listener.events("p0", "opened"), 60, "alarms open")
    sampled = sample(box, minutes * 60)
    rows = counted(box.folder)
    assert box.stop() == 0
    measured["minutes"] = round(minutes, 1)
    for name, samples in sampled.items():
        settled = samples[round(len(samples) * SETTLED) :]
        times, own = np.array([each[0] for each in settled]), np.array([each[1] for each in settled])
        slope = float(np.polyfit(times, own, 1)[0]) if len(settled) > 2 else 0.0
        now = f"{own[-1] / 1e6:.1f} MB, {settled[-1][2]} descriptors, {settled[-1][3]} threads"
        measured[name] = f"{now}, {slope * DAY_S / 1e6:+.1f} MB a day if it went on"
        grown = slope * (times[-1] - times[0])
        assert grown < NOISE_BYTES, f"{name} grew by {grown / 1e6:.1f} MB"
        for what in (2, 3):
            assert settled[-1][what] <= max(each[what] for each in samples[: len(samples) // 2]) + 1, (name, what)
    spans = rows["span"] / (minutes * 60) * DAY_S * SITE / (SENSORS * POLICIES)
    measured["judgements in the database at 20 sensors x 10 policies, MB a day"] = round(spans / 1e6, 1)
    alarms = sum(len(listener.events(f"p{number}", "opened")) for number in range(POLICIES))
    measured["an alarm in the database, kB"] = round(sum(rows.get(name, 0) for name in ("alert", "transition", "delivery")) / 1e3 / alarms, 2)
    measured["alarms"] = alarms


def sample(box: Appliance, seconds: float) -> dict[str, list[Sample]]:
    """Every process of the box, every few seconds."""
    assert box.process
    out: dict[str, list[Sample]] = defaultdict(list)
    until = due = time.monotonic()
    until += seconds
    while due < until:
        due += EVERY_S
        eventually(lambda due=due: time.monotonic() >= due, EVERY_S + 30, "time passes")
        for name, pid in {"the supervisor": box.process.pid, **box.sensor_processes()}.items():
            threads = re.search(r"^Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            out[name].append((time.monotonic(), own_bytes(pid), files, int(threads[1]) if threads else 0))
    return dict(out)


def counted(folder: Path) -> dict[str, int]:
    """Bytes of each table of the database, by the length of what is in its rows and some for the rows themselves."""
    out = {}
    with closing(sqlite3.connect(f"file:{folder}/state/omniwatch.db?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            lengths = " + ".join(f"coalesce(length({column}), 0)" for column in columns)
            size, rows = connection.execute(f"SELECT coalesce(sum({lengths}), 0), count(*) FROM {table}").fetchone()  # noqa: S608 - names of the file
            out[table] = size + ROW_BYTES * rows
    return {name: size for name, size in out.items() if size}
