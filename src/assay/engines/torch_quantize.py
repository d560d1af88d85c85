"""Weights in 8 or 4 bits through torchao: which layers, how, and how much of the model that really is.

torchao quantizes linear layers; convolutions, embeddings and norms stay as they are. So a quantized model says which
share of its weights was quantized, and one without linear layers is refused. May import: core, engines.base; torch and
torchao inside functions.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import UnsupportedError, join_or
from assay.core.words import Precision
from assay.engines.base import LoadRequest, device_kind

if TYPE_CHECKING:
    import torch
    from torch import nn

QUANTIZED = (Precision.INT8, Precision.INT4)
TORCHAO_HINT = "pip install 'assay[torchao]'"
DYNAMIC, WEIGHT_ONLY = "dynamic", "weight-only"
_METHODS: Mapping[Precision, tuple[str, ...]] = {
    Precision.INT8: (DYNAMIC, WEIGHT_ONLY),
    Precision.INT4: (WEIGHT_ONLY,),
}
"""What torchao has for each precision, the default first."""

_INT4_GROUPS = (128, 64, 32)
"""Weights that share a scale: torchao's default, and what its kernels have for rows that it does not divide."""

_INT4_ROWS = 16
"""PyTorch packs 4-bit weights in blocks of so many rows; a layer that has another number stays as it is."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """What quantizing did: words for the precision that really runs, and facts."""

    effective_precision: str
    facts: Mapping[str, str]


def find_method(request: LoadRequest) -> str:
    """Return the method asked for in ``options["quantization"]``, or the precision's default.

    Raises UnsupportedError for a method that torchao has not for the precision.
    """
    methods = _METHODS[request.precision]
    method = str(request.options.get("quantization", methods[0]))
    if method not in methods:
        raise UnsupportedError(
            f"PyTorch has no {method!r} quantization to {request.precision}.",
            hint=f"Expected {join_or(methods)}. Static quantization: engines onnxruntime and openvino.",
        )
    return method


def check_quantization(request: LoadRequest) -> None:
    """Refuse early, importing nothing, what cannot be quantized here. Raises UnsupportedError."""
    if request.precision not in QUANTIZED:
        return
    find_method(request)
    if importlib.util.find_spec("torchao") is None:
        raise UnsupportedError(
            f"PyTorch runs {request.precision} through torchao, which is not installed.", hint=TORCHAO_HINT
        )


def quantize_model(module: nn.Module, request: LoadRequest) -> Quantized:
    """Quantize the linear layers of ``module`` in place, on the device where they are.

    Raises UnsupportedError where there are none, or where torchao lacks kernels for this device.
    """
    import torch

    method = find_method(request)
    linears = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    base = _word_of(next((parameter.dtype for parameter in module.parameters()), torch.float32))
    quantize = _import_torchao()
    notes: dict[str, str] = {}
    try:
        if request.precision is Precision.INT8:
            notes = _quantize_int8(quantize, module, method)
        else:
            notes = _quantize_int4(quantize, module, device_kind(request.device))
    except (ImportError, AssertionError, NotImplementedError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnsupportedError(
            f"torchao cannot quantize to {request.precision} on {request.device}: {first}."
        ) from error
    done = [layer for layer in linears if _is_quantized(layer.weight)]
    share = _quantized_share(module)
    if not done or share == 0:
        raise UnsupportedError(
            f"{request.workload.name} has no linear layers that torchao can quantize to {request.precision}.",
            hint="Engines onnxruntime and openvino quantize convolutions too.",
        )
    layers = f"linear layers; {_percent(share)} of weights; the rest {base}"
    return Quantized(
        effective_precision=f"{request.precision} {method} ({layers})",
        facts={
            "torchao": importlib.metadata.version("torchao"),
            "quantization": method,
            "quantized_linears": f"{len(done)} of {len(linears)}",
            "quantized_share": f"{share:.4f}",
            **notes,
        },
    )


def count_model_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers as they are stored, scales and zero points included; shared ones once."""
    storages = {
        part.untyped_storage().data_ptr(): part.untyped_storage().nbytes()
        for tensor in (*module.parameters(), *module.buffers())
        for part in _plain_tensors(tensor)
    }
    return sum(storages.values())


