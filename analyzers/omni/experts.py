"""Experts that are really quantized: a plug-in for transformers, through its public hooks.

On transformers 5 the experts of a mixture are one fused 3-D parameter, which bitsandbytes passes over in silence: nine tenths of the
model would stay as they were. Here each expert is packed while the checkpoint is read, and only the experts that are hit are ever
unpacked, one at a time. Everything else is bitsandbytes' own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bitsandbytes.functional as bnb
import torch
from torch import Tensor, nn
from transformers.core_model_loading import ConversionOps
from transformers.integrations.bitsandbytes import Bnb4bitQuantize, Bnb8bitQuantize
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer
from transformers.quantizers.quantizer_bnb_8bit import Bnb8BitHfQuantizer
from transformers.quantizers.quantizers_utils import get_module_from_name
from transformers.utils.quantization_config import BitsAndBytesConfig

from analyzers.omni.plan import BLOCK, ModelError

NF4_METHOD, INT8_METHOD = "omniwatch_nf4", "omniwatch_int8"
PARAMETERS = ("gate_up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """A way to hold a matrix in fewer bytes. A matrix of `out` rows of `into` numbers becomes flat numbers and flat float32 scales."""

    dtype: torch.dtype
    numbers: Callable[[int, int], int]
    """How many, for a matrix of so many rows and columns."""
    scales: Callable[[int, int], int]
    pack: Callable[[Tensor], tuple[Tensor, Tensor]]
    unpack: Callable[[Tensor, Tensor, tuple[int, int], torch.dtype], Tensor]
    """Numbers, scales, (rows, columns), and the type to compute in."""


def _pack_nf4(matrix: Tensor) -> tuple[Tensor, Tensor]:
    packed, state = bnb.quantize_4bit(matrix.contiguous(), blocksize=BLOCK, quant_type="nf4", compress_statistics=False)
    return packed.view(-1), state.absmax.float()


def _unpack_nf4(numbers: Tensor, scales: Tensor, sides: tuple[int, int], dtype: torch.dtype) -> Tensor:
    code = bnb.get_4bit_type("nf4", device=str(numbers.device))
    state = bnb.QuantState(absmax=scales, shape=torch.Size(sides), dtype=dtype, blocksize=BLOCK, quant_type="nf4", code=code)
    matrix: Tensor = bnb.dequantize_4bit(numbers.view(-1, 1), state)
    return matrix


def _pack_int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    exact = matrix.float()
    scales = exact.abs().amax(1).clamp(min=1e-12) / 127
    return (exact / scales[:, None]).round().to(torch.int8).view(-1), scales


def _unpack_int8(numbers: Tensor, scales: Tensor, sides: tuple[int, int], dtype: torch.dtype) -> Tensor:
    return (numbers.view(sides).float() * scales[:, None]).to(dtype)


NF4 = Packing(
    dtype=torch.uint8,
    numbers=lambda out, into: out * into // 2,
    scales=lambda out, into: out * into // BLOCK,
    pack=_pack_nf4,
    unpack=_unpack_nf4,
)
INT8 = Packing(dtype=torch.int8, numbers=lambda out, into: out * into, scales=lambda out, _: out, pack=_pack_int8, unpack=_unpack_int8)


class PackedExperts(nn.Module):
    """Takes the place of a block's fused experts. Its parameters have the fused ones' names, and beside each its scales."""

    def __init__(self, fused: Any, packing: Packing, dtype: torch.dtype) -> None:
        """The shapes of `fused`, without its weights. `dtype` is computed in."""
        super().__init__()
        self.num_experts = int(fused.num_experts)
        self.act_fn: Any = fused.act_fn
        self.packing = packing
        self._dtype = dtype
        self._sides: dict[str, tuple[int, int]] = {}
        for name in PARAMETERS:
            experts, out, into = getattr(fused, name).shape
            if out * into % BLOCK:
                raise ModelError(f"experts of {out}x{into} do not divide into blocks of {BLOCK}: load this model with `quantization: none`")
            self._sides[name] = (out, into)
            self._declare(name, torch.empty(experts, packing.numbers(out, into), dtype=packing.dtype, device="meta"))
            self._declare(f"{name}_scales", torch.empty(experts, packing.scales(out, into), dtype=torch.float32, device="meta"))

    def _declare(self, name: str, tensor: Tensor) -> None:
        self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))

    def weight(self, name: str, expert: int) -> Tensor:
        """One expert's matrix, unpacked: [out, in]."""
        return self.packing.unpack(getattr(self, name)[expert], getattr(self, f"{name}_scales")[expert], self._sides[name], self._dtype)

    def forward(self, hidden: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """What the experts that each token [tokens, width] is routed to make of it, weighted."""
        out = torch.zeros_like(hidden)
        for expert in torch.unique(top_k_index).tolist():
            if expert >= self.num_experts:  # what transformers calls a token that goes nowhere
                continue
            token, place = torch.where(top_k_index == expert)
            gate, up = nn.functional.linear(hidden[token], self.weight("gate_up_proj", expert).to(hidden.dtype)).chunk(2, -1)
            made = nn.functional.linear(self.act_fn(gate) * up, self.weight("down_proj", expert).to(hidden.dtype))
            out.index_add_(0, token, (made * top_k_weights[token, place, None]).to(out.dtype))
        return out


class _Quantize(ConversionOps):  # type: ignore[misc]
    """Packs what is read, expert by expert, before it takes its place in the model; Linear layers are bitsandbytes' own."""

    def __init__(self, linear: ConversionOps) -> None:
        self._linear = linear

    def convert(self, input_dict: dict[str, Any], full_layer_name: str | None = None, model: Any = None, **options: Any) -> dict[str, Any]:
        """Tensors by name to quantized tensors by name."""
        out: dict[str, Any] = {}
        for name, value in input_dict.items():
            module, _ = get_module_from_name(model, name)
            if isinstance(module, PackedExperts):
                pieces = [module.packing.pack(one) for one in (value[0] if isinstance(value, list) else value)]
                out[name] = torch.stack([numbers for numbers, _ in pieces])
                out[f"{name}_scales"] = torch.stack([scales for _, scales in pieces])
            else:
                out.update(self._linear.convert({name: value}, full_layer_name=full_layer_name, model=model, **options))
        return out


def _replace(model: Any, packing: Packing, dtype: torch.dtype) -> None:
    """Put packed experts where the fused ones are."""
    for name, module in list(model.named_modules()):
        fused = getattr(module, "gate_up_proj", None)
        if name.endswith("mlp.experts") and isinstance(fused, nn.Parameter) and fused.ndim == 3:
            model.set_submodule(name, PackedExperts(module, packing, dtype))


@register_quantization_config(NF4_METHOD)
class Nf4Config(BitsAndBytesConfig):  # type: ignore[misc]
    """NF4 for Linear layers and fused experts."""

    def __init__(self, dtype: torch.dtype = torch.float32, skip: tuple[str, ...] = (), **_: Any) -> None:
        """`dtype` is computed in; `skip`: full names of modules that stay as they are. transformers may hand further options; none matters."""
        super().__init__(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=list(skip))
        self.quant_method = NF4_METHOD

    def quantization_method(self) -> str:
        """What the Linear layers are quantized to."""
        return "nf4"


@register_quantization_config(INT8_METHOD)
class Int8Config(BitsAndBytesConfig):  # type: ignore[misc]
    """int8 for Linear layers and, row by row, for fused experts."""

    def __init__(self, dtype: torch.dtype = torch.float32, skip: tuple[str, ...] = (), **_: Any) -> None:
        """As for NF4."""
        super().__init__(load_in_8bit=True, llm_int8_skip_modules=list(skip))
        self.quant_method = INT8_METHOD
        self.dtype = dtype

    def quantization_method(self) -> str:
        """What the Linear layers are quantized to."""
        return "llm_int8"


@register_quantizer(NF4_METHOD)
class Nf4Quantizer(Bnb4BitHfQuantizer):  # type: ignore[misc]
    """transformers' own for Linear layers, and ours for fused experts."""

    def _process_model_before_weight_loading(self, model: Any, device_map: Any = None, **options: Any) -> None:
        super()._process_model_before_weight_loading(model, device_map=device_map, **options)
        _replace(model, NF4, self.quantization_config.bnb_4bit_compute_dtype)

    def param_needs_quantization(self, model: Any, param_name: str, **options: Any) -> bool:
        """Whether a tensor of the checkpoint is quantized as it is read."""
        module, name = get_module_from_name(model, param_name)
        return name in PARAMETERS if isinstance(module, PackedExperts) else bool(super().param_needs_quantization(model, param_name, **options))

    def get_quantize_ops(self) -> ConversionOps:
        """What does it."""
        return _Quantize(Bnb4bitQuantize(self))

    def is_serializable(self) -> bool:
        """Not by transformers, whose reverse conversion cannot split packed bytes."""
        return False


@register_quantizer(INT8_METHOD)
class Int8Quantizer(Bnb8BitHfQuantizer):  # type: ignore[misc]
    """As for NF4."""

    def _process_model_before_weight_loading(self, model: Any, device_map: Any = None, **options: Any) -> None:
        super()._process_model_before_weight_loading(model, device_map=device_map, **options)
        _replace(model, INT8, self.quantization_config.dtype)

    def param_needs_quantization(self, model: Any, param_name: str, **options: Any) -> bool:
        """As for NF4."""
        module, name = get_module_from_name(model, param_name)
        return name in PARAMETERS if isinstance(module, PackedExperts) else bool(super().param_needs_quantization(model, param_name, **options))

    def get_quantize_ops(self) -> ConversionOps:
        """As for NF4."""
        return _Quantize(Bnb8bitQuantize(self))

    def is_serializable(self) -> bool:
        """As for NF4."""
        return False
