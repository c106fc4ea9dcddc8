"""What is wrong with a filled-in form, told to its owner: pydantic's errors become problems with a place and a remedy.

It knows no form in particular.
"""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from appliance.config.form import Form
from appliance.config.policy_form import TAGS
from appliance.config.problems import HintedError, Problem, did_you_mean
from appliance.config.yaml_marks import Document, Path_, SecretName

_MESSAGES = {
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "tuple_type": "must be a list, like [a, b]",
    "dict_type": "must be keys with values",
    "model_type": "must be keys with values",
    "model_attributes_type": "must be keys with values",
    "is_instance_of": "must be !secret NAME: the password lies in a file called NAME, never in this one",
    "too_short": "has too few entries: at least {min_length}",
    "too_long": "has too many entries: at most {max_length}",
}
"""By pydantic's name for the error; its own words where there are none here."""

_FIGURES = frozenset(
    {"float_type", "int_type", "int_from_float", "finite_number", "greater_than", "greater_than_equal", "less_than", "less_than_equal"}
)

_OTHER_WORDS = {
    **dict.fromkeys(("hearing", "audio", "ears", "microphone", "mic", "noise", "listen"), "sound"),
    **dict.fromkeys(("vision", "video", "picture", "image", "eyes", "camera", "seeing"), "sight"),
    **dict.fromkeys(("warning", "warn", "normal", "minor"), "medium"),
    **dict.fromkeys(("major", "error", "severe"), "high"),
    **dict.fromkeys(("info", "notice", "information"), "low"),
    **dict.fromkeys(("emergency", "fatal", "urgent"), "critical"),
}
"""What else people call some words: those are not near by their letters."""

_KEY = "[key]"
"""pydantic's mark for an error with a key itself."""


def problems(document: Document, form: type[Form], error: ValidationError, under: Path_ = ()) -> Iterator[Problem]:
    """Every problem of a form that was filled in at `under` in `document`."""
    for detail in error.errors(include_url=False):
        yield _problem(document, form, detail, under)


def _problem(document: Document, form: type[Form], detail: ErrorDetails, under: Path_) -> Problem:
    path, kind = (*under, *detail["loc"]), detail["type"]
    last = str(path[-1]) if path else ""
    if kind == "missing":
        return document.problem(path[:-1], f"`{last}` is missing: {_about(form, detail['loc'])}")
    if kind == "extra_forbidden":
        return document.problem(path, "unknown key", hint=_known(last, tuple(keys(form, detail["loc"][:-1]))), at_key=True)
    if kind in {"enum", "literal_error"}:
        return _unknown_word(document, path, detail["input"], str(detail["ctx"]["expected"]))
    reason = detail.get("ctx", {}).get("error")
    hint = reason.hint if isinstance(reason, HintedError) else _unit(form, detail)
    return document.problem(path, message(detail), at_key=last == _KEY, hint=hint)


def message(detail: ErrorDetails) -> str:
    """What is wrong, in an owner's words."""
    kind, value = detail["type"], detail["input"]
    if value is None:
        return "has no value"
    if kind == "string_type" and isinstance(value, SecretName):
        return "!secret has no use here: only passwords are secret"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return _MESSAGES[kind].format(**detail.get("ctx", {})) if kind in _MESSAGES else detail["msg"]


def _unknown_word(document: Document, path: Path_, value: object, expected: str) -> Problem:
    words = expected.replace("'", "").replace(" or ", ", ").split(", ")
    shown = f'"{value}"' if isinstance(value, str) else "this" if isinstance(value, list | dict | SecretName) else str(value)
    other = _OTHER_WORDS.get(str(value).lower())
    hint = f'did you mean "{other}"?' if other in words else did_you_mean(str(value), words)
    return document.problem(path, f"{shown} is not one of: {', '.join(words)}", hint=hint, at_key=path[-1] == _KEY)


def _known(word: str, known: tuple[str, ...]) -> str:
    return did_you_mean(word, known) or f"known here: {', '.join(known)}"


def keys(form: type[Form], path: tuple[str | int, ...]) -> Iterator[str]:
    """The keys that are known at `path` within `form`."""
    for here in _forms_at(form, path):
        yield from here.model_fields


def _unit(form: type[Form], detail: ErrorDetails) -> str:
    """Of a figure that cannot be: what it is a figure of, since a bound without its unit says little."""
    return _described(form, detail["loc"]) if detail["type"] in _FIGURES and detail["input"] is not None else ""


def _about(form: type[Form], path: tuple[str | int, ...]) -> str:
    """What a field is for."""
    return _described(form, path) or "it has no default"


def _described(form: type[Form], path: tuple[str | int, ...]) -> str:
    """The first line of the text under a field; nothing where there is none."""
    for here in _forms_at(form, path[:-1]):
        field = here.model_fields.get(str(path[-1]))
        if field and field.description:
            return field.description.split("\n")[0]
    return ""


def _forms_at(form: type[Form], path: tuple[str | int, ...]) -> tuple[type[Form], ...]:
    """The forms that a step into `path` leads to. Names that the owner gave (of a sensor) and places in lists lead no further."""
    here: tuple[type[Form], ...] = (form,)
    for step in path:
        if step in TAGS:
            here = (TAGS[str(step)],)
            continue
        fields = [each.model_fields[step] for each in here if isinstance(step, str) and step in each.model_fields]
        here = tuple(inner for field in fields for inner in _inner(field.annotation)) or here
    return here


def _inner(annotation: Any) -> Iterator[type[Form]]:  # noqa: ANN401 - whatever a type may be written as
    if isinstance(annotation, type) and issubclass(annotation, Form):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


