"""The doctor's round: the machine first, then what the configuration names, as far as it can be read. Each finding is one line.

What has a mistake in the configuration is not tried; everything else is. Nothing is changed or kept, and nothing published but a message
of its own to the broker, which comes back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from alerts.channels.topics import Topics
from analyzers.omni.plan import ModelError
from appliance.blank.findings import ADVICE
from appliance.blank.kept import kept_flags
from appliance.config.configuration import ConfigError, Configuration, Problem, survey
from appliance.config.keyring import Keyring
from appliance.config.yaml_marks import SecretName, read
from appliance.doctor.broker import try_broker
from appliance.doctor.finding import Finding, Health
from appliance.doctor.machine import look_at_disk, look_at_machine
from appliance.doctor.secrecy import look_at_secrets, look_at_state
from appliance.doctor.sensors import hearing, try_sensors
from appliance.doctor.telling import try_people, try_speech, try_voice

MAX_MISTAKES = 50
STATE = Path("/var/lib/omniwatch")


def run_doctor(path: Path | None, console: Console) -> int:
    """Print every finding as it is made; 1 where one is a failure."""
    worst = Health.OK
    with console.status("looking: sensors have 12 s to open"):
        for finding in examine(path):
            finding.show(console)
            if finding.health is Health.FAILURE or worst is Health.OK:
                worst = finding.health
    return int(worst is Health.FAILURE)


def examine(path: Path | None) -> Iterator[Finding]:
    """All findings, in the order in which they are looked at."""
    yield from look_at_machine()
    if path is None:
        yield from look_at_disk(STATE)
        yield Finding(
            what="config", health=Health.WARNING, says="none given, so sensors, model and broker are not tried", do="omniwatch doctor CONFIG"
        )
        return
    try:
        configuration, wrong = survey(path)
    except ConfigError as error:
        yield from _mistakes(error)
        yield from look_at_disk(STATE)
        yield Finding(what="config", health=Health.WARNING, says="nothing can be made of it, so sensors, model and broker are not tried")
        return
    yield from _mistakes(wrong) if wrong else [Finding(what="config", health=Health.OK, says=str(path))]
    yield from _Configured(path=path, configuration=configuration, problems=wrong.problems if wrong else ()).examine()


def _mistakes(error: ConfigError) -> Iterator[Finding]:
    for problem in error.problems[:MAX_MISTAKES]:
        place = f"{problem.file}:{problem.line}:{problem.column}"
        says = f"{place}: {problem.path}{': ' if problem.path else ''}{problem.message}"
        yield Finding(what="config", health=Health.FAILURE, says=says, do=problem.hint)
    if len(error.problems) > MAX_MISTAKES:
        yield Finding(what="config", health=Health.FAILURE, says=f"and {len(error.problems) - MAX_MISTAKES} more", do="omniwatch check CONFIG")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Configured:
    """What a configuration names, with the mistakes that are in it."""

    path: Path
    configuration: Configuration
    problems: tuple[Problem, ...]

    def examine(self) -> Iterator[Finding]:
        state = STATE if self._is_wrong("state") else self.configuration.state
        yield from look_at_disk(state)
        yield from look_at_state(state)
        document = read(self.path)
        yield from look_at_secrets(Keyring.beside(self.path), sorted(set(_secrets(document.data))))
        yield from [_untried("model", "judge")] if self._is_wrong("judge") else [self._model(), *self._blanks()]
        yield from self._sensors(document.data.get("sensors"))
        yield from [_untried("broker", "notify")] if self._is_wrong("notify") else self._told()

    def _is_wrong(self, *path: str) -> bool:
        """Whether a mistake lies at `path` or within."""
        place = ".".join(path)
        return any(problem.path == place or problem.path.startswith(f"{place}.") for problem in self.problems)

    def _model(self) -> Finding:
        try:
            planned = self.configuration.judge.plans()
        except ModelError as error:
            return Finding(what="model", health=Health.FAILURE, says=str(error), do="until then cues stand in, and the alarm judge-down says so")
        if planned is None:
            return Finding(what="model", health=Health.OK, says="none: cues alone judge")
        beside = f"; second look: {planned.second} beside it" if planned.second else ""
        beside += f"; captioner: {planned.captioner} beside it" if planned.captioner else ""
        return Finding(what="model", health=Health.OK, says=f"{planned.first}{beside}")

    def _blanks(self) -> Iterator[Finding]:
        """The policies that the model agreed with where there was nothing, as the box has found while it ran."""
        try:
            for flag in kept_flags(self.configuration):
                yield Finding(what="policy", health=Health.WARNING, says=str(flag), do=ADVICE)
        except PermissionError:
            says = f"what the model says to windows that hold nothing lies in {self.configuration.state}, which may not be read"
            yield Finding(what="policy", health=Health.WARNING, says=says, do="ask as root, or as the account of the box")
        except ModelError:  # told beside the model
            return

    def _sensors(self, written: Any) -> Iterator[Finding]:  # noqa: ANN401 - whatever the file holds
        names = tuple(map(str, written)) if isinstance(written, dict) else ()
        made = {str(sensor.settings.sensor): sensor for sensor in self.configuration.sensors}
        right = {name: sensor for name, sensor in made.items() if not self._is_wrong("sensors", name)}
        yield from try_sensors((right[name] for name in names if name in right), hearing(self.configuration))
        yield from (_untried(name, f"sensors.{name}") for name in names if name not in right)

    def _told(self) -> Iterator[Finding]:
        configuration = self.configuration
        if configuration.mqtt:
            yield try_broker(configuration.mqtt, Topics(site=configuration.site, box=configuration.box))
        elif not configuration.speech and not configuration.people:
            yield Finding(what="broker", health=Health.WARNING, says="notify names nobody, so nobody is told", do="add notify: mqtt: host: …")
        if configuration.speech:
            phrases = (policy.say for policy in configuration.policies if policy.say)
            yield from try_speech(configuration.speech, next(phrases, "Alarm."))
            yield from try_voice(configuration.speech, configuration.judge.plans)
        yield from try_people(configuration.people)


def _untried(what: str, where: str) -> Finding:
    return Finding(what=what, health=Health.WARNING, says=f"not tried: there is a mistake under `{where}`")


def _secrets(data: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the file holds
    """The names that stand after `!secret`, wherever."""
    match data:
        case SecretName(name=name):
            yield name
        case dict():
            yield from (name for value in data.values() for name in _secrets(value))
        case list():
            yield from (name for value in data for name in _secrets(value))
