"""What an owner writes of pictures for the broker: of which cameras, how often, and how large."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from appliance.config.form import Bytes, Duration, Form, Id, Whole, between
from appliance.config.problems import Problem, did_you_mean
from appliance.config.sensor_form import SensorForm, senses_of
from appliance.config.yaml_marks import Document
from sensors.preview import LEAST_BYTES, LEAST_S, LEAST_SIDE, MOST_BYTES, MOST_S, MOST_SIDE, PreviewShape
from sensors.window import Sense

MAX_SHOWN = 64
LEAST, MOST = timedelta(seconds=LEAST_S), timedelta(seconds=MOST_S)


def read_amount(size: int) -> int:
    """What fits through a sensor's wire, and shows something."""
    if not LEAST_BYTES <= size <= MOST_BYTES:
        raise ValueError(f"must be {LEAST_BYTES / 1e3:g}kB to {MOST_BYTES / 1e3:g}kB")
    return size


class PicturesForm(Form):
    """Pictures of cameras for the broker, as JPEGs."""

    every: Annotated[Duration, AfterValidator(between(LEAST, MOST))] = timedelta(seconds=10)
    """How often each camera's goes, `1s` to `1h`."""
    longest_side: Annotated[Whole, Field(ge=LEAST_SIDE, le=MOST_SIDE)] = 640
    """In pixels. What the camera sends is made smaller, never larger."""
    bytes: Annotated[Bytes, AfterValidator(read_amount)] = 40_000
    """Of one picture at most, `4kB` to `48kB`: it gets coarser, and then smaller, until it fits."""
    sensors: tuple[Id, ...] | None = Field(default=None, min_length=1, max_length=MAX_SHOWN)
    """The cameras whose pictures go. Default: all."""

    def shape_of(self, sensor: str) -> PreviewShape | None:
        """The pictures of a camera; None: there are none of it."""
        if self.sensors is not None and sensor not in self.sensors:
            return None
        return PreviewShape(every_s=self.every.total_seconds(), longest_side=self.longest_side, bytes=self.bytes)


def picture_problems(document: Document, form: PicturesForm | None, sensors: Mapping[str, SensorForm | None]) -> Iterator[Problem]:
    """What does not fit between pictures and the cameras that they are of."""
    for number, name in enumerate(form.sensors or () if form else ()):
        place = ("notify", "mqtt", "pictures", "sensors", number)
        if name not in sensors:
            hint = did_you_mean(name, sensors) or f"there is {', '.join(sensors)}"
            yield document.problem(place, f'there is no sensor "{name}"', hint=hint)
        elif (sensor := sensors[name]) and Sense.SIGHT not in senses_of(sensor.source, sensor.sound):
            yield document.problem(place, f'"{name}" has no picture', hint="leave it out: only cameras have one")
