"""Announcements through the real programs: espeak-ng speaks, aplay plays on a loudspeaker that is a file, or that never takes anything."""

import asyncio
import os
import shutil
import time
import wave
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.channels.speech import SpeechChannel, SpeechFault, SpeechSettings
from alerts.notification import Delivery, Notification, Outcome, notification_id
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from appliance import voice
from appliance.outbox import Outbox
from appliance.store.store import MEMORY, Store
from appliance.voice import ProgramVoice
from sensors.moment import NANOSECONDS, BootId, Moment
from sensors.news import Mute
from sensors.window import SensorId, ViewId

SYSTEM = Path("/usr/share/alsa/alsa.conf")
SPEAKER = """
<{system}>
pcm.speaker {{ type plug slave {{ pcm "speaker_file" format S16_LE channels 1 rate 16000 }} }}
pcm.speaker_file {{ type file file "{file}" format "wav" slave {{ pcm "null" }} }}
"""
RATE_HZ = 16_000
PHRASE = "Attention. Person in the press cell."

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("espeak-ng", "aplay"))) or not SYSTEM.exists(), reason="apt-get install espeak-ng alsa-utils"
)


def now() -> Moment:
    return Moment(utc=datetime.now(UTC), boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), boot_id=BootId("boot"))


def speaker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A loudspeaker called `speaker`, that writes down what it is given."""
    (folder / "asound.conf").write_text(SPEAKER.format(system=SYSTEM, file=folder / "played.wav"))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(folder / "asound.conf"))
    return folder / "played.wav"


def read(file: Path) -> NDArray[np.float32]:
    """A WAV at 16 kHz."""
    with wave.open(str(file)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        at = np.arange(0, len(samples), sound.getframerate() / RATE_HZ)
    return np.interp(at, np.arange(len(samples)), samples / 32768).astype(np.float32)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How alike two sounds are at best, whatever lies between their beginnings: 1 is the same."""
    size = 1 << (len(one) + len(other)).bit_length()
    product = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)))
    return float(product.max() / (np.linalg.norm(one) * np.linalg.norm(other)))


def note(summary: str, *, severity: Severity = Severity.HIGH, policy: str = "fire", number: int = 1, not_after: Moment | None = None) -> Notification:
    alert = Alert(
        id=AlertId(f"{number:026d}"), policy=PolicyId(policy), sensor=SensorId("hall"), view=ViewId("hall"), severity=severity,
        state=AlertState.ACTIVE, transition=1, opened=now(), changed=now(), by=JudgeKind.CUES, summary=summary,
    )  # fmt: skip
    return Notification(
        id=notification_id(alert, "speech"), channel="speech", change=Change.OPENED, alert=alert, created=now(), not_after=not_after
    )


