"""The machine itself: libraries, local cameras and microphones, the disk. It knows no configuration.

It changes nothing. Native libraries are looked at in a child of their own, so that a broken one is a finding and not an end.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from appliance import __version__
from appliance.doctor.finding import Finding, Health

PROBE_S = 60.0
AGAIN = "install omniwatch again: the bundle's `install`, or scripts/setup in a checkout"


def look_at_machine() -> Iterator[Finding]:
    """What is here."""
    yield Finding(what="omniwatch", health=Health.OK, says=f"{__version__}, Python {sys.version.split()[0]}")
    yield _sqlite()
    yield from _libraries()
    yield from _cameras()
    yield from _microphones()


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    fixed = sqlite3.sqlite_version_info >= (3, 51, 3) or version.startswith(("3.50.7", "3.44.6"))
    note = "" if fixed else "; its WAL-reset fault needs two writers at once, and this box has one writer"
    return Finding(what="sqlite", health=Health.OK, says=f"{version}{note}")


LIBRARIES = """
import json, importlib.metadata as m
found = {}
def look(name, probe):
    try: found[name] = probe()
    except BaseException as error: found[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
def av():
    import av
    return {"version": av.__version__, "ffmpeg": {k: ".".join(map(str, v)) for k, v in av.library_versions.items()}}
def cv2():
    import cv2
    return {"version": cv2.__version__}
def torch():
    import torch
    of = torch.cuda.get_device_properties
    gpus = [{"name": of(i).name, "bytes": of(i).total_memory} for i in range(torch.cuda.device_count())]
    return {"version": torch.__version__, "gpus": gpus}
def of(package): return lambda: {"version": m.version(package)}
look("av", av); look("opencv", cv2); look("torch", torch)
for package in ("transformers", "bitsandbytes", "accelerate", "paho-mqtt", "pyaudio"): look(package, of(package))
print(json.dumps(found))
"""

MICROPHONES = """
import json, os
os.environ.setdefault("ALSA_CONFIG_PATH", "/usr/share/alsa/alsa.conf")
import pyaudio
quiet = os.open(os.devnull, os.O_WRONLY); os.dup2(quiet, 2)
audio = pyaudio.PyAudio()
devices = [audio.get_device_info_by_index(i) for i in range(audio.get_device_count())]
print(json.dumps([d["name"] for d in devices if d["maxInputChannels"] > 0]))
"""


def _probe(program: str) -> object:
    """What a child that imports native libraries prints as JSON, or the reason why it did not, as a string."""
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PROBE_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"did not answer within {PROBE_S:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:300]
    return json.loads(done.stdout.splitlines()[-1])


def _libraries() -> Iterator[Finding]:
    found = _probe(LIBRARIES)
    if not isinstance(found, dict):
        yield Finding(what="libraries", health=Health.FAILURE, says=str(found), do=AGAIN)
        return
    for name, facts in found.items():
        if "error" in facts:
            yield Finding(what=name, health=Health.FAILURE, says=facts["error"], do=AGAIN)
        elif name == "av":
            parts = ", ".join(f"{part} {number}" for part, number in facts["ffmpeg"].items() if part in {"libavcodec", "libavformat"})
            yield Finding(what=name, health=Health.OK, says=f"{facts['version']} with FFmpeg's {parts} inside")
        elif name == "torch":
            yield Finding(what=name, health=Health.OK, says=f"{facts['version']}; {_accelerators(facts['gpus'])}")
        else:
            yield Finding(what=name, health=Health.OK, says=facts["version"])


def _accelerators(gpus: list[dict[str, int | str]]) -> str:
    return ", ".join(f"{gpu['name']} {int(gpu['bytes']) / 1e9:.0f} GB" for gpu in gpus) if gpus else f"no GPU, {os.cpu_count()} processors"


def _cameras() -> Iterator[Finding]:
    devices = sorted(Path("/dev").glob("video*"))
    for device in devices:
        if os.access(device, os.R_OK | os.W_OK):
            yield Finding(what="camera", health=Health.OK, says=f"v4l2:{device}")
        else:
            yield Finding(what="camera", health=Health.WARNING, says=f"{device} may not be opened", do="add the user to the group video")
    if not devices:
        yield Finding(what="camera", health=Health.OK, says="no local camera; network cameras need none")


def _microphones() -> Iterator[Finding]:
    found = _probe(MICROPHONES)
    if not isinstance(found, list):
        yield Finding(what="microphone", health=Health.WARNING, says=str(found), do="apt-get install libportaudio2; if that does not help, " + AGAIN)
    elif found:
        for name in found:
            yield Finding(what="microphone", health=Health.OK, says=f"mic:{name}")
    else:
        yield Finding(what="microphone", health=Health.OK, says="no local microphone; a camera's own sound needs none")


def local_sources() -> tuple[str, ...]:
    """The cameras and microphones of this machine that can be opened, each as `source` has it."""
    cameras = (f"v4l2:{device}" for device in sorted(Path("/dev").glob("video*")) if os.access(device, os.R_OK | os.W_OK))
    found = _probe(MICROPHONES)
    return (*cameras, *(f"mic:{name}" for name in (found if isinstance(found, list) else ())))


def look_at_disk(state: Path) -> Iterator[Finding]:
    """Whether there is room for the state folder, and leave to write it."""
    # os.path: a Path would raise where a folder above may not be looked into, as under systemd's DynamicUser.
    folder = next((each for each in (state, *state.parents) if os.path.exists(each)), Path("/"))  # noqa: PTH110
    usage = shutil.disk_usage(folder)
    free = usage.free / usage.total
    health = Health.OK if free > 0.1 else Health.WARNING if free > 0.02 else Health.FAILURE
    do = "" if health is Health.OK else "make room: alarms go out without a full disk's help, but are not kept"
    yield Finding(what="disk", health=health, says=f"{usage.free / 1e9:.1f} GB free ({free:.0%}) for {state}", do=do)
    if not os.access(folder, os.W_OK):
        yield Finding(
            what="state",
            health=Health.FAILURE,
            says=f"{folder} may not be written",
            do=f"mkdir -p {state} and give it to the user that runs omniwatch",
        )
