"""Pictures for the broker in the configuration: what is read, what is refused and where, what `check` says, and that a reload is enough."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from appliance.check import run_check
from appliance.config.configuration import ConfigError, Configuration, load
from appliance.reload import waits_for_restart
from sensors.preview import PreviewShape

BOX = """\
site: plant
box: hall
timezone: UTC
state: ./state
sensors:
  cam: {source: rtsp://10.0.0.21/a}
  gate: {source: rtsp://10.0.0.22/a}
  mic: {source: mic:default}
policies:
  - {id: bang, ask: Is there a bang?, sensors: [mic], fallback: {onset: 20}}
notify:
  mqtt: {host: localhost, pictures: PICTURES}
"""
USUAL = PreviewShape(every_s=10, longest_side=640, bytes=40_000)


def read(folder: Path, pictures: str) -> Configuration:
    (folder / "box.yaml").write_text(BOX.replace("PICTURES", pictures))
    return load(folder / "box.yaml")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("false", {}),
        ("true", {"cam": USUAL, "gate": USUAL}),
        ("{}", {"cam": USUAL, "gate": USUAL}),
        ("{sensors: [gate]}", {"gate": USUAL}),
        ("{every: 1m30s, longest_side: 320, bytes: 20kB, sensors: [cam]}", {"cam": PreviewShape(every_s=90, longest_side=320, bytes=20_000)}),
        ("{bytes: 4000, every: 1h, longest_side: 1280}", dict.fromkeys(("cam", "gate"), PreviewShape(every_s=3600, longest_side=1280, bytes=4000))),
    ],
)
def test_what_is_written_is_what_the_sensors_are_told_and_a_microphone_has_none(tmp_path: Path, written: str, shown: dict[str, PreviewShape]) -> None:
    found = read(tmp_path, written)
    assert {sensor.settings.sensor: sensor.preview for sensor in found.sensors if sensor.preview} == shown


def test_nothing_is_shown_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(BOX.replace(", pictures: PICTURES", ""))
    assert not any(sensor.preview for sensor in load(tmp_path / "box.yaml").sensors)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("10s", "write true, false, or {every: 1m}"),
        ("{every: 0.5s}", "must be 1s to 1h, not 0.5s"),
        ("{every: 2h}", "must be 1s to 1h, not 2h"),
        ("{longest_side: 32}", "64"),
        ("{longest_side: 1920}", "1280"),
        ("{bytes: 1kB}", "must be 4kB to 48kB"),
        ("{bytes: 1MB}", "must be 4kB to 48kB"),
        ("{bytes: small}", "is no amount of bytes"),
        ("{sensors: []}", "at least 1"),
        ("{sensors: [mic]}", '"mic" has no picture'),
        ("{sensors: [gat]}", 'there is no sensor "gat"'),
        ("{retain: true}", "retain"),
    ],
)
def test_what_cannot_be_is_refused_in_its_line(tmp_path: Path, written: str, says: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, written)
    (problem,) = wrong.value.problems
    assert says in str(problem)
    assert problem.line == 12


def test_a_change_takes_no_restart_of_the_box_or_of_a_sensor(tmp_path: Path) -> None:
    before, after = read(tmp_path, "false"), read(tmp_path, "{every: 5s}")
    assert waits_for_restart(before, after) == ()
    assert before.sensors == after.sensors, "what a process is told is the same, so it goes on"


def test_check_says_who_is_shown_and_how_often(tmp_path: Path) -> None:
    read(tmp_path, "{every: 5s, sensors: [gate]}")
    text = StringIO()
    run_check(tmp_path / "box.yaml", Console(file=text, width=200))
    assert "The broker gets a picture of each of these every 5s, at most 640 pixels a side and 40 kB: gate." in text.getvalue()
