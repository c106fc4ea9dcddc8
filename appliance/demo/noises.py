"""What the hall sounds like: hum, press, bell, glass, a shout; each made from noise and sines. It knows times only from a timeline."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from appliance.demo.timeline import Act, Kind, Timeline

RATE_HZ = 16_000
Wave = npt.NDArray[np.float32]
Maker = Callable[[float, np.random.Generator], npt.NDArray[np.float64]]
"""Seconds and chance to a wave of about full scale."""


def sound(timeline: Timeline, seed: int, hum: float = 0.02, level: float = 1.0) -> Wave:
    """The sound of `timeline`: float32 in -1..1 at 16 kHz, mono. `hum` is the hall's own level, `level` that of the acts."""
    rng = np.random.default_rng(seed)
    wave = hall(timeline.length_s, rng) * hum
    for act in timeline.acts:
        maker, loud = NOISES.get(act.kind, (None, 0.0))
        if maker:
            _add(wave, act, maker(act.end_s - act.start_s, rng) * loud * level)
    return np.clip(wave, -1, 1).astype(np.float32)


def _add(wave: npt.NDArray[np.float64], act: Act, part: npt.NDArray[np.float64]) -> None:
    """Mix `part` in at the act's start; what lies outside the timeline is cut."""
    start = round(act.start_s * RATE_HZ)
    left, right = max(start, 0), min(start + len(part), len(wave))
    if right > left:
        wave[left:right] += part[left - start : right - start]


def _time(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(max(1, round(seconds * RATE_HZ))) / RATE_HZ


def _coloured(seconds: float, rng: np.random.Generator, low_hz: float, high_hz: float, *, slope: float = 0.0) -> npt.NDArray[np.float64]:
    """Noise between two frequencies, falling by f^-slope, of unit level."""
    n = len(_time(seconds))
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)
    spectrum *= f**-slope / ((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 4))
    wave = np.fft.irfft(spectrum, n)
    return np.asarray(wave / (np.std(wave) + 1e-9))


