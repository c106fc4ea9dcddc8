"""A broker that the demo brings along: mosquitto as a child where it is installed, else amqtt in a thread of this process.

Both listen on 127.0.0.1 alone. amqtt speaks MQTT 3.1.1 only, so refusals of the broker would go unseen; the demo says which it is.
"""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where it listens, and what it speaks."""

    name: str
    port: int
    protocol: str
    """`5` or `3.1.1`."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        port: int = end.getsockname()[1]
        return port


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """A running broker, gone afterwards. RuntimeError where neither can be started."""
    port = free_port()
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program:
        with _mosquitto(program, port, folder):
            yield Broker(name="mosquitto", port=port, protocol="5")
    else:
        with _amqtt(port):
            yield Broker(name="amqtt", port=port, protocol="3.1.1")


@contextmanager
def _mosquitto(program: str, port: int, folder: Path) -> Iterator[None]:
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with (folder / "mosquitto.log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(settings)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # noqa: S603
        try:
            _wait_for(port, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=5)


@contextmanager
def _amqtt(port: int) -> Iterator[None]:
    from amqtt.broker import Broker as AmqttBroker  # noqa: PLC0415 - only where mosquitto is not installed

    loop = asyncio.new_event_loop()
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }

    async def serve(stop: asyncio.Event) -> None:
        running = AmqttBroker(settings)
        await running.start()
        await stop.wait()
        await running.shutdown()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stop)), name="amqtt", daemon=True)
    thread.start()
    try:
        _wait_for(port)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=5)


def _wait_for(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process and process.poll() is not None:
            raise RuntimeError(f"the broker ended with {process.returncode}; see mosquitto.log")
        with socket.socket() as end:
            end.settimeout(0.5)
            if end.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the broker did not listen on port {port} within {START_S:g} s")
