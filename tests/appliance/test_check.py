"""What `check` says of a right configuration, and that it is quick about it."""

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from analyzers.omni.family import QWEN2_5_OMNI
from analyzers.policy import Severity
from appliance.check import run_check
from appliance.config.configuration import Configuration, load
from appliance.outlook import LONGEST_PATROL, SensorLine, outlook
from tests.analyzers.husk import lay, sized

BOX = """\
site: s
box: b
timezone: UTC
sensors:
  cam:
    source: rtsp://10.0.0.21/a
    zones: {door: [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]], idle: [[0, 0], [1, 0], [1, 1]]}
  mic: {source: mic:default, window: {length: 2s, every: 2s}}
judge: {kind: cues}
policies:
  - {id: smoke, ask: Is there smoke?, sensors: [cam], trigger: 3 of 4, patrol: 1m, fallback: {changed: 0.1}}
  - {id: bang, ask: Is there a bang?, sensors: [mic, cam], wake: [onset], fallback: {onset: 20}}
  - {id: door, ask: Is the door open?, sensors: [cam], zone: door, senses: [sight], fallback: {changed: 0.1}}
notify: {mqtt: {host: localhost}}
"""
OMNI = "judge: {kind: omni, model: nowhere}"


def read(folder: Path, text: str = BOX) -> Configuration:
    (folder / "appliance.yaml").write_text(text)
    return load(folder / "appliance.yaml")


def said(folder: Path, text: str, width: int = 100) -> tuple[int, str]:
    (folder / "appliance.yaml").write_text(text)
    console = Console(width=width, record=True, file=StringIO())
    status = run_check(folder / "appliance.yaml", console)
    return status, console.export_text()


def lines(configuration: Configuration) -> dict[str, SensorLine]:
    return {line.sensor.settings.sensor: line for line in outlook(configuration).sensors}


def test_a_sensors_media_are_its_views_that_are_asked_about_and_its_sound_once(tmp_path: Path) -> None:
    found = lines(read(tmp_path))
    assert found["cam"].size == (576, 320)
    # The whole picture, the zone of 8:9 (512x576), and 8 s of sound. The idle zone costs nothing.
    assert found["cam"].media_tokens == 720 + 4 * 16 * 18 + 104
    assert (found["cam"].views, found["cam"].questions) == (2, 3)
    assert (found["mic"].media_tokens, found["mic"].views, found["mic"].size) == (26, 1, (0, 0))


def test_another_familys_windows_cost_what_it_makes_of_them(tmp_path: Path) -> None:
    found = {line.sensor.settings.sensor: line for line in outlook(read(tmp_path), QWEN2_5_OMNI).sensors}
    assert found["cam"].size == (576, 320), "the sensor delivers the same"
    assert found["cam"].media_tokens == 4 * 11 * 21 + 4 * 18 * 21 + 200
    assert found["mic"].media_tokens == 50


def test_windows_are_shared_out_by_their_stride(tmp_path: Path) -> None:
    found = lines(read(tmp_path))
    assert found["cam"].share == pytest.approx(1 / 3)
    assert found["mic"].share == pytest.approx(2 / 3)


def test_at_rest_only_patrols_cost_anything(tmp_path: Path) -> None:
    found = lines(read(tmp_path))
    assert found["mic"].tokens_s_rest == 0
    assert (720 + 104) / 60 < found["cam"].tokens_s_rest < (720 + 104 + 40) / 60
    assert found["cam"].tokens_s_most > found["cam"].media_tokens / 4


def test_a_policy_has_a_line_for_each_kind_of_window_that_it_is_asked_about(tmp_path: Path) -> None:
    bang = [line for line in outlook(read(tmp_path)).policies if line.policy.id == "bang"]
    assert [line.views for line in bang] == [("mic",), ("cam",)]
    assert [line.timing.latest for line in bang] == [timedelta(seconds=4), timedelta(seconds=12)]


