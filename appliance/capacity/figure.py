"""The capacity that was measured, kept in the state folder, and what it says of a configuration. It measures nothing."""

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from appliance.capacity.conditions import Conditions

FILE = "capacity.json"
MAX_BYTES = 65_536
COMMAND = "`omniwatch capacity CONFIG` measures it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, and for what it holds."""

    conditions: Conditions
    measured: datetime
    sensors: int
    """That may be promised: with headroom."""
    most: int
    """That were held."""
    questions: float
    """Policies a sensor, over all of its views."""
    p95_s: float
    """Time to a judgement with so many sensors as may be promised."""
    cores: float
    """Of the processor, that one sensor's process takes for decoding; measured beside the judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What there is to say of a configuration."""

    words: str
    is_warning: bool


FIGURE: TypeAdapter[Figure] = TypeAdapter(Figure)


def keep(figure: Figure, state: Path) -> Path:
    """Write it, whole or not at all; it belongs to whom the state belongs to. OSError where that cannot be."""
    file, owner = state / FILE, state.stat()
    new = file.with_name(f"{FILE}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(FIGURE.dump_json(figure, indent=1))
        stream.flush()
        os.fsync(stream.fileno())
        if os.geteuid() == 0:
            os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
    new.replace(file)
    return file


def recall(state: Path) -> Figure | None:
    """What was kept; None where nothing was, or nothing that can be understood. PermissionError where it may not be read."""
    try:
        with (state / FILE).open("rb") as stream:
            return FIGURE.validate_json(stream.read(MAX_BYTES))
    except PermissionError:
        raise
    except (OSError, ValidationError):
        return None


def verdict(figure: Figure | None, now: Conditions, sensors: int) -> Verdict:
    """What the figure says of so many sensors."""
    if figure is None:
        return Verdict(words=f"Capacity: not measured on this machine; {COMMAND}.", is_warning=False)
    if changed := [name for name, value in asdict(now).items() if value != getattr(figure.conditions, name)]:
        what = " and ".join({"model": "the model", "machine": "the machine", "shape": "what is asked about which sensors"}[name] for name in changed)
        return Verdict(words=f"the capacity that was measured no longer holds, as {what} changed since; {COMMAND}", is_warning=True)
    held = f"{holds(figure.sensors, figure.questions)}, measured on {figure.measured:%Y-%m-%d}"
    if sensors > figure.sensors:
        words = f"{sensors} are configured, and this box holds {held}: when all is astir, windows will come late or be shed"
        return Verdict(words=words, is_warning=True)
    return Verdict(words=f"Capacity: this box holds {held}; {sensors} {'is' if sensors == 1 else 'are'} configured.", is_warning=False)


def holds(sensors: int, questions: float) -> str:
    """In words."""
    noun, policies = ("sensor" if sensors == 1 else "sensors"), ("policy" if questions == 1 else "policies")
    return f"{sensors} {noun} like these x {questions:.3g} {policies}"
