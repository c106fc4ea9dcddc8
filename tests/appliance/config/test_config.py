"""What a right configuration becomes, and that no wrong one does anything but say so."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerts.channels.mqtt_settings import MqttSettings, Protocol
from alerts.flood import FloodRule
from analyzers.interview import Quantization, SecondLook
from analyzers.judgement import JudgeKind
from analyzers.policy import Acknowledge, CueRule, OnNoData, Severity, Trigger
from analyzers.schedule import parse
from appliance.config.configuration import MAX_SLOT_BYTES, ConfigError, Configuration, Credentials, JudgeConfig, MetricsConfig, load, slots
from appliance.config.keyring import Keyring
from sensors.cues import Box, CueName
from sensors.secret import Secret
from sensors.settings import SensorSettings, SoundUse, WindowShape, Zone
from sensors.slots import SlotLayout
from sensors.window import Sense, SensorId, ViewId

WHOLE = """\
site: plant-7
box: press-hall
timezone: Europe/Berlin
state: state
flood: 5 in 1h
metrics: {listen: "[::1]:9000"}
sensors:
  cell:
    source: rtsp://10.0.0.21:554/stream2
    record: rtsp://10.0.0.21:554/stream1
    username: watcher
    password: !secret cell
    window: {length: 4s, every: 1s, fps: 2, longest_side: 320}
    masks: [[0.0, 0.0, 0.2, 0.3]]
    zones:
      inside: [[0.4, 0.2], [0.9, 0.2], [0.9, 0.9]]
      door: [[0, 0], [0.1, 0], [0.1, 1]]
    sound: off
    stall_after: 15s
  mic: {source: mic:default}
judge:
  kind: omni
  model: models/big
  quantization: int8
  device: cuda
  threads: 3
  max_age: 10s
  deadline: 1m
  loading: 1h30m
  fallback: none
  second_look: {model: models/thinking, quantization: none, band: 0.8}
  skip_still: 4
policies:
  - id: entry
    title: Somebody in the cell
    ask: >
      Is a person
      inside the cell?
    unless: A person stands outside.
    sensors: [cell]
    zone: inside
    senses: [sight]
    wake: [motion, changed]
    patrol: 5m
    severity: critical
    trigger: 2 of 3
    trigger_span: 20s
    threshold: 0.8
    clear_below: 0.4
    clear_after: 0s
    cooldown: 1m
    remind_every: 1h
    acknowledge: required
    active: mon-fri 22:30-06:00
    latched: true
    inhibited_by: [sensor-lost, bang]
    on_no_data: alarm
    fallback: {changed: 0.02, motion: 0.01}
    say: Person in the press cell.
    weight: 2
  - {id: bang, ask: Is there a bang?, sensors: [mic]}
notify:
  mqtt:
    host: broker
    tls: true
    ca: ca.crt
    certificate: box.crt
    key: box.key
    username: omniwatch
    password: !secret mqtt
    protocol: 3.1.1
    keepalive: 1m
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    for name, content in (("secrets/cell", "pass word\n"), ("secrets/mqtt", "geheim"), ("ca.crt", ""), ("box.crt", ""), ("box.key", "")):
        (tmp_path / name).write_text(content)
    return tmp_path


def read(folder: Path, text: str) -> Configuration:
    (folder / "appliance.yaml").write_text(text)
    return load(folder / "appliance.yaml")


def test_everything_that_is_written_is_in_the_configuration(folder: Path) -> None:
    found = read(folder, WHOLE)
    assert (found.site, found.box, found.timezone) == ("plant-7", "press-hall", "Europe/Berlin")
    assert found.state == folder / "state"
    assert found.flood == FloodRule(count=5, span=timedelta(hours=1))
    assert found.metrics == MetricsConfig(host="::1", port=9000)
    assert found.judge == JudgeConfig(
        kind=JudgeKind.OMNI,
        model=folder / "models/big",
        quantization=Quantization.INT8,
        device="cuda",
        threads=3,
        max_age=timedelta(seconds=10),
        deadline=timedelta(minutes=1),
        loading=timedelta(minutes=90),
        fallback=False,
        second_look=SecondLook(model=str(folder / "models/thinking"), quantization=Quantization.NONE, band=0.8, limit_s=20.0),
        still=4.0,
    )
    assert found.mqtt == MqttSettings(
        host="broker",
        port=8883,
        tls=True,
        ca=folder / "ca.crt",
        certificate=folder / "box.crt",
        key=folder / "box.key",
        username="omniwatch",
        password=Secret("geheim"),
        protocol=Protocol.V311,
        keepalive_s=60,
    )


