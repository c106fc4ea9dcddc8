"""NF4 for fused experts: a quantizer plug-in for transformers, through its public hooks.

On transformers 5 the experts of a mixture are one fused 3-D parameter, which bitsandbytes passes over in silence: nine tenths of the
model would stay 16-bit. Here each expert is quantized while the checkpoint is read, and only the experts that are hit are ever
dequantized, one at a time.
"""

from typing import Any

import bitsandbytes.functional as bnb
import torch
from torch import nn
from transformers.core_model_loading import ConversionOps
from transformers.integrations.bitsandbytes import Bnb4bitQuantize
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer
from transformers.quantizers.quantizers_utils import get_module_from_name
from transformers.utils.quantization_config import BitsAndBytesConfig

from analyzers.omni.plan import BLOCK, ModelError

METHOD = "nf4_experts"
PARAMETERS = ("gate_up_proj", "down_proj")


class Nf4Experts(nn.Module):
    """Takes the place of a block's fused experts: uint8 [experts, out * in / 2] and float32 scales [experts, out * in / 64]."""

    def __init__(self, fused: Any, dtype: torch.dtype) -> None:
        """The shapes of `fused`, without its weights. `dtype` is computed in."""
        super().__init__()
        self.num_experts = int(fused.num_experts)
        self.act_fn: Any = fused.act_fn
        self._dtype = dtype
        self._shapes: dict[str, tuple[int, int]] = {}
        self._code: torch.Tensor | None = None
        for name in PARAMETERS:
            experts, out, into = getattr(fused, name).shape
            if out * into % BLOCK:
                raise ModelError(f"experts of {out}x{into} do not divide into blocks of {BLOCK}: load this model with quantization: none")
            self._shapes[name] = (out, into)
            self._meta(name, torch.empty(experts, out * into // 2, dtype=torch.uint8, device="meta"))
            self._meta(f"{name}_absmax", torch.empty(experts, out * into // BLOCK, dtype=torch.float32, device="meta"))

    def _meta(self, name: str, tensor: torch.Tensor) -> None:
        self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))

    def weight(self, name: str, expert: int) -> torch.Tensor:
        """One expert's matrix, dequantized: [out, in]."""
        packed = getattr(self, name)[expert]
        if self._code is None or self._code.device != packed.device:
            self._code = bnb.get_4bit_type("nf4", device=packed.device)
        state = bnb.QuantState(
            absmax=getattr(self, f"{name}_absmax")[expert],
            shape=torch.Size(self._shapes[name]),
            dtype=self._dtype,
            blocksize=BLOCK,
            quant_type="nf4",
            code=self._code,
        )
        matrix: torch.Tensor = bnb.dequantize_4bit(packed.view(-1, 1), state)
        return matrix

    def forward(self, hidden: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor) -> torch.Tensor:
        """What the experts that each token [tokens, width] is routed to make of it, weighted."""
        out = torch.zeros_like(hidden)
        for expert in torch.unique(top_k_index).tolist():
            if expert >= self.num_experts:
                continue
            token, place = torch.where(top_k_index == expert)
            gate, up = nn.functional.linear(hidden[token], self.weight("gate_up_proj", expert).to(hidden.dtype)).chunk(2, -1)
            made = nn.functional.linear(self.act_fn(gate) * up, self.weight("down_proj", expert).to(hidden.dtype))
            out.index_add_(0, token, (made * top_k_weights[token, place, None]).to(out.dtype))
        return out


class _Quantize(ConversionOps):  # type: ignore[misc]
    """Quantizes what is read, expert by expert, before it takes its place in the model."""

    def __init__(self, quantizer: Any) -> None:
        self._linear = Bnb4bitQuantize(quantizer)

    def convert(self, input_dict: dict[str, Any], full_layer_name: str | None = None, model: Any = None, **options: Any) -> dict[str, Any]:
        """Tensors by name to quantized tensors by name."""
        out: dict[str, Any] = {}
        for name, value in input_dict.items():
            tensor = value[0] if isinstance(value, list) else value
            module, _ = get_module_from_name(model, name)
            if isinstance(module, Nf4Experts):
                pieces = [bnb.quantize_4bit(one.contiguous(), blocksize=BLOCK, quant_type="nf4", compress_statistics=False) for one in tensor]
                out[name] = torch.stack([packed.view(-1) for packed, _ in pieces])
                out[f"{name}_absmax"] = torch.stack([state.absmax.float() for _, state in pieces])
            else:
                out.update(self._linear.convert({name: value}, full_layer_name=full_layer_name, model=model, **options))
        return out


@register_quantization_config(METHOD)
class Nf4Config(BitsAndBytesConfig):  # type: ignore[misc]
    """NF4 for Linear layers and fused experts."""

    def __init__(self, **options: Any) -> None:
        """`options` of BitsAndBytesConfig."""
        options.pop("quant_method", None)
        options.setdefault("load_in_4bit", True)
        options.setdefault("bnb_4bit_quant_type", "nf4")
        super().__init__(**options)
        self.quant_method = METHOD

    def quantization_method(self) -> str:
        """What the Linear layers are quantized to."""
        return "nf4"


@register_quantizer(METHOD)
class Nf4Quantizer(Bnb4BitHfQuantizer):  # type: ignore[misc]
    """transformers' own for Linear layers, and ours for fused experts."""

    def _process_model_before_weight_loading(self, model: Any, device_map: Any = None, **options: Any) -> None:
        super()._process_model_before_weight_loading(model, device_map=device_map, **options)
        for name, module in list(model.named_modules()):
            fused = getattr(module, "gate_up_proj", None)
            if name.endswith("mlp.experts") and isinstance(fused, nn.Parameter) and fused.ndim == 3:
                model.set_submodule(name, Nf4Experts(module, self.quantization_config.bnb_4bit_compute_dtype))

    def param_needs_quantization(self, model: Any, param_name: str, **options: Any) -> bool:
        """Whether a tensor of the checkpoint is quantized as it is read."""
        module, name = get_module_from_name(model, param_name)
        if isinstance(module, Nf4Experts):
            return name in PARAMETERS
        return bool(super().param_needs_quantization(model, param_name, **options))

    def get_quantize_ops(self) -> ConversionOps:
        """What does it."""
        return _Quantize(self)

    def is_serializable(self) -> bool:
        """Not by transformers, whose reverse conversion cannot split packed bytes."""
        return False