def _import_torchao() -> Any:
    try:
        import torchao.quantization
    except Exception as error:
        raise UnsupportedError(
            f"torchao is installed but cannot be imported: {type(error).__name__}: {error}.", hint=TORCHAO_HINT
        ) from error
    return torchao.quantization


def _quantize_int8(quantize: Any, module: nn.Module, method: str) -> dict[str, str]:
    if method == WEIGHT_ONLY:
        quantize.quantize_(module, quantize.Int8WeightOnlyConfig())
        return {}
    is_reduced = _needs_reduced_range(module)
    more = {"reduce_range": True} if is_reduced else {}
    quantize.quantize_(module, quantize.Int8DynamicActivationInt8WeightConfig(**more))
    return {"int8_range": "7 bits" if is_reduced else "8 bits"}


def _needs_reduced_range(module: nn.Module) -> bool:
    """Products of 8-bit numbers overflow 16-bit sums on CPUs without VNNI; torchao (0.18) then keeps to 7 bits."""
    try:
        from torchao.utils import should_reduce_range
    except ImportError:
        return False
    device = next((parameter.device for parameter in module.parameters()), None)
    return device is not None and bool(should_reduce_range(device))


def _quantize_int4(quantize: Any, module: nn.Module, kind: str) -> dict[str, str]:
    """Groups of 128 weights share a scale, or 64 or 32 in layers whose rows 128 does not divide."""
    import torch

    configure = _find_int4_config(quantize, kind)
    groups: list[int] = []
    for group in _INT4_GROUPS:
        chosen = [
            layer
            for layer in module.modules()
            if isinstance(layer, torch.nn.Linear)
            and not _is_quantized(layer.weight)
            and layer.in_features % group == 0
            and layer.out_features % _INT4_ROWS == 0
        ]
        if chosen:
            ids = {id(layer) for layer in chosen}
            quantize.quantize_(module, configure(group), filter_fn=lambda layer, *_, ids=ids: id(layer) in ids)
            groups.append(group)
    return {"int4_groups": ", ".join(map(str, groups))}


def _find_int4_config(quantize: Any, kind: str) -> Callable[[int], Any]:
    """The layouts whose kernels PyTorch itself carries: no package beside torchao is needed."""
    if kind == "cpu":
        try:
            from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig as CpuConfig
        except ImportError as error:
            raise UnsupportedError(
                "This torchao has no int4 weights for the CPU.", hint="It has since 0.18; update it."
            ) from error
        return lambda group: CpuConfig(group_size=group)
    return lambda group: quantize.Int4WeightOnlyConfig(
        group_size=group, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
    )


def _is_quantized(weight: object) -> bool:
    from torchao.utils import TorchAOBaseTensor

    return isinstance(weight, TorchAOBaseTensor)


def _quantized_share(module: nn.Module) -> float:
    """Share of the parameters' elements that are quantized, as they are stored (a tied weight may now be two)."""
    total = sum(parameter.numel() for parameter in module.parameters())
    done = sum(parameter.numel() for parameter in module.parameters() if _is_quantized(parameter))
    return done / total if total else 0.0


def _plain_tensors(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensors that a wrapper such as torchao's really holds."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return [tensor]
    names, _ = flatten()
    return [part for name in names for part in _plain_tensors(getattr(tensor, name))]


def _percent(share: float) -> str:
    """Never 100 % while a weight is left, and never 0 % where one was done."""
    whole = round(100 * share)
    if whole == 100 and share < 1:  # noqa: PLR2004
        return "> 99 %"
    return f"{whole} %" if whole else "< 1 %"


def _word_of(dtype: torch.dtype) -> str:
    return {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}.get(str(dtype).removeprefix("torch."), str(dtype))