def test_a_sensor_is_told_all_but_its_secret_and_the_zones_that_nobody_asks_about(folder: Path) -> None:
    cell, mic = read(folder, WHOLE).sensors
    assert cell.settings == SensorSettings(
        sensor=SensorId("cell"),
        source="rtsp://10.0.0.21:554/stream2",
        window=WindowShape(length_s=4, every_s=1, fps=2, longest_side=320),
        zones=(Zone(view=ViewId("cell.inside"), polygon=((0.4, 0.2), (0.9, 0.2), (0.9, 0.9))),),
        masks=(Box(x0=0, y0=0, x1=0.2, y1=0.3),),
        sound=SoundUse.OFF,
        stall_after_s=15,
        slots=4 + 1 + 70 + 2,
    )
    assert cell.credentials == Credentials(username="watcher", password=Secret("pass word"))
    assert cell.record == "rtsp://10.0.0.21:554/stream1"
    assert (cell.senses, cell.idle_zones) == (frozenset({Sense.SIGHT}), ("door",))
    assert (mic.senses, mic.credentials, mic.record) == (frozenset({Sense.SOUND}), None, None)


def test_a_policy_is_what_was_written_of_it(folder: Path) -> None:
    entry, bang = read(folder, WHOLE).policies
    assert entry.ask == "Is a person inside the cell?"
    assert entry.views() == (ViewId("cell.inside"),)
    assert entry.trigger == Trigger(count=2, of=3)
    assert entry.trigger_span == timedelta(seconds=20)
    assert (entry.threshold, entry.clear_below, entry.clear_after) == (0.8, 0.4, timedelta(0))
    assert (entry.cooldown, entry.remind_every, entry.patrol) == (timedelta(minutes=1), timedelta(hours=1), timedelta(minutes=5))
    assert (entry.acknowledge, entry.latched, entry.on_no_data) == (Acknowledge.REQUIRED, True, OnNoData.ALARM)
    assert entry.active == parse("mon-fri 22:30-06:00", "Europe/Berlin")
    assert entry.inhibited_by == {"sensor-lost", "bang"}
    assert entry.fallback == CueRule(at_least={CueName.MOTION: 0.01, CueName.CHANGED: 0.02})
    assert (entry.severity, entry.weight, entry.say) == (Severity.CRITICAL, 2, "Person in the press cell.")
    assert (bang.title, bang.senses, bang.fallback) == ("Bang", frozenset(), None)


def test_the_least_that_can_be_written_is_a_box_of_cues(tmp_path: Path) -> None:
    found = read(tmp_path, "site: s\nbox: b\ntimezone: UTC\nsensors: {cam: {source: 'file:a.mp4'}}\n")
    assert found.judge.kind is JudgeKind.CUES
    assert (found.mqtt, found.policies, found.metrics.host) == (None, (), "127.0.0.1")
    assert found.sensors[0].settings.source == f"file:{tmp_path}/a.mp4"


def test_what_looks_like_a_truth_a_time_or_an_octal_number_stays_what_was_written(tmp_path: Path) -> None:
    text = "site: on\nbox: y\ntimezone: UTC\nsensors: {off: {source: 'mic:0755', sound: keep}}\n"
    found = read(tmp_path, text)
    assert (found.site, found.box, found.sensors[0].settings.sensor, found.sensors[0].settings.source) == ("on", "y", "off", "mic:0755")


def test_systemd_gives_a_whole_folder_of_secrets_with_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "omniwatch_cell").write_text("hunter2\n")
    keyring = Keyring.beside(tmp_path / "box.yaml", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert keyring.find("cell").reveal() == "hunter2"


def test_secrets_come_from_systemd_where_it_gives_any(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "given").mkdir()
    (folder / "given" / "cell").write_text("other")
    (folder / "given" / "mqtt").write_text("other")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder / "given"))
    found = read(folder, WHOLE).sensors[0].credentials
    assert found
    assert found.password.reveal() == "other"


