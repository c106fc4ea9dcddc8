"""A model's voice as the way of announcements: reloads and stops in the middle, and all the way from a configuration to a file."""

import asyncio
import shutil
import wave
from pathlib import Path

import pytest

from alerts.channels.speech import DEVICE_LATE, EARLY, SpeechChannel, SpeechSettings
from alerts.notification import Outcome
from analyzers.policy import PolicyId
from analyzers.synthesis import RATE_HZ
from appliance.config.configuration import load
from appliance.watch import NOTHING
from appliance.wiring import new_telling
from sensors.moment import NANOSECONDS
from sensors.news import Mute
from tests.appliance.mouth import Mouth, StandIn, ran, runs
from tests.appliance.test_voice import note, now


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
