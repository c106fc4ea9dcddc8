"""A model's voice in the box: what is rendered and kept, what espeak-ng says instead, and helpers that die, hang or lie."""

import json
import shutil
import wave
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.channels.speech import SpeechFault, SpeechSettings
from analyzers.synthesis import Speaker, TalkerSettings
from appliance import talker_voice
from appliance.talker_helper import Limits
from appliance.talker_voice import TalkerVoice
from appliance.voice import ProgramVoice
from tests.analyzers.husk import speaking
from tests.appliance.mouth import QUICK, Mouth, StandIn, ran, runs
from tests.appliance.test_voice import SYSTEM, speaker


def test_what_is_known_beforehand_is_rendered_once_in_one_helper_and_the_rest_is_the_stand_ins(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        assert await mouth.says("Fire.") == [False]
        await mouth.voice.prepare(["Fire.", "Glass."])
        assert mouth.stand_in.prepared == ["Fire.", "Glass."]
        assert await mouth.says("Fire.", "Glass.", "Something moves.") == [True, True, False]
        assert (await mouth.voice.utter("Fire.")).length == timedelta(seconds=1.25)
        assert mouth.voice.unrendered == 0
        await mouth.voice.prepare(["Fire.", "Glass.", "Smoke."])
        assert len(mouth.starts) == 2
        again = Mouth(tmp_path)  # as after a restart
        await again.voice.prepare(["Fire.", "Glass.", "Smoke."])
        assert await again.says("Fire.", "Glass.", "Smoke.") == [True, True, True]
        assert len(mouth.starts) == 2
        assert not any(map(runs, mouth.starts))

    ran(story)


def test_another_voice_or_model_renders_anew(tmp_path: Path) -> None:
    async def story() -> None:
        await Mouth(tmp_path).voice.prepare(["Fire."])
        other = Mouth(tmp_path, speaker=Speaker.AIDEN)
        await other.voice.prepare(["Fire."])
        (tmp_path / "model" / "tokenizer.json").write_text('{"another": 1}')
        await Mouth(tmp_path).voice.prepare(["Fire."])
        assert len(other.starts) == len(list((tmp_path / "omni").glob("*.wav"))) == 3

    ran(story)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dies", "synthesis helper: killed by SIGKILL"),
        ("hangs", "the synthesis helper did not answer within 0.5 s"),
        ("wanders", "the synthesis helper said ready where it was to speak"),
        ("cannot", "the talker did not come to an end within 30 s"),
        ("lies", "the synthesis helper left no sound of this kind"),
        ("mumbles", "the synthesis helper left no sound of this kind"),
    ],
)
def test_a_sentence_that_a_helper_cannot_speak_is_the_stand_ins_and_the_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, problem: str
) -> None:
    limits = Limits(loading=timedelta(seconds=20), line=timedelta(seconds=0.5)) if text == "hangs" else QUICK
    mouth = Mouth(tmp_path, limits=limits)

    async def story() -> None:
        for _ in range(2):  # a reload tries again, and says no more of it
            await mouth.voice.prepare(["Fire.", text, "Glass."])
            assert await mouth.says("Fire.", text, "Glass.") == [True, False, True]
            assert mouth.voice.unrendered == 1
        assert not list((tmp_path / "omni").glob("*.part"))
        assert not any(map(runs, mouth.starts))

    ran(story)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"espeak-ng says 1 of 3 sentences for the model: {problem}"]


def test_helpers_that_are_lost_again_and_again_are_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        await mouth.voice.prepare(["dies", "dies", "dies", "Fire."])
        assert len(mouth.starts) == talker_voice.MAX_HELPERS
        assert await mouth.says("Fire.") == [False]

    ran(story)
    assert "espeak-ng says 4 of 4 sentences for the model: synthesis helper: killed by SIGKILL" in caplog.text


@pytest.mark.parametrize(("how", "problem"), [("refuses", "it is too big"), ("boasts", "no model has so many bytes")])
def test_a_model_that_does_not_load_is_tried_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, problem: str) -> None:
    mouth = Mouth(tmp_path)
    (tmp_path / "model" / how).touch()

    async def story() -> None:
        await mouth.voice.prepare(["Fire.", "Glass."])
        assert (len(mouth.starts), await mouth.says("Fire.")) == (1, [False])
        (tmp_path / "model" / how).unlink()
        await mouth.voice.prepare(["Fire.", "Glass."])
        assert await mouth.says("Fire.", "Glass.") == [True, True]

    ran(story)
    assert "espeak-ng says 2 of 2 sentences for the model: " in caplog.text
    assert problem in caplog.text


