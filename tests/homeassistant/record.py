"""Shows a box to a real Home Assistant, and records what they say to each other: `record.py PYTHON`, run in the repository's folder.

PYTHON is one with Home Assistant, which needs a newer Python than the box:
`python3.13 -m venv DIR && DIR/bin/pip install homeassistant==2025.4.4 paho-mqtt`, then `python -m tests.homeassistant.record DIR/bin/python`.
It writes `exchange.jsonl` beside this file, which the tests hold the box to.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from sensors.jpeg import sides
from tests.appliance.conftest import Appliance, Broker, eventually, make_film

HERE = Path(__file__).parent
RECORDING = HERE / "exchange.jsonl"
DESCRIPTION = "homeassistant/device/omniwatch_plant_test/config"
KEPT = ("homeassistant/", "/something-there/", "/command/", "/response/", "/mode", "/status", "/picture/", "/sensor/")
SERVED = "/api/image_proxy/image.test_wall_picture"
"""Not a topic: what Home Assistant showed a browser."""
LOGIN = ", commands: true, home_assistant: true, pictures: {every: 1s, longest_side: 240, bytes: 6kB}}\n  speech: {device: default"
MASKS = "    masks: [[0.0, 0.0, 0.25, 0.5]]\njudge:"


class Ear:
    """Hears everything at the broker."""

    def __init__(self, port: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("#", options=paho.SubscribeOptions(1, retainAsPublished=True))
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            self.messages.append({"topic": message.topic, "retain": bool(message.retain), "payload": readable(message.payload)})

    def description(self) -> dict[str, Any] | None:
        with self._lock:
            return next((each["payload"] for each in self.messages if each["topic"] == DESCRIPTION), None)


def readable(payload: bytes) -> Any:  # noqa: ANN401 - what JSON holds
    """As it stands in the recording: a picture as its digest."""
    if payload.startswith(b"\xff\xd8"):
        return {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest(), "sides": sides(payload)}
    text = payload.decode()
    return json.loads(text) if text[:1] in "{[" else text


def main(python: str) -> None:
    """Record, and say how it went."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder)
        broker.start()
        ear = Ear(broker.port)
        box = Appliance(folder, make_film(folder / "film.mp4"), broker, sensors=MASKS, login=LOGIN)
        box.start()
        try:
            eventually(ear.description, 30, "the box describes itself")
            (folder / "description.json").write_text(json.dumps(ear.description()))
            files = (folder / "description.json", folder / "picture.jpg")
            sensor = str(box.sensor_processes()["wall"])
            words = [python, str(HERE / "child.py"), str(folder / "homeassistant"), str(broker.port), *map(str, files), sensor]
            subprocess.run(words, check=True, timeout=120)
            shown = {"topic": SERVED, "retain": False, "payload": readable(files[1].read_bytes())}
        finally:
            box.kill()
            broker.stop()
        kept = [each for each in ear.messages if any(part in each["topic"] for part in KEPT)]
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in (*kept, shown))
        RECORDING.write_text(text.replace(name, "FOLDER"))
        print(f"{len(kept)} messages in {RECORDING}")  # noqa: T201 - a tool's own words


if __name__ == "__main__":
    main(sys.argv[1])
