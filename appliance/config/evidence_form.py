"""What an owner writes of evidence, and what it means: how much of the time around an alarm is kept, for how long, in how much room."""

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from appliance.config.form import Bytes, Duration, Form, between
from sensors.settings import SegmentSettings, WindowShape

MEGABYTE, GIGABYTE = 10**6, 10**9
MARGIN = timedelta(minutes=3)
"""Segments last so much longer than the slowest judgement needs them: a camera's longest group of pictures, and clips that wait their turn."""
USUAL_BITS_S = 4e6
"""Of a camera of 1080p; for what `check` prints."""


class EvidenceUse(StrEnum):
    """What is kept of a sensor when it alarms."""

    ON = "on"
    OFF = "off"
    ORIGINAL = "original"


def read_share(value: object) -> float:
    """`10%`."""
    if isinstance(value, float):
        return value
    found = re.fullmatch(r"(\d{1,2}(?:\.\d)?) ?%", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write a share of the disk, like 10%")
    return float(found[1]) / 100


Around = Annotated[Duration, AfterValidator(between(timedelta(0), timedelta(minutes=2)))]


class EvidenceForm(Form):
    """Clips of what sensors saw and heard around each alarm."""

    before: Around = timedelta(seconds=10)
    """How much is kept from before the window that opened the alarm, up to 2m."""
    after: Around = timedelta(seconds=10)
    """How much from after it, up to 2m. A clip is made when this has passed."""
    keep: Annotated[Duration, AfterValidator(between(timedelta(hours=1)))] = timedelta(days=30)
    """After so long a clip is deleted, up to 30d. What nobody alarmed about is kept for some minutes alone, and never leaves `runtime`."""
    quota: Annotated[Bytes, Field(ge=100 * MEGABYTE)] = 20 * GIGABYTE
    """What clips, segments and the database may take together. The oldest clips make room; those of alarms that nobody has seen to do not."""
    free: Annotated[float, BeforeValidator(read_share), WithJsonSchema({"type": "string", "examples": ["10%"]})] = 0.10
    """So much of the disk stays free: below it clips make room as for the quota. At 5% the alarm `disk-low` opens."""
    buffer: Annotated[Bytes, Field(ge=8 * MEGABYTE, le=4 * GIGABYTE)] = 128 * MEGABYTE
    """What the newest minutes of one sensor may take in `runtime`. Where a camera sends more, they reach less far back."""
    runtime: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The folder of those newest minutes; best in memory (tmpfs). Default: `segments` in systemd's runtime folder, else in `state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """What is kept of alarms."""

    before: timedelta = timedelta(seconds=10)
    after: timedelta = timedelta(seconds=10)
    keep: timedelta = timedelta(days=30)
    quota: int = 20 * GIGABYTE
    free: float = 0.10
    """0..1: the share of the disk that stays free."""
    buffer: int = 128 * MEGABYTE
    runtime: Path = Path("/run/omniwatch/segments")

    def segments(self, shape: WindowShape, waiting: timedelta) -> SegmentSettings:
        """The ring of a sensor whose windows may wait so long for the judge and in it: as far back as the slowest judgement needs."""
        seconds = (self.before + waiting + self.after + MARGIN).total_seconds() + shape.length_s
        return SegmentSettings(folder=str(self.runtime), seconds=seconds, bytes=self.buffer)


def evidence_config(form: EvidenceForm, folder: Path, state: Path) -> EvidenceConfig:
    """What `form` means in a configuration of `folder`."""
    own = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    usual = Path(own) / "segments" if own else state / "segments"
    return EvidenceConfig(
        before=form.before,
        after=form.after,
        keep=form.keep,
        quota=form.quota,
        free=form.free,
        buffer=form.buffer,
        runtime=(folder / form.runtime).absolute() if form.runtime else usual,
    )
