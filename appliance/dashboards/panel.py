"""A dashboard as a value: rows of panels that ask Prometheus. It knows no metric and nothing of Grafana's JSON.

In an expression `@` stands for the labels of what the dashboard is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """Grafana's panels that are used, by its names."""

    STAT = "stat"
    BARS = "bargauge"
    LINES = "timeseries"
    STATES = "state-timeline"
    HEAT = "heatmap"
    TABLE = "table"


class Unit(StrEnum):
    """Grafana's units that are used, by its names."""

    NUMBER = "short"
    SECONDS = "s"
    AGE = "dtdurations"
    SHARE = "percentunit"
    BYTES = "bytes"
    A_SECOND = "cps"
    DBFS = "dB"
    NONE = "none"


class Colour(StrEnum):
    """What is well, what deserves a look, what is wrong, what is neither, what somebody has seen, and what is not so."""

    GOOD = "green"
    LOOK = "orange"
    BAD = "red"
    PLAIN = "blue"
    SEEN = "purple"
    OFF = "gray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to Prometheus."""

    expr: str
    legend: str = ""
    """How a series is called; {{label}} stands for a label's value. In a table: the column's heading."""
    unit: Unit | None = None
    """Of a table's column."""
    states: Mapping[float, tuple[str, Colour]] = field(default_factory=lambda: MappingProxyType({}))
    """Of a table's column, as a panel's."""
    empty: str = ""
    """Why a box that does well may have no such series. Empty: it always has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is seen in one place."""

    title: str
    shows: str
    """What it shows, and what is good: the description that Grafana puts behind the panel's `i`."""
    kind: Kind
    queries: tuple[Query, ...]
    unit: Unit = Unit.NUMBER
    width: int = 12
    """Of 24 columns."""
    height: int = 8
    steps: tuple[tuple[float | None, Colour], ...] = ((None, Colour.PLAIN),)
    """From which figure on which colour; None: from the beginning."""
    states: Mapping[float, tuple[str, Colour]] = field(default_factory=lambda: MappingProxyType({}))
    """What figures mean, in a word."""
    stacked: bool = False
    lines_at_steps: bool = False
    """Draw a line where a colour begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading, laid from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the head of a dashboard, of the values of a label."""

    name: str
    label: str
    values: str
    """Grafana's words for where they come from: label_values(series, label)."""
    many: bool = False
    """Several may be chosen at once; at first, all are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of rows."""

    uid: str
    title: str
    about: str
    scope: str
    """What `@` stands for."""
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
