"""What setup has to know, whoever says it: a file of answers, or the person at the terminal. It writes nothing and opens nothing."""

import re
import socket
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf

from alerts.channels.mqtt_settings import MqttSettings, usual_port
from appliance.config.form import MAX_ID, FilePath, Form, Id, Line, Truth
from appliance.config.judge_form import JudgeForm
from appliance.config.keyring import MAX_SECRET
from appliance.config.mqtt_form import Host, Port
from appliance.config.policy_form import MAX_SENSORS
from appliance.config.sensor_form import SensorForm, Source, WindowForm
from appliance.config.site_form import check_judge, read_timezone
from appliance.config.yaml_marks import SecretName
from sensors.secret import Secret
from sensors.settings import SoundUse

MAX_WATCHED = 50
"""Policies of one sensor."""
ZONES = "zoneinfo/"


def this_host() -> str:
    """The name of this machine, as far as it can be one of a box."""
    name = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")
    return name[:MAX_ID].strip("-") or "box"


def this_timezone() -> str:
    """The time zone that this machine is set to; UTC where it does not say."""
    named = str(Path("/etc/localtime").resolve()).partition(ZONES)[2]
    try:
        return ZoneInfo(named).key if named else "UTC"
    except (OSError, ValueError):
        return "UTC"


def read_password(value: object) -> object:
    """A password itself, or where it lies already."""
    if isinstance(value, Secret | SecretName):
        return value
    if isinstance(value, str) and value.strip() and value.isprintable() and len(value.encode()) <= MAX_SECRET:
        return Secret(value)
    raise ValueError("write the password in quotes, or !secret NAME for one that lies among the secrets already")


Password = Annotated[InstanceOf[Secret] | InstanceOf[SecretName], BeforeValidator(read_password)]


class SensorAnswer(Form):
    """A camera or a microphone. Whatever else there is to say of it is for the configuration."""

    source: Source
    """`rtsp://HOST/PATH`, `rtsps://HOST/PATH`, `file:PATH`, `v4l2:/dev/video0` or `mic:default`. No name or password in it."""
    record: Source | None = None
    """A second stream of the same camera in better quality, for evidence."""
    username: Line | None = None
    """The name to log in with."""
    password: Password | None = None
    """The password, which goes into a file of its own, or `!secret NAME` for one that lies there already."""
    sound: SoundUse = SoundUse.JUDGE
    """`judge` listens and keeps nothing, `off` does not listen, `keep` adds sound to evidence."""
    window: WindowForm | None = None
    """How its time is cut into windows. Default: what suits a camera or a microphone."""

    def form(self) -> SensorForm:
        """As the configuration will have it. What the password is does not matter there."""
        password = SecretName("x") if self.password else None
        return SensorForm(source=self.source, record=self.record, username=self.username, password=password, sound=self.sound)


class BrokerAnswer(Form):
    """The broker that alarms are published to."""

    host: Host
    """Its name or address."""
    port: Port | None = None
    """Default: 1883, with tls 8883."""
    tls: Truth = False
    """Whether the connection is encrypted."""
    ca: FilePath | None = None
    """The certificate of the authority that the broker's is checked against."""
    username: Line | None = None
    """The name to log in with."""
    password: Password | None = None
    """The password, which goes into a file of its own, or `!secret NAME` for one that lies there already."""
    commands: Truth = False
    """Whether orders are taken over the broker."""
    home_assistant: Truth = False
    """Whether Home Assistant finds the box by itself."""

    def settings(self, password: Secret | None) -> MqttSettings:
        """What a connection needs. ValueError for what does not go together."""
        return MqttSettings(
            host=self.host,
            port=self.port or usual_port(tls=self.tls),
            tls=self.tls,
            ca=Path(self.ca) if self.ca else None,
            username=self.username,
            password=password,
        )


Watched = Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_WATCHED)]


class AnswersForm(Form):
    """A box's first configuration in short."""

    site: Id
    """The site's name: the second part of every topic."""
    box: Id = Field(default_factory=this_host)
    """The box's name on the site. Default: this machine's name, so that one file of answers serves many boxes."""
    timezone: Annotated[str, Field(max_length=64), AfterValidator(read_timezone)] = Field(default_factory=this_timezone)
    """The site's time zone. Default: this machine's."""
    state: FilePath = "/var/lib/omniwatch"
    """The folder of the database and of evidence."""
    sensors: dict[Id, SensorAnswer] = Field(min_length=1, max_length=MAX_SENSORS)
    """The cameras and microphones, by name."""
    watch: dict[Id, Watched] = Field(default={})
    """What is watched for: policies of the catalogues, by sensor."""
    judge: Annotated[JudgeForm, AfterValidator(check_judge)] = JudgeForm()
    """Who answers. Default: cues alone, without a model."""
    mqtt: BrokerAnswer | None = None
    """The broker. Default: nobody is told."""
