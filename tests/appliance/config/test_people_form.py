"""People in the configuration: what is read, what is refused and where, and that no word of a URL is ever shown."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from alerts.alert import Change
from alerts.channels.people import TOLD, PersonSettings
from analyzers.policy import Severity
from appliance import check
from appliance.check import run_check
from appliance.config.configuration import ConfigError, Configuration, load
from appliance.telling import audiences
from sensors.secret import Secret

BOX = """\
site: plant
box: hall
timezone: UTC
sensors: {cam: {source: rtsp://10.0.0.21/a}}
policies:
  - {id: bang, ask: Is there a bang?, sensors: [cam], fallback: {changed: 0.1}}
notify:
  people: PEOPLE
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name, content in (("telegram", "tgram://123456789:AAbbCC/42\n"), ("mail", "mailto://a:b@c.example"), ("wrong", "hunter2")):
        (tmp_path / "secrets" / name).write_text(content)
    return tmp_path


def read(folder: Path, people: str) -> Configuration:
    (folder / "box.yaml").write_text(BOX.replace("PEOPLE", people))
    return load(folder / "box.yaml")


def test_everything_that_is_written_is_in_the_settings(folder: Path) -> None:
    found = read(folder, "[{url: !secret telegram, least: low, quiet: 22:00-06:00, tell: [opened, updated], max_age: 5m}, {url: !secret mail}]")
    first, second = found.people
    assert first.quiet is not None
    assert first == PersonSettings(
        name="people-telegram", url=Secret("tgram://123456789:AAbbCC/42"), least=Severity.LOW, quiet=first.quiet,
        tell=frozenset({Change.OPENED, Change.UPDATED}), max_age=timedelta(minutes=5),
    )  # fmt: skip
    assert second == PersonSettings(name="people-mail", url=Secret("mailto://a:b@c.example"))
    one, two = audiences(found)
    assert (one.channel, one.changes, one.least, one.lasting) == ("people-telegram", first.tell, Severity.LOW, timedelta(minutes=5))
    assert (two.channel, two.changes, two.least, two.lasting) == ("people-mail", TOLD, Severity.HIGH, timedelta(hours=1))
    assert "AAbbCC" not in repr(found)


MISTAKES = [
    ("[{url: tgram://123456789:AAbbCC/42}]", "8:18: notify.people[0].url: "),
    ("[{url: !secret nobody}]", '8:18: notify.people[0].url: no secret "nobody"'),
    ("[{url: !secret wrong}]", "8:18: notify.people[0].url: what is in the secret \"wrong\" is no URL of Apprise's"),
    ("[{url: !secret mail}, {url: !secret mail}]", '8:39: notify.people[1].url: "mail" is told already'),
    ("[{url: !secret mail, tell: []}]", "8:38: notify.people[0].tell: "),
    ("[{url: !secret mail, tell: [shouted]}]", "8:39: notify.people[0].tell[0]: "),
    ("[{least: low}]", "8:12: notify.people[0]: `url` is missing"),
]


@pytest.mark.parametrize(("people", "says"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_without_the_url(folder: Path, people: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(folder, people)
    told = [f"{problem.line}:{problem.column}: {problem.path}: {problem.message}" for problem in raised.value.problems]
    assert any(line.startswith(says) for line in told), told
    assert not any(word in f"{problem} {problem.hint}" for problem in raised.value.problems for word in ("AAbbCC", "123456789", "hunter2"))


def test_check_says_who_is_told_and_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "box.yaml").write_text(BOX.replace("PEOPLE", "[{url: !secret telegram}, {url: !secret mail, least: low}]"))
    monkeypatch.setattr(check, "find_spec", lambda _name: None)
    console = Console(width=250, record=True, file=StringIO())
    assert run_check(folder / "box.yaml", console) == 0
    text = console.export_text()
    assert "People are told through Apprise: telegram from high up, mail from low up. Apprise is not installed, so nobody of them is: pip" in text
    assert "nobody is told" not in text
