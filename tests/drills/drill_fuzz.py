"""A million bent inputs through every door of the box, and thousands of bent recordings into real sensor processes: `scripts/drills fuzz`."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from sensors.news import SensorCondition
from tests.drills.fuzz import feed, kinds
from tests.sensors.harness import REPLAY, Scene, record, running, settings_for

COUNT = 1_000_000
CONFIGURATIONS = 10_000
"""Of these: they take a thousand times as long as a datagram."""
FILES = 500
LONGEST_S = 20.0
SUFFIXES = (".mp4", ".ts", ".mkv", ".wav")


@pytest.mark.timeout(0)
@pytest.mark.drill(
    32, "fuzz",
    done="Bent inputs, from a seed: what sensors and judges say and are told, orders to the box and its answers, configurations",
    sees="each is taken or refused with a reason; none ends the supervisor, none takes longer than 1 s",
)  # fmt: skip
def test_bent_inputs(tmp_path: Path, request: pytest.FixtureRequest, measured: dict[str, str | int | float]) -> None:
    count, seed = request.config.getoption("count") or COUNT, request.config.getoption("seed")
    every = kinds(tmp_path)
    few = min(CONFIGURATIONS, count // 10)
    shares = dict.fromkeys(every, (count - few) // (len(every) - 1)) | {"configurations": few}
    total: Counter[str] = Counter()
    slowest_s = 0.0
    for name, kind in every.items():
        tally = feed(kind, shares[name], seed)
        total.update(tally.outcomes)
        slowest_s = max(slowest_s, tally.slowest_s)
        measured[name] = ", ".join(f"{number} {outcome}" for outcome, number in sorted(tally.outcomes.items()))
    measured.update({"in all": total.total(), "slowest, s": round(slowest_s, 2), "seed": seed})


@pytest.mark.timeout(0)
@pytest.mark.drill(
    33, "fuzz-recordings",
    done="Recordings (MP4, MPEG-TS, Matroska, WAV) with bits flipped, parts cut out, zeroed or doubled, each into a real sensor process",
    sees="each is played, or its sensor is lost with a reason; a process that dies of it is counted and nothing else notices",
)  # fmt: skip
def test_bent_recordings(tmp_path: Path, request: pytest.FixtureRequest, measured: dict[str, str | int | float]) -> None:
    count, seed = request.config.getoption("count") or FILES, request.config.getoption("seed")
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    scene = Scene(seconds=3, at_s=(1.0,))
    good = {suffix: record(tmp_path / f"good{suffix}", scene, picture=suffix != ".wav", sound=True).read_bytes() for suffix in SUFFIXES[:3]}
    good[".wav"] = record(tmp_path / "good.wav", Scene(seconds=3, at_s=(1.0,), sound_codec="pcm_s16le"), picture=False).read_bytes()
    total: Counter[str] = Counter()
    slowest_s = 0.0
    for number in range(count):
        suffix = SUFFIXES[number % len(SUFFIXES)]
        file = tmp_path / f"bent{suffix}"
        file.write_bytes(damaged(good[suffix], chance))
        began = time.monotonic()
        total[outcome(file, tmp_path, f"file {number} of seed {seed}")] += 1
        slowest_s = max(slowest_s, time.monotonic() - began)
    measured.update({**dict(sorted(total.items())), "files": count, "slowest with the process's start, s": round(slowest_s, 1), "seed": seed})


def damaged(good: bytes, chance: random.Random) -> bytes:
    """A recording as a dying card would give it back."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 3, 10, 100))):
        at, length = chance.randrange(len(data)), chance.choice((1, 4, 64, 1024))
        match chance.randrange(6):
            case 0:
                del data[at:]
            case 1:
                data[at : at + length] = b"\0" * length
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at : at + length] = chance.randbytes(length)
            case _:
                data[at] ^= 1 << chance.randrange(8)
        if not data:
            return b"\0"
    return bytes(data)


def outcome(file: Path, folder: Path, what: str) -> str:
    """What becomes of a recording in a sensor process. AssertionError where nothing does within a time."""
    with running(settings_for(f"file:{file}", replay=REPLAY), folder) as sensor:
        try:
            sensor.read_until(lambda: bool(sensor.news) and sensor.news[-1].condition in (SensorCondition.ENDED, SensorCondition.LOST), LONGEST_S)
        except AssertionError as error:
            if not str(error).startswith("it ended with"):
                raise AssertionError(f"{what}: {error}") from None
            return f"died ({sensor.process.returncode})"
        last = sensor.news[-1]
        return "played" if last.condition is SensorCondition.ENDED else f"lost ({last.reason})"
