"""Cameras that say over MQTT whether something stirs in front of them: what they last said, and whether it still holds.

It fails open: a camera that has said nothing, or not for long, or whose broker is gone, decides nothing; the box's own cues do.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from alerts.channels.camera_word import Said, read
from alerts.channels.cloudevents import plain
from alerts.channels.listening import Heard
from alerts.channels.mqtt import MqttChannel
from appliance.config.configuration import Configuration
from appliance.config.form import show_duration
from sensors.moment import Moment
from sensors.window import SensorId, Window

LOOKS_EVERY_S = 1.0

log = logging.getLogger("omniwatch.mqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraGate:
    """What one camera has said on this connection."""

    since: Moment
    """Its newest word, or else the beginning of the connection: its silence counts from here."""
    said: Mapping[str, Said] = field(default_factory=dict)
    """STIRS or STILL, by topic."""
    stirred: Moment | None = None
    """When it last stopped stirring."""
    still: Moment | None = None
    """Since when nothing stirs; None: something does, or nobody knows."""

    def heard(self, topic: str, said: Said, at: Moment) -> "CameraGate":
        """After a word that could be read."""
        now = {**self.said, topic: said}
        if said is Said.GONE:
            del now[topic]
        stirs, knows = Said.STIRS in now.values(), bool(now)
        did = Said.STIRS in self.said.values()
        still = None if stirs or not knows else at if did or self.still is None else self.still
        return replace(self, since=at, said=now, stirred=at if did and not stirs else self.stirred, still=still)

    def is_silent(self, now: Moment, after: timedelta) -> bool:
        """Whether it is too long that it said anything."""
        return now.since(self.since) > after

    def stirs(self, window: Window) -> bool | None:
        """Whether something stirred during a window or since; None where the camera does not say."""
        if Said.STIRS in self.said.values() or (self.stirred and self.stirred.since(window.start) >= timedelta(0)):
            return True
        if self.still is None or self.still.since(window.start) > timedelta(0):  # it had not spoken yet when the window began
            return None
        return False


class CameraGates:
    """All of a box. Which topics are heard is settled at the start."""

    def __init__(
        self, channel: MqttChannel, configuration: Configuration, now: Callable[[], Moment], silent: Callable[[SensorId, bool], None]
    ) -> None:
        """`silent` hears once a second of each camera whether it has fallen silent."""
        self._channel = channel
        self._now = now
        self._silent = silent
        self._configs = configuration.gates
        self._gates: dict[SensorId, CameraGate] = {}
        self._quiet: set[SensorId] = set()
        self._unread: set[str] = set()
        self._sensors: dict[str, list[SensorId]] = {}
        for sensor, config in self._configs.items():
            for topic in config.topics:
                self._sensors.setdefault(topic, []).append(sensor)
        for topic in self._sensors:
            channel.listen(topic, self.hear)

    def configure(self, configuration: Configuration) -> None:
        """What there is of them from now on. New ones are heard from the next start on."""
        self._configs = {sensor: config for sensor, config in self._configs.items() if sensor in configuration.gates}

    def linked(self, *, connected: bool) -> None:
        """There is a connection, or it has ended: what was said before it may not be so any more."""
        now = self._now()
        self._gates = {sensor: self._gates.get(sensor, CameraGate(since=now)) for sensor in self._configs} if connected else {}

    def hear(self, heard: Heard) -> None:
        """A camera, or somebody in its name, has said something."""
        said = read(heard.payload)
        if said is Said.UNREADABLE:
            if heard.topic not in self._unread:
                self._unread.add(heard.topic)
                log.warning("mqtt: what comes on %s does not say whether something moves, and is left out", plain(heard.topic, 200))
            return
        now = self._now()
        for sensor in self._sensors.get(heard.topic, ()):
            gate = self._gates.get(sensor, CameraGate(since=now))
            self._gates[sensor] = gate.heard(heard.topic, said, now)

    def stirs(self, window: Window) -> bool | None:
        """What the camera says of a window; None: nothing, or nothing that holds."""
        gate, config = self._gates.get(window.sensor), self._configs.get(window.sensor)
        if gate is None or config is None or gate.is_silent(self._now(), config.silent_after):
            return None
        return gate.stirs(window)

    async def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOKS_EVERY_S)

    def look(self) -> None:
        """Say which cameras have fallen silent, and which speak again: each once."""
        now = self._now()
        for sensor in self._configs.keys() & self._gates.keys():
            self._look(sensor, self._gates[sensor], now)

    def _look(self, sensor: SensorId, gate: CameraGate, now: Moment) -> None:
        config = self._configs[sensor]
        silent = gate.is_silent(now, config.silent_after)
        self._silent(sensor, silent)
        if silent and sensor not in self._quiet:
            self._quiet.add(sensor)
            span = show_duration(config.silent_after)
            log.warning("sensor %s: its camera has not said for %s whether something moves; the box's own cues decide until it does", sensor, span)
        elif gate.said and not silent and sensor in self._quiet:
            self._quiet.discard(sensor)
            log.warning("sensor %s: its camera says again whether something moves", sensor)
