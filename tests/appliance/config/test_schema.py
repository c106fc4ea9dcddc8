"""The schemas for editors, and that the committed ones are those that the forms make."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config.policy_form import CatalogueForm, PolicyForm, UseForm
from appliance.config.schema import catalogue_schema, json_schema
from appliance.config.sensor_form import SensorForm
from appliance.config.site_form import SiteForm

CONFIGS = Path(__file__).parents[3] / "configs"
SCHEMAS = {"appliance": json_schema(), "catalogue": catalogue_schema()}


def parts(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any part of a schema
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from parts(item)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_the_one_that_the_forms_make(name: str) -> None:
    committed = json.loads((CONFIGS / f"{name}.schema.json").read_text())
    assert committed == SCHEMAS[name], "stale: python -m appliance.config.schema configs"


@pytest.mark.parametrize("name", SCHEMAS)
def test_editors_get_draft_7_and_nothing_newer(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    newer = {"$defs", "prefixItems", "dependentRequired", "unevaluatedProperties", "minContains"}
    for part in parts(schema):
        assert not newer & part.keys()
        assert "$ref" not in part or part.keys() == {"$ref"}, "draft 7 ignores what stands beside a reference"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_leads_somewhere(name: str) -> None:
    schema = SCHEMAS[name]
    for part in parts(schema):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/definitions/") in schema["definitions"]


@pytest.mark.parametrize("form", [SiteForm, SensorForm, PolicyForm, UseForm, CatalogueForm])
def test_editors_know_exactly_the_keys_that_are_read_and_say_what_each_is_for(form: type[SiteForm]) -> None:
    known = {"SiteForm": SCHEMAS["appliance"], "CatalogueForm": SCHEMAS["catalogue"], **SCHEMAS["appliance"]["definitions"]}
    schema = known[form.__name__]
    assert schema["properties"].keys() == form.model_fields.keys()
    assert schema["additionalProperties"] is False
    for key, value in schema["properties"].items():
        assert len(value["description"]) > 5, key


@pytest.mark.parametrize("file", ["appliance.yaml", "policies/factory.yaml", "policies/cctv.yaml"])
def test_what_is_shipped_names_its_schema_for_editors(file: str) -> None:
    first = (CONFIGS / file).read_text().splitlines()[0]
    schema = (CONFIGS / file).parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve() in {CONFIGS / f"{name}.schema.json" for name in SCHEMAS}
