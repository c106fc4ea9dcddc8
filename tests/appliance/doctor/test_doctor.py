"""The doctor: whatever the machine, the cameras and the broker are like, a finding that says what to do, and no trace."""

import socket
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from appliance.config.configuration import load
from appliance.config.keyring import Keyring
from appliance.doctor import sensors
from appliance.doctor.examine import examine, run_doctor
from appliance.doctor.finding import Finding, Health
from appliance.doctor.machine import _probe, look_at_disk
from appliance.doctor.secrecy import look_at_secrets, look_at_state
from appliance.doctor.sensors import hearing, try_sensors
from tests.appliance.conftest import free_port
from tests.sensors.harness import Scene, record
from tests.sensors.test_rtsp import BINDINGS, PYTHON, camera

HEAD = "site: s\nbox: b\ntimezone: UTC\nstate: state\n"
SHORT = Scene(seconds=2.0, at_s=(0.5,))


class Zeros(Scene):
    """A microphone that is switched off."""

    def samples(self) -> NDArray[np.int16]:
        return np.zeros(round(self.seconds * self.rate_hz), np.int16)


def said(findings: Iterator[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.what == what)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("import os; os.abort()", "ended with -6"),  # a native library that crashes
    ],
)
def test_a_library_that_is_missing_or_crashes_is_a_reason_in_words(program: str, says: str) -> None:
    assert _probe(program) == says


def test_a_state_that_cannot_be_looked_for_is_a_finding(tmp_path: Path) -> None:
    assert next(look_at_disk(tmp_path / ("n" * 300) / "state")).what == "disk"


# Sensors.


def tried(folder: Path, text: str, policies: str = "") -> dict[str, Finding]:
    (folder / "box.yaml").write_text(f"{HEAD}evidence: {{runtime: run}}\nsensors:\n{text}{policies}")
    configuration = load(folder / "box.yaml")
    return {finding.what: finding for finding in try_sensors(configuration.sensors, hearing(configuration))}


