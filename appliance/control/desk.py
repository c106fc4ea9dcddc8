"""The desk: where people's orders arrive. It puts the parts of control together and gathers the status; it decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alerts.track import Track
from analyzers.policy import Policy
from appliance import __version__
from appliance.clock import Clock
from appliance.config.configuration import Configuration
from appliance.control.arming import Armed, Arming
from appliance.control.audit import AuditTrail
from appliance.control.orders import Answer
from appliance.control.place import socket_path
from appliance.control.server import ControlServer
from appliance.control.status import (
    MAX_LINES,
    ChannelLine,
    JudgeLine,
    ModeLine,
    Status,
    alarm_lines,
    blank_line,
    sensor_lines,
    shelf_lines,
)
from appliance.control.targets import Key
from appliance.control.track_orders import Reach
from appliance.control.unaddressed import unaddressed
from appliance.control.verbs import Means, Remove, Verbs
from appliance.deliveries import Deliveries
from appliance.proving import Proving
from appliance.report import Parts
from appliance.store.store import Store
from appliance.telling import Telling
from appliance.watch import NOTHING, Watch
from sensors.window import SensorId


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the desk stands among."""

    parts: Parts
    store: Store
    clock: Clock
    telling: Telling
    deliveries: Deliveries
    proving: Proving
    remove: Remove | None
    """None: the box keeps no evidence."""


class Desk:
    """Takes orders for a running box."""

    def __init__(self, room: Room, configuration: Configuration) -> None:
        """Nothing is opened until `begin` and `serve`."""
        self._room = room
        self._configuration = configuration
        self._watch = NOTHING
        self.arming = Arming(room.store, configuration.modes, self._armed)
        self.trail = AuditTrail(room.store)
        reach = Reach(
            pipeline=room.parts.pipeline,
            policies=self._policies,
            deliveries=room.deliveries,
            clock=room.clock,
            timezone=lambda: self._configuration.timezone,
        )
        means = Means(
            reach=reach,
            arming=self.arming,
            trail=self.trail,
            status=self.status,
            sensors=self._sensors,
            remove=room.remove,
            drill=self._drill,
            speak=room.telling.speech.say if room.telling.speech else None,
            name=f"{configuration.site}/{configuration.box}",
        )
        self.verbs = Verbs(means)
        self._server = ControlServer(socket_path(configuration.state), self.verbs.execute)

    async def begin(self) -> None:
        """Take up what people have set before the restart."""
        await self.trail.begin()
        await self.arming.begin()

    async def recall(self, tracks: tuple[Track, ...]) -> None:
        """The store has come back, and with it what was set and stood before."""
        await self.arming.recall()
        await self._room.parts.pipeline.recall(tracks)

    async def serve(self) -> None:
        """Listen for orders until cancelled; WireError where there can be no socket."""
        await self._server.run_once()

    def configure(self, configuration: Configuration, watch: Watch) -> None:
        """Orders are about this from now on, and what is watched under it."""
        self._configuration, self._watch = configuration, watch
        self.arming.offer(configuration.modes)

    def _armed(self, armed: Armed) -> None:
        self._room.parts.pipeline.mode = armed.in_force

    def _policies(self) -> Mapping[Key, Policy]:
        return self._watch.policies()

    def _sensors(self) -> Sequence[SensorId]:
        return tuple(sensor.settings.sensor for sensor in self._configuration.sensors)

    async def status(self) -> Status:
        """How everything stands."""
        room, now, configuration = self._room, self._room.clock.now(), self._configuration
        tracks, parts = room.parts.pipeline.tracks(), room.parts
        alarms, armed, channels = alarm_lines(tracks), self.arming.now, self._channels()
        statistics = room.store.statistics()
        return Status(
            site=configuration.site,
            box=configuration.box,
            version=__version__,
            at=now.utc,
            mode=ModeLine(
                mode=armed.mode, armed=armed.on, modes=self.arming.modes, since=armed.since.utc if armed.since else None, who=armed.who
            ),
            judge=self._judge(),
            sensors=sensor_lines(parts.fleet.status().values(), now),
            alarms=alarms[:MAX_LINES],
            alarms_in_all=len(alarms),
            shelves=shelf_lines(tracks)[:MAX_LINES],
            channels=(*channels, *await unaddressed(room.store, {line.channel for line in channels}, now)),
            store_problem=statistics.failing or room.store.away,
            disk_free=parts.health.disk_free,
            self_test=self._self_test(),
            self_test_at=room.proving.self_test.last[1].utc if room.proving.self_test.last else None,
            blank=blank_line(room.proving.blanks.outcome),
        )

    def _self_test(self) -> str:
        last = self._room.proving.self_test.last
        if last is None:
            return "none yet" if self._configuration.self_test else "off"
        test, _ = last
        return f"passed in {test.took_s:.1f} s" if test.passed else f"FAILED: {test.problem}"

    async def _drill(self) -> Answer:
        """A self-test now, stage by stage, and clips that tell the judge what to answer."""
        done, says = await self._room.proving.self_test.drill()
        return Answer(done=done, says=says)

    def _judge(self) -> JudgeLine:
        parts = self._room.parts
        if parts.pipeline.judge is None:
            return JudgeLine(kind="cues", condition="alone")
        news = parts.judge.news
        return JudgeLine(kind=self._configuration.judge.kind.value, condition=news.condition.value, detail=news.detail, model=news.model)

    def _channels(self) -> tuple[ChannelLine, ...]:
        mqtt = self._room.telling.mqtt
        return tuple(
            ChannelLine(
                channel=name,
                connected=mqtt.connected if mqtt and name == "mqtt" else None,
                waiting=channel.depth,
                oldest_age_s=channel.oldest_age_s,
                refused=sum(channel.parked.values()),
                undurable=channel.undurable,
            )
            for name, channel in self._room.parts.outbox.statistics().items()
        )
