"""A dashboard as the JSON that Grafana 11 and 12 read (schema 39, the one of Grafana 11.0; newer ones bring it up to date themselves).

Fields as in Grafana's published model; `tests/appliance/dashboards/test_dashboards.py` says which release it is compared with.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.dashboards.panel import Colour, Dashboard, Kind, Panel, Query, Row, Variable

SCHEMA_VERSION = 39
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""Chosen at the head of the dashboard, so that it fits a Prometheus that is there already. The provisioned one is the default."""
ONCE = (Kind.STAT, Kind.BARS, Kind.TABLE)
"""Kinds that show one figure a series, the newest."""
LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
TOOLTIP = {"mode": "multi", "sort": "desc"}
REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """The whole of it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["omniwatch"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [_link()],
        "annotations": {"list": []},
        "templating": {"list": [_source(), *(_variable(each) for each in dashboard.variables)]},
        "panels": list(_placed(dashboard)),
    }


def _link() -> dict[str, Any]:
    """To the other dashboards, with the time that is shown."""
    return {
        "title": "Omniwatch",
        "type": "dashboards",
        "tags": ["omniwatch"],
        "asDropdown": False,
        "icon": "external link",
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }


def _source() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "regex": "", "hide": 0, "refresh": 1}


def _variable(variable: Variable) -> dict[str, Any]:
    chosen = {"current": {"selected": True, "text": "All", "value": "$__all"}} if variable.many else {}
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": SOURCE,
        "query": {"query": variable.values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,  # whenever the time shown changes: boxes and policies come and go
        "sort": 1,
        "hide": 0,
        "multi": variable.many,
        "includeAll": variable.many,
        "regex": "",
        **chosen,
    }


def _placed(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Rows below each other, their panels from left to right; a line is as high as its highest panel."""
    number, y = 1, 0
    for row in dashboard.rows:
        yield _row(row, number, y)
        number, y, x, highest = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, highest = 0, y + highest, 0
            yield _panel(panel, dashboard.scope, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            number, x, highest = number + 1, x + panel.width, max(highest, panel.height)
        y += highest


def _row(row: Row, number: int, y: int) -> dict[str, Any]:
    return {
        "type": "row",
        "id": number,
        "title": row.title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        "panels": [],
    }


def _panel(panel: Panel, scope: str, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "type": panel.kind.value,
        "id": number,
        "title": panel.title,
        "description": panel.shows,
        "gridPos": dict(place),
        "datasource": SOURCE,
        "targets": [_target(panel, query, scope, index) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": list(_columns(panel))},
        "options": _options(panel),
    }
    if panel.kind is Kind.TABLE:
        renamed = {_column(index): query.legend for index, query in enumerate(panel.queries)}
        organize = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": renamed}
        out["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
    return out


def _target(panel: Panel, query: Query, scope: str, index: int) -> dict[str, Any]:
    once = panel.kind in ONCE
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "expr": expression(query, scope),
        "legendFormat": query.legend if panel.kind is not Kind.TABLE else "__auto",
        "format": {Kind.TABLE: "table", Kind.HEAT: "heatmap"}.get(panel.kind, "time_series"),
        "instant": once,
        "range": not once,
        "editorMode": "code",
    }


def expression(query: Query, scope: str) -> str:
    """What Prometheus is asked, with Grafana's variables still in it."""
    return query.expr.replace("@", scope)


def _column(index: int) -> str:
    """What Grafana calls a column of merged queries before it is renamed."""
    return f"Value #{chr(ord('A') + index)}"


def _field(panel: Panel) -> dict[str, Any]:
    field: dict[str, Any] = {
        "unit": panel.unit.value,
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": colour.value} for value, colour in panel.steps]},
        "mappings": _mappings(panel.states),
    }
    if panel.kind is Kind.LINES:
        field["color"] = {"mode": "palette-classic"}
        field["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.lines_at_steps else "off"},
        }
    elif panel.kind is Kind.HEAT:
        field["custom"] = {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}
    else:
        field["color"] = {"mode": "thresholds"}
    if panel.kind is Kind.STATES:
        field["custom"] = {"fillOpacity": 80, "lineWidth": 0}
    return field


def _mappings(states: Mapping[float, tuple[str, Colour]]) -> list[dict[str, Any]]:
    options = {f"{value:g}": {"text": text, "color": colour.value, "index": index} for index, (value, (text, colour)) in enumerate(states.items())}
    return [{"type": "value", "options": options}] if options else []


def _columns(panel: Panel) -> Iterator[dict[str, Any]]:
    """The units of a table's columns, and the way from a box to its own dashboard."""
    if panel.kind is not Kind.TABLE:
        return
    for query in panel.queries:
        properties: list[dict[str, Any]] = [{"id": "unit", "value": (query.unit or panel.unit).value}]
        if query.states:
            properties += [
                {"id": "mappings", "value": _mappings(query.states)},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ]
        yield {"matcher": {"id": "byName", "options": query.legend}, "properties": properties}
    url = "/d/omniwatch-box?var-site=${__data.fields.site}&var-box=${__data.fields.box}&${__url_time_range}"
    link = {"id": "links", "value": [{"title": "Show this box", "url": url, "targetBlank": False}]}
    yield {"matcher": {"id": "byName", "options": "box"}, "properties": [link]}


def _options(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case Kind.STAT:
            return {
                "reduceOptions": REDUCE,
                "orientation": "auto",
                "textMode": "auto",
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
            }
        case Kind.BARS:
            return {"reduceOptions": REDUCE, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True, "valueMode": "color"}
        case Kind.LINES:
            return {"legend": LEGEND, "tooltip": TOOLTIP}
        case Kind.STATES:
            return {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "alignValue": "left", "legend": LEGEND, "tooltip": TOOLTIP}
        case Kind.HEAT:
            return {
                "calculate": False,
                "cellGap": 1,
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "reverse": False, "exponent": 0.5, "fill": "dark-orange"},
                "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit.value},
                "rowsFrame": {"layout": "auto"},
                "showValue": "never",
                "legend": {"show": True},
                "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
                "exemplars": {"color": "rgba(255,0,255,0.7)"},
                "filterValues": {"le": 1e-9},
            }
        case Kind.TABLE:
            return {"showHeader": True, "cellHeight": "sm"}
