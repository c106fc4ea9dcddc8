"""Who is told, and over which ways: the channels of a configuration and their audiences. It tells nobody itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from alerts.alert import Change
from alerts.audience import Audience
from alerts.channels.mqtt import MqttChannel
from alerts.channels.onvif import CHANGES, OnvifChannel
from alerts.channels.people import PeopleChannel
from alerts.channels.speech import SpeechChannel
from alerts.notification import Channel
from alerts.reason import Reason
from appliance.config.configuration import Configuration
from appliance.talker_voice import TalkerVoice
from appliance.watch import Watch

MQTT = "mqtt"
ONVIF = "onvif"
OVER_MQTT = (MQTT, ONVIF)
SPEECH = "speech"
SMALL = frozenset({Reason.DESCRIBED, Reason.FORGOTTEN})
"""No messages of their own for people: a description is in the next one, which with `updated` is that of the clip."""
SPOKEN = frozenset({Change.OPENED, Change.REOPENED, Change.REMINDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The ways out of a box, as it was started."""

    mqtt: MqttChannel | None
    onvif: OnvifChannel | None
    speech: SpeechChannel | None
    people: Mapping[str, PeopleChannel]
    """By their names."""
    audiences: tuple[Audience, ...]
    talker: TalkerVoice | None = None
    """The model's voice, where speech has one."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """By the name that notifications are addressed to."""
        named: dict[str, Channel | None] = {MQTT: self.mqtt, ONVIF: self.onvif, SPEECH: self.speech, **self.people}
        return {name: channel for name, channel in named.items() if channel}

    @property
    def one_by_one(self) -> frozenset[str]:
        """Those that are told slowly."""
        return frozenset(self.channels).difference(OVER_MQTT)

    def configure(self, configuration: Configuration, watch: Watch) -> None:
        """What changes of them while the box runs: what is said of each policy, which there are, and what the judge beside a voice takes."""
        if self.onvif:
            self.onvif.configure(watch.policies().keys())
        if self.talker:
            self.talker.beside(configuration.judge.plans)
        if self.speech:
            self.speech.phrases({policy.id: policy.say for policy in configuration.policies if policy.say})


def audiences(configuration: Configuration) -> tuple[Audience, ...]:
    """Who is told of what."""
    found: list[Audience] = []
    if configuration.mqtt:
        found.append(Audience(channel=MQTT, self_tests=True))
    if configuration.mqtt and configuration.mqtt.onvif is not None:
        found.append(Audience(channel=ONVIF, changes=CHANGES))
    if speech := configuration.speech:
        found.append(Audience(channel=SPEECH, changes=SPOKEN, least=speech.least, quiet=speech.quiet, lasting=speech.max_age))
    people = (
        Audience(channel=person.name, changes=person.tell, least=person.least, deaf=SMALL, quiet=person.quiet, lasting=person.max_age)
        for person in configuration.people
    )
    return (*found, *people)
