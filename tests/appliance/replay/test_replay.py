"""`omniwatch judge`: what would have been said, in the owner's units, and no silence without its reason."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance.children.judge_link import JudgeLink
from appliance.clock import RecordedClock
from appliance.config.configuration import load
from appliance.replay.recordings import MistypedError, Typed, judge_recordings, read_start, undescribed
from appliance.replay.replay import Replayed, ReplayFailed
from appliance.wiring import judge_settings
from tests.appliance.test_pipeline import START, Way, window

BOX = """\
site: s
box: b
timezone: Europe/Berlin
sensors:
  wall: {source: 'file:a', window: {length: 2s, every: 1s, fps: 2, longest_side: 320}}
judge: {kind: cues}
evidence: {runtime: run}
policies:
"""
THERE = (
    "  - {id: there, title: Somebody is there, ask: Is somebody there?, sensors: [wall], "
    "trigger: 2 of 3, threshold: 0.8, clear_after: 2s, fallback: {changed: 0.05}}\n"
)


def test_a_judge_that_goes_ends_the_replay_and_nobody_stands_in() -> None:
    async def story() -> None:
        way = await Way().begin()
        link = JudgeLink(lambda _news: None, lambda _work: None)
        way.pipeline.judge = link
        replayed = Replayed(way.pipeline, RecordedClock(START), link, lambda _seconds: None)
        with pytest.raises(ReplayFailed, match=r"the judge: .*`kind: cues`") as caught:
            await replayed.window(window(2))
        assert caught.value.for_all

    asyncio.run(story())


class Judged:
    """What the command said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path, policies: str, **wants: Any) -> None:  # noqa: ANN401 - fields of Typed
        (folder / "box.yaml").write_text(wants.pop("box", BOX) + policies)
        self.status = judge_recordings(Typed(config=folder / "box.yaml", **wants))
        caught = capsys.readouterr()
        self.lines, self.words = caught.out.splitlines(), caught.err

    def objects(self, **having: str) -> list[dict[str, Any]]:
        """The JSON lines that have these values."""
        return [line for line in map(json.loads, self.lines) if having.items() <= line.items()]


