"""A real Prometheus for tests: it scrapes real boxes, and is asked what Grafana would ask."""

import json
import math
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.appliance.conftest import eventually, free_port

PROMETHEUS = shutil.which("prometheus")
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: omniwatch
    static_configs:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer: its labels, and its figures by time."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.values[-1][1]

    def is_empty(self) -> bool:
        """Whether there is no figure in it: a quantile of nothing is none."""
        return all(math.isnan(value) for _, value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """One that runs."""

    port: int

    def once(self, expr: str) -> tuple[Series, ...]:
        """The newest figures, as a stat or a table wants them."""
        return _series(self._get("query", query=expr))

    def range(self, expr: str, start: float, end: float, step_s: float) -> tuple[Series, ...]:
        """Figures over a time, as a graph wants them."""
        return _series(self._get("query_range", query=expr, start=str(start), end=str(end), step=str(step_s)))

    def alerts(self) -> set[str]:
        """The alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def unhealthy_rules(self) -> list[str]:
        """What Prometheus says of rules that it could not follow."""
        every = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        assert every
        return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in every if rule["health"] != "ok"]

    def _get(self, what: str, **arguments: str) -> Any:  # noqa: ANN401 - whatever Prometheus answers
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{arguments}: {json.load(error)['error']}") from None

    def ready(self) -> bool:
        """Whether it answers questions."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10):
                return True
        except urllib.error.URLError:
            return False


def _series(data: Any) -> tuple[Series, ...]:  # noqa: ANN401
    if data["resultType"] == "scalar":
        return (Series(labels={}, values=(_point(data["result"]),)),)
    return tuple(
        Series(labels=found["metric"], values=tuple(_point(pair) for pair in found.get("values") or [found["value"]])) for found in data["result"]
    )


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


@contextmanager
def scraping(folder: Path, rules: Path, boxes: Mapping[str, int]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these boxes (by name, their ports) of the site `plant` once a second."""
    assert PROMETHEUS
    targets = (f'      - {{targets: ["127.0.0.1:{port}"], labels: {{site: plant, box: {box}}}}}\n' for box, port in boxes.items())
    (folder / "prometheus.yml").write_text(CONFIG.format(rules=rules) + "".join(targets))
    found = Prometheus(port=free_port())
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{found.port}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([PROMETHEUS, *options, "--log.level=warn"], stdout=log, stderr=log)
    try:
        eventually(found.ready, 20, "Prometheus is ready")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)
