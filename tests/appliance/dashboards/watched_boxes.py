"""Two real boxes under a real Prometheus, asked what Grafana would ask.

`hall` does well: it has a model, sound and somebody who acknowledges. `dock` has no model, a sensor that is not there,
a broker that refuses, and keeps no evidence.
"""

import math
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from appliance.dashboards.grafana import ONCE, expression
from appliance.dashboards.panel import Dashboard, Panel, Query
from tests.appliance.conftest import FPS, Appliance, Broker, eventually
from tests.appliance.prometheus.prometheus_server import Prometheus, Series, scraping

MODEL = Path(__file__).parents[3] / "appliance" / "demo" / "model"
RULES = Path(__file__).parents[3] / "configs" / "prometheus" / "omniwatch.rules.yml"
MAY = ("status", "state/#", "sensor/#", "heartbeat")
"""What the dock's broker lets it write: all but alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Boxes by name, and the Prometheus that scrapes them."""

    boxes: Mapping[str, Appliance]
    prometheus: Prometheus
    began: float

    def answer(self, dashboard: Dashboard, panel: Panel, query: Query, box: str) -> tuple[Series, ...]:
        """What a panel's query shows now for a box, or for several (`a|b`). Series without any figure are left out, as Grafana does."""
        ended = time.time()
        asked = filled(expression(query, dashboard.scope), self._variables(box, ended - self.began))
        if panel.kind in ONCE:
            found = self.prometheus.once(asked)
        else:
            found = self.prometheus.range(asked, self.began, ended, max(1.0, (ended - self.began) / 120))
        return tuple(series for series in found if not series.is_empty())

    def _variables(self, box: str, span_s: float) -> Mapping[str, str]:
        policies = {series.labels["policy"] for series in self.prometheus.once(f'omniwatch_policy_threshold_log_odds{{box=~"{box}"}}')}
        return {
            "$__rate_interval": "8s",
            "$__range": f"{math.ceil(span_s)}s",
            "$site": "plant",
            "$box": box,
            "$policy": "|".join(sorted(policies)),
            "$stage": "cued" if box == "dock" else "judged",
        }


def filled(expr: str, variables: Mapping[str, str]) -> str:
    """An expression with Grafana's variables replaced as it would."""
    for name, value in variables.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"not a variable of Grafana: {expr}"
    return expr


def wall(path: Path) -> Path:
    """Two minutes of a wall with a pattern. From 6 s to 16 s of every 40 s something stands there that hides little of it."""
    pattern = np.random.default_rng(3).integers(60, 200, (24, 40)).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 192, "yuv420p", 2_000_000
        for number in range(120 * FPS):
            picture = np.stack([pattern] * 3, axis=-1).astype(np.uint8)
            if 6 * FPS <= number % (40 * FPS) < 16 * FPS:
                picture[100:180, 100:180, 2] = 20
                picture[100:180, 100:180, 0] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def tone(path: Path) -> Path:
    """Two minutes of a quiet tone."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes((np.sin(np.arange(120 * 16000) / 9) * 3000).astype("<i2").tobytes())
    return path


def hall(folder: Path, film: Path, broker: Broker) -> Appliance:
    """The box that does well. Its model knows nothing of walls: whatever it says is a yes, so that there is an alarm."""
    sound = f"  tone:\n    source: file:{tone(folder / 'tone.wav')}\n    window: {{length: 2s, every: 2s}}\njudge:"
    site, model = "evidence: {before: 2s, after: 2s, free: 1%}\n", f"{{kind: omni, model: {MODEL}}}"
    policy, login = "    acknowledge: required\n    threshold: 0.001\n    patrol: 2s\n", ", pictures: {every: 2s}"
    return Appliance(folder, film, broker, sensors=sound, judge=model, site=site, policy=policy, login=login)


def dock(folder: Path, film: Path, broker: Broker) -> Appliance:
    """The box that does not."""
    (folder / "acl").write_text("".join(f"topic write omniwatch/plant/test/{topic}\n" for topic in MAY))
    broker.extra = f"allow_anonymous true\nacl_file {folder}/acl"
    gone = f"    evidence: off\n  gone:\n    source: file:{folder}/nowhere.mp4\n    evidence: off\n    window: {{length: 2s, every: 2s}}\njudge:"
    return Appliance(folder, film, broker, sensors=gone)


Maker = Callable[[Path, Broker], Appliance]


@contextmanager
def watched(folder: Path, makers: Mapping[str, Maker]) -> Iterator[Watched]:
    """Start them, each with a broker of its own."""
    with ExitStack() as stack:
        boxes: dict[str, Appliance] = {}
        for name, make in makers.items():
            place = folder / name
            place.mkdir()
            broker = Broker(place)
            boxes[name] = make(place, broker)
            broker.start()
            stack.callback(broker.stop)
            stack.callback(boxes[name].kill)
        prometheus = stack.enter_context(scraping(folder, RULES, {name: box.metrics for name, box in boxes.items()}))
        for box in boxes.values():
            box.start()
        yield Watched(boxes=boxes, prometheus=prometheus, began=time.time())


def acknowledge(box: Appliance, policy: str) -> bool:
    """As an operator would. Whether there still was an alarm to acknowledge."""
    command = [sys.executable, "-m", "appliance", "ack", policy, "--config", str(box.config)]
    return subprocess.run(command, check=False, timeout=30, capture_output=True).returncode == 0


@contextmanager
def seen(folder: Path) -> Iterator[Watched]:
    """Both boxes, once everything that is to be seen has been scraped."""
    film = wall(folder / "wall.mp4")
    makers = {"hall": lambda place, broker: hall(place, film, broker), "dock": lambda place, broker: dock(place, film, broker)}
    with watched(folder, makers) as found:
        stands = 'omniwatch_alarm_state{box="hall", policy="something-there", state="active"} == 1'
        eventually(lambda: found.prometheus.once(stands), 60, "something stands in the hall")
        assert acknowledge(found.boxes["hall"], "something-there")
        os.kill(found.boxes["dock"].children()["sensors.main"], signal.SIGKILL)
        for wanted, what in signs(found.prometheus).items():
            eventually(wanted, 60, what)
        yield found


def signs(prometheus: Prometheus) -> Mapping[Callable[[], bool], str]:
    """What must have been scraped, by what it is called."""

    def holds(expr: str) -> Callable[[], bool]:
        return lambda: bool(prometheus.once(expr))

    return {
        holds('omniwatch_window_age_seconds_count{box="hall", stage="judged"} > 5'): "the model has answered",
        holds('count_over_time(omniwatch_window_age_seconds_count{box="hall", stage="delivered"}[1m]) > 2'): "an alarm has been delivered",
        holds('omniwatch_alarm_acknowledge_seconds_count{box="hall"} > 0'): "it has been acknowledged",
        holds('omniwatch_alarm_changes_total{box="dock", policy="something-there", change="opened"} > 0'): "something stands in the dock",
        holds('count_over_time(omniwatch_mqtt_puback_failures_total{box="dock"}[1m]) > 2'): "the broker has refused",
        holds('omniwatch_alarm_state{box="dock", policy="sensor-lost", state="active"} > 0'): "the sensor that is not there is an alarm",
        holds('count_over_time(omniwatch_sensor_restarts_total{box="dock"}[1m]) > 2'): "a sensor's process has been started again",
        holds('count_over_time(omniwatch_evidence_clips_total{box="hall", outcome="kept"}[1m]) > 2'): "a clip has been kept",
        holds('changes(omniwatch_judge_media_tokens_total{box="hall"}[8s]) > 2'): "rates can be told",
    }
