"""Setup: from answers in a file to a configuration that is right, or every mistake at once; and nothing is half-written or overwritten."""

import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from appliance.cli import app
from appliance.config.configuration import load
from appliance.config.yaml_marks import parse
from appliance.setup.answers import AnswersForm
from appliance.setup.command import SYSTEM
from appliance.setup.draft import written
from appliance.setup.run import Wanted, next_steps, run_setup
from sensors.secret import Secret
from sensors.settings import WindowShape
from tests.analyzers.husk import lay, sized

ANSWERS = """\
site: plant-7
box: press-hall
timezone: Europe/Berlin
state: state
sensors:
  hall: {source: rtsp://10.0.0.21/stream2, username: watcher, password: 'it''s "#1": secret'}
  yard: {source: 'file:yard.mp4', sound: off, window: {length: 4s, every: 2s, longest_side: 320}}
  ear: {source: 'mic:HDA Intel: ALC269 (hw:0,0)'}
watch:
  hall: [smoke-or-flame, alarm-bell]
  yard: [smoke-or-flame, person-after-hours]
  ear: [alarm-bell]
judge: {kind: omni, model: model, max_age: 30s, threads: 2, second_look: {model: other, band: 0.5}}
mqtt: {host: broker.lan, port: 8883, tls: true, username: omniwatch, password: geheim, home_assistant: true}
"""


def setup(folder: Path, answers: str = ANSWERS, *, overwrite: bool = False, target: str = "box/appliance.yaml") -> tuple[int, str]:
    (folder / "answers.yaml").write_text(answers)
    console = Console(width=300, record=True, file=StringIO())
    status = run_setup(Wanted(target=folder / target, answers=folder / "answers.yaml", overwrite=overwrite), console)
    return status, console.export_text()


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_answers_become_a_configuration_that_is_right(tmp_path: Path) -> None:
    status, says = setup(tmp_path)
    assert status == 0
    assert "right" in says
    found = load(tmp_path / "box" / "appliance.yaml")
    hall, yard, ear = found.sensors
    assert (found.site, found.box, found.timezone, found.state) == ("plant-7", "press-hall", "Europe/Berlin", tmp_path / "state")
    assert hall.credentials
    assert (hall.credentials.username, hall.credentials.password) == ("watcher", Secret('it\'s "#1": secret'))
    assert yard.settings.source == f"file:{tmp_path}/yard.mp4", "a path means what it means in the answers"
    assert (yard.settings.window.every_s, yard.settings.window.longest_side, yard.settings.sound) == (2.0, 320, "off")
    assert ear.settings.source == "mic:HDA Intel: ALC269 (hw:0,0)"
    assert {str(policy.id): policy.sensors for policy in found.policies} == {
        "smoke-or-flame": ("hall", "yard"),
        "alarm-bell": ("hall", "ear"),
        "person-after-hours": ("yard",),
    }
    assert found.judge.second_look
    assert (found.judge.second_look.model, found.judge.second_look.band) == (str(tmp_path / "other"), 0.5)
    assert (found.judge.model, found.judge.max_age.total_seconds(), found.judge.threads) == (tmp_path / "model", 30.0, 2)
    assert found.mqtt
    assert (found.mqtt.host, found.mqtt.port, found.mqtt.tls, found.mqtt.username, found.mqtt.password) == (
        "broker.lan", 8883, True, "omniwatch", Secret("geheim"),
    )  # fmt: skip
    assert found.mqtt.home_assistant == "homeassistant"


def test_windows_that_nobody_has_spoken_of_are_as_the_model_was_taught(tmp_path: Path) -> None:
    lay(tmp_path / "model", sized(4))
    (tmp_path / "model" / "window.json").write_text('{"length": "4s", "every": "2s", "fps": 2, "longest_side": 224}')
    assert setup(tmp_path)[0] == 0
    hall, yard, ear = (sensor.settings.window for sensor in load(tmp_path / "box" / "appliance.yaml").sensors)
    assert hall == WindowShape(length_s=4.0, every_s=2.0, fps=2, longest_side=224)
    assert (ear.length_s, ear.every_s, ear.fps) == (4.0, 2.0, 2)
    assert yard.longest_side == 320, "the owner's word"


def test_a_captioners_folder_means_the_same_wherever_the_configuration_lies(tmp_path: Path) -> None:
    assert setup(tmp_path, ANSWERS.replace("band: 0.5}}", "band: 0.5}, describe: {captioner: {model: ear}}}"))[0] == 0
    captioner = load(tmp_path / "box" / "appliance.yaml").judge.captioner
    assert captioner
    assert captioner.model == str(tmp_path / "ear")


