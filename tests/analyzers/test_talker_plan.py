"""Whether a model speaks and what its voice takes, from config.json and headers alone; every reason why not, and what to do."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.interview import Quantization
from analyzers.omni.beside import Plans
from analyzers.omni.folder import ModelError, Stored
from analyzers.omni.plan import Machine, plan_of
from analyzers.omni.talker_folder import TalkerFolder, read_talker, sketch_talker
from analyzers.omni.talker_plan import VoicePart, no_room, plan_beside, survey_voice
from analyzers.synthesis import Speaker
from tests.analyzers.husk import PUBLISHED, PUBLISHED_7B, TALKING, WHOLE, lay, speaking

BOX = Machine(device="cpu", memory_bytes=64_000_000_000)
CARD = Machine(device="cuda", memory_bytes=80_000_000_000)


def test_the_published_voice_has_the_parameters_that_its_classes_have(tmp_path: Path) -> None:
    planned = survey_voice(read_talker(speaking(tmp_path), Speaker.AIDEN), BOX)
    assert planned.parameters == {VoicePart.TALKER: 3_324_596_480, VoicePart.CODE2WAV: 216_016_577, VoicePart.EMBEDDINGS: 311_427_072}
    assert planned.weight_bytes == 2 * 3_852_040_129
    # Measured on random weights of this size: 8183 MiB of libraries, talker and code2wav at most, without 0.62 GB of embeddings.
    assert planned.peak_bytes == pytest.approx(8183 * 2**20 + 2 * 311_427_072, rel=0.03)


def test_it_is_planned_before_it_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(WHOLE))
    found = sketch_talker(tmp_path)
    assert found is not None
    assert survey_voice(found, BOX).weight_bytes == 2 * 3_852_040_129


def changed(**changes: object) -> Callable[[Path], Path]:
    return lambda folder: speaking(folder, {**WHOLE, **changes})


def artefact(folder: Path) -> Path:
    (speaking(folder) / "omniwatch.json").write_text(json.dumps({"format": 1, "quantization": "nf4", "source": "Qwen3-Omni"}))
    return folder


def stripped(folder: Path) -> Path:
    header = json.dumps({"thinker.model.embed_tokens.weight": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 0]}}).encode()
    (speaking(folder) / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def half(folder: Path) -> Path:
    (speaking(folder) / "model.safetensors").unlink()
    return folder


WRONG = [
    (lambda folder: folder / "nowhere", r"there is no folder .*; correct `model`, or take Qwen3-Omni-30B-A3B-Instruct, or `engine: espeak-ng`"),
    (artefact, "was made by `omniwatch quantize`, which keeps the thinker alone: name the folder that it was made from as `model`"),
    (changed(model_type="qwen3_omni_moe_thinker"), "holds a thinker alone, which reads and does not speak; take Qwen3-Omni"),
    (changed(model_type="qwen2_5_omni_thinker"), "holds a thinker alone"),
    (lambda folder: lay(folder / "7b", PUBLISHED_7B), r"is a Qwen2\.5-Omni: its talker wants the hidden states of the whole thinker for each word"),
    (changed(model_type="llama"), "holds a model of type 'llama', which cannot speak here"),
    (changed(enable_audio_output=False), "has no talker, as Thinking and Captioner models have none; take Qwen3-Omni-30B-A3B-Instruct"),
    (changed(talker_config=None), "has no talker"),
    (changed(code2wav_config={}), r"does not describe a talker and its code2wav \(KeyError\('hidden_size'\)\); download it again"),
    (changed(talker_config={**TALKING["talker_config"], "speaker_id": {"chelsie": 1}}), "has no voice ethan; it has chelsie"),
    (changed(talker_config={**TALKING["talker_config"], "speaker_id": None}), "has no voice ethan; it has none"),
    (changed(talker_config={**TALKING["talker_config"], "num_code_groups": 8}), r"config\.json describes \d+ parameters of talker, the files"),
    (stripped, "its files hold no weights of talker, though config.json describes it"),
    (half, r"lacks 1 of 1 files of weights \(model\.safetensors …\)"),
]


@pytest.mark.parametrize(("make", "says"), WRONG)
def test_what_cannot_speak_is_refused_with_the_reason(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        plan_beside(make(tmp_path), Speaker.ETHAN, lambda: None, BOX)


def test_there_is_room_where_the_judge_leaves_it(tmp_path: Path) -> None:
    voice = survey_voice(read_talker(speaking(tmp_path), Speaker.ETHAN), BOX)
    on_card = Plans(first=plan_of(PUBLISHED, Quantization.NF4, CARD), second=None)
    beside = Plans(first=plan_of(PUBLISHED, Quantization.NF4, BOX), second=None)
    both = voice.need_bytes + beside.first.need_bytes
    rows = (
        (None, voice.need_bytes, True, "alone"),
        (None, voice.need_bytes - 1, False, "alone, and a byte too little"),
        (beside, both, True, "beside a judge on the processor"),
        (beside, both - 1, False, "a byte too little for both"),
        (on_card, voice.need_bytes + 6_000_000_000, True, "the judge's memory is that of its card"),
    )
    for judge, memory_bytes, fits, why in rows:
        small = survey_voice(read_talker(tmp_path, Speaker.ETHAN), Machine(device="cpu", memory_bytes=memory_bytes))
        assert (no_room(small, judge) == "") is fits, why
    with pytest.raises(ModelError, match=r"no room for the voice of .*: it takes 9\.\d GB, beside \d+\.\d GB for the judge, and this machine"):
        plan_beside(tmp_path, Speaker.ETHAN, lambda: beside, Machine(device="cpu", memory_bytes=both - 1))


def test_a_judge_that_cannot_be_planned_takes_nothing(tmp_path: Path) -> None:
    def judge() -> Plans:
        raise ModelError("its model is not there")

    assert plan_beside(speaking(tmp_path), Speaker.ETHAN, judge, BOX).peak_bytes < 10e9


def test_a_voice_is_told_from_others_by_its_own_files(tmp_path: Path) -> None:
    speaking(tmp_path)
    files = {**dict.fromkeys(("talker.weight", "code2wav.weight", "thinker.model.embed_tokens.weight"), "b"), "thinker.lm_head.weight": "a"}
    (tmp_path / "a").write_bytes((tmp_path / "model.safetensors").read_bytes())
    (tmp_path / "b").write_bytes((tmp_path / "model.safetensors").read_bytes())
    found = TalkerFolder(path=tmp_path, config=WHOLE, tensors={name: replace(STORED, shard=tmp_path / shard) for name, shard in files.items()})
    before = found.digest()
    (tmp_path / "a").write_bytes(b"another thinker")
    assert found.digest() == before
    (tmp_path / "b").write_bytes(b"another talker")
    assert found.digest() != before


STORED = Stored(shard=Path(), shape=(1,), dtype="BF16", start=0, bytes=2)