WARNINGS = (
    # A right box of cues: the zone that nobody asks about is all there is to say.
    ("", "", ["cam: no policy asks about its zone idle"]),
    ("3 of 4", "2 of 3", ["smoke: 2 of 3 windows on cam may hold the same instant, which then confirms itself"]),
    (", fallback: {onset: 20}", "", ["without a `fallback`, and cues alone judge here, so they are never answered: bang"]),
    ("patrol: 1m", "patrol: 2h", ["smoke: patrols every 2h; for a medium alarm about what does not move, 1h is long"]),
    ("patrol: 1m", "patrol: 1m, say: Fire", ["`say` is not spoken without `notify: speech:`: smoke"]),
    ("    zones:", "    record: rtsp://10.0.0.21/b\n    zones:", []),
    ("    zones:", "    sound: keep\n    evidence: off\n    zones:", ["cam: `sound: keep` keeps nothing"]),
    ("    zones:", "    record: rtsp://10.0.0.21/b\n    evidence: off\n    zones:", ["cam: `record` is a stream for evidence"]),
    ("    zones:", "    evidence: original\n    masks: [[0, 0, 0.1, 0.1]]\n    zones:", ["cam: `evidence: original` keeps what is under its masks"]),
    ("sensors: [mic, cam]", "sensors: [cam]", ["mic: no policy asks about it; only its own health is watched"]),
    ("notify: {mqtt: {host: localhost}}", "", ["nobody is told: name a broker under `notify: mqtt:`"]),
    ("host: localhost", "host: broker, username: me, password: !secret pw", ["the password for broker goes over the network in the clear"]),
    ("host: localhost", "host: broker, commands: true", ["broker asks for no login: whoever reaches it can give orders, and disarm the box"]),
    ("host: localhost", "host: localhost, username: me, password: !secret pw, pictures: true", []),
    ("host: localhost", "host: localhost, pictures: true", ["localhost asks for no login: whoever reaches it sees cam"]),
    (
        "host: localhost",
        "host: broker, username: me, pictures: {sensors: [cam]}",
        ["pictures of cam go over the network to broker in the clear: `tls: true`"],
    ),
    ("notify:", "metrics: {listen: '0.0.0.0:9464'}\nnotify:", ["metrics are open to whoever reaches 0.0.0.0:9464"]),
    ("judge: {kind: cues}", OMNI, []),
    ("judge: {kind: cues}", OMNI.replace("}", ", deadline: 10m}"), ["cam: 130 pairs of frames fill the memory that a sensor may have"]),
)


