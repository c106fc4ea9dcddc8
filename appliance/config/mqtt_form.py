"""What an owner writes of the MQTT broker: where it is, how to log in, and what is said and heard there besides alarms."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema

from alerts.channels.mqtt_settings import MqttSettings, Protocol, usual_port
from appliance.config.form import FilePath, Form, Line, Switched, Truth, Wait, Whole, between
from appliance.config.pictures_form import PicturesForm
from appliance.config.problems import Problem
from appliance.config.yaml_marks import Document, Path_, SecretName
from sensors.secret import Secret


def read_host(name: str) -> str:
    """A name or an address, and nothing else."""
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name):
        raise ValueError("write the broker's name or address alone, like broker.lan; the port has a key of its own")
    return name


def read_protocol(value: object) -> object:
    """`5` is a number in YAML and a version here."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Host = Annotated[str, AfterValidator(read_host)]
Port = Annotated[Whole, Field(ge=1, le=65535)]


def read_prefix(text: str) -> str:
    """The beginning of topics."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text) or len(text) > 100:
        raise ValueError("write levels of letters, digits, _ and -, parted by /, like plant/hall")
    return text


class HomeAssistantForm(Form):
    """How Home Assistant finds this box."""

    prefix: Annotated[str, AfterValidator(read_prefix)] = "homeassistant"
    """The discovery prefix in Home Assistant's MQTT settings, where it was changed."""


class OnvifForm(Form):
    """How a video management system hears of alarms."""

    prefix: Annotated[str, AfterValidator(read_prefix)] | None = None
    """What the topics begin with, where the system wants a certain one. Default: `omniwatch/<site>/<box>`, as all of this box."""


class MqttForm(Form):
    """The broker that alarms are published to."""

    host: Host
    """Its name or address."""
    port: Port | None = None
    """Default: 1883, with tls 8883."""
    tls: Truth = False
    """Whether the connection is encrypted."""
    ca: FilePath | None = None
    """The certificate of the authority that the broker's is checked against. Default: the system's authorities."""
    certificate: FilePath | None = None
    """This box's own certificate, where the broker asks for one."""
    key: FilePath | None = None
    """Its key, without a password."""
    username: Line | None = None
    """The name to log in with."""
    password: Annotated[InstanceOf[SecretName], WithJsonSchema({"type": "string"})] | None = None
    """`!secret NAME`."""
    protocol: Annotated[Protocol, BeforeValidator(read_protocol), WithJsonSchema({"enum": [5, "5", "3.1.1"]})] = Protocol.V5
    """`5`, or `3.1.1` for an old broker: it then does not say when it refuses an alarm, and keeps the states of a box that has died."""
    keepalive: Annotated[Wait, AfterValidator(between(timedelta(seconds=5), timedelta(hours=1)))] = timedelta(seconds=30)
    """After one and a half times this without a sign of life either end gives the connection up."""
    commands: Truth = False
    """Whether orders are taken over the broker: acknowledge, shelve, arm and others. Who may give them is for the broker's access rules to say."""
    home_assistant: Annotated[HomeAssistantForm | None, Switched("{prefix: NAME}")] = None
    """`true`: Home Assistant finds the box by itself, with its alarms and sensors. With a prefix of its own: `{prefix: NAME}`."""
    pictures: Annotated[PicturesForm | None, Switched("{every: 1m}")] = None
    """`true`: the broker gets what cameras show, every 10 s, with masks burnt in; else no picture goes there. Smaller, seldomer, or of some
    cameras alone: `{every: 1m, longest_side: 320, bytes: 20kB, sensors: [NAME]}`. It is not retained."""
    onvif: Annotated[OnvifForm | None, Switched("{prefix: NAME}")] = None
    """`true`: alarms are ONVIF events as well, for video management systems. With a prefix of its own: `{prefix: NAME}`."""


def broker(
    form: MqttForm, root: str, document: Document, find: Callable[[SecretName, Path_], Secret | None]
) -> tuple[MqttSettings | None, tuple[Problem, ...]]:
    """The broker, and what is wrong with it. `root`: what this box's topics begin with. `find` finds a secret, or says itself where there is none."""
    here: Path_ = ("notify", "mqtt")
    files = {name: document.file.parent.joinpath(written).absolute() for name in ("ca", "certificate", "key") if (written := getattr(form, name))}
    missing = tuple(document.problem((*here, name), f"there is no file {file}") for name, file in files.items() if not file.is_file())
    try:
        settings = MqttSettings(
            host=form.host,
            port=form.port or usual_port(tls=form.tls),
            tls=form.tls,
            ca=files.get("ca"),
            certificate=files.get("certificate"),
            key=files.get("key"),
            username=form.username,
            password=find(form.password, (*here, "password")) if form.password else None,
            protocol=form.protocol,
            keepalive_s=round(form.keepalive.total_seconds()),
            commands=form.commands,
            home_assistant=form.home_assistant.prefix if form.home_assistant else None,
            onvif=(form.onvif.prefix or root) if form.onvif else None,
        )
    except ValueError as error:
        return None, (*missing, document.problem(here, str(error)))
    return settings, missing
