"""What the drills share: a scene in which something happens every few seconds, and disks of their own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from tests.appliance.conftest import Appliance, Broker, broker, eventually, listener

__all__ = ["broker", "eventually", "listener"]

FPS = 10
SCENE_S, PERIOD_S, THERE_S = 300, 8, 4
OPENING_S = 30


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of a grey wall in front of which something large stands for 4 of every 8 s."""
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    noise = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for number in range(SCENE_S * FPS):
            picture = noise.normal(110, 2, (192, 320, 3))
            if number / FPS % PERIOD_S >= PERIOD_S - THERE_S:
                picture[60:180, 100:200] = (200, 180, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def appliance(tmp_path: Path, film: Path, broker: Broker) -> Iterator[Appliance]:
    """A box that tells every alarm of the scene singly, however many there are."""
    runtime = {"RUNTIME_DIRECTORY": str(tmp_path)}  # a socket in the state folder would hold its disk
    box = Appliance(tmp_path, film, broker, site="flood: 1000 in 10m\n", environment=runtime)
    yield box
    box.kill()


def run(*command: object) -> None:
    """A command of the system, which has to do what it is told."""
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a disk takes root")


@pytest.fixture
def state(appliance: Appliance) -> Iterator[Path]:
    """The folder of the appliance's database, on a disk of 64 MB of its own."""
    needs_root()
    folder = appliance.folder / "state"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64m", "none", folder)
    yield folder
    appliance.kill()
    run("umount", "-l", folder)


@dataclass
class Ext4:
    """A disk with a real file system that can break, hang and be mended."""

    image: Path
    folder: Path

    def make(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(64 * 2**20)
        run("mkfs.ext4", "-q", self.image)
        self.folder.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)

    def break_it(self) -> None:
        """What a kernel does that meets an error on a disk: from now on it may only be read."""
        device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if str(self.folder) in line)
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """Take the disk out, check it and put it in again: possible only where nobody holds it."""
        run("umount", self.folder)
        subprocess.run(["fsck.ext4", "-fy", self.image], check=False, capture_output=True)
        self.mount()


@pytest.fixture
def ext4(appliance: Appliance) -> Iterator[Ext4]:
    """The folder of the appliance's database, on an ext4 of its own."""
    needs_root()
    disk = Ext4(appliance.folder / "image", appliance.folder / "state")
    try:
        disk.make()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no ext4 can be mounted here: {error.stderr.decode()[:80]}")
    yield disk
    appliance.kill()
    subprocess.run(["fsfreeze", "-u", disk.folder], check=False, capture_output=True)
    run("umount", "-l", disk.folder)


def fill(folder: Path, name: str = "rest") -> Path:
    """Take all the room that there is."""
    rest = folder / name
    with rest.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 65536):
            pass
    return rest


def rot(path: Path, share: float = 1.0) -> None:
    """What a dying flash does: pages of the file turn to rubbish behind the program's back."""
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        for page in range(round(pages * (1 - share)), pages):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)