@dataclass
class Mouth:
    """A speech channel with its own folders; and what it told those who hear it."""

    folder: Path
    device: str = "speaker"
    changes: dict[str, object] = field(default_factory=dict)
    mutes: list[Mute] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the channel."""
        plain = SpeechSettings(device=self.device, heard_by=(SensorId("hall"),), folder=self.folder / "kept")
        settings = replace(plain, **self.changes)  # type: ignore[arg-type]
        self.voice = ProgramVoice(settings, self.folder / "cache")
        self.channel = SpeechChannel(settings, self.voice, now=now, mute=lambda _hearers, mute: self.mutes.append(mute))

    @property
    def cached(self) -> list[Path]:
        return sorted((self.folder / "cache").glob("*.wav"))


def ran(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


def test_what_is_played_is_the_phrase_in_its_length_and_at_a_speaking_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = speaker(tmp_path, monkeypatch)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        mouth.channel.phrases({PolicyId("fire"): PHRASE})
        delivery = await mouth.channel.send(note("something else"))
        assert (delivery.outcome, delivery.reason) == (Outcome.DELIVERED, "")

    ran(story)
    spoken, heard = read(mouth.cached[0]), read(played)
    assert len(heard) / RATE_HZ == pytest.approx(len(spoken) / RATE_HZ, abs=0.2)
    assert 2 < len(heard) / RATE_HZ < 4
    loudest = max(float(np.sqrt(np.mean(block**2))) for block in np.array_split(heard, 20))
    assert 20 * np.log10(loudest) > -25
    assert likeness(heard, spoken) > 0.8
    other = asyncio.run(mouth.voice.utter("Glass has broken at the back door."))
    assert likeness(heard, read(other.file)) < 0.5  # so that the figure above says something


def test_phrases_are_spoken_before_they_are_needed_and_again_after_a_reload(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        running = asyncio.create_task(mouth.channel.run())
        mouth.channel.phrases({PolicyId("fire"): "Fire.", PolicyId("cell"): PHRASE})
        while len(mouth.cached) < 4:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)  # each, and each as a test says it
        mouth.channel.phrases({PolicyId("fire"): "Fire in the hall."})
        while len(mouth.cached) < 6:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        running.cancel()

    ran(story)


def test_words_that_are_wanted_several_times_at_once_are_spoken_once_and_whole(tmp_path: Path) -> None:
    mouth = Mouth(tmp_path)

    async def story() -> None:
        made = await asyncio.gather(*(mouth.voice.utter(PHRASE) for _ in range(4)))
        assert len(set(made)) == 1
        assert made[0].length.total_seconds() > 2

    ran(story)


def test_another_voice_or_rate_is_another_sound(tmp_path: Path) -> None:
    async def story() -> None:
        slow = await Mouth(tmp_path, changes={"rate": 100}).voice.utter(PHRASE)
        fast = await Mouth(tmp_path, changes={"rate": 300}).voice.utter(PHRASE)
        assert slow.length > 1.8 * fast.length
        german = await Mouth(tmp_path, changes={"language": "de"}).voice.utter(PHRASE)
        assert german.file not in (slow.file, fast.file)

    ran(story)


def test_those_who_hear_it_know_the_span_before_it_begins_and_its_true_end_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker(tmp_path, monkeypatch)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        before = now().boot_ns
        await mouth.channel.send(note(PHRASE))
        after = now().boot_ns
        planned, ended = mouth.mutes
        assert planned.number == ended.number
        assert planned.start_boot_ns == ended.start_boot_ns < after
        length_ns = (await mouth.voice.utter(PHRASE)).length.total_seconds() * NANOSECONDS
        assert planned.end_boot_ns > before + length_ns + 1.5 * NANOSECONDS
        assert ended.end_boot_ns == pytest.approx(after + 1.5 * NANOSECONDS, abs=0.5 * NANOSECONDS)  # this loudspeaker takes no time
        await mouth.channel.send(note("Another."))
        assert mouth.mutes[2].number != planned.number

    ran(story)


def test_the_same_words_are_said_once_within_a_minute_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker(tmp_path, monkeypatch)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        outcomes = [(await mouth.channel.send(note(text, number=n))).outcome for n, text in enumerate(("Fire", "Fire", "Smoke", "Fire"))]
        assert outcomes == [Outcome.DELIVERED, Outcome.REPEATED, Outcome.DELIVERED, Outcome.REPEATED]

    ran(story)


def test_what_somebody_wants_said_is_said_as_often_as_they_say_and_mutes_those_who_hear_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(tmp_path, monkeypatch)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        assert [await mouth.channel.say("The gate will be closed.") for _ in range(2)] == ["", ""]
        assert len(mouth.mutes) == 4
        with pytest.raises(SpeechFault, match="nothing in it that can be said"):
            await mouth.channel.say("[[\x00]]")

    ran(story)


def test_one_thing_at_a_time_is_said_for_somebody_so_that_alarms_need_not_wait_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "aplay", f"echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/over ]; do sleep 0.01; done")
    mouth = Mouth(tmp_path)

    async def story() -> None:
        first = asyncio.create_task(mouth.channel.say("The gate will be closed."))
        while not runs(tmp_path / "pid"):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)
        alarm = asyncio.create_task(mouth.channel.send(note("Fire")))
        with pytest.raises(SpeechFault, match="not over yet"):
            await mouth.channel.say("Lunch is ready.")
        (tmp_path / "over").touch()
        assert await first == ""
        assert (await alarm).outcome is Outcome.DELIVERED
        assert await mouth.channel.say("Lunch is ready.") == ""

    ran(story)


def test_without_a_sound_card_announcements_are_files_whose_paths_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    speaker(tmp_path, monkeypatch)
    monkeypatch.setattr(voice, "MAX_KEPT", 3)
    mouth = Mouth(tmp_path, device="nosuch")
    caplog.set_level("INFO")

    async def story() -> None:
        for number in range(5):
            sent = replace(note(f"Alarm {number}"), alert=replace(note(f"Alarm {number}").alert, transition=number))
            delivery = await mouth.channel.send(sent)
            assert delivery.outcome is Outcome.UNHEARD
            assert Path(delivery.reason.removeprefix("kept as ")).parent == tmp_path / "kept"

    ran(story)
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == 3
    assert all(len(read(file)) > RATE_HZ / 2 for file in kept)
    assert [record.message for record in caplog.records if "no sound card" in record.message] == [
        f"no sound card nosuch: aplay: main:831: audio open error: No such file or directory; announcements are kept as WAV files in {tmp_path}/kept"
    ]
    assert sum("announcement kept: " in record.message for record in caplog.records) == 5


def test_what_a_scene_says_is_read_out_and_never_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker(tmp_path, monkeypatch)
    mouth, evil = Mouth(tmp_path), tmp_path / "evil.wav"

    async def story() -> None:
        for number, text in enumerate((f"-w {evil}", f"$(touch {evil}) `touch {evil}`; touch {evil}", "<audio src='x'/>&\x00\ud800", "[[w]]" * 999)):
            assert (await mouth.channel.send(note(text, number=number))).outcome is Outcome.DELIVERED

    ran(story)
    assert not evil.exists()


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """A program of this name that is found before any other."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")