def test_alarms_are_shown_with_score_and_threshold_and_counted_by_whose_they_are(
    tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Judged(capsys, tmp_path, THERE, recordings=[str(film)])
    assert said.status == 0
    opened = [line for line in said.lines if "ALARM" in line and "there on wall" in line]
    assert len(opened) == 2
    assert all("score 0." in line and line.endswith(", threshold 0.50") for line in opened)
    cleared = [line for line in said.lines if "cleared" in line and "there on wall" in line]
    assert len(cleared) == 2
    assert all("score" not in line for line in cleared)
    assert said.lines[-1].startswith("film.mp4: 2 alarms")
    assert said.words == ""
    assert [each.name for each in tmp_path.iterdir()] == ["box.yaml"], "no evidence is kept of it"


def test_the_policies_that_every_box_has_are_not_counted_among_the_owners(tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = Judged(capsys, tmp_path, THERE, recordings=[str(film)])
    assert said.lines[-1].startswith("film.mp4: 2 alarms, and 1 alarm of the box's own (picture-covered); answers: ")
    answers = sum(int(word) for word in said.lines[-1].partition("answers: ")[2].split() if word.isdigit())
    assert answers == 39, "of the one policy that is the owner's, one a window"
    assert any("picture-covered on wall (a policy that every box has)" in line for line in said.lines)


def test_what_was_not_asked_is_told_once_with_the_reason(tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies = (
        "  - {id: night, ask: A?, sensors: [wall], active: mon-sun 22:00-06:00, fallback: {changed: 0.05}}\n"
        "  - {id: late, ask: A?, sensors: [wall], active: mon-sun 12:00-13:00, fallback: {changed: 0.05}}\n"
        "  - {id: smoke, ask: A?, sensors: [wall]}\n"
        "  - {id: bang, ask: A?, sensors: [wall], senses: [sound], fallback: {onset: 9}}\n"
    )
    said = Judged(capsys, tmp_path, policies, recordings=[str(film)], start="2026-03-02 11:59:50")
    assert said.words.splitlines() == [
        "night was not asked: outside its hours (`active`); --start says when the recording begins",
        "late was not asked about 8 of 39 windows: outside its hours (`active`); --start says when the recording begins",
        "smoke was not asked: it has no `fallback`, and cues alone judge here",
        "bang was not asked: the recording lacks a sense that it needs (`senses`), or a cue that its `fallback` names",
    ]


def test_every_policy_is_tried_unless_an_arm_mode_is_given(tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies = THERE.replace("trigger", "modes: [night], trigger")
    assert Judged(capsys, tmp_path, policies, recordings=[str(film)]).lines[-1].startswith("film.mp4: 2 alarms")
    assert Judged(capsys, tmp_path, policies, recordings=[str(film)], mode="night").lines[-1].startswith("film.mp4: 2 alarms")
    at_home = Judged(capsys, tmp_path, policies, recordings=[str(film)], mode="home")
    assert at_home.lines[-1].startswith("film.mp4: 0 alarms")
    assert "there was not asked: " in at_home.words
    mistyped = Judged(capsys, tmp_path, policies, recordings=[str(film)], mode="nigth")
    assert (mistyped.status, 'did you mean "night"?' in mistyped.words) == (2, True)


def test_an_alarm_that_is_on_record_only_is_told_of_at_the_end(tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = Judged(capsys, tmp_path, THERE.replace("clear_after", "cooldown: 10m, clear_after"), recordings=[str(film)])
    assert said.lines[-1].startswith("film.mp4: 1 alarm, and ")
    assert said.words == "there: 1 alarm not told: in its `cooldown`\n"


def test_programs_get_log_odds_with_their_threshold_and_what_the_rules_made_of_a_yes(
    tmp_path: Path, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Judged(capsys, tmp_path, THERE, recordings=[str(film)], as_json=True)
    yes = said.objects(kind="judgement", policy="there", verdict="yes")
    assert all(line["threshold"] == 0.0 <= line["score"] for line in yes)
    assert [line["reason"] for line in yes[:3]] == ["not_enough", "triggered", "held"]
    assert {line["reason"] for line in said.objects(kind="judgement", policy="there", verdict="no")} >= {"calm", "clearing", "cleared"}
    place = said.lines.index(next(line for line in said.lines if '"triggered"' in line))
    assert json.loads(said.lines[place + 1])["state"] == "opened", "an alarm comes after the answer that opened it"


def test_a_model_that_is_missing_is_told_once_for_all_recordings_with_the_way_without_it(
    tmp_path: Path, film: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "box.yaml").write_text(BOX.replace("kind: cues", "kind: omni, model: nowhere") + THERE)
    assert judge_recordings(Typed(recordings=[str(film), str(film)], config=tmp_path / "box.yaml")) == 1
    told = capfd.readouterr().err
    assert told.count("there is no folder") == 1
    assert "kind: cues" in told
    assert len(told.splitlines()) == 1


def test_no_other_model_is_loaded_for_descriptions_that_a_replay_has_not(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(BOX.replace("kind: cues", "kind: omni, model: m, describe: {captioner: {model: ear}}") + THERE)
    configuration = load(tmp_path / "box.yaml")
    box, replayed = judge_settings(configuration.judge), judge_settings(undescribed(configuration).judge)
    assert box
    assert box.captioner
    assert replayed == replace(box, describes=False, captioner=None)


@pytest.mark.parametrize(
    ("recording", "status", "says"),
    [
        ("notes.txt", 1, "notes.txt is no recording that can be judged"),
        ("none.mp4", 2, "there is no file "),
        (".", 2, "is a folder: name the recordings in it"),
        ("rtsp://anna:hunter2@10.0.0.1/a", 2, "rtsp:… is no recording: `judge` takes files"),
    ],
)
def test_what_is_no_recording_is_said_in_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, recording: str, status: int, says: str
) -> None:
    (tmp_path / "notes.txt").write_text("milk, eggs\n" * 100)
    (tmp_path / "box.yaml").write_text(BOX + THERE)
    written = recording if ":" in recording else str(tmp_path / recording)
    assert judge_recordings(Typed(recordings=[written], config=tmp_path / "box.yaml")) == status
    told = capfd.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1
    assert "hunter2" not in told


NOW = datetime(2026, 3, 28, 15, 30, 20, 5, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("23:00", "2026-03-28T23:00:00+01:00"),
        ("7:05:09", "2026-03-28T07:05:09+01:00"),
        ("2026-03-29", "2026-03-29T00:00:00+01:00"),
        ("2026-03-29 04:00", "2026-03-29T04:00:00+02:00"),  # summer time began in the night
        ("2026-03-29T04:00Z", "2026-03-29T04:00:00+00:00"),
    ],
)
def test_a_start_is_a_time_of_the_site(written: str, means: str) -> None:
    assert read_start(written, NOW).isoformat() == means
    assert read_start(None, NOW) is NOW


@pytest.mark.parametrize("written", ["23", "25:00", "23.00", "tomorrow", "2026-02-30", ""])
def test_what_is_no_time_is_told_with_what_would_be(written: str) -> None:
    with pytest.raises(MistypedError, match=r"is no time: write 23:00 \(today\)"):
        read_start(written, NOW)
