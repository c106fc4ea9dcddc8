"""The demo's configurations can be used wherever the owner keeps films and folders."""

from pathlib import Path

import pytest

from appliance.config.configuration import load
from appliance.demo.broker import Broker
from appliance.demo.settings import hall_config, source_config


@pytest.mark.parametrize("name", ["plain", "hall #2: night, {left}", "\N{LATIN SMALL LETTER U WITH DIAERESIS}ber 'uns' \"hier\""])
def test_a_folder_of_any_name_can_hold_the_film(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    film = folder / "film.mp4"
    film.touch()
    broker = Broker(name="mosquitto", port=1883, protocol="5")
    for config in (hall_config(folder, f"file:{film}", broker, 9100), source_config(folder, str(film), broker, 9100)):
        loaded = load(config)
        assert [sensor.settings.source for sensor in loaded.sensors] == [f"file:{film}"]
        assert loaded.state == folder / "state"
