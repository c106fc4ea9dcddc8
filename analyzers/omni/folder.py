"""A model's folder as it lies on the disk: its configuration, the headers of its weights, its tokenizer. It reads no weight and imports no torch."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analyzers.interview import Quantization
from analyzers.omni.family import FAMILIES, Family, family_of

CAPTIONER = "it describes sounds and takes no question, so it cannot judge"
"""Siblings have the same architecture and other habits. They differ in name only."""
TAKE = f"take {' or '.join(family.recommended for family in FAMILIES)}"
RECORD, FORMAT = "omniwatch.json", 1
"""The record in a folder that `omniwatch quantize` has made, and what it looks like."""
WINDOW = "window.json"
"""What windows a model was taught on, where it is of no use for others; whoever cuts windows reads it."""
INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"
TOKENIZERS = ("tokenizer.json", "vocab.json")
EXTRACTORS = ("preprocessor_config.json", "processor_config.json")
MAX_HEADER_BYTES = 100_000_000
"""What safetensors itself allows."""
MAX_JSON_BYTES = 100_000_000
SAMPLE_BYTES = 1 << 20
LIBRARIES = ("transformers", "torch", "bitsandbytes")
"""Whose versions a score depends on."""
SAMPLES = 16
"""A shard's identity is its header and this many samples of its weights: 70 GB are not read at each start."""


class ModelError(Exception):
    """A model that cannot judge here; its text, in a line, says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A tensor as it lies in a shard."""

    shard: Path
    shape: tuple[int, ...]
    dtype: str
    """As safetensors calls it: `BF16`, `F32`, `U8`, ..."""
    start: int
    """Where its bytes begin in the file."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """What a folder holds."""

    path: Path
    thinker: Mapping[str, Any]
    """The thinker's part of config.json, with its `model_type`. Outside text; whoever reads a figure from it checks it."""
    shards: tuple[Path, ...]
    tensors: Mapping[str, Stored]
    """By name, of all shards."""
    quantization: Quantization | None = None
    """How the weights are packed already, where `omniwatch quantize` has done it."""
    thinks: bool = False
    """Whether it would think before it answers: then it is shown a thought that is empty and over."""

    @property
    def family(self) -> Family:
        """Of its thinker."""
        return family_of(self.thinker)

    def digest(self) -> str:
        """16 digits that tell this model from others: configuration, tokenizer, headers, and samples of the weights."""
        return digest_of(self.path, self.shards)

    def fingerprint(self, quantization: Quantization, device: str) -> str:
        """Artefact, quantization, library versions and device (`cpu` or `cuda`): a score of another is another score, and its time another time."""
        versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
        return f"{self.path.name} {self.digest()}, {quantization.value}, {versions}, {device}"


def read(path: Path, *, captions: bool = False) -> ModelFolder:
    """What lies in `path`. ModelError, saying what to do, where it is not the complete folder of a model that can judge, or that `captions`."""
    thinker = _thinker(path)
    quantization, source = _record(path)
    kind = _kind(path, source)
    _refuse(path, kind, captions=captions)
    for needed, what in ((TOKENIZERS, "tokenizer"), (EXTRACTORS, "feature extractor")):
        if not any((path / name).is_file() for name in needed):
            raise ModelError(f"{path} has no {what} ({' or '.join(needed)}); download the folder again, whole")
    for name in (*TOKENIZERS, *EXTRACTORS):
        if (path / name).is_file():
            read_json(path / name)  # the libraries' own complaints about half a file come late, and say little
    shards = shards_in(path)
    tensors = {name: stored for shard in shards for name, stored in header_of(shard).items()}
    return ModelFolder(path=path, thinker=thinker, shards=shards, tensors=tensors, quantization=quantization, thinks=kind == "thinking")


def is_captioner(path: Path) -> bool:
    """Whether it is one, by its name. ModelError where its record cannot be read."""
    return _kind(path, _record(path)[1]) == "captioner"


def sketch(path: Path, *, captions: bool = False) -> ModelFolder:
    """As `read`, but where there are no weights at all the configuration is enough: a model can be planned before it is downloaded."""
    if any((path / name).exists() for name in (INDEX, WEIGHTS)):
        return read(path, captions=captions)
    thinker, kind = _thinker(path), _kind(path, "")
    _refuse(path, kind, captions=captions)
    return ModelFolder(path=path, thinker=thinker, shards=(), tensors={}, thinks=kind == "thinking")


def _thinker(path: Path) -> Mapping[str, Any]:
    """The thinker's configuration."""
    if not path.is_dir():
        raise ModelError(f"there is no folder {path}; download a model into it ({TAKE}) or correct `model`")
    config = read_json(path / "config.json")
    thinker = _own(path, config)
    if not isinstance(thinker, dict):
        raise ModelError(f"{path}/config.json has no thinker_config; download it again")
    if held := config.get("quantization_config"):
        how = held.get("quant_method") if isinstance(held, dict) else held
        raise ModelError(f"{path} has been quantized by others ({how}), which cannot be read here; {TAKE} in 16 bits, and name a `quantization`")
    return thinker


