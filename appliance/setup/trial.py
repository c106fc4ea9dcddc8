"""Tries what was answered before it is written: opens a source as the box would, and has a message come back from the broker. It keeps nothing."""

from pathlib import Path

from alerts.channels.topics import Topics
from appliance.config.configuration import Credentials, SensorConfig, least_slots
from appliance.config.sensor_form import WindowForm, absolute, senses_of
from appliance.doctor.broker import try_broker
from appliance.doctor.finding import Finding, Health
from appliance.doctor.sensors import try_sensors
from appliance.setup.answers import BrokerAnswer, SensorAnswer
from sensors.secret import Secret
from sensors.settings import SensorSettings
from sensors.window import SensorId


def try_source(name: str, answer: SensorAnswer) -> Finding:
    """How the source is: its size, codecs, rate and level, or why it does not open."""
    shape = (answer.window or WindowForm()).shape()
    settings = SensorSettings(
        sensor=SensorId(name), source=absolute(answer.source, Path.cwd()), window=shape, sound=answer.sound, slots=least_slots(shape)
    )
    login = answer.password if isinstance(answer.password, Secret) else None
    credentials = Credentials(username=answer.username, password=login) if answer.username and login else None
    sensor = SensorConfig(settings=settings, senses=senses_of(answer.source, answer.sound), credentials=credentials)
    return try_sensors([sensor], frozenset())[0]


def try_round_trip(answer: BrokerAnswer, topics: Topics) -> Finding:
    """Whether the broker takes us, and hands on what this box says."""
    try:
        settings = answer.settings(answer.password if isinstance(answer.password, Secret) else None)
    except ValueError as error:
        return Finding(what="broker", health=Health.FAILURE, says=str(error), do="answer otherwise")
    return try_broker(settings, topics)
