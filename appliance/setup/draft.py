"""A box's first configuration as text: commented, so that its owner can go on from it, and without a password in it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from appliance.config.form import show_duration
from appliance.config.judge_form import JudgeChoice, JudgeForm
from appliance.config.sensor_form import WindowForm
from appliance.config.yaml_marks import SecretName
from appliance.setup.answers import AnswersForm, BrokerAnswer, SensorAnswer
from appliance.setup.shelf import FOLDER, Shelf
from sensors.secret import Secret
from sensors.settings import SoundUse

BROKER_SECRET = "mqtt_password"  # noqa: S105 - a name; with its underscore no sensor can be called so
PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9/_.:-]*[A-Za-z0-9/_-])?")
WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
"""What YAML, new or old, takes for no text although it looks like one."""
AT = 44
"""The column at which comments begin."""

HEAD = """\
# Written by `omniwatch setup`, and yours from now on: setup does not touch it again unless it is told to.
# `omniwatch check` tells every mistake with its line, and when each alarm can open. Times have units: 8s, 5m, 1h30m.
# Passwords lie in the folder secrets/ beside this file, one a file; `!secret NAME` is the file NAME.
# What else can be said (masks, zones, modes, speech, people, evidence) stands in the example: appliance.example.yaml beside this file where
# omniwatch was installed, configs/appliance.yaml in its sources.
"""


def configuration_text(answers: AnswersForm, shelf: Shelf) -> str:
    """The whole file."""
    return "\n".join((HEAD, *_box(answers), *_sensors(answers), *_judge(answers.judge), *_policies(answers, shelf), *_told(answers.mqtt), ""))


def secrets_of(answers: AnswersForm) -> Mapping[str, Secret]:
    """The passwords that were given, by the names under which the file knows them."""
    named = {name: sensor.password for name, sensor in answers.sensors.items()} | {BROKER_SECRET: answers.mqtt.password if answers.mqtt else None}
    return {name: password for name, password in named.items() if isinstance(password, Secret)}


def catalogues_of(answers: AnswersForm, shelf: Shelf) -> tuple[Path, ...]:
    """The catalogues whose policies are used."""
    return tuple(dict.fromkeys(shelf.offers[policy].file for policies in answers.watch.values() for policy in policies))


def written(value: str | float) -> str:
    """A value as YAML has it, whatever is in it: what is not plainly a word goes in quotes, and JSON's are YAML's."""
    if not isinstance(value, str) or (PLAIN.fullmatch(value) and value.lower() not in WORDS):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _line(indent: int, key: str, value: str, comment: str = "") -> str:
    line = f"{' ' * indent}{key}: {value}"
    return f"{line:{AT}}  # {comment}" if comment else line


def _box(answers: AnswersForm) -> Iterator[str]:
    yield _line(0, "site", written(answers.site), f"topics are omniwatch/{answers.site}/{answers.box}/…")
    yield _line(0, "box", written(answers.box))
    yield _line(0, "timezone", written(answers.timezone), "for schedules, and for what people read")
    yield _line(0, "state", written(answers.state), "the database, and clips of alarms under evidence/")


def _sensors(answers: AnswersForm) -> Iterator[str]:
    yield ""
    yield "sensors:"
    for name, sensor in answers.sensors.items():
        yield f"  {written(name)}:"
        yield from _sensor(name, sensor)


def _sensor(name: str, sensor: SensorAnswer) -> Iterator[str]:
    yield _line(4, "source", written(sensor.source))
    if sensor.record:
        yield _line(4, "record", written(sensor.record), "the better stream: evidence is cut from it")
    if sensor.username and sensor.password:
        yield _line(4, "username", written(sensor.username))
        yield _line(4, "password", f"!secret {_secret(name, sensor.password)}", f"secrets/{_secret(name, sensor.password)}")
    if sensor.sound is not SoundUse.JUDGE:
        yield _line(4, "sound", sensor.sound.value)
    yield _line(4, "window", _window(sensor), "what is judged at once, and how often a new one begins")


def _secret(name: str, password: Secret | SecretName) -> str:
    return password.name if isinstance(password, SecretName) else name


def _window(sensor: SensorAnswer) -> str:
    window = sensor.window or WindowForm()
    if not sensor.source.startswith("mic:"):
        shape = f"length: {show_duration(window.length)}, every: {show_duration(window.every)}"
        return f"{{{shape}, fps: {window.fps}, longest_side: {window.longest_side}}}"
    if sensor.window is None:
        return "{length: 4s, every: 2s}"  # a shout or a bang is short
    return f"{{length: {show_duration(window.length)}, every: {show_duration(window.every)}, fps: {window.fps}}}"


def _judge(judge: JudgeForm) -> Iterator[str]:
    yield ""
    if judge.kind is JudgeChoice.CUES:
        yield "# Without a model only cues answer (motion, change, sound levels), by each policy's `fallback`. With one:"
        yield "# judge: {kind: omni, model: /var/lib/omniwatch/models/Qwen3-Omni-30B-A3B-Instruct, quantization: nf4}"
        yield "judge: {kind: cues}"
        return
    yield "judge:"
    for key, value in judge.model_dump(exclude_unset=True, exclude_none=True).items():
        yield _line(2, key, _figure(value), "the model's folder" if key == "model" else "")


def _figure(value: object) -> str:
    """A value of the judge's, as it was written."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_figure(inner)}' for key, inner in value.items())}}}"
    return show_duration(value) if isinstance(value, timedelta) else written(value if isinstance(value, int | float) else str(value))


def _policies(answers: AnswersForm, shelf: Shelf) -> Iterator[str]:
    yield ""
    if not answers.watch:
        yield "policies: []                                # nothing is watched for yet: policies/ has catalogues to choose from"
        return
    yield "# Whatever is said beside `use` takes the catalogue's place, like threshold: 0.8, patrol: 1m or active: mon-fri 22:00-06:00."
    yield "policies:"
    for file in catalogues_of(answers, shelf):
        yield _line(2, "- catalogue", written(f"{FOLDER}/{file.name}"))
    chosen: dict[str, list[str]] = {}
    for sensor, policies in answers.watch.items():
        for policy in policies:
            chosen.setdefault(policy, []).append(sensor)
    for policy, sensors in chosen.items():
        yield f"  # {shelf.offers[policy].form.ask}"
        yield _line(2, "- use", written(policy))
        yield _line(4, "sensors", f"[{', '.join(map(written, sensors))}]")


def _told(mqtt: BrokerAnswer | None) -> Iterator[str]:
    yield ""
    if mqtt is None:
        yield "# Nobody is told yet: alarms are in the database and the metrics alone. With a broker:"
        yield "# notify: {mqtt: {host: broker.lan}}"
        return
    yield "notify:"
    yield "  mqtt:"
    yield _line(4, "host", written(mqtt.host))
    if mqtt.port:
        yield _line(4, "port", str(mqtt.port))
    if mqtt.tls:
        yield _line(4, "tls", "true")
    if mqtt.ca:
        yield _line(4, "ca", written(mqtt.ca))
    if mqtt.username and mqtt.password:
        name = _secret(BROKER_SECRET, mqtt.password)
        yield _line(4, "username", written(mqtt.username))
        yield _line(4, "password", f"!secret {name}", f"secrets/{name}")
    if mqtt.commands:
        yield _line(4, "commands", "true", "who may give orders is for the broker's access rules to say: configs/mosquitto.acl")
    if mqtt.home_assistant:
        yield _line(4, "home_assistant", "true")
