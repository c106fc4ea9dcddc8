"""What ships for Prometheus: it takes the files, each rule fires on its fault and on nothing else, and says where help is."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.appliance.prometheus import series

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs" / "prometheus"
RULES = CONFIGS / "omniwatch.rules.yml"
CASES = Path(__file__).with_name("rules.yaml")
MANUAL = ROOT / "docs" / "operations.md"

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed; Debian's package prometheus has it")


def read(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return YAML(typ="safe").load(path)


def rules() -> list[dict[str, Any]]:
    return [rule for group in read(RULES)["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_takes_the_example_and_its_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", str(CONFIGS / "prometheus.yml"))
    assert f"{len(rules())} rules found" in promtool("check", "rules", "--lint=all", str(RULES))


@needs_promtool
def test_each_rule_fires_on_its_fault_after_its_time_and_a_healthy_box_fires_none() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(CASES))


def test_each_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not_yet() -> None:
    cases = [case for test in read(CASES)["tests"] for case in test.get("alert_rule_test", ())]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names - {"OmniwatchWatchdog"}


def test_each_rule_reads_series_that_a_box_has() -> None:
    read_by_rules = {name for rule in rules() for name in series.read(rule["expr"])}
    assert len(read_by_rules) > 15
    assert read_by_rules <= series.known()


def test_each_rule_leads_to_a_heading_that_says_what_to_do() -> None:
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", MANUAL.read_text(), re.MULTILINE)}
    for rule in rules():
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / file) == MANUAL
        assert anchor == rule["alert"].lower()
        assert anchor in headings
        assert rule["labels"]["severity"] in {"none", "critical", "high", "medium", "low"}


def test_the_manual_has_no_heading_of_a_rule_that_is_gone() -> None:
    assert set(re.findall(r"^#+ (Omniwatch\w+)$", MANUAL.read_text(), re.MULTILINE)) == {rule["alert"] for rule in rules()}