def test_a_source_that_opens_is_told_with_its_size_codecs_rate_and_level(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", Scene())
    found = tried(tmp_path, "  cam: {source: 'file:film.mp4'}\n")["cam"]
    assert found.health is Health.OK
    assert found.says.startswith("160x96 h264, 10 pictures a second; aac 48 kHz, now at -")
    assert found.says.endswith(" dBFS")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["box.yaml", "film.mp4"], "nothing of what it saw is kept"


def test_sound_that_a_policy_needs_and_the_source_lacks_is_a_warning(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", SHORT, sound=False)
    text = "  cam: {source: 'file:film.mp4'}\n"
    assert tried(tmp_path, text)["cam"].health is Health.OK
    found = tried(tmp_path, text, "policies:\n  - {id: bang, ask: A bang?, sensors: [cam], senses: [sound]}\n")["cam"]
    assert found.health is Health.WARNING
    assert "no sound" in found.says
    assert "a policy needs its sound" in found.do


def test_zeros_instead_of_sound_are_told_as_silence(tmp_path: Path) -> None:
    record(tmp_path / "film.mkv", Zeros(sound_codec="pcm_s16le"))
    assert "digital silence" in tried(tmp_path, "  cam: {source: 'file:film.mkv'}\n")["cam"].says


@pytest.mark.parametrize(
    ("source", "says", "do"),
    [
        ("file:none.mp4", "not found", "relative to the configuration's folder"),
        ("v4l2:/dev/video99", "not found: there is no /dev/video99", "plug it in"),
        ("mic:of nobody", "not found: no microphone 'of nobody'", "plug it in"),
        ("rtsp://127.0.0.1:{free}/a", "refused", "nothing takes connections at this port"),
        ("file:box.yaml", "unsupported", "is it a recording?"),
    ],
)
def test_a_source_that_does_not_open_is_a_failure_with_its_reason_and_what_to_do(tmp_path: Path, source: str, says: str, do: str) -> None:
    found = tried(tmp_path, f"  cam: {{source: '{source.format(free=free_port())}'}}\n")["cam"]
    assert found.health is Health.FAILURE
    assert found.says.startswith(says)
    assert do in found.do


@pytest.mark.rtsp
def test_cameras_are_opened_with_their_credentials_all_beside_each_other(tmp_path: Path) -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode:
        pytest.skip("gst-rtsp-server is not installed")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "right").write_text("the-right-word")
    (tmp_path / "secrets" / "wrong").write_text("another-word")
    with camera("pcma", "--login", "anna:the-right-word") as served:
        lines = [
            f"  {name}: {{source: '{served.source}{more}', username: anna, password: !secret {password}}}\n"
            for name, more, password in (("in", f"', record: '{served.source}/better", "right"), ("out", "", "wrong"), ("lost", "/nowhere", "right"))
        ]
        found = tried(tmp_path, "".join(lines))
    assert found["in"].says.startswith("640x360 h264, 15 pictures a second; pcm_alaw 8 kHz")
    assert found["in.record"].says.startswith("not found")
    assert found["out"].says.startswith("unauthorized")
    assert "`password: !secret`" in found["out"].do
    assert found["lost"].says.startswith("not found")
    assert "`source`" in found["lost"].do
    assert "word" not in "".join(repr(each) for each in found.values()).replace("password", "")


def test_a_camera_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "PATIENCE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = tried(tmp_path, f"  cam: {{source: 'rtsp://127.0.0.1:{mute.getsockname()[1]}/a'}}\n")["cam"]
    assert (found.health, found.says) == (Health.FAILURE, "did not open within 1 s")
    assert "`ping`" in found.do


# Who may read what is secret.


def test_a_secret_that_others_can_read_is_a_warning_with_the_command_that_mends_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(0o755)
    for name, mode in (("open", 0o644), ("grouped", 0o640), ("closed", 0o600)):
        (folder / name).write_text("x")
        (folder / name).chmod(mode)
    keyring = Keyring(folder=folder, why="")
    (found,) = look_at_secrets(keyring, ["open", "grouped", "closed", "missing", "no name"])
    assert found.health is Health.WARNING
    assert found.says == f"{folder}/open can be read by its group and everybody; {folder}/grouped can be read by its group"
    subprocess.run(found.do, shell=True, check=True)  # noqa: S602 - a user would paste it just so
    assert list(look_at_secrets(keyring, ["open", "grouped", "closed"])) == []


def test_a_folder_that_nobody_else_may_enter_closes_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    (tmp_path / "state" / "omniwatch.db").write_text("")
    (tmp_path / "state" / "omniwatch.db").chmod(0o644)
    assert [finding.what for finding in look_at_state(tmp_path / "state")] == ["state"]
    (tmp_path / "state").chmod(0o700)
    assert list(look_at_state(tmp_path / "state")) == []


# The round.


def test_mistakes_in_the_configuration_are_told_and_what_is_right_is_tried_all_the_same(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", SHORT, sound=False)
    port = free_port()
    (tmp_path / "box.yaml").write_text(
        f"{HEAD}sensors:\n  right: {{source: 'file:film.mp4'}}\n  wrong: {{source: 'file:film.mp4', window: {{fps: 9}}}}\n"
        f"policies:\n  - {{id: a, ask: A?, sensors: [rihgt]}}\nnotify: {{mqtt: {{host: 127.0.0.1, port: {port}}}}}\n"
    )
    everything = list(examine(tmp_path / "box.yaml"))
    found = {finding.what: finding for finding in everything}
    told = [(finding.says, finding.do) for finding in everything if finding.what == "config"]
    assert [says.split(": ")[1] for says, _ in told] == ["sensors.wrong.window.fps", "policies.a.sensors[0]"]
    assert told[1][1] == 'did you mean "right"?'
    assert found["right"].says.startswith("160x96 h264")
    assert found["wrong"].says == "not tried: there is a mistake under `sensors.wrong`"
    assert found["model"].says == "none: cues alone judge"
    assert found["broker"].do.startswith("nothing listens there")
    assert str(tmp_path / "state") in found["disk"].says


def test_what_is_wrong_itself_is_not_tried_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(f"{HEAD}sensors: [cam]\njudge: {{kind: omni}}\nnotify: {{mqtt: {{hots: broker}}}}\n")
    found = list(examine(tmp_path / "box.yaml"))
    assert said(iter(found), "model").says == "not tried: there is a mistake under `judge`"
    assert said(iter(found), "broker").says == "not tried: there is a mistake under `notify`"
    assert "x" not in [finding.what for finding in found]


def test_a_file_of_which_nothing_can_be_made_is_told_and_the_machine_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text("site: [\n")
    console = Console(width=100, record=True, file=StringIO())
    assert run_doctor(tmp_path / "box.yaml", console) == 1
    told = console.export_text()
    assert f"failure config         {tmp_path}/box.yaml:" in told
    assert "disk" in told
    assert "sensors, model and broker are not tried" in told
