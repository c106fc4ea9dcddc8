"""`omniwatch plan` and `omniwatch quantize`, as they are typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from appliance.cli import app
from appliance.config.taught_window import taught_window
from tests.analyzers.husk import PUBLISHED, PUBLISHED_3B, PUBLISHED_7B, lay, sized

DEMO_MODEL = Path(__file__).parents[2] / "appliance" / "demo" / "model"


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


@pytest.fixture
def config_alone(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_omni_moe", "thinker_config": PUBLISHED}))
    return tmp_path


def test_the_published_model_is_planned_from_its_configuration_alone(config_alone: Path) -> None:
    found = json.loads(typed("plan", str(config_alone), "--gpu", "25.4", "--json").stdout)
    assert (found["quantization"], found["device"], found["fits"]) == ("nf4", "cuda", True)
    assert found["weight_bytes"] <= 20.6e9
    assert found["parts"][0] == {"part": "experts", "parameters": 28_991_029_248, "bytes": 16_307_453_952}
    assert [row["seconds"] for row in found["windows"]] == [15, 30, 60, 120]
    assert found["weight_bytes"] + found["library_bytes"] < found["loading_peak_bytes"] < 25e9
    peaks = [row["peak_bytes"] for row in found["windows"]]
    assert peaks == sorted(peaks)
    double = json.loads(typed("plan", str(config_alone), "--gpu", "25.4", "--json", "--quantization", "nf4-double").stdout)
    assert double["weight_bytes"] <= 19.2e9


def test_in_bf16_it_stands_beside_what_its_makers_say_with_the_reasons(config_alone: Path) -> None:
    told = typed("plan", str(config_alone), "--quantization", "none", "--gpu", "80")
    assert told.exit_code == 0
    for figure in ("78.85 GB", "88.52 GB", "107.74 GB", "144.81 GB", "63.4 GB", "talker and code2wav (7.1 GB of the 30B-A3B) are not loaded"):
        assert figure in told.stdout
    assert "78.85" not in typed("plan", str(config_alone), "--gpu", "80").stdout


@pytest.mark.parametrize(("thinker", "figures"), [(PUBLISHED_7B, ("31.11", "41.85", "60.19")), (PUBLISHED_3B, ("18.38", "22.43", "28.22"))])
def test_so_does_the_other_family(tmp_path: Path, thinker: dict, figures: tuple[str, ...]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni", "thinker_config": thinker}))
    told = typed("plan", str(tmp_path), "--quantization", "none", "--gpu", "24")
    assert told.exit_code == 0, told.output
    for figure in (*(f"{each} GB" for each in figures), "Qwen2.5-Omni, ", "talker and token2wav (4.5 GB of the 7B) are not loaded"):
        assert figure in told.stdout
    assert "experts" not in told.stdout


def test_other_models_are_planned_in_what_the_first_leaves(tmp_path: Path) -> None:
    folders = [tmp_path / f"Qwen3-Omni-30B-A3B-{kind}" for kind in ("Instruct", "Thinking", "Captioner")]
    for folder in folders:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_omni_moe", "thinker_config": PUBLISHED}))
    first, second, captioner = map(str, folders)
    words = ("plan", first, "--second-look", second, "--captioner", captioner, "--describe", "--json", "--gpu")
    found = json.loads(typed(*words, "80").stdout)
    look, hears = found["companions"]
    assert (found["fits"], look["companion"], hears["companion"]) == (True, "judge.second_look", "judge.describe.captioner")
    assert look["weight_bytes"] == hears["weight_bytes"] == found["weight_bytes"]
    assert 2 * found["weight_bytes"] < look["peak_bytes"] < hears["peak_bytes"] < 80e9
    assert found["description_tokens"] == 48 + 64, "the captioner writes what is heard"
    assert json.loads(typed("plan", first, "--describe", "--json", "--gpu", "80").stdout)["description_tokens"] == 48
    large = typed(*words, "60")
    assert large.exit_code == 1
    looks, hears = json.loads(large.stdout)["companions"]
    assert (looks["fits"], hears["fits"]) == (True, False)
    told = typed("plan", first, "--second-look", second, "--gpu", "40")
    assert told.exit_code == 1
    assert f"judge.second_look, {second}: 20.5 GB of weights, nf4" in told.stdout.replace("\n", " ")
    assert "It does not fit beside the others: in what they leave, it needs a GPU with" in told.stdout.replace("\n", " ")
    refused = typed("plan", first, "--captioner", second)
    assert refused.exit_code == 1
    assert "judge.describe.captioner: " in refused.output
    assert "is no Captioner model" in refused.output


@pytest.mark.parametrize(("thinker", "card"), [(PUBLISHED_7B, "12.8"), (PUBLISHED_3B, "8.5")])
def test_small_cards_hold_the_small_models_in_four_bits(tmp_path: Path, thinker: dict, card: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni", "thinker_config": thinker}))
    assert json.loads(typed("plan", str(tmp_path), "--gpu", card, "--json").stdout)["fits"]


def test_what_does_not_fit_says_what_to_change(config_alone: Path) -> None:
    told = typed("plan", str(config_alone), "--quantization", "int8", "--gpu", "25.4")
    assert told.exit_code == 1
    assert "It does not fit: with `quantization: nf4` it takes 23." in told.stdout
    assert "or a smaller model" in typed("plan", str(config_alone), "--gpu", "8").stdout


def test_windows_and_questions_are_as_many_as_are_typed(tmp_path: Path) -> None:
    folder = lay(tmp_path / "model", sized(8))
    few, many = (json.loads(typed("plan", str(folder), "--window", "8s", "--policies", count, "--json").stdout) for count in ("1", "32"))
    assert [row["seconds"] for row in few["windows"]] == [8]
    assert many["windows"][0]["tokens"] - few["windows"][0]["tokens"] == 31 * 64
    assert few["windows"][0]["work_bytes"] < many["windows"][0]["work_bytes"] < many["windows"][0]["batch_bytes"]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("plan", "/nowhere"), 1, "there is no folder /nowhere"),
        (("plan", str(DEMO_MODEL), "--window", "8x"), 2, "8x"),
        (("plan", str(DEMO_MODEL), "--window", "2h"), 2, "up to 1h"),
        (("quantize", "/nowhere", "/never"), 1, "there is no folder /nowhere"),
        (("quantize", str(DEMO_MODEL), str(DEMO_MODEL)), 1, "is there already"),
    ],
)
def test_what_cannot_be_done_says_why(words: tuple[str, ...], status: int, says: str) -> None:
    told = typed(*words)
    assert told.exit_code == status
    assert says in told.output


def test_planning_loads_no_model_library(config_alone: Path) -> None:
    program = f"import sys; from appliance.cli import app; sys.argv = ['omniwatch', 'plan', {str(config_alone)!r}, '--gpu', '80']\n"
    program += "try: app()\nfinally: print(sorted({'torch', 'transformers', 'bitsandbytes'} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout.splitlines()[-1] == "[]"


@pytest.mark.model
def test_a_quantized_model_can_be_planned_and_read_by_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = typed("quantize", str(DEMO_MODEL), str(out))
    assert told.exit_code == 0, told.output
    assert "Name it as `model` with `quantization: nf4`." in told.stdout
    found = json.loads(typed("plan", str(out), "--json").stdout)
    assert (found["quantization"], found["packed_already"], found["fits"]) == ("nf4", True, True)
    assert (taken := taught_window(out)) == taught_window(DEMO_MODEL)
    assert taken
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in out.iterdir())
