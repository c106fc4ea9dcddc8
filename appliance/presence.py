"""What the broker keeps of the box for whoever comes later: how it is armed, the state of every alarm and sensor, and a heartbeat.

It decides nothing.

Values are published when they change and every third of their expiry, so that a dead box cannot leave "all clear" behind.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta

from alerts.channels.mqtt import MqttChannel
from alerts.track import Track
from appliance.control.arming import Armed
from appliance.fleet import SensorStatus
from appliance.site_form import DISARMED
from sensors.moment import NANOSECONDS, Moment
from sensors.window import SensorId

Sensors = Mapping[SensorId, SensorStatus]
Figures = Mapping[str, float | str]
EXPIRY = timedelta(seconds=90)
HEARTBEAT = timedelta(seconds=10)
HEARTBEAT_EXPIRY = 3 * HEARTBEAT


class Presence:
    """The retained values of one box."""

    def __init__(self, channel: MqttChannel, now: Callable[[], Moment]) -> None:
        """Publishes through `channel`, which keeps them for its next connection as well."""
        self._channel = channel
        self._now = now
        self._published: dict[str, tuple[bytes, Moment]] = {}
        self._beats = 0
        self._last_beat: Moment | None = None

    async def run(
        self,
        tracks: Callable[[], tuple[Track, ...]],
        sensors: Callable[[], Sensors],
        figures: Callable[[], Figures],
        *,
        armed: Callable[[], Armed],
    ) -> None:
        """Refresh once a second while there is a connection. In a loop of its own: a slow broker holds up no alarm's time."""
        while True:
            if self._channel.connected:
                await self.refresh(tracks(), sensors(), figures(), armed=armed())
            await asyncio.sleep(1.0)

    async def refresh(self, tracks: tuple[Track, ...], sensors: Sensors, figures: Figures, *, armed: Armed) -> None:
        """Publish what has changed or is due. What has left the configuration is removed."""
        topics, now = self._channel.topics, self._now()
        values = {topics.state(track.policy, track.view): _state(track) for track in tracks}
        values |= {topics.sensor(status.news.sensor): _sensor(status, now) for status in sensors.values()}
        values[topics.mode] = _mode(armed)
        due = [topic for topic, value in values.items() if self._is_due(topic, value, now)]
        gone = [topic for topic in self._published if topic not in values]
        async with asyncio.TaskGroup() as tasks:
            for topic in due:
                self._published[topic] = (values[topic], now)
                tasks.create_task(self._channel.publish_state(topic, values[topic], EXPIRY))
            for topic in gone:
                del self._published[topic]
                tasks.create_task(self._channel.publish_state(topic, b"", EXPIRY))
            if self._last_beat is None or now.since(self._last_beat) >= HEARTBEAT:
                self._last_beat = now
                self._beats += 1
                beat = _heartbeat(self._beats, now, {**figures, "mode": armed.in_force or DISARMED})
                tasks.create_task(self._channel.publish_state(topics.heartbeat, beat, HEARTBEAT_EXPIRY))

    def _is_due(self, topic: str, value: bytes, now: Moment) -> bool:
        before = self._published.get(topic)
        return before is None or before[0] != value or now.since(before[1]) >= EXPIRY / 3


def _mode(armed: Armed) -> bytes:
    body = {
        "mode": armed.in_force or DISARMED,
        "armed": armed.on,
        "since": armed.since.utc.isoformat() if armed.since else None,
        "by": armed.who or None,
    }
    return json.dumps(body).encode()


def _state(track: Track) -> bytes:
    alert = track.alert
    body = {
        "policy": track.policy,
        "view": track.view,
        "state": track.state.value,
        "alert": alert.id if alert else None,
        "severity": alert.severity.value if alert else None,
        "since": alert.changed.utc.isoformat() if alert else None,
        "shelved_until": track.shelf.until.utc.isoformat() if track.shelf else None,
    }
    return json.dumps(body).encode()


def _sensor(status: SensorStatus, now: Moment) -> bytes:
    news = status.news
    body = {
        "sensor": news.sensor,
        "online": status.delivers(now),
        "condition": news.condition.value,
        "reason": news.reason,
        "since": status.since.utc.isoformat(),
        "since_boot_ns": status.since.boot_ns,
        "width": news.width,
        "height": news.height,
        "fps": round(news.fps, 2),
        "sound": bool(news.sound_codec),
        "restarts": status.restarts,
    }
    return json.dumps(body).encode()


def _heartbeat(beats: int, now: Moment, figures: Figures) -> bytes:
    body = {"sequence": beats, "time": now.utc.isoformat(), "boot_id": now.boot_id, "up_since_boot_s": round(now.boot_ns / NANOSECONDS), **figures}
    return json.dumps(body).encode()
