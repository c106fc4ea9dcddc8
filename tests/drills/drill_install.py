"""From a bare Debian to a box that watches, and all that then happens to it: `scripts/drills install`. Nothing reaches the internet from inside."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import pytest

from tests.appliance.conftest import eventually
from tests.drills.conftest import needs_root
from tests.drills.tree import Tree, booted, make, missing

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "tests" / "sensors" / "rtsp_server.py"
BARE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PIP_NO_CACHE_DIR": "1"}
Measured = dict[str, str | int | float]

CONFIG = """\
site: plant-7
box: press-hall
timezone: Europe/Berlin
sensors:
  press-cell:
    source: rtsp://127.0.0.1:8554/camera
    username: watcher
    password: !secret press_cell
    window: {length: 2s, every: 1s, fps: 2, longest_side: 224}
flood: 1000 in 10m
judge: {kind: omni, model: MODEL, quantization: nf4, threads: 1}
policies:
  - id: press-cell-entry
    ask: Is a person inside the fenced press cell?
    sensors: [press-cell]
    senses: [sight]
    fallback: {changed: 0.1}
notify:
  mqtt: {host: 127.0.0.1, port: 18830}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scripts/bundle makes of this checkout as on a bare Debian: another Python, or a wheel from an earlier run, would hide what it lacks."""
    needs_root()
    if absent := missing():
        pytest.skip(f"not installed: {', '.join(absent)}")
    folder = tmp_path_factory.mktemp("media")
    subprocess.run([ROOT / "scripts" / "bundle", folder], check=True, capture_output=True, env={**os.environ, **BARE})
    return next(folder.iterdir())


@pytest.fixture
def tree(tmp_path: Path, bundle: Path) -> Iterator[Tree]:
    make(tmp_path / "tree")
    with booted(tmp_path / "tree", bundle.parent) as up:
        yield up


@dataclass
class World:
    """What is around the box: a camera that somebody covers for 8 of every 24 s, and a broker with a listener."""

    tree: Tree
    folder: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, stack: ExitStack) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text("listener 18830 127.0.0.1\npersistence false\nuser root\nallow_anonymous true\n")
        film = covered_film(self.folder / "film.mkv")
        self._start(stack, "mosquitto", "-c", config)
        camera = self._start(stack, "/usr/bin/python3", SERVER, 8554, "pcma", "--file", film, "--login", "watcher:hunter2")
        assert camera.stdout
        assert camera.stdout.readline() == "ready\n"
        listener = self._start(stack, "mosquitto_sub", "-p", 18830, "-t", "omniwatch/+/+/alert/#")
        assert listener.stdout
        Thread(target=lambda: self.told.extend(map(json.loads, listener.stdout)), daemon=True).start()

    def _start(self, stack: ExitStack, *command: object) -> subprocess.Popen[str]:
        process = self.tree.around(*command)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def opened(self) -> int:
        """Alarms about the covered camera that were heard of."""
        return sum(each["data"]["policy"] == "picture-dark" and each["data"]["change"] == "opened" for each in self.told)

    def alarm(self) -> float:
        """Wait for one more; how long that took, in seconds."""
        begun, before = time.monotonic(), self.opened()
        eventually(lambda: self.opened() > before, 180, "another alarm is heard outside")
        return time.monotonic() - begun


def covered_film(path: Path) -> Path:
    """Half an hour of a grey wall, black for 8 of every 24 s; with sound."""
    noise = np.random.default_rng(3)
    second = [noise.normal(level, 2, (192, 320, 3)).clip(0, 255).astype(np.uint8) for level in (110, 4)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuvj420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        for number in range(30 * 60 * 5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(second[number // 5 % 24 >= 16], format="rgb24")))
            heard = av.AudioFrame.from_ndarray(noise.normal(0, 300, (1, 1600)).astype(np.int16), format="s16", layout="mono")
            heard.sample_rate, heard.pts = 8000, number * 1600
            container.mux(sound.encode(heard))
        container.mux(stream.encode(None))
    return path


def another(bundle: Path, version: str, *, starts: bool) -> None:
    """A later version beside `bundle`: the same but for its name, its rules for factories, and perhaps that it does not start."""
    later = bundle.parent / f"omniwatch-{version}"
    shutil.copytree(bundle, later, dirs_exist_ok=True)
    (later / "VERSION").write_text(version + "\n")
    with (later / "configs" / "policies" / "cctv.yaml").open("a") as catalogue:
        catalogue.write(f"# of {version}\n")
    if not starts:
        unit = later / "systemd" / "omniwatch.service"
        unit.write_text(unit.read_text().replace("/bin/omniwatch run", "/bin/omniwatch run --no-such-option"))
    files = [path for path in later.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    (later / "SHA256SUMS").write_text("".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(later)}\n" for path in files))


def it_is_installed_and_not_started_half_configured(tree: Tree, bundle: Path, measured: Measured) -> None:
    begun = time.monotonic()
    tree.run(f"/media/{bundle.name}/install")
    measured["installed without internet, s"] = round(time.monotonic() - begun)
    assert tree.says("systemctl is-enabled omniwatch") == "disabled"
    model = tree.says("echo /opt/omniwatch/current/venv/lib/python3*/site-packages/appliance/demo/model")
    (tree.folder / "etc/omniwatch/appliance.yaml").write_text(CONFIG.replace("MODEL", model))
    refused = tree.run("/opt/omniwatch/current/install", well=False)
    assert refused.returncode == 1
    assert 'no secret "press_cell"' in refused.stderr
    assert (tree.says("systemctl is-enabled omniwatch"), tree.show("ActiveState")) == ("disabled", "inactive")
    (tree.folder / "etc/omniwatch/secrets/press_cell").write_text("hunter2\n")
    tree.run("/opt/omniwatch/current/install")
    assert (tree.says("systemctl is-enabled omniwatch"), tree.show("ActiveState")) == ("enabled", "active")


def it_runs_as_closed_as_its_unit_says(tree: Tree, measured: Measured) -> None:
    main = tree.show("MainPID")
    status = dict(line.split(":\t", 1) for line in tree.says(f"cat /proc/{main}/status").splitlines() if ":\t" in line)
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]) == (0, 0, "1", "2")
    assert status["Uid"].split()[0] == tree.says("id -u omniwatch")
    mounts = {line.split()[1]: line.split()[3].split(",") for line in tree.says(f"cat /proc/{main}/mounts").splitlines()}
    assert "ro" in mounts["/"]
    assert {"rw", "noexec"} <= set(mounts["/var/lib/omniwatch"])
    level = tree.says("systemd-analyze security omniwatch | tail -1").split(":")[1].split()[0]
    assert float(level) <= 2.0
    measured["exposure level"] = float(level)


def what_is_killed_comes_back(tree: Tree, world: World, measured: Measured) -> None:
    eventually(lambda: "the judge is ready" in tree.log(), 240, "the model is loaded under the unit's hardening")
    main = tree.show("MainPID")
    for module, name in (("sensors.main", "sensor"), ("analyzers.main", "judge")):
        for process in tree.processes(module):
            process.kill()
        measured[f"next alarm after the {name} was killed, s"] = round(world.alarm())
    eventually(lambda: tree.log().count("the judge is ready") == 2, 240, "the judge is back")
    assert (tree.show("MainPID"), tree.show("NRestarts")) == (main, "0")


def the_watchdog_bites(tree: Tree, world: World, measured: Measured) -> None:
    begun = time.monotonic()
    tree.run(f"kill -STOP {tree.show('MainPID')}")
    eventually(lambda: tree.show("NRestarts") == "1" and tree.show("ActiveState") == "active", 120, "systemd has started it again")
    measured["a supervisor that stands still is replaced after, s"] = round(time.monotonic() - begun)
    assert "Watchdog timeout" in tree.log()
    world.alarm()


def it_stops_in_order(tree: Tree, world: World, measured: Measured) -> None:
    begun = time.monotonic()
    tree.run("systemctl stop omniwatch")
    measured["stopped within, s"] = round(time.monotonic() - begun, 1)
    assert (tree.show("Result"), tree.show("ActiveState")) == ("success", "inactive")
    assert not tree.processes("/opt/omniwatch")
    tree.run("systemctl start omniwatch")
    world.alarm()


def it_is_upgraded_and_taken_back(tree: Tree, bundle: Path, world: World) -> None:
    first = tree.says("cat /opt/omniwatch/current/VERSION")
    tree.run("echo '# mine' >>/etc/omniwatch/policies/factory.yaml")
    another(bundle, "0.2.0-upgraded", starts=True)
    tree.run("/media/omniwatch-0.2.0-upgraded/install")
    assert tree.says("cat /opt/omniwatch/{current,previous}/VERSION").split() == ["0.2.0-upgraded", first]
    assert tree.says("tail -n1 /etc/omniwatch/policies/factory.yaml") == "# mine"
    assert tree.says("tail -n1 /etc/omniwatch/policies/cctv.yaml") == "# of 0.2.0-upgraded"
    world.alarm()
    tree.run("/opt/omniwatch/current/install --back")
    assert tree.says("cat /opt/omniwatch/{current,previous}/VERSION").split() == [first, "0.2.0-upgraded"]
    assert tree.says("tail -n1 /etc/omniwatch/policies/cctv.yaml") != "# of 0.2.0-upgraded"
    another(bundle, "0.3.0-broken", starts=False)
    done = tree.run("/media/omniwatch-0.3.0-broken/install", well=False)
    assert done.returncode == 1
    assert "going back" in done.stdout
    assert tree.says("cat /opt/omniwatch/current/VERSION") == first
    assert tree.show("ActiveState") == "active"
    world.alarm()


def it_goes_and_leaves_what_is_the_owners(tree: Tree, bundle: Path) -> None:
    tree.run("/opt/omniwatch/current/uninstall")
    left = "/etc/omniwatch/appliance.yaml /etc/omniwatch/secrets/press_cell /var/lib/omniwatch/omniwatch.db"
    tree.run(f"ls {left}")
    assert tree.says("ls -d /opt/omniwatch /usr/local/bin/omniwatch /usr/local/lib/systemd/system/omniwatch.service") == ""
    assert tree.says("systemctl is-active omniwatch") == "inactive"
    tree.run(f"/media/{bundle.name}/uninstall --purge")
    assert tree.says("ls -d /etc/omniwatch /var/lib/omniwatch; id omniwatch") == ""


@pytest.mark.broker
@pytest.mark.rtsp
@pytest.mark.model
@pytest.mark.timeout(0)
@pytest.mark.drill(
    36,
    "install",
    done="On a bare Debian 12 (debootstrap, booted, no network): installed from a bundle, mistakes in the configuration, sensor and judge killed, "
    "the supervisor stopped (SIGSTOP), an orderly stop, an upgrade, the way back, an upgrade that does not start, uninstalled",
    sees="nothing starts before the configuration is right; it runs under its own hardening; an alarm is heard over MQTT after each of these; "
    "the owner's files stay; what does not start is taken back by itself",
)
def test_a_bare_machine_becomes_a_box(tree: Tree, bundle: Path, tmp_path: Path, measured: Measured) -> None:
    world = World(tree, tmp_path)
    with ExitStack() as stack:
        world.begin(stack)
        it_is_installed_and_not_started_half_configured(tree, bundle, measured)
        it_runs_as_closed_as_its_unit_says(tree, measured)
        world.alarm()
        what_is_killed_comes_back(tree, world, measured)
        the_watchdog_bites(tree, world, measured)
        it_stops_in_order(tree, world, measured)
        it_is_upgraded_and_taken_back(tree, bundle, world)
        it_goes_and_leaves_what_is_the_owners(tree, bundle)
