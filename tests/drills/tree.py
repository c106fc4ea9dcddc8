"""A bare Debian 12 in a folder, booted beside this machine with its own systemd, and without any network but its own loopback.

It takes root, debootstrap, systemd-nspawn (Debian: systemd-container) and a mirror to make the folder from. Who wants to be the world
around the box, its camera and its broker, is started into its network from outside.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.appliance.conftest import eventually

NEEDS = ("debootstrap", "systemd-nspawn", "nsenter", "mosquitto_sub")
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
INSIDE = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb")


def missing() -> list[str]:
    """The programs that are not there."""
    return [name for name in NEEDS if shutil.which(name) is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The box while it is up."""

    folder: Path
    leader: int
    """Its systemd, as this machine numbers it."""

    def run(self, command: str, *, well: bool = True) -> subprocess.CompletedProcess[str]:
        """A line of shell as the box's root. `well`: it has to end with 0."""
        enter = ("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", *INSIDE, "bash", "-c", command)
        done = subprocess.run(enter, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert not well or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def says(self, command: str) -> str:
        """What a line of shell prints."""
        return self.run(command, well=False).stdout.strip()

    def around(self, *command: object) -> subprocess.Popen[str]:
        """A program of this machine, in the box's network: the world around the box."""
        words = ("nsenter", "-t", str(self.leader), "-n", *map(str, command))
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def processes(self, part: str) -> list[psutil.Process]:
        """Those of the box whose command line holds `part`, for this machine's hands."""
        return [each for each in psutil.Process(self.leader).children(recursive=True) if part in " ".join(each.cmdline())]

    def show(self, what: str) -> str:
        """A property of the unit, as systemd has it."""
        return self.says(f"systemctl show -p {what} --value omniwatch")

    def log(self) -> str:
        """What the box has said."""
        return self.says("journalctl -u omniwatch --no-pager -o cat")


def make(folder: Path) -> None:
    """A bare Debian: what debootstrap calls minbase, Python and systemd."""
    include = "--include=python3,systemd,systemd-sysv,dbus"
    subprocess.run(["debootstrap", "--variant=minbase", include, SUITE, str(folder), MIRROR], check=True, capture_output=True)


@contextmanager
def booted(folder: Path, media: Path) -> Iterator[Tree]:
    """The box, up; `media` is what somebody has carried to it, at /media."""
    words = ("--boot", "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", f"--bind-ro={media}:/media")
    with (folder.parent / "console.log").open("w") as console:
        outer = subprocess.Popen(
            ["systemd-nspawn", f"--directory={folder}", "--machine=omniwatch-drill", *words], stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
            eventually(lambda: outer.poll() is None and children.read_text().split(), 10, "the tree is booted")
            tree = Tree(folder=folder, leader=int(children.read_text().split()[0]))
            eventually(lambda: tree.says("systemctl is-system-running") in {"running", "degraded"}, 60, "its systemd is up")
            yield tree
        finally:
            outer.terminate()  # an orderly power-off
            outer.wait(timeout=60)
