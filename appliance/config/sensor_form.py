"""What an owner writes of a sensor: source, windows, masks and zones. It knows no policy and opens nothing."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationInfo, WithJsonSchema, field_validator

from appliance.config.evidence_form import EvidenceUse
from appliance.config.form import Duration, Form, Id, Line, Wait, Whole, show_duration
from appliance.config.gate_form import GateForm
from appliance.config.yaml_marks import SecretName
from sensors.cues import Box
from sensors.settings import FRAMES_A_PAIR, SIDE_STEP, SoundUse, WindowShape
from sensors.window import Sense

MAX_SOURCE = 1000
MAX_LENGTH = timedelta(seconds=60)
SMALLEST_SIDE, LARGEST_SIDE = 64, 1920
MIN_AREA = 0.0001
"""A zone covers at least this share of the picture: a polygon whose points lie on a line covers none."""

SCHEMES = "rtsp://HOST/PATH, rtsps://HOST/PATH, file:PATH, v4l2:/dev/videoN or mic:NAME"


def read_source(text: str) -> str:
    """A source that there is a reader for, without credentials in it."""
    scheme, _, rest = text.partition(":")
    match scheme:
        case "rtsp" | "rtsps":
            _check_url(text)
        case "v4l2" if not re.fullmatch(r"/dev/video\d{1,3}", rest):
            raise ValueError(f'"{rest}" is no camera of this machine: write v4l2:/dev/video0, with the number that `omniwatch doctor` shows')
        case "file" | "mic" if not rest.strip():
            raise ValueError(f"{scheme}: of what? Write {'file:PATH' if scheme == 'file' else 'mic:NAME or mic:default'}")
        case "file" | "mic" | "v4l2":
            pass
        case _:
            raise ValueError(f"no source that can be read: write {SCHEMES}")
    return text


def _check_url(text: str) -> None:
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None:
        raise ValueError("name and password do not belong in the URL, which is printed: write username: NAME and password: !secret NAME")
    if not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("no URL: write it like rtsp://10.0.0.21/stream1")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port in the URL is not a number from 1 to 65535") from None


def senses_of(source: str, sound: SoundUse) -> frozenset[Sense]:
    """What a source may perceive. A stream or file may lack one of them; nobody knows before it is opened."""
    scheme = source.partition(":")[0]
    if scheme == "mic":
        return frozenset({Sense.SOUND})
    return frozenset({Sense.SIGHT}) if scheme == "v4l2" or sound is SoundUse.OFF else frozenset(Sense)


def _shares(value: object, count: int, example: str) -> tuple[float, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        raise ValueError(f"write {example}, shares of width and height from 0 to 1")
    shares = tuple(float(share) for share in value if isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1)
    if len(shares) != count:
        raise ValueError(f"write {example}, each from 0 to 1")
    return shares


def read_mask(value: object) -> Box:
    """`[x0, y0, x1, y1]`."""
    if isinstance(value, Box):
        return value
    x0, y0, x1, y1 = _shares(value, 4, "[x0, y0, x1, y1]")
    if not (x0 < x1 and y0 < y1):
        raise ValueError("[x0, y0, x1, y1] goes from the upper left to the lower right corner: x0 < x1 and y0 < y1")
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def read_point(value: object) -> tuple[float, float]:
    """`[x, y]`."""
    x, y = _shares(value, 2, "[x, y]")
    return x, y


def check_polygon(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Points that enclose something."""
    if len(points) < 3:
        raise ValueError(f"a zone needs at least 3 points [x, y], this one has {len(points)}")
    area = abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True))) / 2
    if area < MIN_AREA:
        raise ValueError("these points enclose nothing: go around the zone, corner by corner")
    return points


