"""A whole appliance for tests: a real broker, a film made on the spot as the camera, and `omniwatch run` in a process of its own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

FPS = 10


def free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        port: int = end.getsockname()[1]
        return port


def eventually(holds: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until something holds; fail where it does not in time. The only way in which these tests wait."""
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, f"not within {within_s} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4")


def make_film(path: Path) -> Path:
    """40 s of a grey wall: something large stands there from 4 s to 12 s and from 20 s to 28 s."""
    noise = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for number in range(40 * FPS):
            picture = noise.normal(110, 2, (192, 320, 3))
            if number % (16 * FPS) >= 4 * FPS and number % (16 * FPS) < 12 * FPS and number < 32 * FPS:
                picture[60:180, 100:200] = (200, 180, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@dataclass
class Broker:
    """A mosquitto that can be stopped, killed and started again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    extra: str = "allow_anonymous true"

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\npersistence false\nuser root\n{self.extra}\n")
        self.process = subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
        eventually(self._listens, 10, "the broker listens")

    def _listens(self) -> bool:
        with socket.socket() as end:
            return end.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process = None


class Listener:
    """Everything that the broker hands on."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None, *, patience_s: float = 1) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.timed: list[tuple[float, str, dict[str, Any]]] = []
        """The same, with when each was heard, in seconds since 1970."""
        self._lock = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if username:
            self._client.username_pw_set(username, password)
        self._client.on_connect = lambda client, *_: client.subscribe("omniwatch/#", 1)
        self._client.on_message = self._message
        self._client.reconnect_delay_set(patience_s, patience_s)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if not message.payload:
            return
        with suppress(ValueError, RecursionError), self._lock:  # somebody else's rubbish
            body = json.loads(message.payload)
            self.messages.append((message.topic, body))
            self.timed.append((time.time(), message.topic, body))

    def of(self, part: str) -> list[dict[str, Any]]:
        with self._lock:
            return [body for topic, body in self.messages if part in topic]

    def events(self, policy: str, change: str) -> list[dict[str, Any]]:
        return [body for body in self.of(f"/alert/{policy}/") if body["data"]["change"] == change]

    def publish(self, topic: str, body: dict[str, Any]) -> None:
        self._client.publish(topic, json.dumps(body), 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


CONFIG = """\
site: plant
box: test
timezone: {timezone}
{site}state: {folder}/state
metrics: {{listen: "127.0.0.1:{metrics}"}}
sensors:
  wall:
    source: file:{film}
    window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}
{sensors} {judge}
self_test: {self_test}
policies:
  - id: something-there
    ask: Is something in front of the wall?
    sensors: [wall]
    senses: [sight]
    trigger: 2 of 3
    clear_after: 2s
    fallback: {{changed: 0.05}}
{policy}{more}
notify:
  mqtt: {{host: 127.0.0.1, port: {port}{login}}}
"""


@dataclass
class Appliance:
    """`omniwatch run` in a process of its own, as systemd would start it."""

    folder: Path
    film: Path
    broker: Broker
    more: str = ""
    login: str = ""
    sensors: str = "judge:"
    judge: str = "{kind: cues}"
    timezone: str = "UTC"
    site: str = ""
    """More lines about the site."""
    policy: str = ""
    """More lines of its one policy."""
    environment: dict[str, str] = field(default_factory=dict)
    self_test: str = "off"
    metrics: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "appliance.yaml"

    def write(self) -> None:
        text = CONFIG.format(
            folder=self.folder,
            metrics=self.metrics,
            film=self.film,
            sensors=self.sensors,
            judge=self.judge,
            self_test=self.self_test,
            more=self.more,
            timezone=self.timezone,
            site=self.site,
            policy=self.policy,
            port=self.broker.port,
            login=self.login,
        )
        self.config.write_text(text)

    def start(self) -> None:
        self.write()
        command = [sys.executable, "-m", "appliance", "run", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **self.environment})

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self) -> int:
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=10)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def metrics_text(self) -> str:
        """What Prometheus would read now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def figure(self, series: str) -> float:
        """The value of one series, written as Prometheus writes it; 0 where there is none yet."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.metrics_text(), re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def is_active(self, policy: str) -> bool:
        """Whether the metrics show an alarm of a policy, on any view."""
        series = rf'^omniwatch_alarm_state{{policy="{policy}",state="active",view="[^"]*"}} 1\.0$'
        return re.search(series, self.metrics_text(), re.MULTILINE) is not None

    def children(self) -> dict[str, int]:
        """The pids of its children by module."""
        assert self.process
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in pids}
        return {command[2].decode(): pid for pid, command in commands.items() if len(command) > 2}

    def sensor_processes(self) -> dict[str, int]:
        """The pids of its sensor processes by sensor; one that is between two starts is left out."""
        assert self.process
        found: dict[str, int] = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(OSError):
                memory = str(Path(f"/proc/{pid}/fd/{_option(pid, '--slots')}").readlink())
                found[memory.removeprefix("/memfd:omniwatch-").removesuffix(" (deleted)")] = int(pid)
        return found


def _option(pid: str, name: str) -> str:
    """What a process was given for an option; OSError where it has gone, or has none."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    if name not in words:
        raise OSError(name)
    return words[words.index(name) + 1]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if not shutil.which("mosquitto"):
        pytest.skip("mosquitto is not installed")
    running = Broker(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def appliance(tmp_path: Path, film: Path, broker: Broker) -> Iterator[Appliance]:
    box = Appliance(tmp_path, film, broker)
    yield box
    box.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    ear = Listener(broker.port)
    yield ear
    ear.close()
