"""The configuration files that a demo writes for the appliance: the hall's, or that of whatever the owner points it at."""

import json
from pathlib import Path

from appliance.demo.broker import Broker

HALL = Path(__file__).with_name("demo.yaml")
MODEL = Path(__file__).with_name("model")
SCHEMES = ("rtsp", "rtsps", "file", "v4l2", "mic")

BOX = """\
site: demo
box: {box}
timezone: UTC
state: {state}
metrics: {{listen: "127.0.0.1:{metrics}"}}
self_test: off      # its alarms would stand between those that the scene owes
notify:
  mqtt: {{host: 127.0.0.1, port: {port}, protocol: "{protocol}"}}
  speech: {{language: en, max_age: 20s}}
evidence: {{before: 4s, after: 4s, free: 1%}}
"""

SOURCE = """
sensors:
  source:
    source: {source}
    window: {{length: 2s, every: 1s, fps: 2, longest_side: 320}}

judge: {{kind: cues}}

policies:
  - id: something-moves
    ask: Does something move?
    sensors: [source]
    senses: [sight]
    trigger: 2 of 3
    clear_after: 4s
    fallback: {{motion: 0.01}}
  - id: something-changed
    ask: Is something there that is not there usually?
    sensors: [source]
    senses: [sight]
    trigger: 3 of 4
    clear_after: 4s
    fallback: {{changed: 0.02}}
  - id: sudden-sound
    ask: Is there a sudden loud sound?
    sensors: [source]
    senses: [sound]
    clear_after: 4s
    fallback: {{onset: 10.0, loud: -40.0}}
"""


def hall_config(folder: Path, source: str, broker: Broker, metrics_port: int) -> Path:
    """The configuration of the rendered hall, written to `folder`."""
    text = HALL.read_text().replace("model: MODEL", f"model: {quoted(str(MODEL))}").replace("source: SOURCE", f"source: {quoted(source)}")
    return _written(folder, text, broker, metrics_port)


def source_config(folder: Path, source: str, broker: Broker, metrics_port: int) -> Path:
    """A configuration for any source: a path, or what `sensors.….source` takes."""
    known = source.partition(":")[0] in SCHEMES and ":" in source
    return _written(folder, SOURCE.format(source=quoted(source if known else f"file:{Path(source).resolve()}")), broker, metrics_port)


def quoted(text: str) -> str:
    """`text` as a YAML string, whatever it holds: JSON's are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _written(folder: Path, text: str, broker: Broker, metrics_port: int) -> Path:
    box = BOX.format(box="box", state=quoted(str(folder.resolve() / "state")), metrics=metrics_port, port=broker.port, protocol=broker.protocol)
    path = folder / "appliance.yaml"
    path.write_text(box + text)
    return path
