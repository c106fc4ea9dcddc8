"""What a form is: the shape of a part of the owner's configuration, and what its blanks take. It knows no part in particular.

Forms are the only place where untrusted text is checked; what is made of them is frozen dataclasses.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from analyzers.policy import Trigger

MAX_ID = 48
MAX_DURATION = timedelta(days=30)
MAX_TRIGGER = 20


class Form(BaseModel):
    """A mapping with known keys, each documented by the text under it: editors show it."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Switched:
    """`true` for a form without any keys and `false` for none at all, where there may be a form or None."""

    example: str
    """Of the form, for whoever wrote something else."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's word for a type
        """Read the truth first."""
        return no_info_before_validator_function(self._read, handler(source))

    def _read(self, value: object) -> object:
        if not isinstance(value, bool | dict):
            raise ValueError(f"write true, false, or {self.example}")  # noqa: TRY004 - the owner's words, told as a problem of the file
        return value if isinstance(value, dict) else {} if value else None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What the form takes, or a truth."""
        return {"anyOf": [{"type": "boolean"}, *(each for each in handler(core)["anyOf"] if each != {"type": "null"})]}


def read_id(text: str) -> str:
    """A name that may become a part of a topic and a label of metrics."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", text):
        raise ValueError(f'"{text}" is no name: write a-z, 0-9 and hyphens, and begin with a letter or digit')
    if len(text) > MAX_ID:
        raise ValueError(f"a name has at most {MAX_ID} characters, this one has {len(text)}")
    return text


Id = Annotated[str, AfterValidator(read_id), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": MAX_ID})]


_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_DURATION = re.compile(r"^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,3})?)s)?(?:(\d{1,6})ms)?$")


def read_duration(value: object) -> timedelta:
    """`8s`, `5m`, `1h30m`."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.match(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is no span of time: write it with its unit, like 8s, 5m or 1h30m")
    span = timedelta(**{unit: float(number) for unit, number in zip(_UNITS.values(), found.groups(), strict=True) if number})
    if span > MAX_DURATION:
        raise ValueError(f"at most {show_duration(MAX_DURATION)}")
    return span


def show_duration(span: timedelta) -> str:
    """As an owner would write it: `1h30m`, `2.5s`."""
    minutes, seconds = divmod(span.total_seconds(), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (round(seconds, 3), "s")]
    return "".join(f"{number:g}{unit}" for number, unit in parts if number) or "0s"


def between(least: timedelta, most: timedelta = MAX_DURATION) -> Callable[[timedelta], timedelta]:
    """A check that a span of time lies within bounds."""

    def check(span: timedelta) -> timedelta:
        if not least <= span <= most:
            raise ValueError(f"must be {show_duration(least)} to {show_duration(most)}, not {show_duration(span)}")
        return span

    return check


Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?$", "examples": ["8s", "5m", "1h30m"]}),
]
"""A span of time with its unit; zero is allowed."""
Wait = Annotated[Duration, AfterValidator(between(timedelta(seconds=1)))]
"""At least a second."""


def read_size(value: object) -> int:
    """`500MB`, `24GB`: bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?(kB|MB|GB|TB)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is no amount of bytes: write it with its unit, like 500MB or 24GB")
    return round(float(found[1]) * {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[found[2]])


Bytes = Annotated[int, BeforeValidator(read_size), WithJsonSchema({"type": "string", "examples": ["500MB", "24GB"]})]


def read_trigger(value: object) -> Trigger:
    """`2 of 3`."""
    found = re.fullmatch(r"(\d{1,4}) of (\d{1,4})", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is no trigger: write how many of how many windows must say yes, like 2 of 3")
    count, of = int(found[1]), int(found[2])
    if not 1 <= count <= of <= MAX_TRIGGER:
        raise ValueError(f"{value}: the first number is 1 or more, the second no smaller than the first and at most {MAX_TRIGGER}")
    return Trigger(count=count, of=of)


TriggerText = Annotated[
    Trigger,
    BeforeValidator(read_trigger),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ of \d+$", "examples": ["2 of 3"]}),
]


def _sentence(text: str) -> str:
    """One line of it, however it was folded in the file."""
    sentence = " ".join(text.split())
    if not sentence:
        raise ValueError("must not be empty")
    return sentence


Question = Annotated[str, Field(max_length=400), AfterValidator(_sentence)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_sentence)]
FilePath = Annotated[str, Field(min_length=1, max_length=1000)]
Truth = Annotated[bool, Field(strict=True)]
"""true or false, and no other word."""
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Probability = Annotated[Number, Field(gt=0, lt=1)]


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)[:60]
