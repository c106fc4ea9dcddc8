"""Announcements in the configuration: what is read, what is refused and where, and what `check` says of them."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from alerts.alert import Change
from alerts.channels.speech import Engine, SpeechSettings
from analyzers.omni.machine import Machine
from analyzers.policy import Severity
from analyzers.synthesis import Speaker
from appliance.check import run_check
from appliance.config.configuration import ConfigError, Configuration, load
from appliance.reload import waits_for_restart
from appliance.telling import audiences
from tests.analyzers.husk import PUBLISHED, speaking

BIG = Machine(device="cpu", memory_bytes=64_000_000_000)

BOX = """\
site: plant
box: hall
timezone: Europe/Berlin
state: ./state
sensors:
  cam: {source: rtsp://10.0.0.21/a, sound: off}
  mic: {source: mic:default}
policies:
  - {id: bang, ask: Is there a bang?, sensors: [mic], severity: high, say: Attention. A bang., fallback: {onset: 20}}
notify:
  speech: SPEECH
"""
WHOLE = (
    "{engine: espeak-ng, language: de+f3, rate: 140, device: 'plughw:1,0', least: low, quiet: 22:00-06:00, max_age: 1m, "
    "again_after: 5m, tail: 3s, heard_by: [mic], folder: said}"
)


def read(folder: Path, speech: str) -> Configuration:
    (folder / "box.yaml").write_text(BOX.replace("SPEECH", speech))
    return load(folder / "box.yaml")


def test_everything_that_is_written_is_in_the_settings(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE).speech
    assert found is not None
    assert found.quiet is not None
    assert found.quiet.is_on(datetime(2026, 7, 1, 20, 30, tzinfo=UTC))  # 22:30 in Berlin
    assert found == SpeechSettings(
        engine=Engine.ESPEAK, language="de+f3", rate=140, device="plughw:1,0", least=Severity.LOW, quiet=found.quiet,
        max_age=timedelta(minutes=1), again_after=timedelta(minutes=5), tail=timedelta(seconds=3), heard_by=("mic",), folder=tmp_path / "said",
    )  # fmt: skip


def test_nothing_but_its_name_is_enough(tmp_path: Path) -> None:
    assert read(tmp_path, "{}").speech == SpeechSettings(folder=tmp_path / "state/announcements")


def test_openings_and_reminders_are_spoken_for_as_long_as_they_are_news(tmp_path: Path) -> None:
    (audience,) = audiences(read(tmp_path, WHOLE))
    assert audience.changes == {Change.OPENED, Change.REOPENED, Change.REMINDED}
    assert (audience.channel, audience.least, audience.lasting) == ("speech", Severity.LOW, timedelta(minutes=1))


MISTAKES = [
    ("{engine: festival}", '11:20: notify.speech.engine: "festival" is not one of: espeak-ng, omni'),
    ("{language: 'en; reboot'}", "11:22: notify.speech.language: write a voice like en, en-us, de or de+f3; `espeak-ng --voices` lists them"),
    ("{language: -f/etc/passwd}", "11:22: notify.speech.language: write a voice like"),
    ("{device: '-D'}", "11:20: notify.speech.device: write a device like plughw:0,0 or default; `aplay -L` lists them"),
    ("{device: 'file:x'}", "11:20: notify.speech.device: write a device like"),
    ("{rate: 1000}", "11:18: notify.speech.rate: must be at most 400"),
    ("{quiet: always}", "11:19: notify.speech.quiet: "),
    ("{tail: 1h}", "11:18: notify.speech.tail: must be 0s to 10s, not 1h"),
    ("{voice: ethan}", "11:19: notify.speech.voice: `voice` is of a model that speaks"),
    ("{model: talking}", "11:19: notify.speech.model: `model` is of a model that speaks"),
    ("{engine: omni}", "11:20: notify.speech.engine: no model is named that could speak"),
    ("{engine: omni, model: talking, voice: cherry}", '11:49: notify.speech.voice: "cherry" is not one of: ethan, chelsie, aiden'),
    ("{heard_by: [mik]}", '11:23: notify.speech.heard_by[0]: there is no sensor "mik"'),
    ("{heard_by: [mic, cam]}", '11:28: notify.speech.heard_by[1]: "cam" hears nothing'),
]


@pytest.mark.parametrize(("speech", "says"), MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, speech: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, speech)
    (problem,) = raised.value.problems
    assert f"{problem.line}:{problem.column}: {problem.path}: {problem.message}".startswith(says)


def test_a_model_that_speaks_is_the_judges_unless_another_is_named(tmp_path: Path) -> None:
    omni = "{engine: omni}\njudge: {kind: omni, model: whole}"
    found = [read(tmp_path, speech).speech for speech in (omni, omni.replace("omni}", "omni, model: talking, voice: aiden}", 1))]
    assert [(speech.model, speech.speaker) for speech in found if speech] == [
        (tmp_path / "whole", Speaker.ETHAN),
        (tmp_path / "talking", Speaker.AIDEN),
    ]


SAID = [
    ("{heard_by: [mic]}", ["Alarms from high up are spoken by espeak-ng (en) on default; deaf meanwhile: mic."]),
    (
        "{engine: omni, model: talking, voice: chelsie}",
        [
            "Alarms from high up are spoken by chelsie where it is `say`, and else by espeak-ng (en), on default.",
            "Voice: chelsie, 3.85 billion parameters in bfloat16 on the processor (talker 6.6 GB, code2wav 432.0 MB, embeddings 622.9 MB)",
        ],
    ),
    (
        "{engine: omni, model: nowhere}",
        ["not ready  the configuration is right, but its voice cannot speak on this machine yet, and until then espeak-ng speaks: there is no"],
    ),
    (
        "{engine: omni}\njudge: {kind: omni, model: thinker}",
        ["and until then espeak-ng speaks:", "holds a thinker alone, which reads and does not speak; take Qwen3-Omni-30B-A3B-Instruct, or"],
    ),
    ("{quiet: 22:00-06:00, heard_by: [mic]}", ["on default, in quiet hours critical ones alone; deaf meanwhile: mic."]),
    ("{}", ["`notify.speech.heard_by` names no sensor: those that hear the loudspeaker judge it like any other sound (mic)"]),
    ("{least: critical}", ["`say` is not spoken of alarms below `notify.speech.least`, which is critical: bang"]),
]


@pytest.mark.parametrize(("speech", "says"), SAID)
def test_check_says_what_will_be_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech: str, says: list[str]) -> None:
    monkeypatch.setattr("analyzers.omni.talker_plan.this_machine", lambda _: BIG)
    speaking(tmp_path / "talking")
    speaking(tmp_path / "thinker", {**PUBLISHED})
    (tmp_path / "box.yaml").write_text(BOX.replace("SPEECH", speech))
    console = Console(width=500, record=True, file=StringIO())
    assert run_check(tmp_path / "box.yaml", console) == 0
    text = console.export_text()
    assert [line for line in says if line not in text] == []
    assert "nobody is told" not in text


def test_a_change_of_the_loudspeaker_waits_for_the_next_start(tmp_path: Path) -> None:
    assert waits_for_restart(read(tmp_path, "{}"), read(tmp_path, "{rate: 150}")) == ("notify.speech",)