def test_a_secret_that_is_not_there_is_told_with_the_place_where_it_should_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (folder / "secrets" / "cell").unlink()
    with pytest.raises(ConfigError) as caught:
        read(folder, WHOLE)
    assert [problem.hint for problem in caught.value.problems] == [f"put it in {folder}/secrets/cell ($CREDENTIALS_DIRECTORY is not set)"]


def test_under_systemd_it_is_told_where_the_owner_puts_one_and_that_it_takes_a_restart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "given").mkdir()
    (folder / "given" / "omniwatch_mqtt").write_text("other")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder / "given"))
    with pytest.raises(ConfigError) as caught:
        read(folder, WHOLE)
    assert [problem.hint for problem in caught.value.problems] == [
        "put it in /etc/omniwatch/secrets/cell (systemd hands it over at a start: systemctl restart omniwatch)"
    ]


def test_no_secret_is_shown_by_a_configuration_that_is_printed(folder: Path) -> None:
    assert "pass word" not in repr(read(folder, WHOLE))


@pytest.mark.parametrize("line", ["password: hunter2", "'password': hunter2", "password : 'hunter2 hunter2'", "source: rtsp://me:hunter2@x/"])
def test_a_password_that_was_written_into_the_file_is_not_repeated(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"site: s\nbox: b\ntimezone: UTC\nsensors:\n  cam: {{source: 'rtsp://h/p'}}\n  other: {{username: me, {line}}}\n")
    assert "hunter2" not in str(caught.value)


def test_a_model_without_a_judge_of_its_kind_is_not_loaded(tmp_path: Path) -> None:
    text = "site: s\nbox: b\ntimezone: UTC\nsensors: {cam: {source: 'file:a'}}\njudge: {kind: cues, model: m}\n"
    assert read(tmp_path, text).judge.model is None


SHAPE = WindowShape(length_s=8, every_s=4, fps=1, longest_side=576)
OMNI = JudgeConfig(kind=JudgeKind.OMNI)


def test_slots_last_for_a_window_in_the_making_those_that_wait_and_the_one_with_the_judge() -> None:
    assert slots(SHAPE, 1, JudgeConfig()) == 4 + 2 + 0 + 2
    assert slots(SHAPE, 1, OMNI) == 4 + 2 + 25 + 2


def test_the_memory_of_a_sensor_is_as_large_as_its_slots_say_and_bounded() -> None:
    for views in (1, 2, 5):
        settings_ = SensorSettings(
            sensor=SensorId("cam"),
            source="file:a",
            window=SHAPE,
            zones=tuple(Zone(view=ViewId(f"cam.{number}"), polygon=()) for number in range(views - 1)),
            slots=slots(SHAPE, views, JudgeConfig(kind=JudgeKind.OMNI, max_age=timedelta(hours=1))),
        )
        layout = SlotLayout.of(settings_)
        assert MAX_SLOT_BYTES - layout.slot_bytes < layout.bytes <= MAX_SLOT_BYTES


def test_windows_that_do_not_fit_into_the_memory_of_a_sensor_are_a_mistake(tmp_path: Path) -> None:
    text = "site: s\nbox: b\ntimezone: UTC\nsensors: {cam: {source: 'file:a', window: {longest_side: 1920, length: 60s, every: 60s}}}\n"
    with pytest.raises(ConfigError, match=r"4:43: sensors.cam.window: 60 frames of each of 1 views take more memory than"):
        read(tmp_path, text)


SPLINTERS = ("", "x", ": ", "[", "]", "{", "}", "\n", "  ", "- ", "!secret a", "&a ", "*a", "0", "null", "'", "? ", "|", "#")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_anything_wrong_in_it_is_read_or_refused_and_nothing_else_happens(folder: Path, data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(SPLINTERS)) + text[end:]
    with suppress(ConfigError):
        assert read(folder, text).sensors


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
@example("\x00")
@example("? a\n: b")
@example("<<: {a: 1}")
def test_any_text_at_all_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, text)
