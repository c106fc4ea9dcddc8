"""Draws a dashboard's panels as SVG, from what Prometheus answered: where they lie, what they are called, what they show. Not Grafana's looks.

It asks nobody: answers come in.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from appliance.dashboards.grafana import dashboard_json
from appliance.dashboards.panel import Colour, Dashboard, Kind, Panel, Unit
from tests.appliance.prometheus.prometheus_server import Series

COLUMN, LINE = 52, 30
"""Pixels of one of Grafana's columns and lines."""
INKS = {Colour.GOOD: "#2e7d32", Colour.LOOK: "#e08a00", Colour.BAD: "#c62828", Colour.PLAIN: "#1565c0", Colour.SEEN: "#7b1fa2", Colour.OFF: "#b0bec5"}
PALETTE = ("#1565c0", "#2e7d32", "#e08a00", "#6a1b9a", "#00838f", "#c62828", "#5d4037", "#ad1457", "#827717", "#37474f")
WORDS: Mapping[Unit, Callable[[float], str]] = {
    Unit.SHARE: lambda value: f"{value * 100:.3g} %",
    Unit.SECONDS: lambda value: f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms",
    Unit.AGE: lambda value: f"{value // 60:.0f} min {value % 60:.0f} s",
    Unit.BYTES: lambda value: f"{value / 2**30:.3g} GiB" if value >= 2**30 else f"{value / 2**20:.3g} MiB",
    Unit.A_SECOND: lambda value: f"{value:.3g} /s",
    Unit.DBFS: lambda value: f"{value:.3g} dB",
}

Answers = Mapping[tuple[str, int], tuple[Series, ...]]
"""By a panel's title and the number of its query."""
Named = list[tuple[str, Series]]


def drawing(dashboard: Dashboard, answers: Answers) -> str:
    """The whole page."""
    placed = dashboard_json(dashboard)["panels"]
    height = (max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in placed) + 1) * LINE
    described = {panel.title: panel for panel in dashboard.panels()}
    parts = [_text(8, 20, dashboard.title, size=16)]
    for panel in placed:
        place = panel["gridPos"]
        box = (place["x"] * COLUMN + 3, (place["y"] + 1) * LINE + 3, place["w"] * COLUMN - 6, place["h"] * LINE - 6)
        if panel["type"] == "row":
            parts.append(_text(box[0] + 4, box[1] + 17, panel["title"], size=14))
        else:
            parts += _framed(described[panel["title"]], answers, box)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{24 * COLUMN}" height="{height}" fill="#f4f5f5"/>', *parts, "</svg>", ""])


Box = tuple[float, float, float, float]
"""x, y, width, height."""


def _framed(panel: Panel, answers: Answers, box: Box) -> Iterator[str]:
    x, y, width, height = box
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#fff" stroke="#d5d8da"/>'
    yield _text(x + 7, y + 17, panel.title.replace("$stage", "judged"), size=12)
    found = [(_called(query.legend, series), series) for number, query in enumerate(panel.queries) for series in answers[panel.title, number]]
    inner = (x + 8, y + 28, width - 16, height - 36)
    if found:
        yield from DRAW[panel.kind](panel, found, inner) if panel.kind is not Kind.TABLE else _table(panel, answers, inner)
    else:
        yield _text(x + 8, y + 44, "nothing: " + next(query.empty for query in panel.queries), size=11, fill="#607d8b")


def _called(legend: str, series: Series) -> str:
    for label, value in series.labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return re.sub(r"{{\w+}}", "", legend).strip()


def _text(x: float, y: float, text: str, *, size: int = 11, fill: str = "#222", anchor: str = "start") -> str:
    """Text from 12 on is a heading, but a figure of 20."""
    weight = "bold" if 12 <= size < 20 else "normal"
    looks = f'font-size="{size}" fill="{fill}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {looks}>{escape(text)}</text>'


def _said(panel: Panel, value: float, unit: Unit | None = None) -> str:
    if panel.states and unit is None:
        return panel.states[value][0] if value in panel.states else f"{value:g}"
    return WORDS.get(unit or panel.unit, lambda figure: f"{figure:.3g}")(value)


