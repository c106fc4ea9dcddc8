"""Loads a Qwen3-Omni folder as its thinker alone, offline, quantized while it is read, and refuses what is not what was asked for.

When the pin of transformers moves, look at: the hooks of `experts.py` (register_quantizer, _process_model_before_weight_loading,
param_needs_quantization, ConversionOps.convert), the fused names gate_up_proj and down_proj, the attention registry of `tree.py`, that
the text model hands `tree` on to its attention, and the prefixes in UNQUANTIZED. The tests of
`tests/analyzers/test_omni_*.py` fail where one of them has changed.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, Qwen3OmniMoeThinkerForConditionalGeneration, WhisperFeatureExtractor

from analyzers.interview import JudgeSettings, Quantization
from analyzers.omni.experts import Nf4Config, Nf4Experts
from analyzers.omni.plan import ModelError, Plan, plan
from analyzers.omni.tree import ATTENTION

UNQUANTIZED = ["model.visual", "model.audio_tower", "lm_head"]
"""Full names from the start: a bare "visual" is ignored in silence."""
SLACK = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A thinker that is ready to be asked."""

    model: Any
    tokenizer: Any
    extractor: Any
    device: torch.device
    weight_bytes: int
    fingerprint: str
    """Artefact, quantization, library versions and device: a score of another is another score."""


def load(settings: JudgeSettings) -> Loaded:
    """Load what the settings say. ModelError, with what to do, where that cannot be."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = Path(settings.model)
    device = _device(settings.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32  # a CPU without bf16 units is slower in bf16
    planned = plan(folder, settings.quantization, plain_bytes=dtype.itemsize)
    _check_memory(planned, device)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(
            folder,
            config=getattr(config, "thinker_config", config),
            dtype=dtype,
            local_files_only=True,
            attn_implementation=ATTENTION,
            **_quantized(settings.quantization, dtype, device),
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded: {' '.join(str(error).split())[:200]}") from error
    for tower in (model.model.visual, model.model.audio_tower):
        tower.config._attn_implementation = "sdpa"  # noqa: SLF001 - transformers has no other way to set it for one part
    held = _check(model, planned)
    return Loaded(model, tokenizer, extractor, device, held, _fingerprint(folder, settings.quantization, device))


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("judge.device is cuda, and this machine has no usable NVIDIA card: see omniwatch doctor")
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu")


def _check_memory(planned: Plan, device: torch.device) -> None:
    """Refuse before loading what cannot fit."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        meminfo = Path("/proc/meminfo")
        if meminfo.exists():
            fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
            free = int(fields.get("MemAvailable", f"{free // 1024} kB").split()[0]) * 1024
    if planned.needed_bytes > free:
        raise ModelError(
            f"{planned.folder.name} needs {planned.needed_bytes / 1e9:.1f} GB as {planned.quantization.value} and {free / 1e9:.1f} GB are free on "
            f"the {device.type}: take nf4, a smaller model, or a machine with more memory"
        )


def _quantized(quantization: Quantization, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    match quantization:
        case Quantization.NF4:
            config = Nf4Config(bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=list(UNQUANTIZED))
            return {"quantization_config": config, "device_map": {"": device.type}}
        case Quantization.INT8:
            raise ModelError("int8 is not there yet for this model: its experts would stay 16-bit. Take nf4 or none")
        case Quantization.NONE:
            return {"device_map": {"": device.type}}


def _check(model: Any, planned: Plan) -> int:
    """Compare the bytes that are held with the plan; ModelError with the figures where they differ. The bytes."""
    held = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())
    fused = [module for module in model.modules() if isinstance(module, Nf4Experts)]
    if planned.quantization is Quantization.NF4 and not fused:
        raise ModelError(
            f"the experts of {planned.folder.name} were not quantized: {held / 1e9:.2f} GB are held, {planned.weight_bytes / 1e9:.2f} GB were planned"
        )
    scales = _linear_scales(model)
    if abs(held + scales - planned.weight_bytes) > SLACK * planned.weight_bytes:
        raise ModelError(
            f"{planned.folder.name} holds {(held + scales) / 1e6:.1f} MB of weights and {planned.weight_bytes / 1e6:.1f} MB were planned as "
            f"{planned.quantization.value}: this is not what was asked for"
        )
    return int(held + scales)


def _linear_scales(model: Any) -> int:
    """Bytes of the scales of Linear layers, which bitsandbytes keeps beside the parameters."""
    states = [getattr(parameter, "quant_state", None) for parameter in model.parameters()]
    return sum(state.absmax.numel() * state.absmax.element_size() for state in states if state is not None)


def _fingerprint(folder: Path, quantization: Quantization, device: torch.device) -> str:
    """Names the artefact by its configuration and its files' sizes: hashing 60 GB would take minutes at each start."""
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for shard in sorted(folder.glob("*.safetensors")):
        digest.update(f"{shard.name}:{shard.stat().st_size}".encode())
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    return f"{folder.name} {digest.hexdigest()[:12]}, {quantization.value}, {versions}, {device.type}"
