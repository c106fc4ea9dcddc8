"""Random kills of a box that watches a scene with alarms every few seconds, and the judgement of an outside listener over what it told.

Three witnesses: the camera's own record of its scene, the box's database, and a listener at the broker that keeps all that it hears.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from alerts.reason import Reason
from tests.appliance.conftest import Appliance, Broker, Listener, eventually, free_port

SERVER = Path(__file__).parent / "scene_server.py"
PERIOD_S = 6.0
LEAST_S, MOST_S = 1.0, 9.0
"""Between two kills."""
BROKER_AWAY_S = 3.0
QUIET_S = 60.0
LATE_S = 3.0
"""How long after a change of the scene an alarm may open: encoding, the window, and a slow machine."""
WARM_S = 1.5
SENSORS = """\
  camera:
    source: rtsp://127.0.0.1:{port}/camera
    window: {{length: 1s, every: 1s, fps: 2, longest_side: 320}}
judge:"""
POLICY = """\
  - id: lights-out
    ask: Is it dark?
    sensors: [camera]
    senses: [sight]
    trigger: 1 of 1
    clear_after: 1s
    fallback: {dark: 0.9}
"""
ON_PURPOSE = {Reason.COMMON_CAUSE, Reason.COOLDOWN, Reason.FLOOD, Reason.SHELVED, Reason.SUPPRESSED, Reason.UNTOLD}
"""Why the box keeps an alarm on record and tells nobody."""
Spans = list[tuple[float, float]]


@dataclass
class Kills:
    """One box, and what was done to it."""

    box: Appliance
    broker: Broker
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    camera: subprocess.Popen[str] | None = None
    ear: Listener | None = None
    upset: list[float] = field(default_factory=list)
    """When anything was killed, or came back from that, in seconds since 1970."""

    def begin(self) -> None:
        """Start the scene, the box and the listener."""
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        port = str(free_port())
        self.truth = self.box.folder / "truth"
        command = ["/usr/bin/python3", str(SERVER), port, str(PERIOD_S), str(self.truth)]
        self.camera = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self.camera.stdout or not self.camera.stdout.readline().startswith("ready"):
            pytest.skip("gst-rtsp-server and its Python bindings are not installed")
        self.box.sensors, self.box.more = SENSORS.format(port=port), POLICY
        self.ear = Listener(self.broker.port, patience_s=0.1)
        self.box.start()
        eventually(lambda: self.ear.events("lights-out", "opened"), 40, "the first alarm")

    def run(self, count: int) -> None:
        """Kill, and let it come back, again and again."""
        for _ in range(count):
            self._wait(self.chance.uniform(LEAST_S, MOST_S))
            self._kill(self.chance.choice(("box", "box", "camera", "wall", "broker")))

    def _kill(self, victim: str) -> None:
        if victim == "broker":
            self._kill_broker()
        elif victim == "box":
            self.box.kill()
            self.box.start()
        else:
            sensors = self.box.sensor_processes()
            if victim not in sensors:  # it is between two starts: nothing to kill
                return
            os.kill(sensors[victim], signal.SIGKILL)
        self.killed[victim] += 1
        self.upset.append(time.time())

    def _kill_broker(self) -> None:
        assert self.broker.process
        self.upset.append(time.time())
        self.broker.process.kill()
        self.broker.process.wait()
        self._wait(self.chance.uniform(0, BROKER_AWAY_S))
        self.broker.start()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        eventually(lambda: time.monotonic() >= until, seconds + 5, "time passes")

    def settle(self) -> None:
        """Let it come to rest: everything is told."""
        before = len(self.ear.events("lights-out", "opened"))
        eventually(lambda: len(self.ear.events("lights-out", "opened")) > before, QUIET_S, "alarms go on after the last kill")
        eventually(lambda: self.box.figure('omniwatch_outbox_depth{channel="mqtt"}') == 0, QUIET_S, "everything is told")
        self.upset.append(time.time())  # from here on nobody watches
        assert self.box.stop() == 0

    def end(self) -> None:
        """Leave nothing running."""
        self.box.kill()
        if self.camera:
            self.camera.kill()
            self.camera.wait()
        if self.ear:
            self.ear.close()

    def verdict(self) -> dict[str, str | int | float]:
        """What the witnesses say together. AssertionError where an alarm was lost, or told under two ids."""
        heard = [event["id"] for event in self.ear.of("/alert/")]
        happened, unheard = self._recorded()
        lost = sorted(happened - set(heard) - unheard)
        assert not lost, f"seed {self.seed}: on record, and never heard: {lost}"
        due, seen = self._scene()
        return {
            "kills": self.killed.total(),
            "alarm events": len(set(heard)),
            "told again under the same id": len(heard) - len(set(heard)),
            "told while nobody listened": len(unheard - set(heard)),
            "clips": self.clips,
            "events of the scene that were due": due,
            "seen": seen,
        }

    def _recorded(self) -> tuple[set[str], set[str]]:
        """The events that the box has on record, and those of them that the broker had nobody for."""
        with closing(sqlite3.connect(self.box.folder / "state" / "omniwatch.db")) as connection:
            query = "SELECT alert || '-' || number, reason FROM transition WHERE change IN ('opened', 'cleared', 'reopened')"
            happened = {event for event, reason in connection.execute(query) if reason not in ON_PURPOSE}
            waiting = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
            query = "SELECT notification FROM delivery WHERE outcome = 'unheard'"
            unheard = {row[0].removesuffix("-mqtt") for row in connection.execute(query)}
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            clips = [json.loads(row[0])["file"] for row in connection.execute("SELECT body FROM clip WHERE state = 'kept'")]
        missing = [clip for clip in clips if not (self.box.folder / "state" / "evidence" / clip).is_file()]
        assert not missing, f"seed {self.seed}: clips on record without their files: {missing}"
        self.clips = len(clips)
        assert waiting == 0
        return happened, unheard

    def _scene(self) -> tuple[int, int]:
        """Each time of darkness has at most one alarm, and exactly one where nothing was killed that could have kept it from being seen."""
        opened: dict[str, float] = {}
        with closing(sqlite3.connect(self.box.folder / "state" / "omniwatch.db")) as connection:
            for alert, at_us in connection.execute("SELECT id, opened_us FROM alert WHERE policy = 'lights-out'"):
                opened[alert] = at_us / 1e6
        online = self._online()
        due = seen = 0
        for begin, end in self._dark():
            within = [alert for alert, at in opened.items() if begin <= at <= end + LATE_S]
            assert len(within) <= 1, f"seed {self.seed}: the darkness from {begin:.1f} has the alarms {within}"
            seen += bool(within)
            if any(up <= begin - WARM_S and end <= down for up, down in online):
                due += 1
                assert within, f"seed {self.seed}: nobody told of the darkness from {begin:.1f} to {end:.1f}"
        return due, seen

    def _dark(self) -> Spans:
        changes = [line.split() for line in self.truth.read_text().splitlines()]
        return [(float(first[1]), float(second[1])) for first, second in pairwise(changes) if (first[0], second[0]) == ("dark", "light")]

    def _online(self) -> Spans:
        """When the camera was watched for sure: from the moment that a listener heard so until the next kill."""
        spans: Spans = []
        heard = [(at, body["online"]) for at, topic, body in self.ear.timed if "/sensor/camera" in topic]
        ends = [*self.upset, time.time()]
        for at, is_online in heard:
            if is_online:
                spans.append((at, min(end for end in ends if end >= at)))
        return spans
