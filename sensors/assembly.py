"""Assembly: frames and sound, as they come, become pairs in slots and windows of pairs. It opens nothing and knows no source.

Time is in what it is given. A pair is finished once both senses have passed its end, or one of them is so far ahead of the other
that the other will not come. A pair without a free slot is dropped and counted, unless this is a replay: then the slot is waited for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensors.grid import Grid
from sensors.holds import Holds
from sensors.moment import NANOSECONDS, Moment
from sensors.mute import OwnVoice
from sensors.picture import Frame, cropped, fitted, masked
from sensors.preview import Preview
from sensors.previewer import Previewer
from sensors.readings import Readings
from sensors.sampler import Sampled, Sampler
from sensors.settings import FRAMES_A_PAIR, SAMPLE_RATE_HZ, SensorSettings
from sensors.slots import SlotLayout, Slots
from sensors.window import Sense, View, ViewId, Window, WindowId

GRACE_NS = 2 * NANOSECONDS
"""How far one sense may be ahead of the other before that one is taken to be missing."""
MAX_FILL = SAMPLE_RATE_HZ // 10
"""A hole in the sound of up to 100 ms is filled with silence, also at a source's very beginning and end."""
SNAP = SAMPLE_RATE_HZ // 100
"""Sound that is up to 10 ms off its place goes on where it was: rounded times must not click."""
MOST_OWN_VOICE = 0.5
"""A window whose sound is the box's own voice for a larger share has not heard enough of the place."""


