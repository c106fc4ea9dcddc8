"""The doctor's look at announcements and at people: a phrase is spoken into a file, the loudspeaker is opened with silence, Apprise reads each URL.

Nobody hears or is sent anything.
"""

import asyncio
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from alerts.announcement import spoken
from alerts.channels.people import INSTALL, LIMIT_S, PersonSettings, ask_helper, without
from alerts.channels.speech import Engine, SpeechFault, SpeechSettings, Utterance
from analyzers.omni.beside import Plans
from analyzers.omni.folder import ModelError
from analyzers.omni.talker_plan import plan_beside
from appliance.doctor.finding import Finding, Health
from appliance.voice import ProgramVoice

SILENCE = timedelta(seconds=0.1)
RATE_HZ = 16_000


def try_speech(speech: SpeechSettings, phrase: str) -> Iterator[Finding]:
    """The engine with a phrase, and the loudspeaker with a moment of silence."""
    with tempfile.TemporaryDirectory() as folder:
        voice = ProgramVoice(replace(speech, folder=Path(folder)), Path(folder) / "cache")
        try:
            length = asyncio.run(voice.utter(spoken(phrase))).length.total_seconds()
            yield Finding(what="speech", health=Health.OK, says=f'{Engine.ESPEAK} ({speech.language}) says "{phrase}" in {length:.1f} s')
        except SpeechFault as fault:
            yield Finding(what="speech", health=Health.FAILURE, says=str(fault), do="until then nothing is said aloud; other channels go on")
        yield _loudspeaker(voice, speech, Path(folder) / "silence.wav")


def try_voice(speech: SpeechSettings, judge: Callable[[], Plans | None]) -> Iterator[Finding]:
    """The model that speaks: whether it is there, and fits beside what the judge takes. It is not loaded."""
    if speech.model is None:
        return
    try:
        planned = plan_beside(speech.model, speech.speaker, judge)
        yield Finding(what="voice", health=Health.OK, says=f"{speech.speaker}, {planned}")
    except ModelError as error:
        yield Finding(what="voice", health=Health.WARNING, says=str(error), do="until then espeak-ng says everything")


def _loudspeaker(voice: ProgramVoice, speech: SpeechSettings, file: Path) -> Finding:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(bytes(2 * round(RATE_HZ * SILENCE.total_seconds())))
    try:
        kept = asyncio.run(voice.play(Utterance(file=file, length=SILENCE), "kept.wav"))
    except SpeechFault as fault:
        return Finding(what="loudspeaker", health=Health.WARNING, says=str(fault), do="announcements are tried again until they are too old")
    if kept:
        says = f"{speech.device} cannot be opened: announcements are kept as files in {speech.folder}"
        return Finding(what="loudspeaker", health=Health.WARNING, says=says, do="`aplay -L` lists devices; add the user to the group audio")
    return Finding(what="loudspeaker", health=Health.OK, says=f"{speech.device} plays")


def try_people(people: tuple[PersonSettings, ...]) -> Iterator[Finding]:
    """Whether Apprise is there, and knows each URL."""
    for person in people:
        answer = asyncio.run(ask_helper({"url": person.url.reveal()}, LIMIT_S))
        if answer.outcome == "delivered":
            yield Finding(what=person.name, health=Health.OK, says=f"{answer.reason}; nothing was sent")
        else:
            do = INSTALL if "not installed" in answer.reason else "https://appriseit.com says how its URL is written"
            yield Finding(what=person.name, health=Health.FAILURE, says=without(person.url, answer.reason), do=do)
