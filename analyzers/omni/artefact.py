"""A thinker as it was packed once, kept in files that are read back as they are: in seconds, and the same bit for bit.

It is a model folder like any other, with names as the loaded model has them, and a record of what it was made from and with. Files are
read, not mapped: a model that another program could take out of memory, or cut short under us, would be no model for an appliance.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from accelerate import init_empty_weights
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from analyzers.interview import Quantization
from analyzers.omni.folder import EXTRACTORS, INDEX, RECORD, TOKENIZERS, WINDOW, ModelError, ModelFolder, Stored
from analyzers.omni.packed import replace
from analyzers.omni.packing import PACKINGS

SHARD_BYTES = 500_000_000
"""Of tensors, after which a file is full; the largest tensor of the published model has 622 MB."""
COPIED = (
    *TOKENIZERS, *EXTRACTORS, "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json", WINDOW,
)  # fmt: skip
DTYPES = {"BF16": torch.bfloat16, "F32": torch.float32, "U8": torch.uint8, "I8": torch.int8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an artefact was made from and with; hashes are SHA-256, by file."""

    format: int
    quantization: Quantization
    source: str
    source_hashes: Mapping[str, str]
    hashes: Mapping[str, str]
    versions: Mapping[str, str]


def load(found: ModelFolder, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """The thinker of an artefact. What is not packed is held in `dtype`. ModelError where a weight is missing."""
    packing = PACKINGS[found.quantization or Quantization.NF4]
    config = AutoConfig.from_pretrained(found.path, local_files_only=True, trust_remote_code=False)
    with init_empty_weights(include_buffers=False):  # buffers are computed, and in no file
        model = getattr(transformers, found.family.thinker)(config)
    replace(model, packing, dtype)
    wanted = dict(model.named_parameters())
    for name in found.tensors.keys() & wanted.keys():
        tensor = _read(found.tensors[name])
        numbers = tensor if wanted[name].dtype == tensor.dtype or not tensor.is_floating_point() else tensor.to(dtype)
        module, _, last = name.rpartition(".")
        setattr(model.get_submodule(module), last, torch.nn.Parameter(numbers.to(device), requires_grad=False))
    model.tie_weights()
    lacking = sorted(name for name, parameter in model.named_parameters() if parameter.is_meta)
    if lacking:
        raise ModelError(f"{found.path} lacks {len(lacking)} weights ({lacking[0]} …): make it again with `omniwatch quantize`")
    return model.to(device)


def _read(stored: Stored) -> Tensor:
    tensor = torch.empty(stored.shape, dtype=DTYPES[stored.dtype])
    with stored.shard.open("rb", buffering=0) as file:
        file.seek(stored.start)
        room = memoryview(tensor.view(-1).view(torch.uint8).numpy().data)
        if len(room) != stored.bytes:
            raise ModelError(f"{stored.shard}: {stored.shape} does not take {stored.bytes} bytes; make it again with `omniwatch quantize`")
        while room:
            count = file.readinto(room)
            if not count:
                raise ModelError(f"{stored.shard} ends early; make it again with `omniwatch quantize`")
            room = room[count:]
    return tensor


def write(model: PreTrainedModel, found: ModelFolder, folder: Path) -> dict[str, str]:
    """Write `model`, and what belongs to it from `found`, into `folder`; the hash of each file of weights."""
    hashes: dict[str, str] = {}
    names: dict[str, str] = {}
    for number, tensors in enumerate(_groups(model), 1):
        shard = folder / f"model-{number:05d}.safetensors"
        save_file(tensors, shard, metadata={"format": "pt"})
        shard.chmod(0o644)  # safetensors lets nobody else read it, and the box runs as a user of its own
        _sync(shard)
        hashes[shard.name] = sha256(shard)
        names |= dict.fromkeys(tensors, shard.name)
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))
    (folder / "config.json").write_text(json.dumps(found.thinker, indent=1))
    for name in COPIED:
        if (found.path / name).is_file():
            shutil.copyfile(found.path / name, folder / name)
    return hashes


def finish(folder: Path, record: Record) -> None:
    """Write the record, and make sure that all lies on the disk."""
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=1))
    for path in (*folder.iterdir(), folder):
        _sync(path)


def _groups(model: PreTrainedModel) -> Iterator[dict[str, Tensor]]:
    """The parameters, in groups that go into a file each."""
    group: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        group[name] = parameter.data.contiguous()
        if sum(tensor.numel() * tensor.element_size() for tensor in group.values()) >= SHARD_BYTES:
            yield group
            group = {}
    if group:
        yield group


def sha256(path: Path) -> str:
    """The hash of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
