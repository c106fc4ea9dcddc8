"""What an owner is told of each mistake: `mistakes.yaml` has a row for each, in a configuration that is otherwise right."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from appliance.config.configuration import ConfigError, Problem, load

GOOD = """\
site: plant
box: hall
timezone: Europe/Berlin
sensors:
  cam:
    source: rtsp://10.0.0.21/stream
    window: {length: 8s, every: 4s, fps: 1}
    zones: {cell: [[0, 0], [1, 0], [1, 1]]}
  mic:
    source: mic:default
judge:
  kind: cues
policies:
  - id: entry
    ask: Is somebody in the cell?
    sensors: [cam]
    zone: cell
    trigger: 2 of 3
  - id: bang
    ask: Is there a bang?
    sensors: [mic]
    threshold: 0.8
notify:
  mqtt: {host: broker.lan}
"""

ROWS: list[Mapping[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("mistakes.yaml"))


def told(folder: Path, text: str) -> list[str]:
    file = folder / "appliance.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, secrets=folder / "secrets")
    return [_line(problem).replace(str(folder), "FOLDER") for problem in caught.value.problems]


def _line(problem: Problem) -> str:
    path, hint = (f"{problem.path}: " if problem.path else ""), (f" | {problem.hint}" if problem.hint else "")
    return f"{problem.line}:{problem.column}: {path}{problem.message}{hint}"


def test_the_text_that_all_mistakes_are_made_in_is_right(tmp_path: Path) -> None:
    (tmp_path / "appliance.yaml").write_text(GOOD)
    assert load(tmp_path / "appliance.yaml").site == "plant"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["why"])
def test_a_mistake_is_told_with_its_place_and_remedy(row: Mapping[str, Any], tmp_path: Path) -> None:
    assert row["old"] in GOOD
    assert told(tmp_path, GOOD.replace(row["old"], row["new"], 1)) == row["says"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD
    changes = (("box: hall", "box: Hall"), ("fps: 1", "fps: 9"), ("cues", "cue"), ("[mic]", "[mik]"), ("2 of 3", "2 in 3"), ("host", "hots"))
    for old, new in changes:
        text = text.replace(old, new)
    assert [line.split(":")[0] for line in told(tmp_path, text)] == ["2", "7", "12", "18", "21", "24", "24"]


def test_one_key_that_is_wrong_does_not_hide_a_reference_that_is_wrong(tmp_path: Path) -> None:
    says = told(tmp_path, GOOD.replace("[mic]", "[mike]").replace("threshold: 0.8", "threshold: much"))
    assert [line.split(": ")[1] for line in says] == ["policies.bang.sensors[0]", "policies.bang.threshold"]


def test_a_sensor_that_is_wrong_is_not_also_said_to_be_missing(tmp_path: Path) -> None:
    assert len(told(tmp_path, GOOD.replace("mic:default", "mike:default"))) == 1


def test_policies_that_inhibit_each_other_in_a_ring_are_told_once(tmp_path: Path) -> None:
    text = GOOD.replace("threshold: 0.8", "inhibited_by: [entry]").replace("trigger: 2 of 3", "inhibited_by: [bang]")
    assert told(tmp_path, text) == ["18:19: policies.entry.inhibited_by: these policies inhibit each other in a ring: entry < bang < entry"]


def test_a_problem_is_printed_with_its_line_and_a_caret_under_the_column(tmp_path: Path) -> None:
    file = tmp_path / "appliance.yaml"
    file.write_text(GOOD.replace("[mic]", "[mik]"))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == (
        f'{file}:21:15: policies.bang.sensors[0]: there is no sensor "mik"\n        sensors: [mik]\n                  ^\n  did you mean "mic"?'
    )


def test_the_caret_stands_right_behind_wide_characters(tmp_path: Path) -> None:
    file = tmp_path / "appliance.yaml"
    file.write_text(GOOD.replace("host: broker.lan", "ca: 有人吗, hots: broker.lan"))
    with pytest.raises(ConfigError) as caught:
        load(file)
    line, caret = next(pair for pair in pairwise(str(caught.value).splitlines()) if "^" in pair[1] and pair[1].endswith("\u3000  ^"))
    assert line.index("hots") == caret.index("^")
    assert caret.count("\u3000") == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just words", "a: 1\n"], ids=["empty", "comment", "list", "words", "a key"])
def test_a_file_that_is_no_configuration_is_told_so(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml:1:1: cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf_8_is_told_so_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "appliance.yaml").write_bytes(b"site: plant\nbox: caf\xe9\n")
    with pytest.raises(ConfigError, match=r":2:1: is not UTF-8"):
        load(tmp_path / "appliance.yaml")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    assert told(tmp_path, "# " + "x" * 1024 * 1024) == ["1:1: is larger than 1048576 bytes | move policies into catalogues"]


def test_a_bomb_of_aliases_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too many values" in told(tmp_path, "\n".join(lines))[0]


def test_a_camera_cannot_be_heard_without_a_broker(tmp_path: Path) -> None:
    text = GOOD.replace("  mic:\n", "    gate: {topics: [cam7/motion]}\n  mic:\n", 1).partition("notify:")[0]
    assert told(tmp_path, text) == ["9:11: sensors.cam.gate: there is no broker at which the camera could be heard: name it under notify: mqtt:"]


SPOKEN = (
    GOOD.replace("kind: cues", "kind: omni\n  model: m\n  describe: true")
    .replace("mic:default\n", "mic:default\n    sound: keep\n")
    .replace("[mic]\n", "[mic]\n    senses: [sound]\n    transcript: true\n")
)
"""A policy that wants to know what was said."""

WHERE_NONE_MAY_BE = [
    ("nobody describes", "  describe: true", "  describe: false", ["`judge` has none | write `describe: true` there, beside `kind: omni`"]),
    ("cues alone judge", "kind: omni", "kind: cues", ["`describe` is for a model that writes, so it needs `kind: omni`"]),
    ("its senses are whatever there is", "    senses: [sound]\n", "", ["senses` do not name it | write `senses: [sound]`, or `[sight, sound]`"]),
    ("of sight", "senses: [sound]", "senses: [sight]", ["mic has no picture", "this one's `senses` do not name it"]),
    ("sound is judged and not kept", "sound: keep", "sound: judge", ["mic keeps no sound (`sound: judge`), and what was said would be kept"]),
    ("nobody said that sound is kept", "    sound: keep\n", "", ["mic keeps no sound (`sound: judge`), and what was said would be kept"]),
    ("no sound at all", "source: mic:default\n    sound: keep", "source: v4l2:/dev/video0\n    sound: off", ["mic has no sound"]),
    ("the judge is wrong: nothing is known of it", "kind: omni", "kind: omnis", ['"omnis" is not one of']),
]


def test_a_policy_that_wants_to_know_what_was_said_is_right(tmp_path: Path) -> None:
    (tmp_path / "appliance.yaml").write_text(SPOKEN)
    assert [policy.transcript for policy in load(tmp_path / "appliance.yaml").policies] == [False, True]


@pytest.mark.parametrize(("why", "old", "new", "says"), WHERE_NONE_MAY_BE, ids=[row[0] for row in WHERE_NONE_MAY_BE])
def test_what_was_said_is_written_down_only_where_that_may_be(
    tmp_path: Path, *, why: str, old: str, new: str, says: list[str]
) -> None:
    assert old in SPOKEN
    found = told(tmp_path, SPOKEN.replace(old, new, 1))
    assert len(found) == len(says), why
    for text in says:
        assert any(text in line for line in found), (why, found)
