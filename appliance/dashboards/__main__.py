"""Writes the dashboards as they are committed: `python -m appliance.dashboards configs`."""

import json
import sys
from pathlib import Path

from appliance.dashboards.box import BOX
from appliance.dashboards.grafana import dashboard_json
from appliance.dashboards.site import SITE

DASHBOARDS = (BOX, SITE)
INSIDE = Path("grafana") / "dashboards"


def write(folder: Path) -> None:
    """Write all of them into `folder`, each under its uid."""
    (folder / INSIDE).mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard_json(dashboard), indent=2) + "\n"
        (folder / INSIDE / f"{dashboard.uid}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