def hall(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Mains hum, fans and the press that thumps on every stroke; of about unit level."""
    t = _time(seconds)
    hum = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3, 4, 6))
    wave = 0.55 * hum + 0.6 * _coloured(seconds, rng, 60, 1800, slope=0.7)
    phase = rng.uniform(0, 0.2)
    for at in np.arange(1.08 + phase, seconds, 2.4):
        rest = t[: max(0, len(t) - round(at * RATE_HZ))][: RATE_HZ // 2]
        thump = np.exp(-rest * 14) * np.sin(2 * np.pi * (52 + 30 * np.exp(-rest * 25)) * rest) * 3.0
        first = round(at * RATE_HZ)
        wave[first : first + len(rest)] += thump
    return wave


def bell(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A mechanical alarm bell: a clapper that strikes a shell many times a second."""
    t, base, rate = _time(seconds), rng.uniform(750, 1250), rng.uniform(11, 17)
    since = (t * rate) % 1.0 / rate
    wave = np.zeros_like(t)
    for ratio, weight in ((1.0, 1.0), (1.63, 0.8), (2.41, 0.7), (3.37, 0.5), (4.55, 0.35)):
        wave += weight * np.sin(2 * np.pi * base * ratio * t + rng.uniform(0, 6)) * np.exp(-since * (6 + 4 * ratio))
    wave += 0.5 * np.exp(-since * 400) * rng.standard_normal(len(t))
    edge = np.minimum(1, np.minimum(t, seconds - t) / 0.03)
    return wave / 2.2 * edge


def glass(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A pane that breaks: a crash, then pieces that ring as they settle."""
    t = _time(seconds)
    wave = np.exp(-t * rng.uniform(14, 24)) * _coloured(seconds, rng, 1500, 7500) * 0.7
    strikes = np.concatenate([np.zeros(5), rng.exponential(0.22, 26)])
    for at in strikes[strikes < seconds - 0.05]:
        first = round(at * RATE_HZ)
        rest = t[: len(t) - first]
        weight = 0.32 * np.exp(-at * 2.2) * rng.uniform(0.4, 1.0)
        for hz in rng.uniform(2600, 7400, 3):
            wave[first:] += weight * np.sin(2 * np.pi * hz * rest) * np.exp(-rest * rng.uniform(16, 40))
    return wave


def shout(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A raised voice that calls "hey": a strained tone that rises and falls through two vowels."""
    t = _time(seconds)
    u = t / max(seconds, 1e-6)
    pitch = rng.uniform(190, 330) * (1 + 0.28 * np.sin(np.pi * np.minimum(1, 1.25 * u)) + 0.015 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    first, second = 760 - 330 * u, 1750 + 450 * u
    wave = np.zeros_like(t)
    for k in range(1, 17):
        f = k * pitch
        gain = 1 / (1 + ((f - first) / 140) ** 2) + 0.6 / (1 + ((f - second) / 210) ** 2) + 0.25 / (1 + ((f - 3000) / 320) ** 2)
        wave += gain * np.sin(k * phase) * (f < RATE_HZ / 2)
    breath = np.exp(-t * 26) * _coloured(seconds, rng, 900, 5000) * 0.5
    return (wave / 1.6 + breath) * np.minimum(1, np.minimum(t / 0.05, (seconds - t) / 0.16))


def clank(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A steel part that drops: a dull blow with low ringing, and one bounce."""
    t = _time(seconds)
    wave = np.zeros_like(t)
    for at, weight in ((0.0, 0.8), (rng.uniform(0.12, 0.3), 0.4)):
        first = round(at * RATE_HZ)
        rest = t[: max(0, len(t) - first)]
        for hz in rng.uniform(220, 1100, 4):
            wave[first:] += weight * 0.4 * np.sin(2 * np.pi * hz * rest) * np.exp(-rest * rng.uniform(9, 22))
        wave[first:] += weight * np.exp(-rest * 60) * _coloured(seconds, rng, 150, 2500)[: len(rest)]
    return wave


def motor(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """An electric forklift that passes: a whine that swells and fades, and rolling."""
    t = _time(seconds)
    near = np.exp(-(((t - seconds / 2) / (0.3 * seconds)) ** 2))
    pitch = rng.uniform(300, 420) * (1 + 0.05 * np.tanh((seconds / 2 - t) * 2))
    whine = np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ) + 0.4 * np.sin(4 * np.pi * np.cumsum(pitch) / RATE_HZ)
    return np.asarray(near * (0.35 * whine + 0.5 * _coloured(seconds, rng, 60, 700, slope=0.5)))


def rumble(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A sliding door: rollers while it moves, a dull stop at each end."""
    t = _time(seconds)
    moves = ((t < 1) | (t > seconds - 1)).astype(np.float64)
    stop = np.exp(-np.abs(t - 1) * 30) + np.exp(-np.abs(t - seconds + 0.05) * 30)
    return np.asarray((moves * 0.4 + stop) * _coloured(seconds, rng, 50, 420, slope=0.3))


def crackle(seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Fire: a soft roar with small snaps."""
    snaps = (rng.random(len(_time(seconds))) < 12 / RATE_HZ) * rng.uniform(0.3, 1, len(_time(seconds)))
    kernel = np.exp(-np.arange(160) / 24.0) * rng.standard_normal(160)
    return 0.35 * _coloured(seconds, rng, 80, 500, slope=0.5) + np.convolve(snaps, kernel)[: len(snaps)]


NOISES: dict[Kind, tuple[Maker, float]] = {
    Kind.BELL: (bell, 0.30),
    Kind.GLASS: (glass, 0.42),
    Kind.SHOUT: (shout, 0.34),
    Kind.CLANK: (clank, 0.30),
    Kind.FORKLIFT: (motor, 0.10),
    Kind.DOOR: (rumble, 0.06),
    Kind.FLAME: (crackle, 0.05),
}
"""Who makes the noise of a kind of act, and how loud it is in the demo (1 is full scale)."""