def _ink(panel: Panel, value: float) -> str:
    if value in panel.states:
        return INKS[panel.states[value][1]]
    return INKS[[colour for start, colour in panel.steps if start is None or value >= start][-1]]


def _stat(panel: Panel, found: Named, box: Box) -> Iterator[str]:
    x, y, width, height = box
    for number, (name, series) in enumerate(found):
        at = x + width * (number + 0.5) / len(found)
        yield _text(at, y + height * 0.55, _said(panel, series.last), size=20, fill=_ink(panel, series.last), anchor="middle")
        yield _text(at, y + height * 0.85, name, fill="#607d8b", anchor="middle")


def _bars(panel: Panel, found: Named, box: Box) -> Iterator[str]:
    x, y, width, height = box
    most = max((abs(series.last) for _, series in found), default=0) or 1
    step = min(24.0, height / max(1, len(found)))
    for number, (name, series) in enumerate(sorted(found, key=lambda pair: -pair[1].last)):
        top = y + number * step
        yield _text(x, top + step * 0.65, name[: int(width * 0.5 / 6)])
        room = width * 0.35
        yield (
            f'<rect x="{x + width * 0.5:.0f}" y="{top + 2:.0f}" width="{max(1, room * abs(series.last) / most):.0f}"'
            f' height="{step - 5:.0f}" fill="{_ink(panel, series.last)}" opacity="0.75"/>'
        )
        yield _text(x + width, top + step * 0.65, _said(panel, series.last), anchor="end")


def _span(found: Named) -> tuple[float, float]:
    times = [at for _, series in found for at, _ in series.values]
    return min(times), max(*times, min(times) + 1)