def test_without_a_model_or_room_for_it_the_stand_in_says_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mouth = Mouth(tmp_path, limits=None)
    monstrous = json.loads((tmp_path / "model" / "config.json").read_text())
    monstrous["thinker_config"]["text_config"]["vocab_size"] = 10**9

    async def story() -> None:
        shutil.move(tmp_path / "model", tmp_path / "elsewhere")
        await mouth.voice.prepare(["Fire."])
        assert await mouth.says("Fire.") == [False]
        shutil.move(tmp_path / "elsewhere", tmp_path / "model")
        (tmp_path / "model" / "model.safetensors").write_bytes(_header({"talker.": 3_324_596_480, "code2wav.": 216_016_577, **TABLE}))
        (tmp_path / "model" / "config.json").write_text(json.dumps(monstrous))
        await mouth.voice.prepare(["Fire."])
        assert mouth.starts == []
        assert mouth.voice.unrendered == 1

    ran(story)
    assert "there is no folder" in caplog.text
    assert "there is no room for the voice of" in caplog.text


TABLE = {"thinker.model.embed_tokens.": 2048 * 10**9}


def _header(shapes: dict[str, int]) -> bytes:
    entries = {f"{name}weight": {"dtype": "BF16", "shape": [number], "data_offsets": [0, 0]} for name, number in shapes.items()}
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header


def test_a_model_that_has_gone_says_nothing_any_more_and_one_with_nothing_to_say_is_not_looked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        await mouth.voice.prepare(["Fire."])
        assert await mouth.says("Fire.") == [True]
        shutil.move(tmp_path / "model", tmp_path / "elsewhere")
        caplog.clear()
        await mouth.voice.prepare([])
        assert (mouth.voice.unrendered, caplog.text) == (0, "")
        await mouth.voice.prepare(["Fire."])
        assert "espeak-ng says 1 of 1 sentences for the model: there is no folder" in caplog.text
        assert (mouth.voice.unrendered, await mouth.says("Fire.")) == (1, [False]), "as it says"

    ran(story)


def test_a_box_without_what_a_model_runs_on_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "torch.py").write_text('raise ImportError("torch is not installed")')
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    speaking(tmp_path / "model")
    voice = TalkerVoice(TalkerSettings(model=str(tmp_path / "model")), StandIn(), tmp_path / "omni", limits=QUICK)
    ran(lambda: voice.prepare(["Fire."]))
    assert "espeak-ng says 1 of 1 sentences for the model: torch is not installed" in caplog.text


def test_more_sentences_than_are_rendered_are_the_stand_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(talker_voice, "MAX_RENDERED", 2)
    monkeypatch.setattr(talker_voice, "MAX_KEPT", 3)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        await mouth.voice.prepare(["one", "two", "three"])
        assert await mouth.says("one", "two", "three") == [True, True, False]
        await mouth.voice.prepare(["one", "four"])
        await mouth.voice.prepare(["one", "five"])
        assert len(list((tmp_path / "omni").glob("*.wav"))) == 3
        assert await mouth.says("one", "five") == [True, True]

    ran(story)
    assert "espeak-ng says 1 of 3 sentences for the model: there are 3 sentences, and 2 are rendered at most" in caplog.text


def test_a_stand_in_that_is_not_installed_does_not_silence_the_model(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path, stand_in=StandIn(fault="espeak-ng is not installed"))

    async def story() -> None:
        with pytest.raises(SpeechFault, match="espeak-ng is not installed"):
            await mouth.voice.prepare(["Fire."])
        assert await mouth.says("Fire.") == [True]

    ran(story)


@pytest.mark.skipif(not shutil.which("aplay") or not SYSTEM.exists(), reason="apt-get install alsa-utils")
def test_a_rendering_is_played_in_its_length_by_the_player_of_all_announcements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = speaker(tmp_path, monkeypatch)
    player = ProgramVoice(SpeechSettings(device="speaker", folder=tmp_path / "kept"), tmp_path / "cache")
    mouth = Mouth(tmp_path)

    async def story() -> None:
        await mouth.voice.prepare(["Fire."])
        assert await player.play(await mouth.voice.utter("Fire."), "fire.wav") == ""

    ran(story)
    with wave.open(str(played)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(1.25, abs=0.1)
