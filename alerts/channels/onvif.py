"""Alarms as ONVIF events over MQTT, for video management systems that subscribe to cameras' events there.

The form is that of the ONVIF Core Specification, "Event Broker" (topic structure, JSON event payload, property events). An alarm is
a property of the vendor's own topic `RuleEngine/omniwatch:Alarm`: true while it stands. Properties are retained and told with each
change, never again between; one of a policy that is gone is deleted by an empty message.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

from alerts.alert import MAX_SUMMARY, AlertId, Change
from alerts.channels.cloudevents import plain
from alerts.channels.mqtt import MqttChannel
from alerts.channels.packet import Message
from alerts.channels.topics import onvif
from alerts.notification import Delivery, Notification
from analyzers import policy
from analyzers.policy import PolicyId
from sensors.window import ViewId

Key = tuple[PolicyId, ViewId]
Word = Literal["true", "false"]
"""The specification lets quotes be left out; who insists on them is served as well."""

CHANGES = frozenset({Change.OPENED, Change.REOPENED, Change.CLEARED})
"""Those with which the property changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifSource:
    """What the alarm is about. The names are ONVIF's."""

    VideoSource: ViewId
    """A sensor, one of its zones, or `box`."""
    Rule: PolicyId


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifData:
    """What is said of it."""

    State: Word
    """Whether the alarm stands."""
    Alert: AlertId
    Severity: policy.Severity
    Summary: str
    """One line for people, with what a model may have made of a scene: data, and nothing else."""
    Test: Word
    """Whether somebody only tries the way to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifEvent:
    """Whether an alarm stands, as an ONVIF property event. An empty message in its place: the policy is gone."""

    UtcTime: datetime
    """When the alarm opened or ended."""
    Source: OnvifSource
    Data: OnvifData


EVENT = TypeAdapter(OnvifEvent)


class OnvifChannel:
    """Tells alarms as ONVIF events, over the connection of the MQTT channel."""

    def __init__(self, mqtt: MqttChannel, prefix: str) -> None:
        """`prefix`: what every topic begins with."""
        self.prefix = prefix
        self._mqtt = mqtt
        self._rules: Collection[Key] = ()

    def configure(self, rules: Collection[Key]) -> None:
        """There are only these any more."""
        self._rules = rules

    async def send(self, notification: Notification) -> Delivery:
        """Tell an alert's change, and wait for the broker's word."""
        return await self._mqtt.tell(notification, self._message)

    def _message(self, notification: Notification) -> Message:
        alert = notification.alert
        ends = notification.change is Change.CLEARED
        gone = ends and (alert.policy, alert.view) not in self._rules
        payload = b"" if gone else EVENT.dump_json(event_of(notification))
        return Message(topic=onvif(self.prefix, alert.policy, alert.view), payload=payload, retain=True)


def event_of(notification: Notification) -> OnvifEvent:
    """What is to be told, as an ONVIF event."""
    alert = notification.alert
    return OnvifEvent(
        UtcTime=alert.changed.utc,
        Source=OnvifSource(VideoSource=alert.view, Rule=alert.policy),
        Data=OnvifData(
            State="false" if notification.change is Change.CLEARED else "true",
            Alert=alert.id,
            Severity=alert.severity,
            Summary=plain(alert.summary, MAX_SUMMARY),
            Test="true" if alert.test else "false",
        ),
    )
