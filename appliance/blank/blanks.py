"""What is asked about nothing: blank windows of the shape that a view's real ones have, each policy once. Pure.

A question that the model agrees with whatever it is shown is found out by windows that show nothing. They have the senses that the
view's own windows have: a sense that a window lacks is left out of the prompt, so silence is another question than no sound.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from analyzers.omni.prompt import PROMPT_VERSION, SYSTEM, question
from analyzers.policy import Policy, PolicyId
from appliance.watch import Watch
from sensors.settings import SensorSettings, size_of
from sensors.window import Sense, SensorId


class Picture(StrEnum):
    """What a picture of nothing looks like: a camera without a signal, and one without light."""

    GREY = "grey"
    BLACK = "black"


LEVEL: Mapping[Picture, int] = {Picture.GREY: 128, Picture.BLACK: 0}
"""Of all three colours of every pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A view's windows, as far as scores depend on it. Sensors whose windows have the same shape share their answers."""

    zone: str
    """`.<zone>`; empty: the whole picture."""
    width: int
    height: int
    """Of its frames, in pixels; zeros where it has no picture."""
    pairs: int
    pair_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A window that holds nothing."""

    shape: Shape
    picture: Picture | None
    silence: bool
    """False: it has no sound at all."""

    @property
    def senses(self) -> frozenset[Sense]:
        """Those that it has."""
        return frozenset(({Sense.SIGHT} if self.picture else set()) | ({Sense.SOUND} if self.silence else set()))

    def __str__(self) -> str:
        """For people."""
        if self.picture is None:
            return "silence"
        return f"a {self.picture.value} picture {'and silence' if self.silence else 'without sound'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a sensor has told of itself as it opened."""

    width: int
    height: int
    """Of the pictures that it decodes; zeros where it has none."""
    has_sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One policy about one blank."""

    key: str
    """The same where the same model would be asked the same."""
    policy: Policy
    blank: Blank


def worded(policy: Policy) -> str:
    """A policy's question with all that is said around it, as a digest: another wording, or another prompt, is another question."""
    return digest(str(PROMPT_VERSION), SYSTEM, question(policy))


def digest(*parts: str) -> str:
    """16 digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def blanks(shape: Shape, source: Source) -> Iterator[Blank]:
    """The windows that hold nothing of a view: with every sense that it has, then with sight alone."""
    if not source.width:
        yield from [Blank(shape=shape, picture=None, silence=True)] if source.has_sound else []
        return
    for silence in (True, False) if source.has_sound else (False,):
        for picture in Picture:
            yield Blank(shape=shape, picture=picture, silence=silence)


def askings(watch: Watch, sensors: Iterable[SensorSettings], sources: Mapping[SensorId, Source], model: str) -> tuple[Asking, ...]:
    """What there is to ask `model` of the sensors that have opened, each once; a policy's blanks have the senses that it needs."""
    words = {policy.id: worded(policy) for policy in watch.asked()}
    out: dict[tuple[PolicyId, Blank], Asking] = {}
    for sensor in sensors:
        if source := sources.get(sensor.sensor):
            for policy, blank in _pairings(watch, sensor, source):
                if policy.id in words and policy.senses <= blank.senses:
                    out[policy.id, blank] = Asking(key=digest(model, words[policy.id], repr(blank)), policy=policy, blank=blank)
    return tuple(out.values())


def _pairings(watch: Watch, sensor: SensorSettings, source: Source) -> Iterator[tuple[Policy, Blank]]:
    """Every policy of each view with every blank of that view."""
    for shape, policies in _shapes(watch, sensor, source):
        yield from ((policy, blank) for blank in blanks(shape, source) for policy in policies)


def _shapes(watch: Watch, sensor: SensorSettings, source: Source) -> Iterator[tuple[Shape, tuple[Policy, ...]]]:
    """The views of a sensor, with what is asked about each."""
    zones = {zone.view: zone for zone in sensor.zones}
    for view in sensor.views:
        width, height = source.width, source.height
        if width and (zone := zones.get(view)):
            top, bottom, left, right = zone.bounds(height, width)
            width, height = right - left, bottom - top
        if width:
            height, width = size_of(height, width, sensor.window.longest_side)
        zone_name = view.removeprefix(sensor.sensor)
        shape = Shape(zone=zone_name, width=width, height=height, pairs=sensor.window.pairs, pair_s=sensor.window.pair_s)
        if policies := watch.by_view.get(view, ()):
            yield shape, policies
