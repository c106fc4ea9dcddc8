"""The cues of sound, on made-up sounds whose place and level are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.cues import Cues
from sensors.sight_cues import SightReading
from sensors.sound_cues import BLOCK, SILENT_DBFS, SoundMeter, SoundReading
from sensors.summary import summarise
from sensors.window import ViewId

RATE_HZ = 16_000
Sound = NDArray[np.float32]


def noise(seconds: float, dbfs: float, seed: int = 1) -> Sound:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))
    return np.asarray(samples * 10 ** (dbfs / 20), np.float32)


def sine(seconds: float, dbfs: float, hertz: float) -> Sound:
    """`dbfs` is its RMS."""
    return np.asarray(np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ), np.float32)


def decaying(peak_dbfs: float, reverberation_s: float) -> Sound:
    """A bang in a room: 60 dB down after `reverberation_s`."""
    fall = 10 ** (-3 * np.arange(round(1.5 * RATE_HZ)) / RATE_HZ / reverberation_s)
    return (noise(1.5, peak_dbfs, seed=2) * fall).astype(np.float32)


def typing(seconds: float, peak_dbfs: float) -> Sound:
    """Eight keystrokes a second at uneven times, each a click of 10 ms."""
    random = np.random.default_rng(3)
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    click = noise(0.04, peak_dbfs, seed=4) * np.exp(-np.arange(640) / 100).astype(np.float32)
    for stroke in random.uniform(0, seconds - 0.05, round(8 * seconds)):
        at = round(stroke * RATE_HZ)
        samples[at : at + 640] += click
    return samples


def over(background: Sound, sound: Sound, at_s: float) -> Sound:
    mixed = background.copy()
    at = round(at_s * RATE_HZ)
    mixed[at : at + len(sound)] += sound[: len(mixed) - at]
    return mixed


def listen(samples: Sound, meter: SoundMeter | None = None, start_ns: int = 0) -> list[SoundReading]:
    meter = meter or SoundMeter()
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return [meter.hear(block, start_ns + number * 100_000_000) for number, block in enumerate(blocks)]


def onset(readings: list[SoundReading], start_s: float, end_s: float) -> float:
    return max(reading.onset for reading in readings[round(start_s * 10) : round(end_s * 10)])


def test_loudness_is_rms_in_dbfs() -> None:
    assert listen(sine(1, -20.0, 1000))[5].loud == pytest.approx(-20.0, abs=0.1)
    assert listen(np.zeros(RATE_HZ, np.float32))[5].loud == SILENT_DBFS


@pytest.mark.parametrize("reverberation_s", [0.4, 1.0])
def test_a_bang_over_a_quiet_room_is_an_onset(reverberation_s: float) -> None:
    readings = listen(over(noise(30, -55), decaying(-6, reverberation_s), 20))
    assert onset(readings, 0, 20) < 3
    assert onset(readings, 20, 21) > 15
    assert onset(readings, 21.8, 30) < 3


def test_a_bang_in_the_rain_is_measured_against_the_rain() -> None:
    quiet = onset(listen(over(noise(30, -50), decaying(-10, 0.8), 20)), 20, 21)
    rainy = onset(listen(over(noise(30, -30), decaying(-10, 0.8), 20)), 20, 21)
    assert 3 < rainy < quiet - 10


@pytest.mark.parametrize("floor_dbfs", [-75, -55, -42])
def test_typing_is_no_onset_though_its_peaks_are_loud(floor_dbfs: float) -> None:
    readings = listen(over(noise(30, floor_dbfs), typing(10, -18), 15))
    assert max(np.abs(over(noise(30, floor_dbfs), typing(10, -18), 15))) > 0.3
    assert max(reading.loud for reading in readings) > -35
    assert onset(readings, 0, 30) < 5


def test_a_beep_that_fills_one_band_is_no_onset() -> None:
    assert onset(listen(over(noise(20, -45), sine(0.5, -20, 2500), 10)), 0, 20) < 3


def test_what_swells_over_seconds_is_no_onset() -> None:
    swell = noise(30, 0) * (10 ** (np.interp(np.arange(30 * RATE_HZ) / RATE_HZ, [10, 20], [-55, -25]) / 20)).astype(np.float32)
    assert onset(listen(swell), 0, 30) < 6


def test_nothing_below_hearing_is_an_onset_however_quiet_the_room() -> None:
    assert onset(listen(over(noise(20, -85), decaying(-55, 1.0), 10)), 0, 20) == 0.0


def test_a_gap_in_the_sound_is_no_onset() -> None:
    meter = SoundMeter()
    listen(noise(10, -60), meter)
    assert onset(listen(noise(5, -20), meter, start_ns=60_000_000_000), 0, 5) < 3


def test_a_bell_is_a_tone_and_neither_noise_nor_a_bang_is() -> None:
    bell = sine(3, -25, 880) + sine(3, -30, 2350)
    readings = listen(over(over(noise(30, -45), bell, 10), decaying(-10, 0.6), 20))
    assert np.mean([reading.tone for reading in readings[108:130]]) > 0.8
    assert max(reading.tone for reading in readings[:98]) < 0.1
    assert max(reading.tone for reading in readings[140:]) < 0.2


def test_the_hum_of_a_machine_is_learnt_to_belong_to_the_place() -> None:
    readings = listen(np.tile(noise(50, -50) + sine(50, -30, 500), 22))
    assert readings[20].tone > 0.8
    assert readings[-1].tone < 0.2


def test_digital_silence_counts_equal_samples_and_a_quiet_room_is_none() -> None:
    meter = SoundMeter()
    assert listen(noise(5, -90), meter)[-1].digital_silence_s == 0.0
    stuck = listen(np.full(3 * RATE_HZ, 0.01, np.float32), meter, start_ns=5_000_000_000)
    assert stuck[-1].digital_silence_s == pytest.approx(3.0)
    assert stuck[-1].loud == pytest.approx(SILENT_DBFS)
    assert listen(noise(1, -90), meter, start_ns=8_000_000_000)[0].digital_silence_s == 0.0


def test_silence_is_far_below_the_sites_own_floor() -> None:
    readings = listen(np.concatenate((noise(120, -40), noise(20, -62))))
    assert max(reading.silence_s for reading in readings[:1200]) == 0.0
    assert readings[-1].silence_s == pytest.approx(20.0, abs=0.2)
    assert max(reading.silence_s for reading in listen(noise(80, -62))) == 0.0


def test_broken_samples_break_no_meter() -> None:
    meter = SoundMeter()
    bad = np.full(BLOCK, np.nan, np.float32)
    bad[::2] = np.inf
    for reading in [meter.hear(bad, 0), *listen(noise(2, -40), meter, start_ns=100_000_000)]:
        assert all(np.isfinite([reading.loud, reading.onset, reading.tone, reading.energy]))


def test_a_block_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1600"):
        SoundMeter().hear(np.zeros(800, np.float32), 0)


HALL = ViewId("hall")


def seen(at_ns: int, motion: float, changed: float) -> SightReading:
    return SightReading(
        view=HALL, at_ns=at_ns, motion=motion, motion_at=None, changed=changed, changed_at=None, dark=0.5, covered=0.1, frozen_s=1.0, moved=0.0
    )


def heard(at_ns: int, onset_db: float, tone: float, energy: float) -> SoundReading:
    return SoundReading(at_ns=at_ns, loud=-30.0 - onset_db, onset=onset_db, tone=tone, energy=energy, silence_s=0.5, digital_silence_s=0.0)


def test_a_summary_takes_the_most_motion_and_the_last_change() -> None:
    cues = summarise([seen(0, 0.0, 0.3), seen(1, 0.2, 0.1), seen(2, 0.1, 0.0)], [])
    assert (cues.motion, cues.changed, cues.dark, cues.covered, cues.frozen, cues.moved) == (0.2, 0.0, 0.5, 0.1, 1.0, 0.0)
    assert (cues.loud, cues.onset, cues.tone, cues.silence, cues.digital_silence) == (None,) * 5


def test_a_summary_weighs_tone_by_energy() -> None:
    cues = summarise([], [heard(0, 9.0, 1.0, 0.003), heard(1, 2.0, 0.0, 0.001)])
    assert (cues.loud, cues.onset, cues.tone, cues.silence) == (-32.0, 9.0, 0.75, 0.5)
    assert cues.motion is None


def test_a_summary_of_nothing_has_no_cues() -> None:
    assert summarise([], []) == Cues()
