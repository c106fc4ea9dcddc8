"""Makes an artefact of a checkpoint: hashes what it is made from, packs it while it is read, and puts it in place whole or not at all."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import bitsandbytes
import torch
import transformers

from analyzers.interview import Quantization
from analyzers.omni import artefact
from analyzers.omni.artefact import Record
from analyzers.omni.folder import FORMAT, ModelError, ModelFolder, is_captioner, read
from analyzers.omni.machine import Machine, free_bytes
from analyzers.omni.plan import QUANTIZED, Plan, amount, survey
from analyzers.omni.weights import from_source, verify

Told = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""
CHUNK_BYTES = 16 << 20


def quantize(source: Path, out: Path, quantization: Quantization, told: Told) -> Record:
    """Make `out`, a folder that is not there yet. ModelError, with what to do, where that cannot be; then nothing is left of it."""
    transformers.logging.disable_progress_bar()
    found = read(source, captions=is_captioner(source))
    number = _number(found)
    machine = Machine(device="host" if number is torch.bfloat16 else "cpu", memory_bytes=free_bytes())
    planned = _planned(found, out, quantization, machine)
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # what an attempt that was killed has left
    part.mkdir(parents=True)
    try:
        hashes = _hashes(found, told)
        model = from_source(found, quantization, torch.device("cpu"), number, packed=_counter(planned, told))
        verify(model, planned)
        told("writing", 0, 1)
        record = Record(
            format=FORMAT,
            quantization=quantization,
            source=found.path.resolve().name,
            source_hashes=hashes,
            hashes=artefact.write(model, found, part),
            versions={"torch": torch.__version__, "transformers": transformers.__version__, "bitsandbytes": bitsandbytes.__version__},
        )
        artefact.finish(part, record)
        part.rename(out)
        told("writing", 1, 1)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return record


def _number(found: ModelFolder) -> torch.dtype:
    """What is not packed stays in bfloat16 where the source has it in bfloat16; any other is held exactly in float32."""
    return torch.bfloat16 if {stored.dtype for stored in found.tensors.values()} == {"BF16"} else torch.float32


def _planned(found: ModelFolder, out: Path, quantization: Quantization, machine: Machine) -> Plan:
    """The plan of the artefact. ModelError where there is no room for it, or no sense in it."""
    if found.quantization:
        raise ModelError(f"{found.path} has been quantized already, as {found.quantization}; name the checkpoint that it was made from")
    if quantization is Quantization.NONE:
        raise ModelError("`none` leaves a model as it is; name nf4, nf4-double or int8")
    if out.exists():
        raise ModelError(f"{out} is there already; remove it or name another folder")
    made = survey(found, quantization, machine)
    size = made.weight_bytes
    above = next(folder for folder in out.resolve().parents if folder.is_dir())
    if shutil.disk_usage(above).free < size * 1.02:
        raise ModelError(f"{above} has {amount(shutil.disk_usage(above).free)} free, and {out.name} will take {amount(size)}")
    if not made.fits:
        raise ModelError(f"making it takes {amount(made.need_bytes)} of memory, and there are {amount(machine.memory_bytes)}: use a larger machine")
    return made


def _hashes(found: ModelFolder, told: Told) -> dict[str, str]:
    total, done, hashes = sum(shard.stat().st_size for shard in found.shards), 0, {}
    for path in (found.path / "config.json", *found.shards):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                told("reading", min(done, total), total)
        hashes[path.name] = digest.hexdigest()
    return hashes


def _counter(planned: Plan, told: Told) -> Callable[[int], None]:
    total, done = sum(planned.sizes[part].parameters for part in QUANTIZED), 0

    def packed(numbers: int) -> None:
        nonlocal done
        done += numbers
        told("packing", done, total)

    return packed
