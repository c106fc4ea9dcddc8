"""From a verdict to the broker's PUBACK, through store, outbox and a real mosquitto: `python benchmarks/outbox.py [--json] [--folder DIR]`.

Every alarm is one durable transaction (WAL, FULL) of track, alert, transition and notification, committed one after the other as the
pipeline does. Kinds are measured in turn within each run, so that a slow moment of the machine hits all of them.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.channels.mqtt import MqttChannel, MqttSettings, Protocol
from alerts.channels.topics import Topics
from alerts.decision import Decision
from alerts.notification import Delivery, Notification, NotificationId, Outcome, notification_id
from alerts.reason import Reason
from alerts.track import Track
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from appliance.clock import BoxClock
from appliance.demo.broker import broker
from appliance.outbox import Outbox
from appliance.store.store import Store
from sensors.window import SensorId, ViewId

RUNS = 7
SINGLES = 60
PACE_S = 0.02
BURST = 600
P95_AIM_MS = 100.0
RATE_AIM_HZ = 300.0

now = BoxClock().now


@dataclass
class Bench:
    """A store, an outbox and a channel that is connected."""

    store: Store
    outbox: Outbox
    began: dict[NotificationId, float] = field(default_factory=dict)
    took: dict[NotificationId, float] = field(default_factory=dict)
    number: int = 0

    def heard(self, notification: Notification, delivery: Delivery) -> None:
        """Take the time of an alarm that the broker has."""
        if delivery.outcome is not Outcome.RETRY:
            self.took[notification.id] = perf_counter() - self.began[notification.id]

    async def alarm(self) -> None:
        """A verdict that opens an alarm: commit it and wake the outbox."""
        self.number += 1
        alert, notification = made(self.number)
        track = Track(policy=alert.policy, sensor=alert.sensor, view=alert.view, state=alert.state, alert=alert)
        decision = Decision(track=track, reason=Reason.TRIGGERED, change=Change.OPENED, alert=alert, told=True)
        self.began[notification.id] = perf_counter()
        await self.store.commit([decision], [notification])
        self.outbox.wake()

    async def wait_told(self) -> None:
        """Wait until the broker has them all."""
        async with asyncio.timeout(60):
            while len(self.took) < len(self.began):  # noqa: ASYNC110 - the times are taken elsewhere
                await asyncio.sleep(0.001)


def made(number: int) -> tuple[Alert, Notification]:
    """An alarm of a usual size."""
    moment = now()
    alert = Alert(
        id=AlertId(f"{number:026d}"),
        policy=PolicyId("press-cell-entry"),
        sensor=SensorId("press-cell"),
        view=ViewId(f"press-cell.zone-{number % 20}"),
        severity=Severity.CRITICAL,
        state=AlertState.ACTIVE,
        transition=1,
        opened=moment,
        changed=moment,
        window_end=moment,
        by=JudgeKind.OMNI,
        log_odds=3.5,
        summary="Person in the press cell: somebody in a yellow vest stands left of the press, inside the fence.",
    )
    notification = Notification(id=notification_id(alert, "mqtt"), channel="mqtt", change=Change.OPENED, alert=alert, created=moment)
    return alert, notification


@asynccontextmanager
async def bench(folder: Path, port: int, protocol: str) -> AsyncIterator[Bench]:
    """All of it, running."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = await Store.open(Path(place) / "state.db", now())
        connected = asyncio.Event()
        settings = MqttSettings(host="127.0.0.1", port=port, protocol=Protocol(protocol))
        channel = MqttChannel(settings, Topics(site="bench", box="bench"), version="0", now=now, linked=lambda up: up and connected.set())
        made_bench = Bench(store=store, outbox=Outbox(store, {"mqtt": channel}, now))
        tasks = [asyncio.create_task(channel.run()), asyncio.create_task(made_bench.outbox.run(made_bench.heard, lambda: None))]
        try:
            await asyncio.wait_for(connected.wait(), 10)
            yield made_bench
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await store.close(now())


async def one_by_one(bench: Bench) -> dict[str, float]:
    """Alarms that have the box to themselves: milliseconds from verdict to PUBACK."""
    for _ in range(SINGLES):
        await bench.alarm()
        await asyncio.sleep(PACE_S)
    await bench.wait_told()
    took = sorted(bench.took.values())
    return {"p50_ms": 1e3 * statistics.median(took), "p95_ms": 1e3 * took[round(0.95 * len(took)) - 1]}


async def burst(bench: Bench) -> dict[str, float]:
    """As many alarms as fast as they can be committed: alarms a second until the broker has the last."""
    begin = perf_counter()
    for _ in range(BURST):
        await bench.alarm()
    await bench.wait_told()
    return {"alarms_per_s": BURST / (perf_counter() - begin)}


async def measure(folder: Path) -> dict[str, list[float]]:
    """All figures of all runs."""
    figures: dict[str, list[float]] = {}
    kinds: tuple[Callable[[Bench], Awaitable[dict[str, float]]], ...] = (one_by_one, burst)
    with broker(folder) as at:
        for _ in range(RUNS):
            for kind in kinds:
                async with bench(folder, at.port, at.protocol) as running:
                    for name, figure in (await kind(running)).items():
                        figures.setdefault(name, []).append(figure)
    return figures


AIMS = {"p95_ms": P95_AIM_MS, "alarms_per_s": RATE_AIM_HZ}
WHAT = {"p50_ms": "verdict to PUBACK, median, ms", "p95_ms": "verdict to PUBACK, p95, ms", "alarms_per_s": "alarms a second, all stored and told"}


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk that is to be measured; default: the temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = asyncio.run(measure(Path(folder)))
    rows = [
        {"what": WHAT[name], "median": statistics.median(runs), "min": min(runs), "max": max(runs), "aim": AIMS.get(name), "runs": RUNS}
        for name, runs in figures.items()
    ]
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'medians of ' + str(RUNS) + ' interleaved runs':40}{'median':>9}{'min':>9}{'max':>9}{'aim':>9}")
    for row in rows:
        print(f"{row['what']:40}{row['median']:9.2f}{row['min']:9.2f}{row['max']:9.2f}{row['aim'] or '':>9}")


if __name__ == "__main__":
    main()
