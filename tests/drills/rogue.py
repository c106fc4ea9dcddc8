"""A sensor process that was taken over: it takes the place of the real one where the sensor is called `rogue-...`, and does what the rest says."""

import base64
import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

FIGURES = {"kind": "figures", "sensor": ""}


def main(sensor: str, end: socket.socket) -> None:  # noqa: C901, PLR0912, PLR0915 - one case a misdeed
    """Misbehave."""
    settings = json.loads(end.recv(65537))
    shape = settings["window"]
    news = {"kind": "sensor", "sensor": sensor, "condition": "online"}
    end.send(json.dumps(news).encode())
    match sensor.removeprefix("rogue-"):
        case "garbage":
            end.send(os.urandom(60_000))
        case "flood":
            while True:
                end.send(json.dumps(FIGURES | {"sensor": sensor}).encode())
        case "just-not-a-flood":
            while True:
                end.send(json.dumps(FIGURES | {"sensor": sensor}).encode())
                time.sleep(1 / 380)
        case "fat":
            while True:
                end.send(json.dumps(news | {"detail": "x" * 300}).encode())
                time.sleep(1 / 380)
        case "half":
            end.send(json.dumps(news).encode()[:40])
        case "deaf":
            number = 0
            pairs = round(shape["length_s"] * shape["fps"] / 2)
            while True:
                number += 1
                end.send(json.dumps(window(sensor, number, pairs)).encode())
                time.sleep(1 / 200)
        case "another":
            end.send(json.dumps(news | {"sensor": "wall"}).encode())
        case "elsewhere":
            end.send(json.dumps(window(sensor, 1, 2) | {"slots": [0, 1000]}).encode())
        case "eternal":
            end.send(json.dumps(FIGURES | {"sensor": sensor, "last_frame_boot_ns": 10**30}).encode())
        case "prophet":
            late = window(sensor, 1, 2)
            end.send(json.dumps(late | {"end": late["end"] | {"boot_ns": 10**30}}).encode())
        case "nameless":
            end.send(json.dumps(window(sensor, 1, 2) | {"id": "x" * 50_000}).encode())
        case "large":
            view = {"id": sensor, "height": 32 * 1000, "width": 320, "cues": {}}
            end.send(json.dumps(window(sensor, 1, 2) | {"views": [view]}).encode())
        case "shows-too-often":
            while True:
                end.send(preview(sensor, jpeg(320, 192)))
                time.sleep(1 / 100)
        case "bomb":
            end.send(preview(sensor, jpeg(65535, 65535)))
        case "no-picture":
            end.send(preview(sensor, b"<svg onload=alert(1)>"))
        case "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "silent":
            signal.pause()
    end.recv(1)


def preview(sensor: str, picture: bytes) -> bytes:
    """A preview as it is told."""
    return json.dumps({"kind": "preview", "sensor": sensor, "jpeg": base64.urlsafe_b64encode(picture).decode()}).encode()


def jpeg(width: int, height: int) -> bytes:
    """All that is looked at of a JPEG of this size."""
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + height.to_bytes(2) + width.to_bytes(2) + bytes(8) + b"\xff\xd9"


def window(sensor: str, number: int, pairs: int) -> dict[str, Any]:
    """A window that cannot be told from a real one."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    moments = [{"utc": "2026-01-01T00:00:00Z", "boot_ns": at, "boot_id": boot_id} for at in (now - 10**9, now)]
    view = {"id": sensor, "height": 192, "width": 320, "cues": {}}
    return {
        "kind": "window", "id": f"{sensor}/1/{number}", "sensor": sensor, "epoch": 1, "first_pair": number, "start": moments[0], "end": moments[1],
        "slots": list(range(pairs)), "senses": ["sight"], "views": [view],
    }  # fmt: skip


def begin() -> None:
    """Called in every process of the box, before anything else of it: only a rogue stays here."""
    if "sensors.main" not in sys.orig_argv:
        return
    words = sys.orig_argv
    memory = str(Path(f"/proc/self/fd/{words[words.index('--slots') + 1]}").readlink())
    sensor = memory.removeprefix("/memfd:omniwatch-").removesuffix(" (deleted)")
    if sensor.startswith("rogue-"):
        with contextlib.suppress(OSError):
            main(sensor, socket.socket(fileno=int(words[words.index("--socket") + 1])))
        os._exit(0)
