"""Somebody who listens at the broker, as a dashboard or a PLC gateway would: prints alarms as they arrive and keeps them for the score."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from rich.console import Console
from rich.markup import escape

from appliance.demo.broker import Broker
from appliance.demo.keepsakes import ToldClip
from appliance.demo.score import Heard

COLOURS = {"opened": "bold red", "reopened": "bold red", "reminded": "red", "cleared": "green"}


class Subscriber:
    """A client of its own at the broker, in a thread of its own."""

    def __init__(self, broker: Broker, sensor: str, console: Console, zero_boot_ns: Callable[[], int | None]) -> None:
        """`zero_boot_ns` says when the scene's second 0 was, if anybody knows; else it is the first picture of `sensor`."""
        self.online = threading.Event()
        self._sensor = sensor
        self._zero_boot_ns = zero_boot_ns
        self._console = console
        self._heard: list[Heard] = []
        self._clips: dict[str, ToldClip] = {}
        self._zero: datetime | None = None
        self._lock = threading.Lock()
        protocol = MQTTProtocolVersion.MQTTv5 if broker.protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="omniwatch-demo", protocol=protocol)
        self._client.on_connect = lambda client, *_: client.subscribe([("omniwatch/+/+/alert/#", 1), ("omniwatch/+/+/sensor/+", 1)])
        self._client.on_message = self._message
        self._port = broker.port

    def __enter__(self) -> Self:
        """Connect and listen."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def heard(self) -> tuple[Heard, ...]:
        """Everything about alarms so far."""
        with self._lock:
            return tuple(self._heard)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if not message.payload:
            return
        body = json.loads(message.payload)
        if "/alert/" in message.topic:
            self._alert(body["data"], datetime.fromisoformat(body["time"]))
        elif body["sensor"] == self._sensor and body["online"] and not self.online.is_set():
            begun = self._zero_boot_ns()
            since_ns = body["since_boot_ns"]
            self._zero = datetime.fromisoformat(body["since"]) - timedelta(microseconds=(since_ns - (begun or since_ns)) / 1000)
            self.online.set()

    def clips(self) -> tuple[ToldClip, ...]:
        """The clips that events told of."""
        with self._lock:
            return tuple(self._clips.values())

    def _alert(self, data: dict[str, Any], changed: datetime) -> None:
        with self._lock:
            self._clips |= {clip["file"]: _clip(str(data["policy"]), clip) for clip in data["evidence"]}
        if data["test"]:
            return  # the box tests itself; nothing is wrong
        opens = data["change"] in ("opened", "reopened")
        end = datetime.fromisoformat(str(data["window_end"])) if opens and data["window_end"] else changed
        zero = self._zero or end
        one = Heard(
            policy=str(data["policy"]),
            view=str(data["view"]),
            change=str(data["change"]),
            severity=str(data["severity"]),
            summary=str(data["summary"]),
            at_s=(end - zero).total_seconds(),
            latency_s=(datetime.now(UTC) - end).total_seconds(),
        )
        with self._lock:
            self._heard.append(one)
        colour = COLOURS.get(one.change, "dim")
        late = f"  [dim]{one.latency_s:.2f} s after its window[/dim]" if opens else ""
        self._console.print(f"{one.at_s:6.1f} s  [{colour}]{one.change:9}[/{colour}] {one.severity:8} {one.policy:18} {escape(one.summary)}{late}")


def _clip(policy: str, told: dict[str, Any]) -> ToldClip:
    return ToldClip(policy=policy, file=told["file"], poster=told["poster"], sha256=told["sha256"])
