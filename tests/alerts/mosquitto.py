"""A mosquitto of the test's own, somebody who listens to it, and a channel with an outbox that tells it."""

import asyncio
import json
import queue
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.channels.mqtt import MqttChannel, MqttSettings
from alerts.channels.topics import Topics
from alerts.notification import Delivery, Notification, notification_id
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from appliance.clock import BoxClock
from appliance.outbox import Outbox
from appliance.store.store import MEMORY, Store
from sensors.window import SensorId, ViewId

TOPICS = Topics(site="plant-7", box="press-hall")
ROOT = TOPICS.root
now = BoxClock().now


class Broker:
    """A mosquitto of the test's own."""

    def __init__(self, folder: Path, *extra: str) -> None:
        """`extra`: lines of its settings; none: everybody may do everything."""
        with socket.socket() as end:
            end.bind(("127.0.0.1", 0))
            self.port: int = end.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root", *(extra or ["allow_anonymous true"])]
        self._config.write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except ConnectionRefusedError:
                assert self._process.poll() is None, "mosquitto will not have its settings"
                time.sleep(0.01)
                continue
            return
        raise AssertionError("mosquitto did not start")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)


class Listener:
    """Somebody at the other end."""

    def __init__(self, port: int, topics: str = f"{ROOT}/#") -> None:
        """Subscribed when this returns."""
        self._seen: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._subscribed: queue.Queue[int] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_rest: client.subscribe(topics, 1)
        self._client.on_subscribe = lambda _client, _data, mid, *_rest: self._subscribed.put(mid)
        self._client.on_message = lambda _client, _data, message: self._seen.put(message)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._subscribed.get(timeout=5)

    def wait_for(self, wanted: Callable[[paho.MQTTMessage], bool]) -> paho.MQTTMessage:
        while not wanted(message := self._seen.get(timeout=10)):
            pass
        return message

    def alerts(self, count: int) -> list[str]:
        """The ids of the next alert events."""
        return [json.loads(self.wait_for(lambda each: "/alert/" in each.topic).payload)["id"] for _ in range(count)]

    def status(self, wanted: str) -> paho.MQTTMessage:
        return self.wait_for(lambda each: each.topic == TOPICS.status and json.loads(each.payload)["status"] == wanted)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish, and wait until the broker has it."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Running:
    channel: MqttChannel
    outbox: Outbox
    store: Store
    heard: list[Delivery]

    async def alarm(self, *notes: Notification) -> None:
        await self.store.commit([], notes)
        self.outbox.wake()


@asynccontextmanager
async def running(port: int, store: Store | None = None, **settings: object) -> AsyncIterator[Running]:
    """A channel with an outbox on it, as the appliance wires them."""
    heard: list[Delivery] = []
    kept = store or await Store.open(MEMORY, now())

    def linked(up: bool) -> None:  # noqa: FBT001 - a callback
        if up:
            outbox.hurry("mqtt")

    wanted = replace(MqttSettings(host="127.0.0.1", port=port, patience_s=2.0), **settings)
    channel = MqttChannel(wanted, TOPICS, version="1.2.3", now=now, linked=linked)
    outbox = Outbox(kept, {"mqtt": channel}, now)
    tasks = [asyncio.create_task(channel.run()), asyncio.create_task(outbox.run(lambda _note, word: heard.append(word), lambda: None))]
    try:
        yield Running(channel, outbox, kept, heard)
    finally:
        for task in reversed(tasks):
            task.cancel()
        await asyncio.wait(tasks, timeout=10)
        for task in tasks:
            assert task.cancelled(), task


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for is elsewhere and tells nobody
            await asyncio.sleep(0.005)


def note(number: int, policy: str = "fire", summary: str = "Smoke in the hall") -> Notification:
    moment = now()
    alert = Alert(
        id=AlertId(f"{number:026d}"),
        policy=PolicyId(policy),
        sensor=SensorId("hall"),
        view=ViewId("hall.door"),
        severity=Severity.HIGH,
        state=AlertState.ACTIVE,
        transition=1,
        opened=moment,
        changed=moment,
        window_end=moment,
        by=JudgeKind.OMNI,
        log_odds=2.5,
        summary=summary,
    )
    return Notification(id=notification_id(alert, "mqtt"), channel="mqtt", change=Change.OPENED, alert=alert, created=moment)


def ids(count: int) -> list[str]:
    return [f"{number:026d}-1" for number in range(count)]
