"""The JSON Schema of a configuration, made from the forms, for editors. It checks nothing itself: `check` says more.

Draft 7, which is what yaml-language-server reads best; pydantic writes 2020-12, and the two differ for us in one word.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from alerts.flood import FloodRule
from analyzers.policy import Trigger
from appliance.config.form import show_duration
from appliance.config.policy_form import CatalogueForm
from appliance.config.site_form import SiteForm

DIALECT = "http://json-schema.org/draft-07/schema#"
REFERENCE = "#/definitions/{model}"


class _AsWritten(GenerateJsonSchema):
    """Writes defaults as an owner would."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - whatever a form has as a default
        match dft:
            case timedelta():
                return show_duration(dft)
            case Trigger():
                return f"{dft.count} of {dft.of}"
            case FloodRule():
                return f"{dft.count} in {show_duration(dft.span)}"
            case (str(host), int(port)):
                return f"{host}:{port}"
            case _:
                return super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """The schema of `appliance.yaml`."""
    return draft_7(SiteForm.model_json_schema(ref_template=REFERENCE, schema_generator=_AsWritten), "Omniwatch configuration")


def catalogue_schema() -> dict[str, Any]:
    """The schema of a catalogue of policies."""
    return draft_7(CatalogueForm.model_json_schema(ref_template=REFERENCE, schema_generator=_AsWritten), "Omniwatch catalogue of policies")


def write(folder: Path) -> None:
    """Write both schemas into `folder`, as they are committed."""
    for name, schema in (("appliance", json_schema()), ("catalogue", catalogue_schema())):
        (folder / f"{name}.schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


def draft_7(schema: dict[str, Any], title: str) -> dict[str, Any]:
    """A schema of pydantic's in the older dialect."""
    definitions = {name: _plain(definition) for name, definition in schema.pop("$defs", {}).items()}
    return {"$schema": DIALECT, **_plain(schema), "title": title, **({"definitions": definitions} if definitions else {})}


def _plain(part: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Without titles that say the key once more, and with no key beside a reference."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part and len(part) > 1:  # draft 7 ignores what stands beside a reference
        part = {"allOf": [{"$ref": part["$ref"]}], **{key: value for key, value in part.items() if key != "$ref"}}
    return {
        key: {name: _plain(inner) for name, inner in value.items()} if key in {"properties", "patternProperties"} else _plain(value)
        for key, value in part.items()
        if key != "title" and not (key == "default" and (value is None or isinstance(value, dict)))
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]))
