"""The systemd unit as it is shipped: it starts the command that there is, never gives up, and is as closed as it says."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.config.keyring import INSTALLED

UNIT = Path(__file__).parents[2] / "systemd" / "omniwatch.service"


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def test_it_is_kept_alive_for_ever_and_told_to_be_by_an_honest_watchdog(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert (service["Type"], service["Restart"], service["OOMPolicy"]) == ("notify", "always", "continue")
    assert int(service["WatchdogSec"]) >= 60, "longer than the slowest core loop may stand still"
    assert service["ExecStart"].endswith("omniwatch run /etc/omniwatch/appliance.yaml")


def test_the_newest_minutes_of_each_sensor_outlive_a_restart(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryPreserve"]) == ("omniwatch", "restart")


def test_passwords_come_from_where_the_owner_is_told_to_put_them_and_operators_reach_the_socket(unit: configparser.ConfigParser) -> None:
    service = unit["Service"]
    assert service["LoadCredential"] == f"omniwatch:{INSTALLED}"
    assert (service["Group"], service["RuntimeDirectoryMode"], service["StateDirectoryMode"]) == ("omniwatch", "0750", "0700")


def test_systemd_itself_finds_it_closed_enough() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]
