"""A random model of a given shape that is made where it is to run, packed as the product packs: no checkpoint of 63 GB is written or read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from random_model import config, learnt
from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

from analyzers.interview import Quantization
from analyzers.omni.family import QWEN3_OMNI
from analyzers.omni.packed import Packed, PackedExperts, replace
from analyzers.omni.packing import PACKINGS
from analyzers.omni.plan import Plan
from analyzers.omni.prompt import Prompt
from analyzers.omni.weights import Loaded, fitted_out, verify
from appliance.demo.small_model import feature_extractor

SPREAD = 0.02
"""Standard deviation of the weights, which is what such models begin with."""
HERE = Path(__file__).parent
PUBLISHED = HERE / "published_model.json"


def build(shape: Path, quantization: Quantization, device: torch.device, planned: Plan) -> Loaded:
    """What `load` gives for a folder, checked against the plan in the same way. What it answers means nothing."""
    torch.manual_seed(0)
    tokens = learnt()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with init_empty_weights(include_buffers=False):
        model = Qwen3OmniMoeThinkerForConditionalGeneration(config(shape, tokens, str(dtype).removeprefix("torch.")))
    model.config.dtype = dtype
    packing = PACKINGS.get(quantization)
    if packing:
        replace(model, packing, dtype)
    for module in model.modules():
        for name, tensor in _weights(module, dtype, device):
            module.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))
    model = fitted_out(model.to(device), device, QWEN3_OMNI)
    return Loaded(
        model=model,
        family=QWEN3_OMNI,
        tokenizer=tokens,
        prompt=Prompt(tokens),
        extractor=feature_extractor(),
        device=device,
        weight_bytes=verify(model, planned),
        fingerprint=f"random weights of {shape.stem}, {quantization.value}, {device.type}",
    )


def _weights(module: torch.nn.Module, dtype: torch.dtype, device: torch.device) -> Iterator[tuple[str, torch.Tensor]]:
    """A module's own parameters, without those of the modules in it."""
    if isinstance(module, Packed):
        yield from _packed(module, device)
    for name, parameter in list(module.named_parameters(recurse=False)):
        if not parameter.is_meta:
            continue
        if parameter.ndim > 1:
            yield name, torch.randn(parameter.shape, dtype=dtype, device=device) * SPREAD
        else:
            yield name, torch.full(parameter.shape, float(name == "weight"), dtype=dtype, device=device)


def _packed(module: Packed, device: torch.device) -> Iterator[tuple[str, torch.Tensor]]:
    """Matrix by matrix, so that never more than one is there in full."""
    for name, sides in module.sides.items():
        count = module.num_experts if isinstance(module, PackedExperts) else 1
        pieces: list[dict[str, Any]] = [
            dict(module.packing.pack(torch.randn(sides, dtype=module.dtype, device=device) * SPREAD)) for _ in range(count)
        ]
        for field in pieces[0]:
            several = [piece[field] for piece in pieces]
            yield f"{name}{field}", torch.stack(several) if isinstance(module, PackedExperts) else several[0]