@pytest.mark.parametrize("said", ["{", "[]", '{"length": "8m"}', '{"longest_side": 225}', '{"pixels": 224}'])
def test_a_model_that_says_nonsense_of_its_windows_leaves_them_as_they_would_be(tmp_path: Path, said: str) -> None:
    lay(tmp_path / "model", sized(4))
    (tmp_path / "model" / "window.json").write_text(said)
    status, says = setup(tmp_path, ANSWERS.replace(", second_look: {model: other, band: 0.5}", ""))
    assert status == 0
    assert "window.json names no window that there can be" in says
    assert load(tmp_path / "box" / "appliance.yaml").sensors[0].settings.window.longest_side == 576


def test_what_comes_next_on_an_installed_box_is_what_the_readme_says() -> None:
    installed = [line.split("  ")[1] for line in next_steps(SYSTEM, AnswersForm.model_validate(parse(Path("answers.yaml"), ANSWERS).data))[2:]]
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    *others, last = installed
    assert [step for step in others if f"sudo {step} " not in readme and f"sudo {step}\n" not in readme] == []
    assert last == "omniwatch test-alarm smoke-or-flame"
    assert "omniwatch test-alarm " in readme


def test_the_answers_in_the_manual_are_right(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    answers = manual.partition("## The first configuration")[2].partition("```yaml\n")[2].partition("```")[0]
    status, says = setup(tmp_path, answers)
    assert status == 0, says


def test_passwords_lie_in_files_of_their_own_and_nobody_else_reads_anything(tmp_path: Path) -> None:
    _, says = setup(tmp_path)
    files = tree(tmp_path / "box")
    assert sorted(files) == ["appliance.yaml", "policies/cctv.yaml", "policies/factory.yaml", "secrets/hall", "secrets/mqtt_password"]
    assert files["secrets/mqtt_password"] == b"geheim"
    for name, content in files.items():
        assert (tmp_path / "box" / name).stat().st_mode & 0o777 == 0o600
        assert name.startswith("secrets/") or (b"geheim" not in content and b"it's" not in content)
    assert "geheim" not in says
    assert {(tmp_path / "box" / name).stat().st_mode & 0o777 for name in ("", "secrets", "policies")} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_can_be_read_by_the_box_and_secrets_by_root_alone(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir(mode=0o750)
    os.chown(tmp_path / "box", 0, 4711)
    assert setup(tmp_path)[0] == 0
    found = {name: (tmp_path / "box" / name).stat() for name in ("appliance.yaml", "policies", "policies/factory.yaml", "secrets", "secrets/hall")}
    assert {name: (each.st_gid, each.st_mode & 0o777) for name, each in found.items()} == {
        "appliance.yaml": (4711, 0o640),
        "policies": (4711, 0o750),
        "policies/factory.yaml": (4711, 0o640),
        "secrets": (4711, 0o700),
        "secrets/hall": (4711, 0o600),
    }


def test_answers_with_passwords_that_others_may_read_are_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert "answers.yaml holds passwords and can be read by its group and everybody" in setup(tmp_path)[1]
    (tmp_path / "answers.yaml").chmod(0o600)
    assert "holds passwords" not in setup(tmp_path, target="other/appliance.yaml")[1]


def test_the_least_that_can_be_said_is_a_box_that_watches_nothing_yet(tmp_path: Path) -> None:
    status, says = setup(tmp_path, "site: s\nsensors: {cam: {source: 'rtsp://10.0.0.1/a'}}\n")
    assert status == 0
    assert "there is no policy" in says
    assert "nobody is told" in says
    assert load(tmp_path / "box" / "appliance.yaml").box


def test_every_mistake_is_told_at_once_with_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    status, says = setup(
        tmp_path,
        """\
sit: s
box: Press
timezone: Europe/Berln
sensors:
  hall: {source: 'rtsp://a:b@10.0.0.1/x'}
  half: {source: 'rtsp://10.0.0.2/x', username: anna}
  lost: {source: 'rtsp://10.0.0.3/x', username: anna, password: !secret nobody}
  ear: {source: 'mic:default', pasword: geheim}
watch:
  half: [smoke-or-flam, alarm-bell, alarm-bell]
  ear: [missing-helmet]
  hal: [alarm-bell]
judge: {kind: omni, threads: many}
mqtt: {host: 'mqtt://broker', ca: a.crt, username: omniwatch}
""",
    )
    assert status == 1
    for line, mistake in {
        1: "`site` is missing",
        2: 'box: "Press" is no name',
        3: 'did you mean "Europe/Berlin"?',
        5: "sensors.hall.source: name and password do not belong in the URL",
        6: "sensors.half.username: username and password come together",
        7: 'sensors.lost.password: no secret "nobody"',
        8: "sensors.ear.pasword: unknown key",
        10: 'no catalogue has a policy "smoke-or-flam"',
        11: "watch.ear[0]: needs picture, which mic:default does not give",
        12: 'watch.hal: there is no sensor "hal"',
        13: "judge.threads: ",
        14: "mqtt.host: write the broker's name or address alone",
    }.items():
        assert f"answers.yaml:{line}:" in says
        assert mistake in says
    assert '"alarm-bell" is named twice' in says
    assert "geheim" not in says
    assert not (tmp_path / "box").exists()


@pytest.mark.parametrize("text", ["", "[1, 2]", "site: s", "a: [", "sensors: {x: 5}\nwatch: [a]\n", "site: s\nsensors: {}\nwatch: {x: y}"])
def test_whatever_the_file_is_there_is_an_error_and_no_trace(tmp_path: Path, text: str) -> None:
    status, says = setup(tmp_path, text)
    assert status == 1
    assert "answers.yaml" in says
    assert "mistake" in says


def test_what_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    setup(tmp_path)
    before = tree(tmp_path / "box")
    status, says = setup(tmp_path, ANSWERS.replace("press-hall", "other"))
    assert status == 1
    assert "is there already, and stays as it is" in says
    assert tree(tmp_path / "box") == before


@pytest.mark.parametrize("name", ["hall", "mqtt_password"])  # the first that is moved into its place, and one after it
def test_a_secret_of_somebody_else_is_not_overwritten_and_what_was_moved_is_taken_back(tmp_path: Path, name: str) -> None:
    (tmp_path / "box" / "secrets").mkdir(parents=True)
    (tmp_path / "box" / "secrets" / name).write_text("somebody else's")
    before = tree(tmp_path / "box")
    status, says = setup(tmp_path)
    assert status == 1
    assert f"secrets/{name} is there already, with other contents" in says
    assert tree(tmp_path / "box") == before


def test_what_is_overwritten_on_demand_is_kept_beside(tmp_path: Path) -> None:
    setup(tmp_path)
    before = (tmp_path / "box" / "appliance.yaml").read_bytes()
    status, _ = setup(tmp_path, ANSWERS.replace("press-hall", "other").replace("password: geheim", "password: neu"), overwrite=True)
    assert status == 0
    after = tree(tmp_path / "box")
    assert load(tmp_path / "box" / "appliance.yaml").box == "other"
    assert after["appliance.yaml.old"] == before
    assert (after["secrets/mqtt_password"], after["secrets/mqtt_password.old"]) == (b"neu", b"geheim")
    assert "secrets/hall.old" not in after, "what is the same is left alone"


def test_an_owners_catalogue_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "box" / "policies").mkdir(parents=True)
    own = "policies:\n  - {id: my-own, ask: Is the tap running?, fallback: {motion: 0.1}}\n"
    (tmp_path / "box" / "policies" / "factory.yaml").write_text(own)
    status, says = setup(tmp_path)
    assert status == 1
    assert 'no catalogue has a policy "smoke-or-flame"' in says
    status, _ = setup(tmp_path, "site: s\nsensors: {cam: {source: 'rtsp://10.0.0.1/a'}}\nwatch: {cam: [my-own]}\n")
    assert status == 0
    assert (tmp_path / "box" / "policies" / "factory.yaml").read_text() == own


def test_a_secret_that_lies_there_already_is_named_and_not_moved(tmp_path: Path) -> None:
    (tmp_path / "box" / "secrets").mkdir(parents=True)
    (tmp_path / "box" / "secrets" / "cameras").write_text("one-for-all")
    answers = "site: s\nsensors: {cam: {source: 'rtsp://10.0.0.1/a', username: anna, password: !secret cameras}}\n"
    assert setup(tmp_path, answers)[0] == 0
    found = load(tmp_path / "box" / "appliance.yaml").sensors[0].credentials
    assert found
    assert found.password == Secret("one-for-all")


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "box").write_text("a file")
    status, says = setup(tmp_path)
    assert status == 1
    assert "box" in says


def test_without_a_terminal_and_without_answers_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["setup", str(tmp_path / "appliance.yaml")])
    assert done.exit_code == 2
    assert "--answers FILE" in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


WORDS = ["a", "yes", "No", "null", "1e3", "a: b", "a #b", "a:", "-", "", '"', "\\", "a/b.c:d", "@x", "0x1f", "22:30", "!x", "*a"]


@pytest.mark.parametrize("value", [*WORDS, "a\tb", " ", "ü"])
def test_whatever_is_written_is_read_as_it_was(value: str) -> None:
    read: Any = parse(Path("x"), f"key: {written(value)}\n").data
    assert read == {"key": value}
