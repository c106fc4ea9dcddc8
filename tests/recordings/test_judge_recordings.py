"""`omniwatch judge` on real recordings: what is there is alarmed in time, what is not there is not, and trivial alarms fail the same score."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.recordings.score import AIMS, always_on, events_of, every, lines_of, score

CONFIG = Path(__file__).with_name("entrance.yaml")


@cache
def judged(recording: Path) -> tuple[dict[str, Any], ...]:
    command = [sys.executable, "-m", "appliance", "judge", str(recording), "--config", str(CONFIG), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    return tuple(json.loads(line) for line in done.stdout.splitlines())


def test_an_entrance_is_alarmed_as_its_labels_say(recordings: Path) -> None:
    labels = json.loads((recordings / "labels.json").read_text())["entrance.mp4"]
    reports = score(lines_of(judged(recordings / "entrance.mp4")), events_of(labels["events"]), events_of(labels["benign"]))
    assert [report.policy for report in reports] == ["presence", "loud-sound"]
    assert all(report.passed for report in reports), reports


def test_alarms_that_look_at_nothing_fail_the_same_score(recordings: Path) -> None:
    labels = json.loads((recordings / "labels.json").read_text())["entrance.mp4"]
    for trivial in (always_on(AIMS), every(10.0, labels["duration_s"], AIMS)):
        assert not any(report.passed for report in score(trivial, events_of(labels["events"])))


def test_every_line_has_what_a_program_needs(recordings: Path) -> None:
    lines = judged(recordings / "worker_zone.mp4")
    kinds = {line["kind"] for line in lines}
    assert kinds == {"judgement", "alarm"}
    for line in lines:
        assert {"policy", "sensor", "at_s"} <= line.keys()
        assert {"verdict", "score"} <= line.keys() if line["kind"] == "judgement" else {"state", "severity"} <= line.keys()


def test_a_recording_that_cannot_be_read_is_said_and_is_no_all_clear(tmp_path: Path) -> None:
    (tmp_path / "garbage.mp4").write_bytes(b"not a film" * 1000)
    command = [sys.executable, "-m", "appliance", "judge", str(tmp_path / "garbage.mp4"), "--config", str(CONFIG), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "garbage.mp4" in done.stderr
    assert done.stdout == ""


def test_a_recording_shorter_than_a_window_is_said_to_be_too_short(recordings: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_text(CONFIG.read_text().replace("length: 2s, every: 1s", "length: 8s, every: 4s"))
    command = [sys.executable, "-m", "appliance", "judge", str(recordings / "worker_zone.mp4"), "--config", str(long)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "not one whole window of 8 s" in done.stderr