def _lines(panel: Panel, found: Named, box: Box) -> Iterator[str]:
    x, y, width, height = box
    left, bottom = x + 58, y + height - 18 * (1 + (len(found) - 1) // 4) - 4
    area = (left, y, x + width - left, bottom - y)
    start, end = _span(found)
    shown = list(_stacked(found)) if panel.stacked else found
    figures = [value for _, series in shown for _, value in series.values if math.isfinite(value)] or [0.0]
    low, high = min(0.0, *figures), max(*figures, 0.0)
    high = high if high > low else low + 1
    for share in (0, 0.5, 1):
        at, value = bottom - share * area[3], low + share * (high - low)
        yield f'<path d="M{left:.0f} {at:.0f}h{area[2]:.0f}" stroke="#e3e6e8"/>'
        yield _text(left - 4, at + 4, _said(panel, value), size=10, fill="#607d8b", anchor="end")
    if panel.lines_at_steps:
        for step, colour in panel.steps:
            if step is not None and low <= step <= high:
                at = bottom - (step - low) / (high - low) * area[3]
                yield f'<path d="M{left:.0f} {at:.0f}h{area[2]:.0f}" stroke="{INKS[colour]}" stroke-dasharray="4 3"/>'
    for number, (_, series) in enumerate(shown):
        points = [
            (left + (at - start) / (end - start) * area[2], bottom - (value - low) / (high - low) * area[3])
            for at, value in series.values
            if math.isfinite(value)
        ]
        path = "M" + "L".join(f"{across:.0f} {down:.0f}" for across, down in points)
        yield f'<path d="{path}" fill="none" stroke="{PALETTE[number % len(PALETTE)]}" stroke-width="1.6"/>'
    yield from _legend([name for name, _ in found], x, bottom + 17, width)


def _stacked(found: Named) -> Iterator[tuple[str, Series]]:
    heap: dict[float, float] = {}
    for name, series in found:
        for at, value in series.values:
            heap[at] = heap.get(at, 0.0) + (value if math.isfinite(value) else 0.0)
        yield name, Series(labels=series.labels, values=tuple((at, heap[at]) for at, _ in series.values))


def _legend(names: Sequence[str], x: float, y: float, width: float) -> Iterator[str]:
    column = width / 4
    for number, name in enumerate(names):
        left, top = x + (number % 4) * column, y + number // 4 * 18
        yield f'<rect x="{left:.0f}" y="{top - 8:.0f}" width="9" height="9" fill="{PALETTE[number % len(PALETTE)]}"/>'
        yield _text(left + 13, top, name[: int((column - 14) / 5.2)], size=10)


def _spells(series: Series, longest_s: float) -> Iterator[tuple[float, float, float]]:
    """From when until when a figure stayed the same. What has no figure for longer than that has none."""
    began, before, value = series.values[0][0], *series.values[0]
    for at, now in (*series.values[1:], (math.inf, math.nan)):
        if now != value or at - before > longest_s:
            yield began, at if at - before <= longest_s else before, value
            began, value = at, now
        before = at


def _states(panel: Panel, found: Named, box: Box) -> Iterator[str]:
    x, y, width, height = box
    start, end = _span(found)
    step, left = min(26.0, (height - 22) / len(found)), x + width * 0.27
    for number, (name, series) in enumerate(found):
        top = y + number * step
        yield _text(left - 5, top + step * 0.65, name[: int(width * 0.27 / 5.2)], size=10, anchor="end")
        for at, until, value in _spells(series, (end - start) / 60):
            across, along = left + (at - start) / (end - start) * (x + width - left), (until - at) / (end - start) * (x + width - left)
            yield f'<rect x="{across:.1f}" y="{top + 2:.0f}" width="{along + 0.3:.1f}" height="{step - 4:.0f}" fill="{_ink(panel, value)}"/>'
    for number, (word, colour) in enumerate(panel.states.values()):
        at = x + number * 120
        yield f'<rect x="{at:.0f}" y="{y + height - 9:.0f}" width="9" height="9" fill="{INKS[colour]}"/>'
        yield _text(at + 13, y + height, word, size=10)


def _heat(panel: Panel, found: Named, box: Box) -> Iterator[str]:
    x, y, width, height = box
    start, end = _span(found)
    edges = sorted(((float(series.labels["le"]), dict(series.values)) for _, series in found), key=lambda edge: edge[0])
    cells = [
        (row, at, count - (edges[row - 1][1].get(at, 0.0) if row else 0.0)) for row, (_, counts) in enumerate(edges) for at, count in counts.items()
    ]
    most = max(count for *_, count in cells) or 1.0
    times = sorted({at for _, at, _ in cells})
    room = width - 58
    along, tall = room / max(1, len(times)), height / len(edges)
    for row, (edge, _) in enumerate(edges):
        word = "more" if math.isinf(edge) else _said(panel, edge)
        yield _text(x + 54, y + height - row * tall - tall * 0.25, word, size=9, fill="#607d8b", anchor="end")
    for row, at, count in cells:
        if count > most * 1e-6:
            across, top = x + 58 + (at - start) / (end - start) * (room - along), y + height - (row + 1) * tall
            looks = f'fill="#d84315" opacity="{math.sqrt(count / most):.2f}"'
            yield f'<rect x="{across:.1f}" y="{top:.1f}" width="{along:.1f}" height="{tall:.1f}" {looks}/>'


def _table(panel: Panel, answers: Answers, box: Box) -> Iterator[str]:
    x, y, width, _ = box
    rows: dict[tuple[str, str], dict[int, float]] = {}
    for number in range(len(panel.queries)):
        for series in answers[panel.title, number]:
            rows.setdefault((series.labels["site"], series.labels["box"]), {})[number] = series.last
    column = width / (2 + len(panel.queries))
    for place, heading in enumerate(("site", "box", *(query.legend for query in panel.queries))):
        yield _text(x + place * column, y + 12, heading, size=12)
    for line, ((site, box_name), figures) in enumerate(sorted(rows.items())):
        at = y + 36 + line * 24
        yield _text(x, at, site) + _text(x + column, at, box_name, fill="#1565c0")
        for number, query in enumerate(panel.queries):
            value = figures.get(number, math.nan)
            word, colour = query.states.get(value, ("" if math.isnan(value) else _said(panel, value, query.unit or panel.unit), None))
            yield _text(x + (2 + number) * column, at, word, fill=INKS[colour] if colour else "#222")


DRAW: Mapping[Kind, Callable[[Panel, Named, Box], Iterator[str]]] = {
    Kind.STAT: _stat,
    Kind.BARS: _bars,
    Kind.LINES: _lines,
    Kind.STATES: _states,
    Kind.HEAT: _heat,
}
