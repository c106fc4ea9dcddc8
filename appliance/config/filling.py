"""Fills in the site's form as far as a file lets it: what is wrong is told and left out, so that the rest can be checked further."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.config.form_errors import problems
from appliance.config.policy_form import Entry
from appliance.config.problems import Problem
from appliance.config.references import Known
from appliance.config.sensor_form import SensorForm
from appliance.config.site_form import SiteForm
from appliance.config.yaml_marks import Document, Path_

STAND_INS: Mapping[str, Any] = {"site": "x", "box": "x", "timezone": "UTC", "sensors": {"x": {"source": "mic:x"}}}
"""What takes the place of required keys that are wrong. Such a configuration is refused anyway."""
INSEPARABLE = (frozenset({"threshold", "clear_below"}), frozenset({"trigger", "trigger_span"}))
"""Keys of a policy that are compared: where one is wrong, the other says nothing."""
ESSENTIAL = frozenset({"id", "use", "catalogue", "sensors"})
"""A policy without one of its own of these cannot be checked further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The form as far as it could be filled in."""

    form: SiteForm
    entries: Mapping[int, Entry]
    """Policies and catalogues, by their place in the file's list."""
    known: Known
    problems: tuple[Problem, ...]


def fill(document: Document) -> Filled:
    """Fill in the form, and say what is wrong."""
    data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}
    numbers = tuple(range(len(data["policies"]))) if isinstance(data.get("policies"), list) else ()
    found: tuple[Problem, ...] = ()
    left = data
    try:
        form = SiteForm.model_validate(document.data)
    except ValidationError as error:
        found = tuple(problems(document, SiteForm, error))
        left, numbers = _without({detail["loc"] for detail in error.errors()}, data, numbers)
        form = SiteForm.model_validate({**STAND_INS, **left})
    return Filled(form=form, entries=dict(zip(numbers, form.policies, strict=True)), known=_known(data, form, left), problems=found)


def _known(data: Mapping[str, Any], form: SiteForm, left: Mapping[str, Any]) -> Known:
    """What there is. `left`: the data without what is wrong."""
    sensors, items = data.get("sensors"), data.get("policies")
    by_name: dict[str, SensorForm | None] = dict.fromkeys(sensors) if isinstance(sensors, dict) else {}
    by_name.update({name: sensor for name, sensor in form.sensors.items() if name in by_name})
    named = (item.get("id", item.get("use")) for item in (items if isinstance(items, list) else ()) if isinstance(item, dict))
    return Known(
        sensors=by_name,
        policies=frozenset(str(name) for name in named if name is not None),
        modes=form.modes,
        describes=form.judge.describes or ("judge" in data and "judge" not in left),
    )


def _without(wrong: set[Path_], data: Mapping[str, Any], numbers: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The data without what is wrong: without a sensor, without a policy or some of its keys, without all of any other key."""
    by_part: defaultdict[str | int, set[Path_]] = defaultdict(set)
    for path in wrong:
        by_part[path[0] if path else ""].add(path[1:])
    whole = {key for key, paths in by_part.items() if key not in {"sensors", "policies"} or () in paths}
    left = {key: value for key, value in data.items() if key not in whole}
    if "sensors" in left:
        bad = {path[0] for path in by_part["sensors"]}
        left["sensors"] = {name: sensor for name, sensor in left["sensors"].items() if name not in bad} or STAND_INS["sensors"]
    if "policies" not in left:
        return left, ()
    policies = {number: _lighter(left["policies"][number], {path[1:] for path in by_part["policies"] if path[0] == number}) for number in numbers}
    kept = {number: policy for number, policy in policies.items() if policy is not None}
    return {**left, "policies": list(kept.values())}, tuple(kept)


def _lighter(item: Any, wrong: set[Path_]) -> Any:  # noqa: ANN401 - whatever the file holds
    """A policy without its wrong keys; None where too little is left. Paths begin with the kind of entry."""
    keys = {str(path[1]) if len(path) > 1 else "id" for path in wrong}
    if keys & ESSENTIAL:
        return None
    for together in INSEPARABLE:
        keys |= together if keys & together else set()
    return {**{key: value for key, value in item.items() if key not in keys}, **({"ask": "x"} if "ask" in keys else {})} if keys else item
