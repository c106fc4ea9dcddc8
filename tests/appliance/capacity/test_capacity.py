"""Capacity: the ramp finds what a judge holds, whatever it is; the figure says for what it holds; and no box is disturbed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from analyzers.interview import Quantization
from appliance.capacity.conditions import Conditions, conditions_of, shape_of
from appliance.capacity.decoding import Decoders
from appliance.capacity.figure import FILE, Figure, keep, recall, verdict
from appliance.capacity.load import Load
from appliance.capacity.measure import FILMS, MOST, run_capacity
from appliance.capacity.ramp import MAX_STEPS, Tried, first_load, held_by, next_load, with_headroom
from appliance.children.judge_link import Budget
from appliance.cli import app
from appliance.config.configuration import Configuration, load
from appliance.config.site_form import MAX_SITE_SENSORS
from appliance.loaded_judge import NoJudge
from appliance.store.database_file import held
from tests.appliance.children.test_judge_link import READY, Loaded, loaded
from tests.appliance.conftest import free_port

MODEL = Path(__file__).parents[3] / "appliance" / "demo" / "model"
BOX = """\
site: s
box: b
timezone: UTC
state: state
sensors:
{sensors}
judge: {judge}
policies:
  - {{id: smoke, ask: Is there smoke?, sensors: [{names}], senses: [sight], fallback: {{changed: 0.1}}}}
  - {{id: fire, ask: Is there fire?, sensors: [{names}], senses: [sight], fallback: {{changed: 0.1}}}}
