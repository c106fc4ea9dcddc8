"""Grafana's dashboards: committed as they are described, as Grafana's published model allows, and every expression with data of real boxes.

The model is grafana-foundation-sdk 11.6.0 (Apache-2.0), which Grafana generates from its own schemas: everything that we write must come
back from it as it was, so a field that it does not know, or a word that it does not allow, shows. Grafana 12.3's types (@grafana/schema
12.3.0) were laid beside it by hand, with the TypeScript compiler: they allow the same, so what only one of the two knows is not written.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from appliance.dashboards import __main__ as dashboards
from appliance.dashboards.grafana import COLUMNS, dashboard_json
from appliance.dashboards.panel import Dashboard, Kind, Unit
from tests.appliance.dashboards.draw_dashboards import DOCS, pictures
from tests.appliance.dashboards.watched_boxes import MODEL, Watched, seen
from tests.appliance.prometheus import series
from tests.appliance.prometheus.prometheus_server import PROMETHEUS

GRAFANA = Path(__file__).parents[3] / "configs" / "grafana"
ALL = pytest.mark.parametrize("dashboard", dashboards.DASHBOARDS, ids=lambda each: each.uid)


def read(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return YAML(typ="safe").load(path)


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """The panels as Grafana reads them, without the rows' headings."""
    return [panel for panel in dashboard_json(dashboard)["panels"] if panel["type"] != "row"]


def test_what_is_committed_is_what_is_described(tmp_path: Path) -> None:
    dashboards.write(tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / "grafana" / "dashboards").iterdir()}
    committed = {path.name: path.read_text() for path in (GRAFANA / "dashboards").iterdir()}
    assert made == committed, "run: python -m appliance.dashboards configs"


@ALL
def test_each_panel_says_what_it_shows_and_asks_for_series_that_a_box_has(dashboard: Dashboard) -> None:
    known = series.known()
    for panel in dashboard.panels():
        assert panel.shows.endswith("."), panel.title
        for query in panel.queries:
            names = set(series.read(query.expr))
            assert names, query.expr
            assert names <= known, f"{panel.title}: {names - known}"


@ALL
def test_panels_lie_side_by_side_and_nowhere_over_each_other(dashboard: Dashboard) -> None:
    taken: dict[tuple[int, int], str] = {}
    every = dashboard_json(dashboard)["panels"]
    for panel in every:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} lies over {taken[cell]}"
            taken[cell] = panel["title"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel.title for panel in dashboard.panels()}) == len(dashboard.panels())


@ALL
def test_a_line_of_panels_leaves_no_hole(dashboard: Dashboard) -> None:
    lines: dict[int, set[tuple[int, int]]] = {}
    for panel in panels(dashboard):
        place = panel["gridPos"]
        lines.setdefault(place["y"], set()).add((place["w"], place["h"]))
    for panel in panels(dashboard):
        y = panel["gridPos"]["y"]
        assert len({height for _, height in lines[y]}) == 1, f"{panel['title']}: a line of different heights"
    widths = {y: sum(panel["gridPos"]["w"] for panel in panels(dashboard) if panel["gridPos"]["y"] == y) for y in lines}
    assert set(widths.values()) == {COLUMNS}, widths


@ALL
def test_grafanas_published_model_knows_every_field_and_every_word(dashboard: Dashboard) -> None:
    model = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason="grafana-foundation-sdk is not installed (pip install -e .[dev])")
    from grafana_foundation_sdk.cog import plugins  # noqa: PLC0415 - only where it is installed
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415

    plugins.register_default_plugins()
    written = dashboard_json(dashboard)
    come_back = json.loads(JSONEncoder().encode(model.Dashboard.from_json(json.loads(json.dumps(written)))))
    assert list(differences(written, come_back, "dashboard")) == []


