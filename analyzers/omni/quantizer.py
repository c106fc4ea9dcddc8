"""Quantizing while a checkpoint is read: a plug-in for transformers, through its public hooks.

On transformers 5 the experts of a mixture are one fused 3-D parameter, which bitsandbytes' own plug-in passes over in silence: nine tenths
of the model would stay as they were. Here every matrix that the plan counts as quantized is packed as soon as it has been read.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers.core_model_loading import ConversionOps
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import get_module_from_name
from transformers.utils.quantization_config import QuantizationConfigMixin

from analyzers.omni.packed import Packed, replace
from analyzers.omni.packing import Packing

METHOD = "omniwatch"


@register_quantization_config(METHOD)
class PackedConfig(QuantizationConfigMixin):  # type: ignore[misc]
    """How to pack, what to compute in, and who is told how many numbers have just been packed."""

    def __init__(self, packing: Packing, dtype: torch.dtype, packed: Callable[[int], None] = lambda _: None) -> None:
        """For `from_pretrained`."""
        self.quant_method = METHOD
        self.packing = packing
        self.dtype = dtype
        self.packed = packed


class _Pack(ConversionOps):  # type: ignore[misc]
    """Packs what is read, matrix by matrix, before it takes its place in the model."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told

    def convert(self, input_dict: dict[str, Any], model: Any = None, **_: Any) -> dict[str, Any]:
        """Tensors by name to packed tensors by name."""
        out: dict[str, Any] = {}
        for name, value in input_dict.items():
            module, _name = get_module_from_name(model, name)
            whole = value[0] if isinstance(value, list) else value
            if whole.ndim == 2:
                fields = dict(module.packing.pack(whole))
                self._told(whole.numel())
            else:
                fields = self._several(whole, module.packing)
            out |= {f"{name}{field}": tensor for field, tensor in fields.items()}
        return out

    def _several(self, whole: torch.Tensor, packing: Packing) -> dict[str, torch.Tensor]:
        pieces = []
        for one in whole:
            pieces.append(packing.pack(one))
            self._told(one.numel())
        return {field: torch.stack([piece[field] for piece in pieces]) for field in pieces[0]}


@register_quantizer(METHOD)
class PackedQuantizer(HfQuantizer):  # type: ignore[misc]
    """What transformers asks while it loads."""

    requires_calibration = False

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        replace(model, self.quantization_config.packing, self.quantization_config.dtype)

    def param_needs_quantization(self, model: Any, param_name: str, **_: Any) -> bool:
        """Whether a tensor of the checkpoint is packed as it is read."""
        module, name = get_module_from_name(model, param_name)
        return isinstance(module, Packed) and module.packs(name)

    def get_quantize_ops(self) -> ConversionOps:
        """What does it."""
        return _Pack(self.quantization_config.packed)

    def is_serializable(self) -> bool:
        """Not by transformers, whose reverse conversion cannot split packed bytes."""
        return False

    @property
    def is_trainable(self) -> bool:
        """No."""
        return False
