"""What ships for containers fits what it runs: nothing is mounted that is not there, and nothing is more open than it has to be.

Whether the image builds and the box runs in it was tried by hand (docs/operations.md); a build takes minutes and the internet.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.alerts.mosquitto import Broker

ROOT = Path(__file__).parents[1]
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UID = "10001"


def read(name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    return YAML(typ="safe").load(ROOT / name)


def test_every_file_of_this_checkout_that_is_mounted_is_in_it_and_read_only() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service["volumes"]]
    ours = [mount for mount in mounts if mount[0].startswith("./")]
    assert len(ours) > 8
    for source, _target, mode in ours:
        assert mode == "ro"
        assert source.startswith("./box/") or (ROOT / source).exists(), source


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_may_more_than_it_has_to(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()) if name != "mosquitto")


def test_the_image_runs_as_nobody_and_says_whether_it_works() -> None:
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert re.findall(r"^USER (\S+)", final, re.MULTILINE) == [f"{UID}:{UID}"]
    assert "HEALTHCHECK" in final
    assert all(f"uid={UID},gid={UID},mode=0700" in each for each in SERVICES["appliance"]["tmpfs"])


def test_the_image_has_of_debian_what_a_bundle_installs() -> None:
    on_box = re.search(r"^on_box=\((.*)\)$", (ROOT / "scripts" / "bundle").read_text(), re.MULTILINE)
    assert on_box
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert set(on_box[1].split()) - {"python3-venv"} <= set(final.split()), "a venv is made in the first stage"


def test_secrets_and_what_the_owner_has_do_not_get_into_the_image() -> None:
    assert {"box", ".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())
    assert "box/" in (ROOT / ".gitignore").read_text()
    assert SERVICES["appliance"]["volumes"][1] == "./box/secrets:/run/secrets:ro"
    assert "CREDENTIALS_DIRECTORY=/run/secrets" in DOCKERFILE


def test_grafana_and_prometheus_know_each_other_as_they_do_without_containers() -> None:
    (datasource,) = read("configs/container/grafana.yaml")["datasources"]
    (usual,) = read("configs/grafana/provisioning/datasources/omniwatch.yaml")["datasources"]
    assert {**usual, "url": "http://prometheus:9090"} == datasource
    scrape, usually = read("configs/container/prometheus.yml"), read("configs/prometheus/prometheus.yml")
    assert scrape["rule_files"] == usually["rule_files"]
    assert scrape["scrape_configs"][0]["job_name"] == usually["scrape_configs"][0]["job_name"]
    assert scrape["scrape_configs"][0]["static_configs"][0]["targets"] == ["appliance:9464"]
    model = re.search(r"grafana-foundation-sdk==\S+!(\d+\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert model
    assert SERVICES["grafana"]["image"].rpartition(":")[2].startswith(model[1]), "the dashboards are held to this version's model"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    shutil.copy(ROOT / "configs" / "container" / "prometheus.yml", tmp_path)
    shutil.copy(ROOT / "configs" / "prometheus" / "omniwatch.rules.yml", tmp_path)
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, capture_output=True)


@pytest.mark.broker
def test_mosquitto_takes_its_configuration_and_lets_in_nobody_without_a_password(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "data").mkdir()
    subprocess.run(["mosquitto_passwd", "-c", "-b", tmp_path / "own" / "passwords", "omniwatch", "right-horse"], check=True, capture_output=True)
    shutil.copy(ROOT / "configs" / "mosquitto.acl", tmp_path / "own" / "omniwatch.acl")
    broker = Broker(tmp_path)
    text = (ROOT / "configs" / "container" / "mosquitto.conf").read_text().replace("/mosquitto/", f"{tmp_path}/")
    (tmp_path / "mosquitto.conf").write_text(text.replace("listener 1883", f"listener {broker.port} 127.0.0.1\nuser root"))
    broker.start()
    try:
        topic = "omniwatch/plant-7/press-hall/mode"
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1", "-t", topic, "-m", "x"]
        assert subprocess.run([*words, "-u", "omniwatch", "-P", "right-horse"], check=False, capture_output=True).returncode == 0
        assert subprocess.run(words, check=False, capture_output=True).returncode != 0
    finally:
        broker.kill()