@dataclass(slots=True)
class _Pair:
    """A pair in the making, or kept for windows to come."""

    number: int
    slot: int
    frames: int = 0
    samples: int = 0
    own_voice: int = 0
    """Samples that were muted."""
    shapes: dict[ViewId, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class AssemblyFigures:
    """Totals since the process started."""

    frames: int = 0
    pairs: int = 0
    windows: int = 0
    jumps: int = 0
    dropped_pairs: int = 0
    last_frame_ns: int = 0
    last_sound_ns: int = 0
    level_dbfs: float = -120.0


class Assembly:
    """One sensor's assembly. `begin` before anything of a new opening is given to it."""

    def __init__(
        self, settings: SensorSettings, slots: Slots, *, holds: Holds, moment: Callable[[int], Moment], out: Callable[[Window | Preview], None]
    ) -> None:
        """`moment` turns the sensor's time into moments; `out` is given each window, and what the previewer makes."""
        self.figures = AssemblyFigures()
        self._settings = settings
        self._grid = Grid(shape=settings.window)
        self._layout: SlotLayout = slots.layout
        self._slots = slots
        self._holds = holds
        self._moment = moment
        self._out = out
        self.own_voice = OwnVoice()
        self.previewer = Previewer(settings.sensor, settings.masks, out)
        self.epoch = 0
        self._senses: frozenset[Sense] = frozenset()
        self._zones = {zone.view: zone for zone in settings.zones}
        self._readings = Readings(settings)
        self._reset()

    def begin(self, senses: frozenset[Sense]) -> None:
        """A source has been opened, with these senses: a new epoch."""
        for pair in self._pairs.values():
            self._holds.drop(pair.slot)
        self.epoch += 1
        self._senses = senses
        self._reset()

    def jumped(self) -> None:
        """The source's clock jumped: what comes is of a new epoch, with the same senses."""
        self.figures.jumps += 1
        self.begin(self._senses)

    def _reset(self) -> None:
        self._pairs: dict[int, _Pair] = {}
        self._skipped: set[int] = set()
        self._next_pair: int | None = None
        self._sampler = Sampler(self._grid)
        self._sight_ns = self._sound_ns = 0
        self._sample: int | None = None
        self._readings.begin()

    # Sight.

    def picture(self, at_ns: int, frame: Frame) -> None:
        """A frame, at a time of the sensor."""
        self.figures.frames += 1
        self.figures.last_frame_ns = at_ns
        self._readings.see(at_ns, frame)
        self.previewer.see(at_ns, frame)
        self._place(self._sampler.see(at_ns, frame))
        self._sight_ns = max(self._sight_ns, at_ns)
        self._finish()

    def _place(self, sampled: Iterable[Sampled]) -> None:
        """Give instants their frames, and finish what is whole by then."""
        for each in sampled:
            self._place_frame(each.instant, each.frame)
            self._sight_ns = self._grid.instant_ns(each.instant)
            self._finish()

    def _place_frame(self, instant: int, frame: Frame) -> None:
        number, place = self._grid.pair_of(instant)
        pair = self._pair(number)
        if pair is None:
            return
        picture = masked(frame.rgb(), self._settings.masks)
        for view in self._layout.views:
            zone = self._zones.get(view)
            part = fitted(cropped(picture, zone) if zone else picture, self._layout.longest_side)
            height, width = part.shape[:2]
            if pair.shapes.setdefault(view, (height, width)) != (height, width):
                return  # a camera that changes its size between the frames of a pair: the pair stays without a picture
            self._slots.frames(pair.slot, view, height, width)[place] = part
        pair.frames += 1

    # Sound.

    def sound(self, at_ns: int, samples: NDArray[np.float32]) -> None:
        """Samples, mono 16 kHz, of which the first is at a time of the sensor."""
        place = self._grid.sample_at(at_ns)
        if self._sample is None or place - self._sample > MAX_FILL:
            missing = place % self._grid.samples
            self._sample = place if self._sample is not None or missing > MAX_FILL else place - missing
            self._readings.break_off()
        if place - self._sample > SNAP:
            samples = np.concatenate([np.zeros(place - self._sample, np.float32), samples])
        elif self._sample - place > SNAP:
            samples = samples[self._sample - place :]
        self._store_sound(samples)

    def _store_sound(self, samples: NDArray[np.float32]) -> None:
        """Write samples to where they belong, pair by pair."""
        per_pair = self._grid.samples
        while len(samples) and self._sample is not None:
            number, offset = divmod(self._sample, per_pair)
            some, own = self.own_voice.taken_out(self._sample, samples[: per_pair - offset])
            pair = self._pair(number)
            if pair is not None:
                self._slots.sound(pair.slot)[offset : offset + len(some)] = some
                pair.samples += len(some)
                pair.own_voice += int(own.sum())
            self._sample += len(some)
            samples = samples[len(some) :]
            self._sound_ns = self.figures.last_sound_ns = self._sample * NANOSECONDS // SAMPLE_RATE_HZ
            if own.any():
                self._readings.break_off()  # not a cue of it: neither the voice nor the silence in its place
            else:
                self._readings.hear(some, self._sample)
            self.figures.level_dbfs = self._readings.level_dbfs
            self._finish()

    # Pairs and windows.

    def _pair(self, number: int) -> _Pair | None:
        """The pair of a number, with a slot; None where it is over, or there is no slot for it."""
        if number in self._pairs:
            return self._pairs[number]
        if number in self._skipped or (self._next_pair is not None and number < self._next_pair):
            return None
        if self._next_pair is None:
            self._next_pair = number
        slot = self._holds.take(wait=self._settings.replay is not None)
        if slot is None:
            self.figures.dropped_pairs += 1
            self._skipped.add(number)
            return None
        self._pairs[number] = pair = _Pair(number=number, slot=slot)
        return pair

    def _finish(self) -> None:
        """Finish every pair that nothing more can come for."""
        if not self._senses or self._next_pair is None:
            return
        reached = {Sense.SIGHT: self._sight_ns, Sense.SOUND: self._sound_ns}
        first_open = self._grid.pair_at(max(min(reached[sense] for sense in self._senses), max(reached.values()) - GRACE_NS))
        for number in sorted(number for number in self._pairs if self._next_pair <= number < first_open):
            self._finish_pair(number)
        if first_open > self._next_pair:
            self._next_pair = first_open
            self._forget(self._grid.oldest_needed_after(first_open - 1))

    def end(self) -> None:
        """Nothing more comes of this opening: finish the pairs that are whole, in those senses that came to the end."""
        self._place(self._sampler.end())
        last_ns = max(self._sight_ns, self._sound_ns)
        reached = {Sense.SIGHT: self._sight_ns, Sense.SOUND: self._sound_ns}
        wanted = {sense for sense in self._senses if reached[sense] > last_ns - GRACE_NS}
        if self._sample is not None and Sense.SOUND in wanted and -self._sample % self._grid.samples <= MAX_FILL:
            self._store_sound(np.zeros(-self._sample % self._grid.samples, np.float32))
        for number in sorted(number for number in self._pairs if self._next_pair is not None and number >= self._next_pair):
            if self._senses_of([self._pairs[number]]) >= wanted:
                self._finish_pair(number)

    def _finish_pair(self, number: int) -> None:
        self._next_pair = number + 1
        self.figures.pairs += 1
        first = self._grid.window_ending_with(number)
        if first is not None:
            self._window(first)
        self._forget(self._grid.oldest_needed_after(number))

    def _window(self, first: int) -> None:
        """Make the window that begins with pair `first`, if all of its pairs are there and share a sense, be it only the box's own voice."""
        numbers = range(first, first + self._settings.window.pairs)
        pairs = [self._pairs[number] for number in numbers if number in self._pairs]
        senses = self._senses_of(pairs)
        if len(pairs) < len(numbers) or not senses:
            return
        own_voice = sum(pair.own_voice for pair in pairs) / (len(pairs) * self._grid.samples) if Sense.SOUND in senses else 0.0
        if own_voice > MOST_OWN_VOICE:
            senses -= {Sense.SOUND}
        start_ns, end_ns = self._grid.pair_start_ns(first), self._grid.pair_start_ns(first + len(pairs))
        sensor = self._settings.sensor
        window = Window(
            id=WindowId(f"{sensor}/{self.epoch}/{first}"),
            sensor=sensor,
            epoch=self.epoch,
            first_pair=first,
            start=self._moment(start_ns),
            end=self._moment(end_ns),
            slots=tuple(pair.slot for pair in pairs),
            senses=senses,
            own_voice=own_voice,
            views=self._views(pairs, start_ns, end_ns, senses),
        )
        self._holds.hold(window.id, window.slots)
        self.figures.windows += 1
        self._out(window)

    def _senses_of(self, pairs: list[_Pair]) -> frozenset[Sense]:
        """The senses that all pairs have without a gap, the picture always in one size."""
        senses = set()
        if all(pair.frames == FRAMES_A_PAIR and pair.shapes == pairs[0].shapes for pair in pairs):
            senses.add(Sense.SIGHT)
        if all(pair.samples == self._grid.samples for pair in pairs):
            senses.add(Sense.SOUND)
        return frozenset(senses) if pairs else frozenset()

    def _views(self, pairs: list[_Pair], start_ns: int, end_ns: int, senses: frozenset[Sense]) -> tuple[View, ...]:
        """Each view's shape and cues. A sense with a gap in the window has neither."""
        cues = self._readings.cues(start_ns, end_ns, senses, len(self._layout.views))
        sizes = [pairs[0].shapes[view] if Sense.SIGHT in senses else (0, 0) for view in self._layout.views]
        views = zip(self._layout.views, sizes, cues, strict=True)
        return tuple(View(id=view, height=height, width=width, cues=of) for view, (height, width), of in views)

    def _forget(self, before: int) -> None:
        """Let go of pairs that no later window needs."""
        for number in [number for number in self._pairs if number < before]:
            self._holds.drop(self._pairs.pop(number).slot)
        self._skipped = {number for number in self._skipped if number >= before}
        self._readings.forget(self._grid.pair_start_ns(before))