@pytest.mark.parametrize(("old", "new", "says"), WARNINGS, ids=lambda value: str(value)[:40])
def test_a_warning_says_what_its_owner_should_know(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pw").write_text("geheim")
    assert old in BOX
    warnings = outlook(read(tmp_path, BOX.replace(old, new, 1))).warnings
    for text in (*says, "cam: no policy asks about its zone idle"):
        assert any(warning.startswith(text) for warning in warnings), warnings
    assert len(warnings) == len({*says, "cam: no policy asks about its zone idle"})


def test_that_words_are_written_down_is_said_and_where_to_read_what_that_means(tmp_path: Path) -> None:
    text = BOX.replace("judge: {kind: cues}", OMNI.replace("}", ", describe: true}")).replace("mic:default", "mic:default, sound: keep")
    text = text.replace("sensors: [mic, cam]", "sensors: [mic], senses: [sound], transcript: true")
    (said,) = [warning for warning in outlook(read(tmp_path, text)).warnings if "transcript" in warning]
    assert said.startswith("what people say near mic is written down and told over MQTT behind alarms of bang")
    assert "docs/privacy.md" in said


def test_a_policy_without_a_stand_in_is_no_matter_where_nobody_is_to_stand_in(tmp_path: Path) -> None:
    text = BOX.replace(", fallback: {onset: 20}", "")
    assert any("bang" in warning for warning in outlook(read(tmp_path, text.replace("judge: {kind: cues}", OMNI))).warnings)
    alone = OMNI.replace("}", ", fallback: none}")
    assert not any("bang" in warning for warning in outlook(read(tmp_path, text.replace("judge: {kind: cues}", alone))).warnings)


def test_the_more_urgent_an_alarm_the_shorter_its_patrol_should_be() -> None:
    assert [LONGEST_PATROL[severity] for severity in Severity] == sorted(LONGEST_PATROL.values())


def test_a_right_configuration_is_told_so_with_status_0(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX)
    assert status == 0
    assert text.startswith(f"right  {tmp_path}/appliance.yaml: 2 sensors, 3 policies, judge: cues alone\n")
    assert "Cues answer 0.75 windows/s" in text
    assert "tokens" not in text


def test_a_wrong_configuration_is_told_so_with_status_1_and_the_number_of_mistakes(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX.replace("box: b", "box: B").replace("[cam]", "[cm]", 1))
    assert status == 1
    assert text.endswith("2 mistakes\n")
    assert "appliance.yaml:2:6: box:" in text
    assert '  did you mean "cam"?' in text


def test_only_so_many_mistakes_are_shown(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX + "".join(f"key-{number}: 1\n" for number in range(80)))
    assert status == 1
    assert text.endswith("80 mistakes, of which the first 50 are shown\n")
    assert text.count("unknown key") == 50


def test_a_model_that_is_not_there_makes_the_machine_not_ready_and_the_configuration_not_wrong(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX.replace("judge: {kind: cues}", OMNI), width=400)
    assert status == 0
    assert text.startswith("right")
    assert "not ready  the configuration is right, but its model cannot run on this machine yet, and until then cues stand in for it: " in text
    assert "The judge gets" in text
    assert "until then nobody answers" in said(tmp_path, BOX.replace("judge: {kind: cues}", OMNI.replace("}", ", fallback: none}")), width=400)[1]


LEGEND = {
    "not found": "not found: what stirs",
    "an instant": "an instant: a single frame",
    "any": "any: however short",
    ">": "> and a time: what is over sooner",
}


@pytest.mark.parametrize(
    ("trigger", "patrol", "words"),
    [
        ("1 of 1", "", {"not found", "an instant"}),
        ("3 of 4", ", patrol: 1m", {"any"}),
        ("4 of 4", ", patrol: 1m", {">"}),
    ],
)
def test_the_words_in_the_table_are_explained_under_it_and_no_others(tmp_path: Path, trigger: str, patrol: str, words: set[str]) -> None:
    policy = f"  - {{id: a, ask: A?, sensors: [cam], trigger: {trigger}{patrol}, fallback: {{changed: 0.1}}}}\n"
    text = said(tmp_path, f"{BOX.partition('policies:')[0]}policies:\n{policy}", width=200)[1]
    assert "soonest: a glimpse" in text
    assert {word for word, line in LEGEND.items() if line in text} == words


def model(folder: Path, experts: int) -> str:
    """The husk of a model with so many experts a layer."""
    lay(folder, sized(experts))
    return f"judge: {{kind: omni, model: {folder.name}, device: cpu}}"


def test_what_a_model_needs_is_told(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX.replace("judge: {kind: cues}", model(tmp_path / "small", 4)))
    assert status == 0
    assert "Model: 1.88 billion parameters, nf4, experts too, on cpu: 7.3 GB of weights" in " ".join(text.split())


def test_a_model_that_is_too_big_for_the_machine_is_told_so(tmp_path: Path) -> None:
    status, text = said(tmp_path, BOX.replace("judge: {kind: cues}", model(tmp_path / "big", 10**9)))
    assert status == 0
    assert "is too big for this machine" in " ".join(text.split())


def test_windows_that_the_model_was_not_taught_on_are_told(tmp_path: Path) -> None:
    box = BOX.replace("judge: {kind: cues}", model(tmp_path / "small", 4))
    taught = tmp_path / "small" / "window.json"
    taught.write_text('{"length": "8s", "every": "4s", "fps": 1, "longest_side": 224}')
    says = said(tmp_path, box, width=400)[1]
    assert "cam: this model was taught on windows of 8s every 4s, at 1 fps and 224 pixels a side" in says
    assert "mic: this model was taught" in says, "its windows are shorter"
    taught.write_text('{"length": "8s", "every": "2s", "longest_side": 576}')
    says = said(tmp_path, box, width=400)[1]
    assert "cam: this model was taught" not in says, "how often windows begin is nothing that is seen in one"
    taught.write_text('{"length": "8m"}')
    says = said(tmp_path, box, width=400)[1]
    assert "not ready" in says
    assert f"cues stand in for it: {taught} names no window that there can be" in says


def test_what_an_owner_wrote_is_printed_as_it_is(tmp_path: Path) -> None:
    assert "[red]" in said(tmp_path, BOX.replace("id: smoke", "id: '[red]smoke'"))[1]


def test_the_report_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
    text = said(tmp_path, BOX.replace("judge: {kind: cues}", OMNI), width=80)[1]
    assert max(map(len, text.splitlines()[1:])) <= 80  # the first line, which holds the path, is the terminal's to fold
    assert "3 of 4, cam" in text
    assert "8 frames of 576x320" in text


PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from appliance.check import run_check
status = run_check(Path(sys.argv[1]), Console())
print(status, sorted({"torch", "transformers", "av", "cv2", "bitsandbytes", "prometheus_client"} & set(sys.modules)))
"""


@pytest.mark.parametrize("judge", ["judge: {kind: cues}", OMNI], ids=["cues", "omni"])
def test_it_starts_and_ends_within_a_second_and_loads_neither_torch_nor_av_nor_cv2(tmp_path: Path, judge: str) -> None:
    file = tmp_path / "appliance.yaml"
    file.write_text(BOX.replace("judge: {kind: cues}", judge))
    before = os.times()
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(file)], capture_output=True, text=True, timeout=60, check=True)
    after = os.times()
    assert done.stdout.splitlines()[-1] == "0 []"
    # Processor time, since other tests may run beside this one; it waits for nothing, so on an idle machine that is the time it takes.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0


def test_it_says_which_policies_do_not_watch_in_which_arm_mode(tmp_path: Path) -> None:
    _, told = said(tmp_path, BOX.replace("trigger: 3 of 4", "modes: [night]"))
    assert "Armed home, these do not watch: smoke." in told
    assert "Armed night, all policies watch." in told
    assert "Disarmed, these do not watch: smoke." in told
    assert "Armed" not in said(tmp_path, BOX)[1]


def test_it_says_how_much_around_an_alarm_is_kept_and_how_far_back_that_reaches(tmp_path: Path) -> None:
    _, text = said(tmp_path, BOX.replace("notify:", "evidence: {runtime: ./ring, quota: 5GB, keep: 3d, buffer: 16MB}\nnotify:"))
    words = " ".join(text.split())
    assert "A clip of each alarm: 10s before and 10s after the window that opened it, for 3d in up to 5 GB; 10% of the disk stay free." in words
    assert "at 4 Mbit/s, 32 s of each" in words
    assert "ring" in words
    off = BOX.replace("    zones:", "    evidence: off\n    zones:")
    assert "No evidence is kept." in said(tmp_path, off)[1]
