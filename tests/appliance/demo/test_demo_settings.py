"""The demo's configurations can be used wherever the owner keeps films and folders."""

import json
from pathlib import Path

import pytest

from appliance.config.configuration import load
from appliance.config.taught_window import taught_window
from appliance.demo.broker import Broker
from appliance.demo.school.lesson import FRAME_TIMES_S, HALL_SIZE, WINDOW_S
from appliance.demo.settings import hall_config, source_config
from appliance.demo.small_model import TAUGHT


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


def test_the_hall_is_cut_into_the_windows_that_its_model_was_taught_on(tmp_path: Path) -> None:
    loaded = load(hall_config(tmp_path, "rtsp://10.0.0.21/hall", Broker(name="mosquitto", port=1883, protocol="5"), 9100))
    assert loaded.judge.model
    taught = taught_window(loaded.judge.model)
    assert taught
    assert [sensor.settings.window for sensor in loaded.sensors] == [taught.shape()]
    assert json.loads((loaded.judge.model / "window.json").read_text()) == TAUGHT, "as a school would write it again"
    assert (round(WINDOW_S), HALL_SIZE[1], len(FRAME_TIMES_S)) == (taught.length.seconds, taught.longest_side, taught.fps * taught.length.seconds)
