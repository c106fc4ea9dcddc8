"""Two real boxes under a real Prometheus, asked what Grafana would ask.

`hall` does well: it has a model, sound and somebody who acknowledges. `dock` has no model, a sensor that is not there and a broker that refuses.
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
from tests.appliance.prometheus_server import Prometheus, Series, scraping

MODEL = Path(__file__).parents[2] / "appliance" / "demo" / "model"
RULES = Path(__file__).parents[2] / "configs" / "prometheus" / "omniwatch.rules.yml"
STAGES = {"hall": "judged", "dock": "cued"}
MAY = ("status", "state/#", "sensor/#", "heartbeat")
"""What the dock's broker lets it write: all but alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Both boxes, and what was scraped of them."""

    prometheus: Prometheus
    began: float
    ended: float

    def answer(self, dashboard: Dashboard, panel: Panel, query: Query, box: str) -> tuple[Series, ...]:
        """What a panel's query shows for a box. Series without any figure are left out, as Grafana does."""
        asked = filled(expression(query, dashboard.scope), box, self.ended - self.began)
        if panel.kind in ONCE:
            found = self.prometheus.once(asked)
        else:
            found = self.prometheus.range(asked, self.began, self.ended, max(1.0, (self.ended - self.began) / 120))
        return tuple(series for series in found if not series.is_empty())


def filled(expr: str, box: str, span_s: float) -> str:
    """An expression with Grafana's variables replaced as it would."""
    values = {
        "$__rate_interval": "8s",
        "$__range": f"{math.ceil(span_s)}s",
        "$site": "plant",
        "$box": box,
        "$policy": "something-there",
        "$stage": STAGES.get(box, "judged"),
    }
    for name, value in values.items():
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
    model = f"{{kind: omni, model: {MODEL}}}"
    return Appliance(folder, film, broker, sensors=sound, judge=model, policy="    acknowledge: required\n    threshold: 0.001\n    patrol: 2s\n")


def dock(folder: Path, film: Path, broker: Broker) -> Appliance:
    """The box that does not."""
    (folder / "acl").write_text("".join(f"topic write omniwatch/plant/test/{topic}\n" for topic in MAY))
    broker.extra = f"allow_anonymous true\nacl_file {folder}/acl"
    gone = f"  gone:\n    source: file:{folder}/nowhere.mp4\n    window: {{length: 2s, every: 2s}}\njudge:"
    return Appliance(folder, film, broker, sensors=gone)


@contextmanager
def watched(folder: Path, seconds: float = 0.0) -> Iterator[Watched]:
    """Run both, until everything that is to be seen has been scraped, and for at least so long."""
    with ExitStack() as stack:
        boxes, film = dict[str, Appliance](), wall(folder / "wall.mp4")
        for name, made in (("hall", hall), ("dock", dock)):
            place = folder / name
            place.mkdir()
            broker = Broker(place)
            boxes[name] = made(place, film, broker)
            broker.start()
            stack.callback(broker.stop)
            stack.callback(boxes[name].kill)
        prometheus = stack.enter_context(scraping(folder, RULES, {name: box.metrics for name, box in boxes.items()}))
        for box in boxes.values():
            box.start()
        began = time.time()
        stands = 'omniwatch_alarm_state{box="hall", policy="something-there", state="active"} == 1'
        eventually(lambda: prometheus.once(stands), 60, "something stands in the hall")
        acknowledge = [sys.executable, "-m", "appliance", "ack", "something-there", "--config", str(boxes["hall"].config)]
        subprocess.run(acknowledge, check=True, timeout=30, capture_output=True)
        os.kill(boxes["dock"].children()["sensors.main"], signal.SIGKILL)
        for wanted, what in signs(prometheus).items():
            eventually(wanted, 60, what)
        eventually(lambda: time.time() >= began + seconds, seconds + 1, "it has run for long enough")
        yield Watched(prometheus=prometheus, began=began, ended=time.time())


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
        holds('changes(omniwatch_judge_media_tokens_total{box="hall"}[8s]) > 2'): "rates can be told",
    }
