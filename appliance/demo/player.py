"""Plays a film as a camera: over RTSP where the server's bindings are installed, else as a file that the sensor paces in real time."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from appliance.demo.broker import free_port

PYTHON = Path("/usr/bin/python3")
"""Debian's own: it has the GStreamer bindings."""


class Player:
    """A film that is being played."""

    def __init__(self, url: str) -> None:
        """`url`: what `sensors.….source` takes."""
        self.url = url
        self.zero_boot_ns: int | None = None
        """When the film began to run; None: not yet, or with the sensor's first picture."""

    def hear(self, lines: IO[str]) -> None:
        """Note when the film begins; ends with the server."""
        for line in lines:
            word, _, number = line.partition(" ")
            if word == "playing" and self.zero_boot_ns is None:
                self.zero_boot_ns = int(number)


def _file(film: Path) -> str:
    return f"file:{film.resolve()}"


@contextmanager
def played(film: Path, folder: Path) -> Iterator[Player]:
    """The film as a camera, until the block ends."""
    if not PYTHON.exists():
        yield Player(_file(film))
        return
    port = free_port()
    with (folder / "camera.log").open("w") as log:
        command = [str(PYTHON), str(Path(__file__).with_name("rtsp_server.py")), str(film), str(port), "/hall"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True)  # noqa: S603
        try:
            serves = process.stdout is not None and process.stdout.readline().startswith("serving")
            player = Player(f"rtsp://127.0.0.1:{port}/hall" if serves else _file(film))
            if process.stdout is not None:
                threading.Thread(target=player.hear, args=(process.stdout,), name="player", daemon=True).start()
            yield player
        finally:
            process.kill()
            process.wait()
