"""What the broker keeps of the box for whoever comes later: how it is armed, the state of every alarm and sensor, and a heartbeat.

It decides nothing.

Values are published when they change and every third of their expiry, so that a dead box cannot leave "all clear" behind.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.alert import MAX_SUMMARY
from alerts.channels.cloudevents import described, plain
from alerts.channels.current import Current, Figures, HeartbeatData, ModeData, SensorData, StateData, encoded
from alerts.channels.mqtt import MqttChannel
from alerts.event import MAX_WHO
from alerts.reason import Reason
from alerts.track import Track
from appliance.children.fleet import SensorStatus
from appliance.config.site_form import DISARMED
from appliance.control.arming import Armed
from sensors.moment import NANOSECONDS, Moment
from sensors.window import SensorId

Sensors = Mapping[SensorId, SensorStatus]
EXPIRY = timedelta(seconds=90)
HEARTBEAT = timedelta(seconds=10)
HEARTBEAT_EXPIRY = 3 * HEARTBEAT


class Presence:
    """The retained values of one box."""

    def __init__(self, channel: MqttChannel, now: Callable[[], Moment]) -> None:
        """Publishes through `channel`, which keeps them for its next connection as well."""
        self._channel = channel
        self._now = now
        self._published: dict[str, tuple[Current, Moment]] = {}
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
        values: dict[str, Current] = {topics.state(track.policy, track.view): _state(track) for track in tracks}
        values |= {topics.sensor(status.news.sensor): sensor_data(status, now) for status in sensors.values()}
        values[topics.mode] = _mode(armed)
        due = [topic for topic, value in values.items() if self._is_due(topic, value, now)]
        gone = [topic for topic in self._published if topic not in values]
        async with asyncio.TaskGroup() as tasks:
            for topic in due:
                self._published[topic] = (values[topic], now)
                tasks.create_task(self._channel.publish_state(topic, encoded(values[topic]), EXPIRY))
            for topic in gone:
                del self._published[topic]
                tasks.create_task(self._channel.publish_state(topic, b"", EXPIRY))
            if self._last_beat is None or now.since(self._last_beat) >= HEARTBEAT:
                self._last_beat = now
                self._beats += 1
                beat = _heartbeat(self._beats, now, figures, armed)
                tasks.create_task(self._channel.publish_state(topics.heartbeat, encoded(beat), HEARTBEAT_EXPIRY))

    def _is_due(self, topic: str, value: Current, now: Moment) -> bool:
        before = self._published.get(topic)
        return before is None or _still(before[0]) != _still(value) or now.since(before[1]) >= EXPIRY / 3


def _still(value: Current) -> Current:
    """Without what moves all the time and is news to nobody."""
    return replace(value, level_dbfs=None, last_frame=None) if isinstance(value, SensorData) else value


def _mode(armed: Armed) -> ModeData:
    return ModeData(
        mode=armed.in_force or DISARMED, armed=armed.on, since=armed.since.utc if armed.since else None, by=plain(armed.who, MAX_WHO) or None
    )


def _state(track: Track) -> StateData:
    alert = track.alert
    quiet = Reason.SHELVED if track.shelf else track.withheld.silence.reason if track.withheld else None
    return StateData(
        policy=track.policy,
        view=track.view,
        state=track.state,
        alert=alert.id if alert else None,
        transition=alert.transition if alert else None,
        severity=alert.severity if alert else None,
        summary=plain(alert.summary, MAX_SUMMARY) if alert else None,
        description=described(alert.description) if alert else None,
        log_odds=alert.log_odds if alert else None,
        opened=alert.opened.utc if alert else None,
        since=alert.changed.utc if alert else None,
        acknowledged_by=plain(alert.acknowledged_by, MAX_WHO) if alert and alert.acknowledged_by else None,
        silenced=quiet.value if quiet else None,
        shelved_until=track.shelf.until.utc if track.shelf else None,
        blind_since=track.no_data_since.utc if track.no_data_since else None,
    )


def sensor_data(status: SensorStatus, now: Moment) -> SensorData:
    """How a sensor does, as it is published."""
    news, figures = status.news, status.figures
    return SensorData(
        sensor=news.sensor,
        online=status.delivers(now),
        condition=news.condition,
        reason=news.reason or None,
        since=status.since.utc,
        since_boot_ns=status.since.boot_ns,
        width=news.width,
        height=news.height,
        fps=round(news.fps, 2),
        sound=bool(news.sound_codec),
        level_dbfs=round(figures.level_dbfs, 1) if figures and news.sound_codec else None,
        last_frame=_at(figures.last_frame_boot_ns, now) if figures and figures.last_frame_boot_ns else None,
        restarts=status.restarts,
    )


def _at(boot_ns: int, now: Moment) -> datetime:
    return now.utc - timedelta(microseconds=(now.boot_ns - boot_ns) // 1000)


def _heartbeat(sequence: int, now: Moment, figures: Figures, armed: Armed) -> HeartbeatData:
    return HeartbeatData(
        sequence=sequence,
        time=now.utc,
        boot_id=now.boot_id,
        up_since_boot_s=round(now.boot_ns / NANOSECONDS),
        sensors=figures.sensors,
        sensors_online=figures.sensors_online,
        judge_ready=figures.judge_ready,
        alarms=figures.alarms,
        mode=armed.in_force or DISARMED,
    )