def _own(path: Path, config: dict[str, Any]) -> object:
    """What a configuration of a whole checkpoint, or of a thinker alone, says of the thinker, under the name of its kind."""
    kind = config.get("model_type")
    for family in FAMILIES:
        if kind == family.thinker_kind:
            return config
        if kind == family.kind:
            thinker = config.get("thinker_config")
            return {**thinker, "model_type": family.thinker_kind} if isinstance(thinker, dict) else thinker
    known = " and ".join(family.name for family in FAMILIES)
    said = f"holds a model of type {kind!r}" if kind else "has a config.json that names no `model_type`"
    raise ModelError(f"{path} {said}, which cannot judge here; {known} models can: {TAKE}")


def _kind(path: Path, source: str) -> str:
    """`captioner`, `thinking` or nothing: which sibling it is, by its name or that of the `source` it was packed from."""
    # A folder of the hub's cache is called by a hash, and the model's name stands two levels above.
    for name in (source, *path.resolve().parts[-3:]):
        if found := re.search(r"omni.*(captioner|thinking)", name.lower()):
            return found[1]
    return ""


def _refuse(path: Path, kind: str, *, captions: bool) -> None:
    """ModelError where this sibling cannot judge, or that it `captions`."""
    if captions and kind != "captioner":
        raise ModelError(f"{path} is no Captioner model, by its name; take Qwen3-Omni-30B-A3B-Captioner")
    if kind == "captioner" and not captions:
        raise ModelError(f"{path} is a Captioner model: {CAPTIONER} (it can be `judge.describe.captioner`); {TAKE}")


def digest_of(path: Path, shards: Iterable[Path]) -> str:
    """16 digits that tell the model in a folder from others, as `ModelFolder.digest` says."""
    digest = hashlib.sha256()
    for name in ("config.json", *TOKENIZERS, *EXTRACTORS):
        if (path / name).is_file():
            digest.update((path / name).read_bytes())
    for shard in shards:
        size = shard.stat().st_size
        digest.update(f"{shard.name} {size}".encode())
        with shard.open("rb") as file:
            for start in range(0, size, max(size // SAMPLES, SAMPLE_BYTES)):
                file.seek(start)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any]:
    """A file's object. ModelError where there is none."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelError(f"{path} is far too large to be what its name says; download it again")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; `model` must name the folder that holds it") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); download it again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not what its name says; download it again")
    return content


def shards_in(path: Path) -> tuple[Path, ...]:
    """The files of weights in a folder. ModelError where one is missing."""
    index = path / INDEX
    names = {WEIGHTS}
    if index.is_file():
        named = read_json(index).get("weight_map")
        if not isinstance(named, dict):
            raise ModelError(f"{index} names no files; download it again")
        names = {str(name) for name in named.values()}
    if any("/" in name for name in names):
        raise ModelError(f"{index} names files outside the folder; do not use it")
    missing = sorted(name for name in names if not (path / name).is_file())
    if missing:
        raise ModelError(f"{path} lacks {len(missing)} of {len(names)} files of weights ({missing[0]} …); download the rest")
    return tuple(path / name for name in sorted(names))


def _record(path: Path) -> tuple[Quantization | None, str]:
    """How the folder's weights are packed, and the name of what they were made from, as `omniwatch quantize` has left word; or None and nothing."""
    record = path / RECORD
    if not record.is_file():
        return None, ""
    said = read_json(record)
    if said.get("format") != FORMAT:
        raise ModelError(f"{record} is of format {said.get('format')!r}, this omniwatch reads {FORMAT}: make it again with `omniwatch quantize`")
    try:
        return Quantization(str(said.get("quantization"))), str(said.get("source"))
    except ValueError:
        raise ModelError(f"{record} names no quantization that is known here: make it again with `omniwatch quantize`") from None


def header_of(shard: Path) -> dict[str, Stored]:
    """Tensors by name, from a safetensors file's header; checked against the file's size, so half a download is found before it is loaded."""
    try:
        with shard.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= MAX_HEADER_BYTES:
                raise ModelError(f"{shard} is no safetensors file; download it again")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = {str(name): _stored(shard, entry, 8 + length) for name, entry in header.items()}
        end = max((each.start + each.bytes for each in tensors.values()), default=8 + length)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{shard} cannot be read ({type(error).__name__}: {error}); download it again") from None
    if shard.stat().st_size < end:
        raise ModelError(f"{shard} has {shard.stat().st_size} of its {end} bytes: the download is not complete")
    return tensors


def _stored(shard: Path, entry: Mapping[str, Any], base: int) -> Stored:
    start, stop = (int(offset) for offset in entry["data_offsets"])
    shape = tuple(int(side) for side in entry["shape"])
    return Stored(shard=shard, shape=shape, dtype=str(entry["dtype"]), start=base + start, bytes=stop - start)
