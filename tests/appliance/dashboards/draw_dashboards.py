"""Draws the dashboards for the manual: `python -m tests.appliance.dashboards.draw_dashboards` writes docs/dashboard-*.svg.

The hall of the demo is judged by its small model, beside a dock that fares badly, under a real Prometheus, for two minutes.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.dashboards.__main__ import DASHBOARDS
from appliance.dashboards.panel import Dashboard
from appliance.demo.broker import Broker as DemoBroker
from appliance.demo.film import write
from appliance.demo.scene import DEMO, FPS, render, sound
from appliance.demo.settings import hall_config
from tests.appliance.conftest import Appliance, eventually
from tests.appliance.dashboards.drawing import Answers, drawing
from tests.appliance.dashboards.watched_boxes import Watched, acknowledge, dock, wall, watched

DOCS = Path(__file__).parents[3] / "docs"
SECONDS = 110.0
SEED = 7


@dataclass
class DemoHall(Appliance):
    """The rendered hall, as the demo watches it."""

    def write(self) -> None:
        broker = DemoBroker(name="mosquitto", port=self.broker.port, protocol="5")
        path = hall_config(self.folder, f"file:{self.film}", broker, self.metrics)
        path.write_text(path.read_text().replace("self_test: off", "self_test: {every: 1h}"))


def answers(found: Watched, dashboard: Dashboard, box: str) -> Answers:
    """All that a dashboard shows."""
    return {
        (panel.title, number): found.answer(dashboard, panel, query, box)
        for panel in dashboard.panels()
        for number, query in enumerate(panel.queries)
    }


def pictures(found: Watched, boxes: Mapping[str, str]) -> Mapping[str, str]:
    """Each dashboard by its file's name, of the boxes that it is to show."""
    short = [(each, each.uid.removeprefix("omniwatch-")) for each in DASHBOARDS]
    return {f"dashboard-{name}.svg": drawing(each, answers(found, each, boxes[name])) for each, name in short}


def operate(found: Watched) -> None:
    """Acknowledge what opens in the hall, some seconds later, as people do."""
    eventually(lambda: found.prometheus.once('omniwatch_sensor_up{box="hall"} == 1'), 60, f"the hall is watched: {found.boxes['hall'].log()}")
    until, since = time.time() + SECONDS, dict[str, float]()

    def over() -> bool:
        for series in found.prometheus.once('omniwatch_alarm_state{box="hall", state="active", view!="box"} == 1'):
            opened = since.setdefault(series.labels["policy"], time.time())
            if opened and time.time() > opened + 3:
                since[series.labels["policy"]] = 0.0
                acknowledge(found.boxes["hall"], series.labels["policy"])
        return time.time() > until

    eventually(over, SECONDS + 60, "the hall has been watched for long enough")


def main() -> None:
    """Entry point."""
    folder = Path(tempfile.mkdtemp(prefix="omniwatch-dashboards-"))
    try:
        timeline = replace(DEMO, length_s=DEMO.length_s + 20)
        film, other = folder / "hall.mp4", wall(folder / "wall.mp4")
        write(film, render(timeline, SEED), sound(timeline, SEED), FPS)
        makers = {
            "hall": lambda place, broker: DemoHall(place, film, broker),
            "dock": lambda place, broker: dock(place, other, broker),
        }
        with watched(folder, makers) as found:
            operate(found)
            for name, picture in pictures(found, {"box": "hall", "site": "hall|dock"}).items():
                (DOCS / name).write_text(picture, encoding="utf-8")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
