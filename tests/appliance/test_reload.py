"""A reload: what is good is applied, what takes a restart is said, and what is bad changes nothing."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.channels.people import PersonSettings
from appliance.config.configuration import Configuration, load
from appliance.reload import reload, waits_for_restart
from sensors.secret import Secret

BOX = """\
site: s
box: b
timezone: UTC
state: state
sensors:
  cam: {source: 'file:a'}
judge: {kind: cues}
policies:
  - {id: smoke, ask: Is there smoke?, sensors: [cam], fallback: {changed: 0.1}}
notify: {mqtt: {host: localhost}}
metrics: {listen: "127.0.0.1:9464"}
"""


def reloaded(folder: Path, text: str, caplog: pytest.LogCaptureFixture) -> tuple[bool, list[Configuration], list[str]]:
    """Whether a box that was started with BOX takes `text`; what it applied; and what it warned of."""
    file, applied = folder / "box.yaml", list[Configuration]()

    async def apply(configuration: Configuration) -> None:
        applied.append(configuration)

    file.write_text(BOX)
    started = load(file)
    file.write_text(text)
    with caplog.at_level(logging.INFO, "omniwatch"):
        taken = asyncio.run(reload(file, started, apply))
    return taken, applied, [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("host: localhost", "host: broker.lan", "notify.mqtt"),
        ("127.0.0.1:9464", "127.0.0.1:9465", "metrics"),
        ("state: state", "state: elsewhere", "state"),
        ("box: b", "box: c", "site and box"),
    ],
)
def test_what_takes_a_restart_is_said_and_the_rest_applied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, old: str, new: str, name: str
) -> None:
    assert old in BOX
    taken, applied, warned = reloaded(tmp_path, BOX.replace(old, new), caplog)
    assert (taken, len(applied)) == (True, 1)
    assert warned == [f"the change of {name} takes effect at the next start"]


def test_messages_to_people_keep_the_time_zone_of_the_start(tmp_path: Path) -> None:
    people = (PersonSettings(name="people-anna", url=Secret("json://x")),)
    old = Configuration(file=tmp_path / "box.yaml", site="s", box="b", timezone="UTC", sensors=(), people=people)
    assert waits_for_restart(old, replace(old, timezone="Europe/Berlin")) == ("timezone in messages to people",)
    assert waits_for_restart(replace(old, people=()), replace(old, people=(), timezone="Europe/Berlin")) == ()


def test_what_can_change_at_once_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = BOX.replace("changed: 0.1", "changed: 0.2").replace("file:a", "file:b").replace("kind: cues", "kind: cues, max_age: 9s")
    taken, applied, warned = reloaded(tmp_path, text, caplog)
    assert (taken, warned) == (True, [])
    assert applied[0].sensors[0].settings.source.endswith("/b")


def test_a_bad_file_is_told_mistake_by_mistake_and_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    taken, applied, warned = reloaded(tmp_path, BOX.replace("[cam]", "[cma]").replace("kind: cues", "kind: cue"), caplog)
    assert (taken, applied) == (False, [])
    assert [line.partition("box.yaml:")[2] for line in warned[:2]] == [
        '7:15: judge.kind: "cue" is not one of: omni, cues (did you mean "cues"?)',
        '9:49: policies.smoke.sensors[0]: there is no sensor "cma" (did you mean "cam"?)',
    ]
    assert warned[2] == "the configuration was not reloaded: 2 problems; the old one stays"
