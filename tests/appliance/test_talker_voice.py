"""A model's voice in the box: what is rendered and kept, what espeak-ng says instead, and helpers that die, hang or lie."""

import asyncio
import json
import shutil
import wave
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.channels.speech import DEVICE_LATE, EARLY, SpeechChannel, SpeechFault, SpeechSettings, Utterance
from alerts.notification import Outcome
from analyzers.policy import PolicyId
from analyzers.synthesis import RATE_HZ, Speaker, TalkerSettings
from appliance import talker_voice
from appliance.config.configuration import load
from appliance.talker_helper import Limits
from appliance.talker_voice import TalkerVoice
from appliance.voice import ProgramVoice
from appliance.watch import NOTHING
from appliance.wiring import new_telling
from sensors.moment import NANOSECONDS
from sensors.news import Mute
from tests.analyzers.husk import speaking
from tests.appliance.test_voice import SYSTEM, note, now, speaker

SCRIPTED = "tests.appliance.scripted_talker"
QUICK = Limits(loading=timedelta(seconds=20), line=timedelta(seconds=20))


@dataclass
class StandIn:
    """Says everything, as a file that is named after it."""

    prepared: list[str] = field(default_factory=list)
    fault: str = ""

    async def prepare(self, texts: object) -> None:
        self.prepared.extend(texts)  # type: ignore[call-overload]
        if self.fault:
            raise SpeechFault(self.fault)

    async def utter(self, text: str) -> Utterance:
        return Utterance(file=Path(text), length=timedelta(seconds=1))

    async def play(self, utterance: Utterance, name: str) -> str:
        return f"{name} of {utterance.length.total_seconds():g} s"


@dataclass
class Mouth:
    """A model's voice whose model is a script."""

    folder: Path
    speaker: Speaker = Speaker.ETHAN
    limits: Limits | None = QUICK
    stand_in: StandIn = field(default_factory=StandIn)

    def __post_init__(self) -> None:
        """Make the voice."""
        if not (self.folder / "model").exists():
            speaking(self.folder / "model")
        settings = TalkerSettings(model=str(self.folder / "model"), speaker=self.speaker)
        self.voice = TalkerVoice(settings, self.stand_in, self.folder / "omni", limits=self.limits, module=SCRIPTED)

    @property
    def starts(self) -> list[int]:
        """The helpers that there have been."""
        log = self.folder / "model" / "starts"
        return list(map(int, log.read_text().split())) if log.exists() else []

    async def says(self, *texts: str) -> list[bool]:
        """Which of these the model says."""
        return [(await self.voice.utter(text)).file.parent == self.folder / "omni" for text in texts]


def ran(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


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


def runs(pid: int) -> bool:
    """Whether it does anything: one that has ended may not have been asked yet how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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


TABLE = {"thinker.model.embed_tokens.": 2048 * 10**9}


def _header(shapes: dict[str, int]) -> bytes:
    entries = {f"{name}weight": {"dtype": "BF16", "shape": [number], "data_offsets": [0, 0]} for name, number in shapes.items()}
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header


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


def test_other_phrases_are_begun_with_in_the_middle_of_those_before(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path)
    channel = SpeechChannel(SpeechSettings(), mouth.voice, now=now, mute=lambda *_: None)

    async def story() -> None:
        running = asyncio.create_task(channel.run())
        channel.phrases({PolicyId("fire"): "hangs"})
        while not mouth.starts:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)
        channel.phrases({PolicyId("fire"): "Fire."})
        while await mouth.says("Fire.", "Test. Fire.") != [True, True]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        while any(map(runs, mouth.starts)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)

    ran(story)


class SlowToStop(StandIn):
    """Takes its time to leave what it does, as a helper with gigabytes to give back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stopping, self.may_stop = asyncio.Event(), asyncio.Event()

    async def prepare(self, texts: object) -> None:
        self.prepared.extend(texts)  # type: ignore[call-overload]
        try:
            await asyncio.Event().wait()
        finally:
            self.is_stopping.set()
            await self.may_stop.wait()


def test_a_stop_while_other_phrases_are_begun_with_stops(tmp_path: Path) -> None:
    async def story() -> None:
        voice = SlowToStop()
        channel = SpeechChannel(SpeechSettings(folder=tmp_path), voice, now=now, mute=lambda *_: None)
        running = asyncio.create_task(channel.run())
        channel.phrases({PolicyId("fire"): "Fire."})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        channel.phrases({PolicyId("fire"): "It burns."})
        await voice.is_stopping.wait()
        running.cancel()
        voice.may_stop.set()
        done, _ = await asyncio.wait({running}, timeout=5)
        assert done, "or the box would not end"
        assert running.cancelled()

    ran(story)


def test_a_stop_in_the_middle_of_a_sentence_ends_the_helper(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        preparing = asyncio.create_task(mouth.voice.prepare(["hangs"]))
        while not mouth.starts:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)
        preparing.cancel()
        await asyncio.wait({preparing})
        while any(map(runs, mouth.starts)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)

    ran(story)


BOX = """\
site: plant
box: hall
timezone: Europe/Berlin
state: ./state
sensors:
  mic: {source: mic:default}
policies:
  - {id: fire, ask: Does it burn?, sensors: [mic], severity: high, say: Fire., fallback: {onset: 20}}
notify:
  speech: {engine: omni, model: talking, voice: chelsie, device: nosuch, folder: kept}
"""


def test_from_the_configuration_to_a_file_that_a_real_talker_has_spoken(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from tests.analyzers import tiny_talker  # noqa: PLC0415

    if not all(map(shutil.which, ("espeak-ng", "aplay"))):
        pytest.skip("apt-get install espeak-ng alsa-utils")
    tiny_talker.save(tmp_path / "talking")
    (tmp_path / "box.yaml").write_text(BOX)
    configuration = load(tmp_path / "box.yaml")

    async def story() -> None:
        mutes: list[Mute] = []
        telling = new_telling(configuration, now, linked=lambda _: None, mute=lambda _, mute: mutes.append(mute))
        telling.configure(configuration, NOTHING)
        assert telling.speech
        assert telling.talker
        running = asyncio.create_task(telling.speech.run())
        while telling.talker.unrendered or len(list((tmp_path / "state/speech/omni").glob("*.wav"))) < 2:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.02)
        delivery = await telling.speech.send(note("Does it burn?"))
        assert delivery.outcome is Outcome.UNHEARD
        running.cancel()
        await asyncio.wait({running})
        (kept,) = (tmp_path / "kept").iterdir()
        with wave.open(str(kept)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE_HZ)
            length_s = sound.getnframes() / RATE_HZ
            assert any(sound.readframes(sound.getnframes()))
        around_s = (EARLY + DEVICE_LATE).total_seconds() + 1.5
        assert (mutes[0].end_boot_ns - mutes[0].start_boot_ns) / NANOSECONDS == pytest.approx(length_s + around_s, abs=0.01)

    asyncio.run(asyncio.wait_for(story(), 60))
