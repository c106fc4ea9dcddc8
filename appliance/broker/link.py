"""All that a box says and hears at its broker besides alarms: how it stands, its pictures, what Home Assistant is told of it, and people's orders."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from alerts.channels.current import Figures
from alerts.channels.mqtt import MqttChannel
from alerts.track import Track
from appliance.broker.camera_gates import CameraGates
from appliance.broker.discovery import Discovery
from appliance.broker.onvif_rules import OnvifRules
from appliance.broker.pictures import Pictures
from appliance.broker.presence import Presence, Sensors
from appliance.children.previews import Previews
from appliance.children.supervisor import keep
from appliance.config.configuration import Configuration
from appliance.control.desk import Desk
from appliance.control.mqtt_orders import Fate, MqttOrders
from appliance.metrics import Metrics
from appliance.store.store import Store
from appliance.watch import Watch
from sensors.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """Where what is published is looked up."""

    tracks: Callable[[], tuple[Track, ...]]
    sensors: Callable[[], Sensors]
    figures: Callable[[], Figures]


class BrokerLink:
    """It begins with the channel's first connection."""

    def __init__(
        self,
        channel: MqttChannel,
        configuration: Configuration,
        *,
        desk: Desk,
        store: Store,
        previews: Previews,
        metrics: Metrics,
    ) -> None:
        """`configuration`: the one that the box was started with."""
        wants = configuration.mqtt
        self._desk = desk
        self._channel = channel
        self._discovery = Discovery(channel, store, configuration, previews.ask)
        self.gates = CameraGates(channel, configuration, channel.now, metrics.gate)
        self._onvif_rules = OnvifRules(channel, store, wants.onvif if wants else None)
        self._counts = metrics.mqtt_orders
        self._is_connected = metrics.mqtt_connected.set
        self._previews = previews
        self._pictures = Pictures(channel, previews, metrics.picture)
        self._orders = MqttOrders(channel, desk.verbs, self._ordered) if wants and wants.commands else None

    def configure(self, configuration: Configuration, watch: Watch) -> None:
        """What is watched from now on."""
        self._discovery.configure(configuration, watch)
        self._onvif_rules.configure(watch)
        self.gates.configure(configuration)

    def linked(self, *, connected: bool) -> None:
        """There is a connection, or it has ended."""
        self._is_connected(connected)
        self.gates.linked(connected=connected)
        if connected:
            self._previews.ask()

    def _ordered(self, fate: Fate, count: int) -> None:
        self._counts.labels(fate.value).inc(count)

    def loops(self, sights: Sights) -> dict[str, Coroutine[None, None, None]]:
        """What has to run, by name."""
        presence = Presence(self._channel, self._channel.now)
        work = {"discovery": self._discovery.run, "onvif": self._onvif_rules.run, "gates": self.gates.run, "pictures": self._pictures.run}
        work |= {"orders": self._orders.run} if self._orders else {}
        return {
            "presence": presence.run(sights.tracks, sights.sensors, sights.figures, armed=lambda: self._desk.arming.now),
            "mqtt": keep("mqtt", self._channel.run, Backoff()),
            **{name: keep(name, run, Backoff()) for name, run in work.items()},
        }