def differences(ours: Any, theirs: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - any part of a dashboard
    """What of ours did not come back."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{where}.{key} is no field of Grafana's model"
            else:
                yield from differences(value, theirs[key], f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, f"{where}[{index}]")
    elif ours != theirs:
        yield f"{where}: {ours!r} came back as {theirs!r}"


def test_units_are_grafanas() -> None:
    units = pytest.importorskip("grafana_foundation_sdk.models.units", reason="grafana-foundation-sdk is not installed (pip install -e .[dev])")
    assert {unit.value for unit in Unit} <= {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}


@ALL
def test_every_query_names_its_source_and_has_a_letter_of_its_own(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0
        for target in (panel, *panel["targets"]):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = dashboard_json(dashboard)["templating"]["list"]
    assert variables[0] == variables[0] | {"type": "datasource", "name": "datasource", "query": "prometheus"}
    names = {variable["name"] for variable in variables}
    used = {name for panel in panels(dashboard) for target in panel["targets"] for name in re.findall(r"\$([a-z]\w*)", target["expr"])}
    assert used <= names
    assert names - {"datasource"} <= used


def test_what_is_provisioned_fits_together() -> None:
    (source,) = read(GRAFANA / "provisioning" / "datasources" / "omniwatch.yaml")["datasources"]
    assert (source["type"], source["uid"], source["isDefault"]) == ("prometheus", "omniwatch", True)
    scrape = read(GRAFANA.parent / "prometheus" / "prometheus.yml")
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]
    assert scrape["scrape_configs"][0]["job_name"] == "omniwatch"
    assert set(scrape["scrape_configs"][0]["static_configs"][0]["labels"]) == {"site", "box"}
    (provider,) = read(GRAFANA / "provisioning" / "dashboards" / "omniwatch.yaml")["providers"]
    assert (provider["type"], provider["disableDeletion"]) == ("file", True)
    manual = (GRAFANA.parents[1] / "docs" / "operations.md").read_text()
    assert provider["options"]["path"] in manual
    links = [link for each in dashboards.DASHBOARDS for link in re.findall(r"/d/([\w-]+)\?", json.dumps(dashboard_json(each)))]
    assert set(links) <= {each.uid for each in dashboards.DASHBOARDS}


@pytest.fixture(scope="module")
def two_boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if not PROMETHEUS or not shutil.which("mosquitto"):
        pytest.skip("prometheus and mosquitto are needed; Debian has packages of these names")
    if not (MODEL / "model.safetensors").exists():
        pytest.skip("the demo's model has not been trained")
    with seen(tmp_path_factory.mktemp("watched")) as found:
        yield found


@pytest.mark.broker
@pytest.mark.model
@pytest.mark.timeout(180)
@ALL
def test_every_expression_has_data_of_a_real_box(two_boxes: Watched, dashboard: Dashboard) -> None:
    problems = []
    for panel in dashboard.panels():
        for query in panel.queries:
            has = {box: bool(two_boxes.answer(dashboard, panel, query, box)) for box in ("hall", "dock")}
            if not any(has.values()):
                problems.append(f"{panel.title}, {query.legend}: no data at all: {query.expr}")
            elif not query.empty and not has["hall"]:
                problems.append(f"{panel.title}, {query.legend}: no data of a box that does well, and no reason why: {query.expr}")
            elif query.empty and all(has.values()):
                problems.append(f"{panel.title}, {query.legend}: was never empty, yet says when it is ({query.empty})")
    assert not problems, "\n".join(problems)


@pytest.mark.broker
@pytest.mark.model
@pytest.mark.timeout(180)
def test_prometheus_follows_every_rule_on_real_boxes(two_boxes: Watched) -> None:
    assert two_boxes.prometheus.unhealthy_rules() == []
    assert "OmniwatchWatchdog" in two_boxes.prometheus.alerts()


@pytest.mark.broker
@pytest.mark.model
@pytest.mark.timeout(180)
def test_the_manuals_pictures_can_be_drawn_and_show_every_panel(two_boxes: Watched) -> None:
    for name, drawn in pictures(two_boxes, {"box": "hall", "site": "hall|dock"}).items():
        committed = (DOCS / name).read_text()
        assert titles(committed) == titles(drawn), "run: python -m tests.appliance.dashboards.draw_dashboards"


def titles(picture: str) -> list[str]:
    """The headings of a picture, which must be XML."""
    texts = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own
    return [text.text or "" for text in texts if text.get("font-weight") == "bold"]


def test_every_kind_and_unit_is_used() -> None:
    every = [panel for dashboard in dashboards.DASHBOARDS for panel in dashboard.panels()]
    assert {panel.kind for panel in every} == set(Kind)
    used = {panel.unit for panel in every} | {query.unit for panel in every for query in panel.queries if query.unit}
    assert used == set(Unit)
