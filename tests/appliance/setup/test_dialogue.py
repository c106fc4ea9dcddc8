"""The dialogue of setup: at a real terminal, with a real camera and broker, and as a person who mistypes, gives up or has no camera yet."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from appliance.config.configuration import load
from appliance.config.form import Id
from appliance.setup import dialogue
from appliance.setup.discovery import INSTALL, DiscoveryFailed, Found, find_cameras, read_cameras
from appliance.setup.draft import configuration_text
from appliance.setup.shelf import read_shelf
from appliance.setup.terminal import MAX_TYPED, TRIES, GaveUp, Terminal
from sensors.secret import Secret
from tests.analyzers.husk import lay, sized
from tests.appliance.conftest import Broker
from tests.sensors.harness import Scene, record
from tests.sensors.test_rtsp import BINDINGS, PYTHON, camera

LIMIT_S = 60.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def talk(command: list[str], lines: list[tuple[str, str]], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command at a terminal; each line is typed once what it answers has been asked. Its exit status and all that was shown."""
    pid, end = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests in the background may have it ignored
        os.execvpe(command[0], command, {**os.environ, "COLUMNS": "150", "TERM": "xterm", **environment})  # noqa: S606
    shown, mark, until = "", 0, time.monotonic() + LIMIT_S
    waiting = list(lines)
    while time.monotonic() < until:
        readable, _, _ = select.select([end], [], [], 0.1)
        if readable:
            try:
                shown += os.read(end, 65536).decode(errors="replace")
            except OSError:  # it has ended
                break
        elif waiting and waiting[0][0] in ESCAPES.sub("", shown[mark:]):
            mark = len(shown)
            os.write(end, waiting.pop(0)[1].encode())
    else:
        os.kill(pid, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, ESCAPES.sub("", shown)


@pytest.fixture
def without_discovery(tmp_path: Path) -> dict[str, str]:
    """An environment in which the package that looks for cameras is not there."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "wsdiscovery.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": f"{tmp_path / 'shadow'}:{Path(__file__).parents[3]}"}


@pytest.mark.rtsp
@pytest.mark.broker
def test_a_person_at_a_terminal_comes_to_a_configuration_that_is_right(tmp_path: Path, without_discovery: dict[str, str]) -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode:
        pytest.skip("gst-rtsp-server is not installed")
    broker = Broker(tmp_path, extra=f"allow_anonymous false\npassword_file {tmp_path / 'users'}")
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "users", "omniwatch", "right one"], check=True)
    broker.start()
    target = tmp_path / "box" / "appliance.yaml"
    with camera("pcma", "--login", "anna:the right word") as served:
        lines = [
            ("site's name", "plant-7\n"),
            ("box's name", "Press Hall\n"),
            ("is no name", "press-hall\n"),
            ("time zone", "Europe/Berlin\n"),
            ("The folder", f"{tmp_path / 'state'}\n"),
            ("source like", f"{served.source}\n"),
            ("Its name here", "hall\n"),
            ("name to log in", "anna\n"),
            ("Its password", "the wrong word\n"),
            ("leave it out?", "again\n"),
            ("whole address", "\n"),
            ("name to log in", "anna\n"),
            ("Its password", "the right word\n"),
            ("listen as well", "yes\n"),
            ("no more", "\n"),
            ("an Omni model", "\n"),
            ("At hall", "smoke-or-flam\n"),
            ("did you mean", "smoke-or-flame, alarm-bell\n"),
            ("Its name or address", "127.0.0.1\n"),
            ("Encrypted", "no\n"),
            ("Its port", f"{broker.port}\n"),
            ("name to log in", "omniwatch\n"),
            ("Its password", "right one\n"),
            ("Write it", "yes\n"),
        ]
        status, shown = talk([sys.executable, "-m", "appliance", "setup", str(target)], lines, without_discovery)
    broker.stop()
    assert status == 0, shown
    assert INSTALL in " ".join(shown.split())
    assert "unauthorized" in shown
    assert "640x360 h264, 15 pictures a second; pcm_alaw 8 kHz" in shown
    assert re.search(r"Success \(reason code 0x00\), as omniwatch; a message came back in \d+ ms", shown)
    assert "right word" not in shown
    assert "right one" not in shown
    found = load(target)
    assert found.sensors[0].credentials
    assert found.sensors[0].credentials.password == Secret("the right word")
    assert {str(policy.id) for policy in found.policies} == {"smoke-or-flame", "alarm-bell"}
    assert found.mqtt
    assert found.mqtt.password == Secret("right one")


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_who_stops_in_the_middle_leaves_nothing(tmp_path: Path, key: str) -> None:
    lines = [("site's name", "plant-7\n"), ("box's name", key)]
    status, shown = talk([sys.executable, "-m", "appliance", "setup", str(tmp_path / "box" / "appliance.yaml")], lines, {})
    assert status == 130
    assert "stopped: nothing was written" in shown
    assert not list(tmp_path.iterdir())


# Without a terminal: the same questions, answered from a list.


def scripted(*typed: str) -> tuple[Terminal, Console]:
    waiting = iter(typed)
    console = Console(width=200, record=True, file=StringIO())

    def line(prompt: str, _hidden: bool) -> str:  # noqa: FBT001 - as the terminal has it
        console.print(prompt, markup=False)
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    return Terminal(console, line), console


AROUND = dialogue.Around(network=lambda: (Found(host="10.0.0.21", name="Hall East, AX-3000"),), machine=lambda: ("mic:HDA Intel",))
"""A network with one camera, and a machine with one microphone."""


def test_what_was_found_is_taken_by_its_number_and_what_does_not_open_is_kept_or_left_out(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", Scene())
    terminal, console = scripted(
        "s", "b", "UTC", str(tmp_path),
        "1", "rtsp://127.0.0.1:1/stream", "", "", "keep",  # nobody is at this port: kept all the same, under the name that it gave itself
        "2", "", "out",  # a microphone that is not there
        "9", f"file:{tmp_path}/film.mp4", "film", "no",  # there is no ninth
        "",
        "",
        "missing-helmet", "alarm-bell", "2", "",  # the film's sound is off, so it cannot be asked for a bell
        "",
    )  # fmt: skip
    shelf = read_shelf(tmp_path / "policies")
    answers = dialogue.ask_all(terminal, shelf, AROUND)
    says = console.export_text()
    assert list(answers.sensors) == ["hall-east", "film"]
    assert answers.sensors["film"].sound == "off"
    assert "there are 2 in the list" in says
    assert "160x96 h264" in says
    assert "alarm-bell needs sound, which" in says
    assert re.search(r"fight +People fighting +critical +sight or sound", says), "what names no sense takes either"
    assert answers.watch == {"hall-east": ("missing-helmet",), "film": ("fence-climbed",)}
    assert "source: rtsp://127.0.0.1:1/stream" in configuration_text(answers, shelf)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ('{"length": "4s", "every": "2s", "longest_side": 224}', "windows of 4s every 2s, at 1 fps and 224 pixels a side: yours will be cut so"),
        ('{"length": "4m"}', "window.json names no window that there can be (must be a multiple of 2s at 1 fps"),
    ],
)
def test_the_windows_that_a_model_was_taught_on_are_told_when_it_is_named(tmp_path: Path, window: str, says: str) -> None:
    lay(tmp_path / "model", sized(4))
    (tmp_path / "model" / "window.json").write_text(window)
    terminal, console = scripted("s", "b", "UTC", str(tmp_path), "rtsp://127.0.0.1:1/stream", "cam", "", "keep", "", str(tmp_path / "model"), "")
    with pytest.raises(EOFError):  # nobody types any further
        dialogue.ask_all(terminal, read_shelf(tmp_path / "policies"), AROUND)
    assert says in " ".join(console.export_text().split())


def test_an_answer_that_cannot_be_used_is_asked_for_again_and_not_for_ever() -> None:
    terminal, _ = scripted("Not A Name", "x" * (MAX_TYPED + 1), "a\x1b[31mb", "", "a-name")
    assert terminal.value("?", TypeAdapter(Id)) == "a-name"
    terminal, console = scripted(*["No!"] * (TRIES + 1))
    with pytest.raises(GaveUp, match="--answers FILE"):
        terminal.value("?", TypeAdapter(Id))
    assert console.export_text().count("is no name") == TRIES


def test_passwords_are_wrapped_as_they_are_typed() -> None:
    terminal, _ = scripted("", " ", "ge heim")
    assert terminal.password("?") == Secret("ge heim")


# Cameras in the network.


CAMERA = """
import sys, time
from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing
camera = ThreadedWSPublishing(ttl=1)
camera.start()
scopes = [Scope("onvif://www.onvif.org/name/Hall%20East"), Scope("onvif://www.onvif.org/hardware/AX-3000")]
camera.publishService(types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")], scopes=scopes,
                      xAddrs=["http://10.0.0.21/onvif/device_service"])
print("ready", flush=True)
sys.stdin.read()
"""


NAME = "onvif://www.onvif.org/name/"


@contextmanager
def published() -> Iterator[None]:
    """A camera that answers to WS-Discovery, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", CAMERA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def test_a_camera_in_the_network_is_found() -> None:
    pytest.importorskip("wsdiscovery")
    with published():
        assert Found(host="10.0.0.21", name="Hall East, AX-3000") in find_cameras()


def test_without_the_package_it_says_how_to_get_it(without_discovery: dict[str, str]) -> None:
    with pytest.raises(DiscoveryFailed, match="pip install 'WSDiscovery"):
        find_cameras({**os.environ, **without_discovery})


@pytest.mark.parametrize(
    ("said", "cameras"),
    [
        ([], []),
        ([{"addresses": ["http://cam.lan/x", "http://192.168.1.9:8080/onvif"], "scopes": []}], [("192.168.1.9", "")]),  # no names: whose are they?
        ([{"addresses": ["http://[fe80::1]/x"]}, {"addresses": ["http://[2001:db8::5]/x"]}], [("2001:db8::5", "")]),
        ([{"addresses": ["nonsense", "http://", "file:///etc/passwd"], "scopes": ["x"]}], []),
        (
            [{"addresses": ["http://10.0.0.1/"], "scopes": [f"{NAME}%1b%5B31m<b>Evil%0aCam", NAME + "x" * 500]}],
            [("10.0.0.1", "31m b Evil Cam, " + "x" * 60)],
        ),
        ([{"addresses": ["http://10.0.0.1/"], "scopes": []}] * 9, [("10.0.0.1", "")]),
    ],
)
def test_whoever_answers_is_a_numeric_address_and_a_harmless_name(said: list[dict[str, list[str]]], cameras: list[tuple[str, str]]) -> None:
    data = TypeAdapter(list[dict[str, list[str]]]).dump_json(said)
    found = read_cameras(data)
    assert [(each.host, re.sub(r" +", " ", each.name)) for each in found] == cameras


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b'[{"addresses": 5}]'])
def test_what_cannot_be_read_is_nobody(said: bytes) -> None:
    with pytest.raises(DiscoveryFailed, match="type the cameras' addresses"):
        read_cameras(said)
