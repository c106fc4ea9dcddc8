"""The doctor on announcements and people: real programs, a loudspeaker that is a file, and no word of a URL."""

import shutil
from pathlib import Path

import pytest

from alerts.channels.people import PersonSettings
from alerts.channels.speech import SpeechSettings
from appliance.doctor.finding import Finding, Health
from appliance.doctor.telling import try_people, try_speech
from sensors.secret import Secret
from tests.appliance.test_voice import SYSTEM, speaker

needs_programs = pytest.mark.skipif(
    not all(map(shutil.which, ("espeak-ng", "aplay"))) or not SYSTEM.exists(), reason="apt-get install espeak-ng alsa-utils"
)


def found(settings: SpeechSettings) -> tuple[Finding, Finding]:
    speech, loudspeaker = try_speech(settings, "Fire in the hall.")
    return speech, loudspeaker


@needs_programs
def test_a_loudspeaker_that_plays_is_told_with_what_a_phrase_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = speaker(tmp_path, monkeypatch)
    speech, loudspeaker = found(SpeechSettings(device="speaker"))
    assert (speech.health, loudspeaker.health) == (Health.OK, Health.OK)
    assert speech.says.startswith('espeak-ng (en) says "Fire in the hall." in 1.')
    assert loudspeaker.says == "speaker plays"
    assert not any(played.read_bytes()[44:])  # silence


@needs_programs
def test_without_a_sound_card_it_is_said_where_announcements_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker(tmp_path, monkeypatch)
    speech, loudspeaker = found(SpeechSettings(device="nosuch", folder=tmp_path / "said"))
    assert speech.health is Health.OK
    assert (loudspeaker.health, loudspeaker.says) == (
        Health.WARNING, f"nosuch cannot be opened: announcements are kept as files in {tmp_path}/said",
    )  # fmt: skip
    assert not (tmp_path / "said").exists()


def test_without_the_programs_their_installation_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    speech, loudspeaker = found(SpeechSettings())
    assert (speech.health, speech.says) == (Health.FAILURE, "espeak-ng is not installed: apt-get install espeak-ng")
    assert loudspeaker.health is Health.WARNING


def test_people_are_told_by_service_and_nothing_of_their_urls() -> None:
    pytest.importorskip("apprise", reason="pip install 'apprise>=2.2,<3'")
    urls = {"people-hook": "json://127.0.0.1:1/hunter2hunter2", "people-odd": "nosuch://hunter2hunter2/x"}
    hook, odd = try_people(tuple(PersonSettings(name=name, url=Secret(url)) for name, url in urls.items()))
    assert (hook.what, hook.health, hook.says) == ("people-hook", Health.OK, "JSON; nothing was sent")
    assert (odd.what, odd.health, odd.says) == ("people-odd", Health.FAILURE, "Apprise knows no such URL")
