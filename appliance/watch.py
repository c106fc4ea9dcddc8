"""What is watched: the policies in force, by the view that they ask about, and who answers each. Made from a configuration, pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from alerts.builtin import CUES_ONLY, FEED, builtin
from analyzers.policy import Policy, PolicyId
from appliance.config.configuration import Configuration
from sensors.window import Sense, SensorId, ViewId


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The policies in force."""

    by_view: Mapping[ViewId, tuple[Policy, ...]]
    """Asked about every window of the view: the owner's, and the built-in ones that cues answer."""
    by_facts: Mapping[ViewId, tuple[Policy, ...]]
    """Answered by the supervisor, once a second, from what it knows of its sensors and of the box."""
    strides: Mapping[SensorId, timedelta]
    """From one window of each sensor to the next."""

    def policies(self) -> Mapping[tuple[PolicyId, ViewId], Policy]:
        """Every track that there is, and its policy."""
        return {(policy.id, view): policy for group in (self.by_view, self.by_facts) for view, policies in group.items() for policy in policies}

    def asked(self) -> tuple[Policy, ...]:
        """The policies that the judge may be asked, each once."""
        return tuple({policy.id: policy for policies in self.by_view.values() for policy in policies if policy.id not in CUES_ONLY}.values())

    def of_sensor(self, sensor: SensorId) -> tuple[Policy, ...]:
        """The policies that have nothing to go by while `sensor` is lost."""
        views = [policies for view, policies in self.by_view.items() if view.partition(".")[0] == sensor]
        return tuple({policy.id: policy for policies in views for policy in policies}.values())

    def stride(self, policy: PolicyId, view: ViewId) -> timedelta:
        """From one judgement of a track to the next."""
        fed = any(policy == each.id for each in self.by_facts.get(view, ()))
        return FEED if fed else self.strides.get(SensorId(view.partition(".")[0]), FEED)


NOTHING = Watch(by_view={}, by_facts={}, strides={})
"""Until a configuration has been taken."""


def watch(configuration: Configuration) -> Watch:
    """Who is asked what under `configuration`."""
    sensors = configuration.sensors
    built_in = builtin(
        sight=[sensor.settings.sensor for sensor in sensors if Sense.SIGHT in sensor.senses],
        sound=[sensor.settings.sensor for sensor in sensors if Sense.SOUND in sensor.senses],
    )
    windows = (*configuration.policies, *(policy for policy in built_in if policy.id in CUES_ONLY))
    facts = tuple(policy for policy in built_in if policy.id not in CUES_ONLY)
    strides = {sensor.settings.sensor: timedelta(seconds=sensor.settings.window.every_s) for sensor in sensors}
    return Watch(by_view=_by_view(windows), by_facts=_by_view(facts), strides=strides)


def _by_view(policies: tuple[Policy, ...]) -> dict[ViewId, tuple[Policy, ...]]:
    views = dict.fromkeys(view for policy in policies for view in policy.views())
    return {view: tuple(policy for policy in policies if view in policy.views()) for view in views}

