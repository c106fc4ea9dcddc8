"""The bill of materials holds what the lock installs, and what lies inside wheels; CycloneDX's own schema knows every word of it."""

import json
import re
import runpy
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "sbom.py"))


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("sbom") / "build" / "sbom.cdx.json"
    SCRIPT["write"](out)
    return out.read_text()


def test_it_is_what_cyclonedx_says_one_is(bill: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_each_package_of_the_lock_is_in_it_with_its_hashes(bill: str) -> None:
    text = (ROOT / "requirements.lock").read_text()
    found = {each["name"]: each for each in json.loads(bill)["components"]}
    assert {(name, each["version"]) for name, each in found.items()} - {("torch", found["torch"]["version"])} == {
        (name, version) for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    }
    hashes = {each["content"] for one in found.values() for file in one["externalReferences"] for each in file.get("hashes", ())}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", text))


def test_ffmpeg_is_found_inside_av(bill: str) -> None:
    av = next(each for each in json.loads(bill)["components"] if each["name"] == "av")
    inside = {each["name"]: each for each in av["components"]}
    assert inside["ffmpeg"]["cpe"].startswith(f"cpe:2.3:a:ffmpeg:ffmpeg:{inside['ffmpeg']['version']}:")
    assert {"libavcodec", "libavformat", "libswscale"} <= inside.keys()


def test_it_says_who_needs_what(bill: str) -> None:
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in json.loads(bill)["dependencies"]}
    names = {each["bom-ref"]: each["name"] for each in json.loads(bill)["components"]}
    assert {"av", "numpy", "pydantic", "torch", "transformers"} <= {names[each] for each in needs["omniwatch"]}
    reached, waiting = set(), ["omniwatch"]
    while waiting:
        for each in needs.get(waiting.pop(), ()):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    assert reached == names.keys(), "every package is there for a reason"


def test_a_line_that_is_no_package_is_said_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="no package"):
        list(SCRIPT["locked"]("git+https://example.org/x\n"))
