"""An artefact: what is read back is what was packed, bit for bit; it is there whole or not at all; and what it is is written in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from analyzers.interview import JudgeSettings, Quantization  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.artefact import sha256  # noqa: E402
from analyzers.omni.folder import ModelError, read  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.quantize import quantize  # noqa: E402
from analyzers.omni.weights import load  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

PACKED = [each for each in Quantization if each is not Quantization.NONE]


def quiet(what: str, done: int, total: int) -> None:
    assert what in {"reading", "packing", "writing"}
    assert 0 <= done <= total


def load_as(folder: Path, quantization: Quantization) -> "Loaded":
    return load(JudgeSettings(model=str(folder), quantization=quantization, device="cpu"))


@pytest.fixture(scope="module")
def nf4(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artefacts") / "nf4"
    quantize(tiny_folder, out, Quantization.NF4, quiet)
    return out


@pytest.fixture
def copied(nf4: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(nf4, tmp_path / "model"))


@pytest.mark.parametrize("quantization", PACKED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_an_artefact_is_the_model_that_its_source_gives_bit_for_bit(  # noqa: PLR0917 - pytest hands over by name
    tiny_folder: Path, tmp_path: Path, make_scene: Callable[..., Scene], quantization: Quantization, dtype: torch.dtype
) -> None:
    source = Path(shutil.copytree(tiny_folder, tmp_path / "source"))
    weights = {name: tensor.to(dtype) for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    quantize(source, tmp_path / "out", quantization, quiet)
    ours, theirs = load_as(tmp_path / "out", quantization), load_as(source, quantization)
    held, expected = ours.model.state_dict(), theirs.model.state_dict()
    assert held.keys() == expected.keys()
    assert all(torch.equal(held[name], tensor) and held[name].dtype is tensor.dtype for name, tensor in expected.items())
    scene = make_scene()
    asked = (Question(window=scene.window(), view=scene.whole, policies=tuple(policy(f"Is it {number}?") for number in range(4))),)
    said, wanted = ([each.log_odds for each in OmniJudge(one, {scene.sensor: scene.slots}).judge(asked)] for one in (ours, theirs))
    assert said == wanted
    assert ours.fingerprint != theirs.fingerprint


def test_it_says_what_it_was_made_from_and_with(nf4: Path, tiny_folder: Path) -> None:
    record = json.loads((nf4 / "omniwatch.json").read_text())
    assert record["quantization"] == "nf4"
    assert record["source"] == tiny_folder.name
    assert record["source_hashes"] == {name: sha256(tiny_folder / name) for name in ("config.json", "model.safetensors")}
    assert record["hashes"] == {path.name: sha256(path) for path in nf4.glob("*.safetensors")}
    assert set(record["versions"]) == {"torch", "transformers", "bitsandbytes"}


def test_it_is_told_how_far_it_is(tiny_folder: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    quantize(tiny_folder, tmp_path / "out", Quantization.INT8, lambda *step: steps.append(step))
    for what in ("reading", "packing", "writing"):
        done = [(count, total) for name, count, total in steps if name == what]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]
    assert len([name for name, _, _ in steps if name == "packing"]) == 2 * (4 + 2 * 8)  # layers, matrices of attention, experts


def test_what_fails_on_the_way_leaves_nothing_and_what_was_left_by_a_kill_is_no_hindrance(tiny_folder: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tiny_folder, tmp_path / "source"))
    weights = load_file(source / "model.safetensors")
    weights["model.layers.1.other_norm.weight"] = weights.pop("model.norm.weight")
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "half").write_text("of an attempt that was killed")
    with pytest.raises(ModelError, match="lacks 1 weights"):
        quantize(source, tmp_path / "out", Quantization.NF4, quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    (tmp_path / "out.part").mkdir()
    quantize(tiny_folder, tmp_path / "out", Quantization.NF4, quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


@pytest.mark.parametrize(
    ("source", "out", "quantization", "says"),
    [
        ("artefact", "new", Quantization.NF4, "has been quantized already, as nf4"),
        ("checkpoint", "there", Quantization.NF4, "is there already"),
        ("checkpoint", "new", Quantization.NONE, "leaves a model as it is"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(  # noqa: PLR0913, PLR0917 - pytest hands over by name
    nf4: Path, tiny_folder: Path, tmp_path: Path, source: str, out: str, quantization: Quantization, says: str
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ModelError, match=says):
        quantize(nf4 if source == "artefact" else tiny_folder, tmp_path / out, quantization, quiet)


def test_an_artefact_of_another_kind_than_is_configured_is_refused(nf4: Path) -> None:
    with pytest.raises(ModelError, match="has been made as nf4: write `quantization: nf4`"):
        load_as(nf4, Quantization.INT8)


def rewrite_record(folder: Path, **changed: object) -> None:
    record = folder / "omniwatch.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | changed))


def drop(folder: Path, name: str, also: str | None = None) -> None:
    (shard,) = folder.glob("*.safetensors")
    weights = load_file(shard)
    tensor = weights.pop(name)
    save_file(weights | ({also: tensor} if also else {}), shard)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: rewrite_record(folder, format=2), "is of format 2"),
        (lambda folder: rewrite_record(folder, quantization="nf3"), "names no quantization"),
        (lambda folder: drop(folder, "model.language_model.layers.1.mlp.experts.down_proj"), r"its experts should take .*, and the files hold"),
        (lambda folder: drop(folder, "model.language_model.norm.weight", "other"), r"lacks 1 weights \(model.language_model.norm.weight"),
    ],
)
def test_an_artefact_that_is_not_what_it_says_is_refused(copied: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(copied)
    with pytest.raises(ModelError, match=says):
        load_as(copied, Quantization.NF4)


def test_a_quantized_source_is_known_by_its_record(nf4: Path, tiny_folder: Path) -> None:
    assert (read(nf4).quantization, read(tiny_folder).quantization) == (Quantization.NF4, None)


def test_a_thinking_model_stays_one_when_it_is_packed_and_is_another_judge(
    tiny_folder: Path, tmp_path: Path, make_scene: Callable[..., Scene]
) -> None:
    thinking = Path(shutil.copytree(tiny_folder, tmp_path / "Qwen3-Omni-30B-A3B-Thinking"))
    quantize(thinking, tmp_path / "packed", Quantization.INT8, quiet)
    scene = make_scene()
    asked = (Question(window=scene.window(), view=scene.whole, policies=(policy("Is there fire?"),)),)
    judges = [OmniJudge(load_as(folder, Quantization.INT8), {scene.sensor: scene.slots}) for folder in (tiny_folder, thinking, tmp_path / "packed")]
    plain, whole, packed = (judge.judge(asked)[0] for judge in judges)
    assert plain.log_odds != whole.log_odds == packed.log_odds
    assert plain.fingerprint
    assert whole.fingerprint
    assert plain.fingerprint.question != whole.fingerprint.question
    assert plain.fingerprint.model != whole.fingerprint.model


def test_a_captioner_is_packed_as_one(tiny_folder: Path, tmp_path: Path) -> None:
    ear = Path(shutil.copytree(tiny_folder, tmp_path / "Qwen3-Omni-30B-A3B-Captioner"))
    quantize(ear, tmp_path / "packed", Quantization.NF4, quiet)
    packed = JudgeSettings(model=str(tmp_path / "packed"), quantization=Quantization.NF4, device="cpu")
    whole = JudgeSettings(model=str(ear), quantization=Quantization.NONE, device="cpu")
    assert load(packed, captions=True).weight_bytes < load(whole, captions=True).weight_bytes
    with pytest.raises(ModelError, match="is a Captioner model"):
        load(packed)


def test_a_captioner_is_not_hidden_by_being_packed(copied: Path) -> None:
    rewrite_record(copied, source="Qwen3-Omni-30B-A3B-Captioner")
    with pytest.raises(ModelError, match="is a Captioner model"):
        read(copied)
