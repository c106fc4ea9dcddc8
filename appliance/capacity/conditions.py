"""What a measured capacity holds for: this model, on this machine, asked this about such sensors. It starts no process and loads no model."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd
from pathlib import Path

from analyzers.omni.folder import read
from analyzers.omni.plan import this_machine
from analyzers.policy import Policy
from appliance.config.configuration import Configuration, SensorConfig
from appliance.outlook import view_size
from sensors.sources import scheme_of
from sensors.window import ViewId


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All that a time to a judgement depends on, but for the number of sensors."""

    model: str
    """The fingerprint that its judgements carry, and that of a second look."""
    machine: str
    shape: str
    """The kinds of sensors and what is asked about them, in their proportions."""


def conditions_of(configuration: Configuration) -> Conditions:
    """As things are now. ModelError where the model is not there or cannot judge here. Only for a configuration with a model."""
    judge = configuration.judge
    if judge.model is None:
        raise ValueError("cues alone judge: they have no capacity to speak of")
    machine, look = this_machine(judge.device), judge.second_look
    model = read(judge.model).fingerprint(judge.quantization, machine.device)
    second = f"; within {look.band:g} of a threshold {read(Path(look.model)).fingerprint(look.quantization, machine.device)}" if look else ""
    return Conditions(
        model=f"{model}{second}",
        machine=f"{machine.device}, {machine.memory_bytes >> 20} MiB, {os.cpu_count()} processors, {judge.threads} of them judge",
        shape=shape_of(configuration),
    )


def asked_about(configuration: Configuration, sensor: SensorConfig) -> dict[ViewId, tuple[Policy, ...]]:
    """The policies that are asked about each view of a sensor; a view without any is not judged."""
    asked = {view: tuple(policy for policy in configuration.policies if view in policy.views()) for view in sensor.settings.views}
    return {view: policies for view, policies in asked.items() if policies}


def judged_sensors(configuration: Configuration) -> tuple[SensorConfig, ...]:
    """The sensors that cost the judge something."""
    return tuple(sensor for sensor in configuration.sensors if asked_about(configuration, sensor))


def shape_of(configuration: Configuration) -> str:
    """The same for twice as many sensors of each kind, and another where a kind, its share, or a question changes."""
    kinds = Counter(_kind(configuration, sensor) for sensor in judged_sensors(configuration))
    least = gcd(*kinds.values())
    return _digest(sorted(f"{count // least} {kind}" for kind, count in kinds.items()))


def _kind(configuration: Configuration, sensor: SensorConfig) -> str:
    shape, zones = sensor.settings.window, {zone.view: zone for zone in sensor.settings.zones}
    views = [
        (*view_size(shape, zones.get(view)), *sorted(f"{policy.ask} / {policy.unless}" for policy in policies))
        for view, policies in asked_about(configuration, sensor).items()
    ]
    return json.dumps([scheme_of(sensor.settings.source), shape.length_s, shape.every_s, shape.fps, sorted(sensor.senses), sorted(views)])


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
