"""Loads a model folder as its thinker alone, offline, quantized while it is read, and refuses what is not what was asked for.

When the pin of transformers moves, look at: the hooks of `quantizer.py` (register_quantizer, _process_model_before_weight_loading,
param_needs_quantization, ConversionOps.convert), HF_DEACTIVATE_ASYNC_LOAD, the fused names gate_up_proj and down_proj, the attention
registry of `tree.py`, that the text model hands `tree` on to its attention, `mm_encoder_outputs`, the vision tower's attention in
`tower.py` (its projections' names, `fullatt_block_indexes`, `deepstack_features`), the classes and figures in `family.py`, and that a
forward takes its keys and values as `cache`; for a model's voice, what the head of `talker.py` says. Run the tests once with
torchvision and Pillow, too: then what families make of pictures and sounds is compared with the makers' processors.
The tests of `tests/analyzers/test_omni_*.py` fail where one of them has changed.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, WhisperFeatureExtractor

from analyzers.interview import JudgeSettings, Quantization
from analyzers.omni import artefact
from analyzers.omni.family import Family
from analyzers.omni.folder import ModelFolder, read
from analyzers.omni.machine import Machine, free_bytes
from analyzers.omni.packed import slice_experts
from analyzers.omni.packing import PACKINGS
from analyzers.omni.parameters import Part, part_of
from analyzers.omni.plan import SLACK, ModelError, Plan, plan
from analyzers.omni.prompt import Prompt, PromptError
from analyzers.omni.quantizer import PackedConfig
from analyzers.omni.tower import quicken
from analyzers.omni.tree import ATTENTION


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A thinker that is ready to be asked."""

    model: PreTrainedModel
    family: Family
    tokenizer: Any
    prompt: Prompt
    extractor: Any
    device: torch.device
    weight_bytes: int
    fingerprint: str
    """Artefact, quantization, library versions and device: a score of another is another score."""

    def device_bytes(self) -> int:
        """Memory of the accelerator that this process holds now; 0 on a processor."""
        return torch.cuda.memory_reserved(self.device) if self.device.type == "cuda" else 0


def load(settings: JudgeSettings, *, captions: bool = False) -> Loaded:
    """Load what the settings say, which judges, or `captions`. ModelError, with what to do, where that cannot be."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path = Path(settings.model)
    device = _device(settings.device)
    planned = plan(path, settings.quantization, _free(device), describes=settings.describes, captions=captions)
    found = read(path, captions=captions)
    try:
        model = _thinker(found, settings.quantization, device)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        extractor = WhisperFeatureExtractor.from_pretrained(path, local_files_only=True)
        prompt = Prompt(tokenizer, found.family.marks, thinks=found.thinks)
    except PromptError as error:
        raise ModelError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be loaded, download it again: {' '.join(str(error).split())[:200]}") from error
    return Loaded(
        model=model,
        family=found.family,
        tokenizer=tokenizer,
        prompt=prompt,
        extractor=extractor,
        device=device,
        weight_bytes=verify(model, planned),
        fingerprint=found.fingerprint(settings.quantization, device.type),
    )


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("judge.device is cuda, and torch finds no NVIDIA card that it can use; omniwatch doctor says more")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _free(device: torch.device) -> Machine:
    """The machine with the memory that is free now."""
    if device.type == "cuda":
        return Machine(device="cuda", memory_bytes=torch.cuda.mem_get_info(device)[0])
    return Machine(device="cpu", memory_bytes=free_bytes())


def _thinker(found: ModelFolder, quantization: Quantization, device: torch.device) -> PreTrainedModel:
    # A CPU without units for bfloat16 is two to three times slower in it.
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = artefact.load(found, device, dtype) if found.quantization else from_source(found, quantization, device, dtype)
    return fitted_out(model, device, found.family)


def fitted_out(model: PreTrainedModel, device: torch.device, family: Family) -> PreTrainedModel:
    """A thinker that has its weights, made to attend and to compute as the judge does."""
    model.set_attn_implementation({"text_config": ATTENTION, "vision_config": "sdpa", "audio_config": "sdpa"})
    quicken(model.model.visual, family)
    if device.type == "cuda":
        slice_experts(model)
    return model.eval()


def from_source(
    found: ModelFolder, quantization: Quantization, device: torch.device, dtype: torch.dtype, *, packed: Callable[[int], None] = lambda _: None
) -> PreTrainedModel:
    """A checkpoint's thinker, packed while it is read; `packed` is told how many numbers have been."""
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # or threads read ahead of what is stacked and joined, and that is most of the model twice
    config = AutoConfig.from_pretrained(found.path, local_files_only=True, trust_remote_code=False)
    packing = PACKINGS.get(quantization)
    model, told = getattr(transformers, found.family.thinker).from_pretrained(
        found.path,
        config=getattr(config, "thinker_config", config),
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
        device_map={"": device.type},
        output_loading_info=True,
        **({"quantization_config": PackedConfig(packing, dtype, packed)} if packing else {}),
    )
    lacking = sorted(told["missing_keys"])
    if lacking:
        raise ModelError(f"{found.path} lacks {len(lacking)} weights ({lacking[0]} …), which would be random; download it again")
    return model


def verify(model: nn.Module, planned: Plan) -> int:
    """The bytes of `model`'s weights. ModelError, with the figures, where a part's are not those that were planned."""
    held = held_bytes(model)
    for part, expected in planned.part_bytes.items():
        if abs(held[part] - expected) > SLACK * expected:
            raise ModelError(
                f"the model was to be {planned.quantization.value}, and its {part} take {held[part] / 1e6:.1f} MB, not {expected / 1e6:.1f} MB; "
                "it is not used: these versions of transformers and bitsandbytes do not do what they are asked for"
            )
    return sum(held.values())


def held_bytes(model: nn.Module) -> Mapping[Part, int]:
    """Bytes of the weights by part."""
    held = dict.fromkeys(Part, 0)
    for name, parameter in model.named_parameters():
        part = part_of(name)
        if part is not None:
            held[part] += parameter.numel() * parameter.element_size()
    return held
