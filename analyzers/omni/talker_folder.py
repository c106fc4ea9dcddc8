"""The part of a model that speaks, as it lies on the disk: whether there is one, and whose voices it has. It reads no weight and imports no torch.

A sentence is given, so nothing has to be thought: the talker turns the embeddings of the sentence's tokens into codes, and code2wav the
codes into sound. Of the thinker it takes the table of embeddings and no layer: hidden states stand for pictures and sounds alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzers.omni.family import QWEN2_5_OMNI, QWEN3_OMNI
from analyzers.omni.folder import INDEX, RECORD, TOKENIZERS, WEIGHTS, ModelError, Stored, digest_of, header_of, read_json, shards_in
from analyzers.synthesis import Speaker

TAKE = f"take {QWEN3_OMNI.recommended}, or `engine: espeak-ng`"
ALONE = "holds a thinker alone, which reads and does not speak"
EMBEDDINGS = "thinker.model.embed_tokens."
"""Where the table of embeddings stands in the files of weights."""
PARTS = ("talker.", "code2wav.", EMBEDDINGS)
OTHER = {
    QWEN3_OMNI.thinker_kind: f"{ALONE}; {TAKE}",
    QWEN2_5_OMNI.thinker_kind: f"{ALONE}; {TAKE}",
    QWEN2_5_OMNI.kind: (
        f"is a {QWEN2_5_OMNI.name}: its talker wants the hidden states of the whole thinker for each word, and its token2wav samples of the "
        f"voices, so a sentence would take all of the model; {TAKE}"
    ),
}
"""Why models that can judge cannot speak here, by their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerFolder:
    """What a folder holds of a voice."""

    path: Path
    config: Mapping[str, Any]
    """config.json, with talker and code2wav. Outside text; whoever reads a figure from it checks it."""
    tensors: Mapping[str, Stored]
    """By name, of all shards; empty where the model is not downloaded yet."""

    def digest(self) -> str:
        """16 digits that tell this voice from others: of its files, not of those that hold only what thinks."""
        return digest_of(self.path, sorted({stored.shard for name, stored in self.tensors.items() if name.startswith(PARTS)}))


def read_talker(path: Path, speaker: Speaker) -> TalkerFolder:
    """What lies in `path`. ModelError, saying what to do, where it is not the complete folder of a model that speaks with this voice."""
    config = _speaking(path)
    known = config["talker_config"].get("speaker_id")
    names = sorted(map(str, known)) if isinstance(known, dict) else []
    if speaker not in names:
        raise ModelError(f"{path} has no voice {speaker.value}; it has {', '.join(names)[:200] or 'none'}")
    return _with_weights(path, config)


def sketch_talker(path: Path) -> TalkerFolder | None:
    """As `read_talker`, of any voice; None where none speaks. Where there are no weights at all the configuration is enough."""
    try:
        config = _speaking(path)
        if any((path / name).exists() for name in (INDEX, WEIGHTS)):
            return _with_weights(path, config)
    except ModelError:  # told where somebody wants it to speak
        return None
    return TalkerFolder(path=path, config=config, tensors={})


def _with_weights(path: Path, config: Mapping[str, Any]) -> TalkerFolder:
    if not any((path / name).is_file() for name in TOKENIZERS):
        raise ModelError(f"{path} has no tokenizer ({' or '.join(TOKENIZERS)}); download the folder again, whole")
    tensors = {name: stored for shard in shards_in(path) for name, stored in header_of(shard).items()}
    for part in PARTS:
        if not any(name.startswith(part) for name in tensors):
            raise ModelError(f"{path}: its files hold no weights of {part.rstrip('.')}, though config.json describes it; {TAKE}")
    return TalkerFolder(path=path, config=config, tensors=tensors)


def _speaking(path: Path) -> Mapping[str, Any]:
    """The configuration of a model that speaks. ModelError where there is none, and why."""
    if not path.is_dir():
        raise ModelError(f"there is no folder {path}; correct `model`, or {TAKE}")
    if (path / RECORD).is_file():
        raise ModelError(f"{path} was made by `omniwatch quantize`, which keeps the thinker alone: name the folder that it was made from as `model`")
    config = read_json(path / "config.json")
    kind = config.get("model_type")
    if kind in OTHER:
        raise ModelError(f"{path} {OTHER[kind]}")
    if kind != QWEN3_OMNI.kind:
        raise ModelError(f"{path} holds a model of type {kind!r}, which cannot speak here; {TAKE}")
    parts = (config.get("talker_config"), config.get("code2wav_config"), config.get("thinker_config"))
    if config.get("enable_audio_output") is False or not all(isinstance(part, dict) for part in parts):
        raise ModelError(f"{path} has no talker, as Thinking and Captioner models have none; {TAKE}")
    return config
