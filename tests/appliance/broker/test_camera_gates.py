"""Cameras that say whether something moves: what holds for which window, and that the gate fails open."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.channels.camera_word import Said
from alerts.channels.mqtt import MqttChannel, MqttSettings
from appliance.broker.camera_gates import CameraGate, CameraGates
from appliance.config.configuration import Configuration, SensorConfig, load
from appliance.config.gate_form import GateConfig
from sensors.moment import Moment
from sensors.window import SensorId, Window
from tests.alerts.mosquitto import TOPICS, Broker, Listener, now, until
from tests.analyzers.test_gate import QUIET, at, window

MOTION, TAMPER = "cam7/motion", "cam7/tamper"
HOUR = timedelta(hours=1)


def told(*words: tuple[float, str, Said]) -> CameraGate:
    """A camera after it has said these, at these seconds."""
    gate = CameraGate(since=at(0))
    for second, topic, said in words:
        gate = gate.heard(topic, said, at(second))
    return gate


def seen(start: float) -> Window:
    """A window of two seconds."""
    return window(QUIET, start + 2)


@pytest.mark.parametrize(
    ("why", "gate", "start", "stirs"),
    [
        ("it has said nothing", told(), 10, None),
        ("something moves", told((5, MOTION, Said.STIRS)), 10, True),
        ("nothing has moved since before the window", told((5, MOTION, Said.STILL)), 10, False),
        ("it began to speak within the window", told((11, MOTION, Said.STILL)), 10, None),
        ("it stopped within the window", told((5, MOTION, Said.STIRS), (11, MOTION, Said.STILL)), 10, True),
        ("a pulse within the window", told((5, MOTION, Said.STILL), (10.5, MOTION, Said.STIRS), (11, MOTION, Said.STILL)), 10, True),
        ("it stopped before the window", told((5, MOTION, Said.STIRS), (9, MOTION, Said.STILL)), 10, False),
        ("said again that it is still", told((5, MOTION, Said.STILL), (11, MOTION, Said.STILL)), 10, False),
        ("tampering counts as well", told((5, MOTION, Said.STILL), (6, TAMPER, Said.STIRS)), 10, True),
        ("one of two still moves", told((5, MOTION, Said.STIRS), (6, TAMPER, Said.STIRS), (7, TAMPER, Said.STILL)), 10, True),
        ("a deleted property says nothing", told((5, MOTION, Said.STILL), (6, MOTION, Said.GONE)), 10, None),
    ],
)
def test_what_a_camera_says_of_a_window(why: str, gate: CameraGate, start: float, *, stirs: bool | None) -> None:
    assert gate.stirs(seen(start)) is stirs, why


def test_silence_counts_from_the_newest_word_or_the_beginning_of_the_connection() -> None:
    assert not told().is_silent(at(3600), HOUR)
    assert told().is_silent(at(3601), HOUR)
    assert not told((100, MOTION, Said.STILL)).is_silent(at(3601), HOUR)


def box(tmp_path: Path, **settings: object) -> Configuration:
    """A box with a camera that speaks."""
    (tmp_path / "box.yaml").write_text(
        """
site: plant-7
box: press-hall
timezone: UTC
sensors:
  hall:
    source: rtsp://10.0.0.21/stream
    gate: {topics: [cam7/motion, cam7/tamper], silent_after: 1m}
notify: {mqtt: {host: 127.0.0.1}}
"""
    )
    configuration = load(tmp_path / "box.yaml")
    sensor: SensorConfig = configuration.sensors[0]
    assert sensor.gate == GateConfig(topics=(MOTION, TAMPER), silent_after=timedelta(minutes=1))
    return replace(configuration, sensors=(replace(sensor, gate=replace(sensor.gate, **settings)),))


class Hearing:
    """Gates on a real connection, and a clock that can be put on."""

    def __init__(self, configuration: Configuration, port: int) -> None:
        self.later = timedelta(0)
        self.silent: list[bool] = []
        self.channel = MqttChannel(MqttSettings(host="127.0.0.1", port=port), TOPICS, version="1", now=now, linked=self.linked)
        self.gates = CameraGates(self.channel, configuration, self.now, lambda _sensor, silent: self.silent.append(silent))

    def now(self) -> Moment:
        return now().plus(self.later)

    def linked(self, up: bool) -> None:  # noqa: FBT001 - a callback
        self.gates.linked(connected=up)

    def stirs(self) -> bool | None:
        """Of a window that begins just now."""
        return self.gates.stirs(replace(seen(0), sensor=SensorId("hall"), start=self.now()))


@asynccontextmanager
async def hearing(configuration: Configuration, broker: Broker) -> AsyncIterator[Hearing]:
    heard = Hearing(configuration, broker.port)
    task = asyncio.create_task(heard.channel.run())
    await until(lambda: heard.channel.connected)
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.broker
def test_a_camera_is_heard_and_its_word_ends_with_its_silence_and_with_the_connection(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path)
    broker.start()
    camera = Listener(broker.port)

    async def story() -> None:
        camera.say(MOTION, b'{"Data": {"State": "false"}}', retain=True)
        async with hearing(box(tmp_path), broker) as heard:
            await until(lambda: heard.stirs() is False)
            camera.say(MOTION, b"\x00 rubbish")
            camera.say(TAMPER, b'{"Data": {"IsTamper": "true"}}')
            await until(lambda: heard.stirs() is True)
            camera.say(TAMPER, b'{"Data": {"IsTamper": "false"}}')
            await until(lambda: heard.stirs() is False)
            heard.later = timedelta(minutes=2)
            assert heard.stirs() is None, "silent for too long: the box's own cues decide"
            heard.gates.look()
            heard.gates.look()
            camera.say(MOTION, b"off")
            await until(lambda: heard.stirs() is False)
            heard.gates.look()
            assert heard.silent == [True, True, False]
            broker.kill()
            await until(lambda: not heard.channel.connected)
            assert heard.stirs() is None, "nobody hears the camera"

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    camera.close()
    said = [each.getMessage() for each in caplog.records if "camera" in each.getMessage() or "does not say" in each.getMessage()]
    assert said == [
        "mqtt: what comes on cam7/motion does not say whether something moves, and is left out",
        "sensor hall: its camera has not said for 1m whether something moves; the box's own cues decide until it does",
        "sensor hall: its camera says again whether something moves",
    ]
