"""Loads a Qwen3-Omni folder as its thinker alone, offline, quantized while it is read, and refuses what is not what was asked for.

When the pin of transformers moves, look at: the hooks of `experts.py` (register_quantizer, _process_model_before_weight_loading,
param_needs_quantization, ConversionOps.convert), the fused names gate_up_proj and down_proj, the attention registry of `tree.py`, that
the text model hands `tree` on to its attention, support_avx512bf16_for_cpu of bitsandbytes' Linear4bit, and the names in UNQUANTIZED.
The tests of `tests/analyzers/test_omni_*.py` fail where one of them has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoTokenizer, Qwen3OmniMoeThinkerForConditionalGeneration, WhisperFeatureExtractor

from analyzers.interview import JudgeSettings, Quantization
from analyzers.omni.experts import Int8Config, Nf4Config
from analyzers.omni.folder import ModelFolder, read
from analyzers.omni.parameters import Part, part_of
from analyzers.omni.plan import Machine, ModelError, Plan, plan
from analyzers.omni.prompt import Prompt, PromptError
from analyzers.omni.sight import quicken
from analyzers.omni.tree import ATTENTION

UNQUANTIZED = ("model.visual", "model.audio_tower", "lm_head")
"""Full names from the start: a bare "visual" is ignored in silence."""
SLACK = 0.01
"""How far the bytes of a part may be from the plan."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A thinker that is ready to be asked."""

    model: Qwen3OmniMoeThinkerForConditionalGeneration
    tokenizer: Any
    prompt: Prompt
    extractor: Any
    device: torch.device
    weight_bytes: int
    fingerprint: str
    def device_bytes(self) -> int:
        """Memory of the accelerator that this process holds now; 0 on a processor."""
        return torch.cuda.memory_reserved(self.device) if self.device.type == "cuda" else 0

    """Artefact, quantization, library versions and device: a score of another is another score."""


def load(settings: JudgeSettings) -> Loaded:
    """Load what the settings say. ModelError, with what to do, where that cannot be."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path = Path(settings.model)
    device = _device(settings.device)
    planned = plan(path, settings.quantization, _free(device))
    found = read(path)
    try:
        model = _thinker(path, settings.quantization, device)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        extractor = WhisperFeatureExtractor.from_pretrained(path, local_files_only=True)
        prompt = Prompt(tokenizer)
    except PromptError as error:
        raise ModelError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be loaded, download it again: {' '.join(str(error).split())[:200]}") from error
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        prompt=prompt,
        extractor=extractor,
        device=device,
        weight_bytes=verify(model, planned),
        fingerprint=_fingerprint(found, settings.quantization, device),
    )


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("judge.device is cuda, and torch finds no NVIDIA card that it can use; omniwatch doctor says more")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _free(device: torch.device) -> Machine:
    """The machine with the memory that is free now."""
    if device.type == "cuda":
        return Machine(device="cuda", memory_bytes=torch.cuda.mem_get_info(device)[0])
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return Machine(device="cpu", memory_bytes=int(fields["MemAvailable"].split()[0]) * 1024)


def _thinker(path: Path, quantization: Quantization, device: torch.device) -> Qwen3OmniMoeThinkerForConditionalGeneration:
    # A CPU without units for bfloat16 is two to three times slower in it.
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    model, told = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(
        path,
        config=getattr(config, "thinker_config", config),
        dtype=dtype,
        local_files_only=True,
        use_safetensors=True,
        device_map={"": device.type},
        output_loading_info=True,
        **_quantized(quantization, dtype),
    )
    lacking = sorted(told["missing_keys"])
    if lacking:
        raise ModelError(f"{path} lacks {len(lacking)} weights ({lacking[0]} …), which would be random; download it again")
    model.set_attn_implementation({"text_config": ATTENTION, "vision_config": "sdpa", "audio_config": "sdpa"})
    quicken(model.model.visual)
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            # It would compute in bfloat16 on a CPU that can: less than half as quick on long rows, and scores that differ from CPU to CPU.
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def _quantized(quantization: Quantization, dtype: torch.dtype) -> dict[str, Any]:
    match quantization:
        case Quantization.NF4:
            return {"quantization_config": Nf4Config(dtype=dtype, skip=UNQUANTIZED)}
        case Quantization.INT8:
            return {"quantization_config": Int8Config(dtype=dtype, skip=UNQUANTIZED)}
        case Quantization.NONE:
            return {}


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
    """Bytes of the weights by part, with the scales that bitsandbytes keeps beside them."""
    held = dict.fromkeys(Part, 0)
    for name, parameter in model.named_parameters():
        state = getattr(parameter, "quant_state", None)
        tensors = (parameter, getattr(parameter, "SCB", None), state.absmax if state is not None else None)
        part = part_of(name)
        if part is not None:
            held[part] += sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
    return held


def _fingerprint(found: ModelFolder, quantization: Quantization, device: torch.device) -> str:
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}, bitsandbytes {bitsandbytes.__version__}"
    return f"{found.path.name} {found.digest()}, {quantization.value}, {versions}, {device.type}"
