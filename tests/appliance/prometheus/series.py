"""The series that a box can have, by name as Prometheus knows them, and the names that an expression reads. For rules and dashboards."""

import os
import re
from collections.abc import Iterator

from appliance.metrics import Metrics

OF_PROMETHEUS = {"up", "ALERTS"}
"""What Prometheus itself adds."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def known() -> set[str]:
    """Every name that a box may show."""
    metrics = Metrics()
    metrics.judge_process(os.getpid)
    return {family.name + suffix for family in metrics.registry.collect() for suffix in SUFFIXES[family.type]} | OF_PROMETHEUS


def read(expression: str) -> Iterator[str]:
    """The names of series in an expression."""
    without_texts = re.sub(r'"[^"]*"', '""', expression)
    yield from re.findall(r"\b(?:omniwatch_\w+|up|ALERTS)\b(?=[^\w(]|$)", without_texts)