def runs(pid: Path) -> bool:
    """Whether the process whose number is in the file is there."""
    number = pid.read_text().strip() if pid.exists() else ""
    return bool(number) and Path(f"/proc/{number}").exists()


def test_a_player_that_hangs_is_ended_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "aplay", f"echo $$ > {tmp_path}/pid; exec sleep 600")
    monkeypatch.setattr(voice, "DEVICE_LATE", timedelta(seconds=0.3))
    mouth = Mouth(tmp_path)

    async def story() -> None:
        delivery = await mouth.channel.send(note("Fire"))
        assert (delivery.outcome, delivery.reason) == (Outcome.RETRY, "aplay on speaker did not end in time")
        assert not runs(tmp_path / "pid")
        assert len(mouth.mutes) == 2  # and nobody stays deaf

    ran(story)


def test_a_stop_in_the_middle_of_an_announcement_ends_the_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "aplay", f"echo $$ > {tmp_path}/pid; exec sleep 600")
    mouth = Mouth(tmp_path)

    async def story() -> None:
        sending = asyncio.create_task(mouth.channel.send(note("Fire")))
        while not runs(tmp_path / "pid"):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.wait({sending})
        assert not runs(tmp_path / "pid")

    ran(story)


BUSY = "aplay: main:831: audio open error: Device or resource busy"
FAULTS = [
    ("aplay", f"echo '{BUSY}' >&2; exit 1", f"aplay on speaker ended with 1: {BUSY}"),
    ("aplay", "echo 'write error: Input/output error' >&2; exit 1", "aplay on speaker ended with 1: write error: Input/output error"),
    ("espeak-ng", "exit 1", "espeak-ng with the voice en ended with 1: ; `espeak-ng --voices` lists those there are"),
    ("espeak-ng", "exit 0", "espeak-ng made nothing of a text"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_said_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, str, str]) -> None:
    name, script, reason = fault
    program(tmp_path, monkeypatch, name, script)

    async def story() -> None:
        delivery = await Mouth(tmp_path).channel.send(note("Fire"))
        assert delivery.outcome is Outcome.RETRY
        assert delivery.reason.startswith(reason)

    ran(story)


def test_without_the_engine_its_installation_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpeechFault, match="espeak-ng is not installed: apt-get install espeak-ng"):
        asyncio.run(Mouth(tmp_path).voice.utter("Fire"))


def test_a_voice_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpeechFault, match="with the voice xx ended with 1: Error: The specified espeak-ng voice does not exist"):
        asyncio.run(Mouth(tmp_path, changes={"language": "xx"}).voice.utter("Fire"))


def test_what_was_spoken_longest_ago_leaves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "MAX_CACHED", 3)
    mouth = Mouth(tmp_path)

    async def story() -> None:
        first = await mouth.voice.utter("one")
        for text in ("two", "three"):
            os.utime((await mouth.voice.utter(text)).file, (1, 1))
        await mouth.voice.utter("one")
        os.utime(first.file, (2, 2))
        await mouth.voice.utter("four")
        assert len(mouth.cached) == 3
        assert first.file.exists()

    ran(story)


def test_of_what_waits_the_most_urgent_is_said_first_one_at_a_time_and_what_is_stale_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(tmp_path, monkeypatch)
    mouth = Mouth(tmp_path)
    texts = {Severity.LOW: "Low.", Severity.HIGH: "High.", Severity.CRITICAL: "Critical.", Severity.MEDIUM: "Medium."}

    async def story() -> None:
        store, heard = await Store.open(MEMORY, now()), list[Delivery]()
        waiting = [note(text, severity=severity, number=n) for n, (severity, text) in enumerate(texts.items())]
        stale = note("Stale.", severity=Severity.CRITICAL, number=9, not_after=now().plus(timedelta(seconds=-1)))
        await store.commit([], [*waiting, stale])
        outbox = Outbox(store, {"speech": mouth.channel}, now, one_by_one=frozenset({"speech"}))
        running = asyncio.create_task(outbox.run(lambda _note, delivery: heard.append(delivery), lambda: None))
        assert await outbox.wait_drained(20)
        running.cancel()
        order = [int(delivery.notification[:26]) for delivery in heard if delivery.outcome is Outcome.DELIVERED]
        assert order == [2, 1, 3, 0]
        assert [int(delivery.notification[:26]) for delivery in heard if delivery.outcome is Outcome.EXPIRED] == [9]
        assert [mute.number for mute in mouth.mutes] == [1, 1, 2, 2, 3, 3, 4, 4]  # each has ended before the next begins

    ran(story)