_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
Mask = Annotated[Box, BeforeValidator(read_mask), WithJsonSchema({"type": "array", "items": _SHARE, "minItems": 4, "maxItems": 4})]
Point = Annotated[tuple[float, float], BeforeValidator(read_point), WithJsonSchema({"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2})]
Polygon = Annotated[
    tuple[Point, ...],
    Field(max_length=64),
    AfterValidator(check_polygon),
]
Source = Annotated[str, Field(max_length=MAX_SOURCE), AfterValidator(read_source)]


class WindowForm(Form):
    """How a sensor's time is cut into windows, each of which is judged as one."""

    fps: Literal[1, 2] = 1
    """Frames a second that the model sees: 1 or 2."""
    longest_side: Whole = 576
    """Pixels of a frame's longer side, a multiple of 32. More shows smaller things and costs more tokens; `check` prints how many."""
    length: Duration = timedelta(seconds=8)
    """How long a window is: long enough for what is asked to be recognised. A multiple of 2s at 1 fps, of 1s at 2 fps."""
    every: Duration = timedelta(seconds=4)
    """From one window's start to the next one's: at most the length, so that nothing goes unseen. A multiple as for the length."""

    @field_validator("longest_side")
    @classmethod
    def _side(cls, side: int) -> int:
        if side % SIDE_STEP or not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise ValueError(f"must be a multiple of {SIDE_STEP} from {SMALLEST_SIDE} to {LARGEST_SIDE}, not {side}")
        return side

    @field_validator("length", "every")
    @classmethod
    def _pairs(cls, span: timedelta, info: ValidationInfo) -> timedelta:
        fps = info.data.get("fps", 2)
        pair = timedelta(seconds=FRAMES_A_PAIR / fps)
        if span % pair or not pair <= span <= MAX_LENGTH:
            raise ValueError(f"must be a multiple of {pair.seconds}s at {fps} fps (frames go in pairs), up to {MAX_LENGTH.seconds}s")
        length = info.data.get("length")
        if info.field_name == "every" and length is not None and span > length:
            raise ValueError(f"must be at most the length ({length.seconds}s): nobody would look in between")
        return span

    def shape(self) -> WindowShape:
        """As a sensor cuts them."""
        return WindowShape(length_s=self.length.total_seconds(), every_s=self.every.total_seconds(), fps=self.fps, longest_side=self.longest_side)

    def __str__(self) -> str:
        """In a sentence."""
        return f"{show_duration(self.length)} every {show_duration(self.every)}, at {self.fps} fps and {self.longest_side} pixels a side"


class SensorForm(Form):
    """A camera or a microphone."""

    source: Source
    """`rtsp://HOST/PATH`, `rtsps://HOST/PATH`, `file:PATH`, `v4l2:/dev/video0` or `mic:default`. No name or password in it."""
    record: Source | None = None
    """A second stream of the same camera in better quality: evidence is made of it, and nothing of it is decoded until then."""
    username: Line | None = None
    """The name to log in with."""
    password: Annotated[InstanceOf[SecretName], WithJsonSchema({"type": "string"})] | None = None
    """`!secret NAME`: the password lies in a file called NAME among the secrets, never in this one."""
    window: WindowForm = WindowForm()
    """How its time is cut into windows."""
    masks: tuple[Mask, ...] = Field(default=(), max_length=32)
    """Rectangles `[x0, y0, x1, y1]`, shares of the picture, that are blackened before anything sees it."""
    zones: dict[Id, Polygon] = Field(default={}, max_length=16)
    """Named polygons of points `[x, y]`, shares of the picture. A policy with a `zone` is asked about the picture cropped to it."""
    sound: SoundUse = SoundUse.JUDGE
    """`judge` listens and keeps nothing, `off` does not listen, `keep` adds sound to evidence, and lets policies have a `transcript`."""
    evidence: EvidenceUse = EvidenceUse.ON
    """`on` keeps a clip of each alarm, with masks burnt in; `original` keeps what is under the masks as well; `off` keeps nothing."""
    gate: GateForm | None = None
    """Where the camera itself says over MQTT whether something moves: policies of sight are then asked when it says so."""
    stall_after: Wait = timedelta(seconds=10)
    """After so long without anything fresh the source counts as lost and is opened again."""


def absolute(source: str, folder: Path) -> str:
    """The source with the path of a file made absolute: relative to the configuration's folder."""
    scheme, _, rest = source.partition(":")
    return f"file:{(folder / rest).resolve()}" if scheme == "file" else source