"""
OMNI = f"{{kind: omni, model: {MODEL}, threads: 1}}"
SHORT = "window: {length: 1s, every: 1s, fps: 2, longest_side: 64}"
NOW = Conditions(model="m", machine="cpu", shape="s")
FIGURE = Figure(conditions=NOW, measured=datetime(2026, 3, 1, tzinfo=UTC), sensors=10, most=12, questions=5.0, p95_s=1.5, cores=0.1)


def box(folder: Path, sensors: int = 1, judge: str = OMNI, more: str = SHORT) -> Configuration:
    names = [f"cam-{number}" for number in range(sensors)]
    lines = "\n".join(f"  {name}: {{source: 'rtsp://10.0.0.{number}/a', sound: off, {more}}}" for number, name in enumerate(names))
    (folder / "box.yaml").write_text(BOX.format(sensors=lines, names=", ".join(names), judge=judge))
    return load(folder / "box.yaml")


def tried(sensors: int, *, holds: bool) -> Tried:
    return Tried(sensors=sensors, answered=40, p95=0.8 if holds else 1.2, p95_s=1.0, late_s=0.1, lost=0, silent=0, cores=0.1)


# The ramp.


def ramp(holds: Callable[[int], bool], first: int, most: int = MOST) -> list[Tried]:
    found: list[Tried] = []
    while (count := next_load(found, first, most)) is not None:
        assert 1 <= count <= most
        found.append(tried(count, holds=holds(count)))
    return found


@pytest.mark.parametrize("first", [0, 1, 7, 40, 10_000])
@pytest.mark.parametrize("true", [0, 1, 2, 3, 19, 20, 50, 75, 76, 200])
def test_the_ramp_finds_what_holds_wherever_it_begins(true: int, first: int) -> None:
    found = ramp(lambda sensors: sensors <= true, first)
    assert len(found) <= MAX_STEPS
    best = min(true, MOST)
    assert best - max(1, best // 20) < held_by(found) <= best or best == held_by(found)


@pytest.mark.parametrize(
    ("held", "cores", "processors", "first"),
    [
        (40, 0.0, 2, 40),  # nothing to decode
        (40, 0.1, 2, 13),  # the judge wants all of the processor for 40, decoding all of it for 20
        (4, 0.1, 16, 3),
        (0, 0.1, 2, 0),
    ],
)
def test_the_ramp_begins_where_judging_and_decoding_share_the_processors(held: int, cores: float, processors: int, first: int) -> None:
    assert first_load(held, cores, processors) == first


def test_the_ramp_tries_no_load_twice() -> None:
    found = [each.sensors for each in ramp(lambda sensors: sensors <= 33, 5)]
    assert len(set(found)) == len(found)


def test_what_holds_above_what_does_not_was_luck() -> None:
    assert held_by([tried(10, holds=True), tried(12, holds=False), tried(20, holds=True)]) == 10


def test_a_ramp_without_end_is_ended() -> None:
    odd = [tried(number, holds=bool(number % 2)) for number in range(1, MAX_STEPS + 1)]
    assert next_load(odd, 1, MOST) is None


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, True),
        ({"p95": 1.01}, False),
        ({"lost": 1}, False),  # however quick the others were
        ({"silent": 1}, False),  # a sensor that is not there costs nothing
        ({"answered": 0}, False),  # nothing was late, as nothing came
    ],
)
def test_a_load_holds_only_if_all_is_judged_in_time(changed: dict[str, float], *, holds: bool) -> None:
    assert replace(tried(5, holds=True), **changed).holds is holds


def test_as_many_are_tried_as_a_full_box_needs_with_headroom() -> None:
    assert with_headroom(MOST) >= MAX_SITE_SENSORS
    assert with_headroom(20) == 17
    assert with_headroom(1) == 0


# What it holds for.


def test_the_shape_is_that_of_the_kinds_and_not_of_their_number(tmp_path: Path) -> None:
    one = shape_of(box(tmp_path))
    assert shape_of(box(tmp_path, sensors=3)) == one
    assert shape_of(box(tmp_path, more="window: {length: 2s, every: 1s, fps: 2, longest_side: 64}")) != one
    assert shape_of(box(tmp_path, more="window: {length: 1s, every: 1s, fps: 2, longest_side: 96}")) != one
    box(tmp_path)
    (tmp_path / "box.yaml").write_text((tmp_path / "box.yaml").read_text().replace("fire?", "a fire?"))
    assert shape_of(load(tmp_path / "box.yaml")) != one


def test_another_share_of_kinds_is_another_shape(tmp_path: Path) -> None:
    box(tmp_path, sensors=4)
    text = (tmp_path / "box.yaml").read_text()
    shapes = set()
    for larger in (0, 1, 2):
        (tmp_path / "box.yaml").write_text(text.replace("longest_side: 64", "longest_side: 128", larger))
        shapes.add(shape_of(load(tmp_path / "box.yaml")))
    assert len(shapes) == 3


def test_conditions_know_model_and_quantization(tmp_path: Path) -> None:
    nf4 = conditions_of(box(tmp_path))
    assert "nf4" in nf4.model
    int8 = conditions_of(box(tmp_path, judge=OMNI.replace("threads: 1", "threads: 1, quantization: int8")))
    assert Quantization.INT8 in int8.model
    assert nf4.shape == int8.shape


@pytest.mark.parametrize(
    ("figure", "sensors", "says", "warns"),
    [
        (None, 3, "not measured", False),
        (FIGURE, 10, "holds 10 sensors like these x 5 policies, measured on 2026-03-01; 10 are configured", False),
        (FIGURE, 11, "11 are configured, and this box holds 10", True),
        (replace(FIGURE, sensors=0), 1, "1 are configured, and this box holds 0", True),
        (replace(FIGURE, conditions=replace(NOW, model="other")), 3, "as the model changed since", True),
        (replace(FIGURE, conditions=replace(NOW, machine="x", shape="y")), 3, "the machine and what is asked about which sensors changed", True),
    ],
)
def test_check_says_past_stale_and_unmeasured(figure: Figure | None, sensors: int, says: str, *, warns: bool) -> None:
    found = verdict(figure, NOW, sensors)
    assert says in found.words
    assert found.is_warning is warns


def test_the_figure_is_kept_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    assert recall(tmp_path) is None
    file = keep(FIGURE, tmp_path)
    assert recall(tmp_path) == FIGURE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"sensors": -1}), "x" * 100_000])
def test_a_figure_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert recall(tmp_path) is None


def test_check_tells_the_capacity(tmp_path: Path) -> None:
    configuration = box(tmp_path, sensors=3)
    says = CliRunner().invoke(app, ["check", str(tmp_path / "box.yaml")]).output
    assert "Capacity: not measured on this machine" in says
    (tmp_path / "state").mkdir()
    keep(replace(FIGURE, conditions=conditions_of(configuration), sensors=2), tmp_path / "state")
    says = " ".join(CliRunner().invoke(app, ["check", str(tmp_path / "box.yaml")]).output.split())
    assert "warning 3 are configured, and this box holds 2 sensors like these" in says


# Measuring, with a judge of its own speed.


@pytest.fixture
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{rooms / 'children'}:{rooms.parents[1]}")


def nobody(configuration: Configuration) -> Decoders:
    """No process decodes: of a device without a source only the first of its kind would, and there is none here."""
    devices = [replace(sensor, settings=replace(sensor.settings, source="")) for sensor in configuration.sensors]
    return Decoders(devices, [None] * len(devices))


async def put(configuration: Configuration, judge: Loaded, sensors: int) -> Tried:
    await judge.wait(READY)
    judge.link.policies(configuration.policies)
    made = Load(configuration, judge.link, nobody(configuration))
    try:
        return await made.put(sensors, times=0.2)
    finally:
        made.close()


@pytest.mark.usefixtures("_scripted")
@pytest.mark.parametrize(("sensors", "holds"), [(3, True), (9, False)])
def test_windows_of_all_sensors_come_at_once_and_each_is_answered_or_counted_as_lost(tmp_path: Path, sensors: int, *, holds: bool) -> None:
    """A question takes it 0.2 s, a window comes every second: it holds 5."""

    async def run() -> Tried:
        async with loaded("takes 0.2") as judge:
            return await put(box(tmp_path), judge, sensors)

    found = asyncio.run(run())
    assert found.sensors == sensors
    assert found.holds is holds
    if holds:
        assert found.answered >= 2 * sensors
        assert 0.5 < found.p95 == found.p95_s < 1.0
    else:
        assert found.lost


@pytest.mark.usefixtures("_scripted")
def test_the_first_guess_is_by_how_quick_the_judge_is(tmp_path: Path) -> None:
    async def run() -> int:
        async with loaded("takes 0.05") as judge:
            await judge.wait(READY)
            made = Load(configuration := box(tmp_path), judge.link, nobody(configuration))
            try:
                return await made.first_guess()
            finally:
                made.close()

    assert 10 <= asyncio.run(run()) <= 20


@pytest.mark.usefixtures("_scripted")
def test_a_judge_that_goes_is_no_low_figure(tmp_path: Path) -> None:
    async def run() -> None:
        async with loaded("never answers", Budget(loading=timedelta(seconds=20), batch=timedelta(seconds=0.5))) as judge:
            await put(box(tmp_path), judge, 1)

    with pytest.raises(NoJudge, match="no answer within"):
        asyncio.run(run())


# Refusals.


def said(folder: Path) -> tuple[int, str]:
    console = Console(width=400, record=True, file=StringIO())
    status = run_capacity(folder / "box.yaml", console, as_json=False)
    return status, console.export_text()


def test_a_box_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    box(tmp_path)
    (tmp_path / "state").mkdir()
    with held(tmp_path / "state" / "omniwatch.db"):
        status, words = said(tmp_path)
    assert status == 1
    assert "omniwatch is running on" in words
    assert "systemctl stop omniwatch" in words
    assert not (tmp_path / "state" / FILE).exists()


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ("{kind: cues}", "cues alone judge here"),
        ("{kind: omni, model: nowhere}", "there is no folder"),
        ("{kind: omni}", "needs `model`"),
    ],
)
def test_what_cannot_be_measured_is_said(tmp_path: Path, judge: str, says: str) -> None:
    box(tmp_path)
    (tmp_path / "box.yaml").write_text((tmp_path / "box.yaml").read_text().replace(OMNI, judge))
    status, words = said(tmp_path)
    assert status == (2 if judge == "{kind: omni}" else 1)
    assert says in words


def test_a_camera_that_is_away_is_said_before_a_model_is_loaded_and_no_recording_is_left(tmp_path: Path) -> None:
    box(tmp_path)
    text = (tmp_path / "box.yaml").read_text()
    (tmp_path / "box.yaml").write_text(text.replace("rtsp://10.0.0.0/a", f"rtsp://127.0.0.1:{free_port()}/a"))
    left = tmp_path / "state" / FILMS
    left.mkdir(parents=True)
    (left / "cam-0.mov").write_text("of one that was killed")
    status, words = said(tmp_path)
    assert status == 1
    assert "recording 1 camera for 20 s" in words
    assert "cam-0: refused" in words
    assert "`omniwatch doctor CONFIG`" in words
    assert "loading" not in words
    assert not left.exists()
