"""A tiny random Qwen3-Omni's voice: what is loaded of it, what it says, and that this is what the whole model would say."""

import json
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import LogitsProcessor, LogitsProcessorList, Qwen3OmniMoeForConditionalGeneration  # noqa: E402

from analyzers.omni import talker  # noqa: E402
from analyzers.omni.folder import ModelError  # noqa: E402
from analyzers.omni.machine import this_machine  # noqa: E402
from analyzers.omni.talker import SAID_BY_THEM, Talker, TalkerFault, load  # noqa: E402
from analyzers.omni.talker_folder import read_talker  # noqa: E402
from analyzers.omni.talker_plan import VoicePart, survey_voice  # noqa: E402
from analyzers.synthesis import RATE_HZ, Speaker, TalkerSettings  # noqa: E402
from tests.analyzers import tiny_talker  # noqa: E402

PHRASE = "Fire."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_talker.save(tmp_path_factory.mktemp("talking"))


@pytest.fixture(scope="module")
def voice(folder: Path) -> Talker:
    return load(TalkerSettings(model=str(folder)))


def test_talker_code2wav_and_the_thinkers_embeddings_are_loaded_and_nothing_else(folder: Path, voice: Talker) -> None:
    held = {name: weight.numel() for name, weight in voice.model.named_parameters()}
    assert {name.partition(".")[0] for name in held} == {"talker", "code2wav", "thinker"}
    assert [name for name in held if name.startswith("thinker.")] == ["thinker.model.embed_tokens.weight"]
    whole = tiny_talker.whole(tiny_talker.tokenizer())
    parts = (whole.talker, whole.code2wav, whole.thinker.get_input_embeddings())
    assert sum(held.values()) == sum(weight.numel() for part in parts for weight in part.parameters())
    assert voice.weight_bytes == 2 * sum(held.values())  # bfloat16
    assert voice.weight_bytes < sum(2 * weight.numel() for weight in whole.parameters())
    planned = survey_voice(read_talker(folder, Speaker.ETHAN), this_machine("cpu"))
    assert planned.weight_bytes == voice.weight_bytes
    assert set(planned.parameters) == set(VoicePart)


class Forced(LogitsProcessor):
    """Makes a thinker say this."""

    def __init__(self, line: list[int], behind: int) -> None:
        self.line, self.behind = line, behind

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        wanted = torch.full_like(scores, float("-inf"))
        wanted[:, self.line[input_ids.shape[1] - self.behind]] = 0
        return wanted


@pytest.mark.parametrize("speaker", Speaker)
def test_it_says_what_the_whole_model_says_when_its_thinker_is_forced_to_the_same_words(folder: Path, voice: Talker, speaker: Speaker) -> None:
    tokens = voice.tokenizer
    asked = tokens(SAID_BY_THEM.format(text=PHRASE), return_tensors="pt").input_ids
    line = tokens(f"{PHRASE}<|im_end|>").input_ids
    whole = Qwen3OmniMoeForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
    torch.manual_seed(talker.SEED)
    said, sound = whole.generate(
        asked,
        speaker=speaker.value,
        thinker_logits_processor=LogitsProcessorList([Forced(line, asked.shape[1])]),
        thinker_do_sample=False,
        thinker_max_new_tokens=len(line),
        thinker_eos_token_id=whole.config.im_end_token_id,
        talker_max_new_tokens=376,
    )
    assert tokens.decode(said[0, asked.shape[1] :]) == f"{PHRASE}<|im_end|>"
    assert np.array_equal(replace(voice, speaker=speaker.value).speak(PHRASE), sound.reshape(-1).numpy())


def test_a_sentence_is_the_same_each_time_and_other_voices_and_sentences_are_not(folder: Path, voice: Talker) -> None:
    first = voice.speak(PHRASE)
    voice.speak("Glass has broken.")  # what was said before changes nothing
    assert np.array_equal(voice.speak(PHRASE), first)
    assert np.array_equal(load(TalkerSettings(model=str(folder))).speak(PHRASE), first)
    others = [replace(voice, speaker=speaker.value).speak(PHRASE).tobytes() for speaker in (Speaker.CHELSIE, Speaker.AIDEN)]
    assert len({first.tobytes(), voice.speak("Glass has broken.").tobytes(), *others}) == 4


def test_a_file_has_24_khz_in_16_bits_and_one_channel(tmp_path: Path, voice: Talker) -> None:
    samples = voice.speak(PHRASE)
    talker.write(samples, tmp_path / "said.wav")
    with wave.open(str(tmp_path / "said.wav")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate(), sound.getnframes()) == (1, 2, RATE_HZ, len(samples))
        read = np.frombuffer(sound.readframes(len(samples)), np.int16) / 32_768
    assert np.abs(read - samples).max() < 1e-4


def test_what_does_not_come_to_an_end_or_cannot_be_heard_is_not_used(voice: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(voice.speak(PHRASE)) > RATE_HZ
    with pytest.raises(TalkerFault, match="did not come to an end within 1 s"):
        voice.speak(PHRASE, longest_s=1.0)
    monkeypatch.setattr(talker, "FAINTEST", 1.0)
    with pytest.raises(TalkerFault, match="nothing that can be heard"):
        voice.speak(PHRASE)


def test_a_broken_weight_costs_the_sentence_and_not_the_process(folder: Path) -> None:
    broken = load(TalkerSettings(model=str(folder)))
    with torch.no_grad():
        broken.model.talker.codec_head.weight.fill_(float("nan"))
    with pytest.raises(TalkerFault, match="the talker failed: "):
        broken.speak(PHRASE)


def test_tokens_of_the_protocol_in_a_sentence_are_letters(voice: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    encode = voice.tokenizer.encode
    monkeypatch.setattr(voice.tokenizer, "encode", lambda text, **options: read.append(text) or encode(text, **options))
    voice.speak("Fire.<|im_end|><|im_start|>")
    assert [text.count("<|im_end|>") for text in read] == [1, 1]
    assert not any(text.startswith("Fire.<|") for text in read)


def test_codes_are_drawn_as_the_models_makers_wrote(tmp_path: Path) -> None:
    assert talker.sampling(tmp_path) == {}
    written = {"talker_temperature": 0.7, "talker_top_k": 20, "thinker_top_k": 3, "talker_top_p": "much", "talker_max_new_tokens": 4096}
    (tmp_path / "generation_config.json").write_text(json.dumps(written))
    assert talker.sampling(tmp_path) == {"talker_temperature": 0.7, "talker_top_k": 20}


def test_a_checkpoint_without_one_of_its_weights_is_not_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny_talker.save(tmp_path)
    weights = load_file(made / "model.safetensors")
    left = weights.pop("talker.model.norm.weight")
    save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"config\.json describes \d+ parameters of talker, the files of weights hold \d+"):
        load(TalkerSettings(model=str(made)))
    monkeypatch.setattr("analyzers.omni.talker_plan._compare", lambda *_: None)
    with pytest.raises(ModelError, match=r"lacks 1 weights \(talker\.model\.norm\.weight …\), which would be random"):
        load(TalkerSettings(model=str(made)))
    assert left.numel()


def test_a_tokenizer_of_another_model_is_found_out(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "assistant_token_id": 3}))
    with pytest.raises(ModelError, match="its tokenizer is not that of the model in this folder"):
        load(TalkerSettings(model=str(tmp_path)))


def test_nothing_is_loaded_where_too_little_memory_is_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talker, "free_bytes", lambda: 800_000_000)
    with pytest.raises(ModelError, match=r"about .* at most, while it renders, and 0\.8 GB are free here now"):
        load(TalkerSettings(model=str(folder)))
