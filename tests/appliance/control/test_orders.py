"""What an operator types at a running box, and what comes of it: on the terminal, over MQTT, and after a restart."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.appliance.conftest import Appliance, Broker, Listener, eventually

pytestmark = pytest.mark.broker
OPENING_S = 25
MORE = """\
  - id: at-night
    ask: Is something in front of the wall?
    sensors: [wall]
    modes: [night, away]
    clear_after: 2s
    fallback: {changed: 0.05}
"""


def omniwatch(box: Appliance, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", *words, "--config", str(box.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def status(box: Appliance) -> dict[str, Any]:
    answer = omniwatch(box, "status", "--json")
    return json.loads(answer.stdout) if answer.returncode == 0 else {}


def test_an_operator_acknowledges_shelves_and_tests_and_leaves_a_trail(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: listener.events("something-there", "opened"), OPENING_S, "the alarm opens")
    alert = listener.events("something-there", "opened")[0]["data"]["alert"]
    assert [(line["alert"], line["state"]) for line in status(appliance)["alarms"]] == [(alert, "active")]
    seen = omniwatch(appliance, "ack", alert[:8], "--why", "on my way")
    assert (seen.returncode, seen.stdout) == (0, "something-there on wall: acknowledged\n")
    eventually(lambda: listener.events("something-there", "acknowledged"), 5, "the acknowledgement is told")
    assert omniwatch(appliance, "test-alarm", "something-there").returncode == 1, "a real alarm stands"
    eventually(lambda: listener.events("something-there", "cleared"), 20, "the alarm clears")
    tested = omniwatch(appliance, "test-alarm", "something-there")
    assert (tested.returncode, "mqtt: delivered" in tested.stdout) == (0, True)
    opened = listener.events("something-there", "opened")[-1]["data"]
    assert (opened["test"], opened["summary"][:5]) == (True, "TEST:")
    shelved = omniwatch(appliance, "shelve", "something-there", "--for", "1h", "--why", "painting")
    assert shelved.returncode == 0
    assert [line["why"] for line in status(appliance)["shelves"]] == ["painting"]
    mistyped = omniwatch(appliance, "ack", "somthing-there")
    assert (mistyped.returncode, 'did you mean "something-there"?' in mistyped.stdout) == (1, True)
    over = listener.events("something-there", "cleared")
    eventually(lambda: [body for body in listener.events("something-there", "cleared") if body["data"]["test"]], 15, f"the test ends: {over}")
    trail = omniwatch(appliance, "audit")
    assert trail.returncode == 0
    assert [line.split()[6] for line in trail.stdout.splitlines()[:-1]] == ["ack", "test-alarm", "test-alarm", "shelve", "ack"]


def test_the_arm_mode_decides_what_is_watched_and_outlives_a_kill(appliance: Appliance, listener: Listener) -> None:
    appliance.more = MORE
    appliance.start()
    eventually(lambda: listener.of("/mode"), OPENING_S, "the mode is published")
    assert listener.of("/mode")[-1] == {"mode": "home", "armed": True, "since": None, "by": None}
    assert omniwatch(appliance, "arm", "away", "--why", "last one out").returncode == 0
    eventually(lambda: listener.of("/mode")[-1]["mode"] == "away", 5, "the mode is published at once")
    eventually(lambda: listener.events("at-night", "opened"), OPENING_S, "the alarm of the mode opens")
    assert "not watching now: at-night" in omniwatch(appliance, "disarm").stdout
    appliance.kill()
    appliance.start()
    eventually(lambda: status(appliance).get("mode", {}).get("who") == "root", 20, "the box is up")
    assert not status(appliance)["mode"]["armed"]
    eventually(lambda: listener.events("at-night", "cleared"), 40, "what was open clears although it is disarmed")
    assert omniwatch(appliance, "arm").stdout.startswith("armed: away")


def test_another_box_does_not_obey(appliance: Appliance, listener: Listener) -> None:
    appliance.start()
    eventually(lambda: listener.of("/mode"), OPENING_S, "the box is up")
    appliance.config.write_text(appliance.config.read_text().replace("box: test", "box: other"))
    answer = omniwatch(appliance, "disarm")
    assert (answer.returncode, answer.stdout) == (1, "this is the box plant/test, not plant/other\n")


def test_a_box_that_is_not_running_is_said_so(appliance: Appliance, broker: Broker) -> None:
    assert broker.process
    appliance.write()
    answer = omniwatch(appliance, "status")
    assert (answer.returncode, f"omniwatch run {appliance.config}" in answer.stderr) == (3, True)
