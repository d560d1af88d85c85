"""What the engines ``torch`` and ``torch-compile`` share: refusing early, building the model, opening the session.

They differ in how the model is called, and in nothing else. May import: core, workloads, engines; torch inside
functions.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable, installed_version
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, device_kind
from assay.engines.torch_device import (
    KINDS,
    CudaEvents,
    describe_build,
    find_device,
    find_memory_reader,
    find_memory_reset,
    find_synchronizer,
    hardware_name,
    make_current,
    set_fp32_arithmetic,
)
from assay.engines.torch_quantize import QUANTIZED, check_quantization, count_model_bytes, quantize_model
from assay.workloads import torch_build
from assay.workloads.base import Workload
from assay.workloads.files import refuse_format
from assay.workloads.outputs import read_torch_outputs
from assay.workloads.prune import describe_pruned

if TYPE_CHECKING:
    import torch

INSTALL_HINT = "pip install 'assay[torch]'"
_FLOATS = (Precision.FP32, Precision.BF16, Precision.FP16)
PRECISIONS: Mapping[str, tuple[Precision, ...]] = {
    "cpu": (*_FLOATS, Precision.INT8, Precision.INT4),
    "cuda": (Precision.FP32, Precision.TF32, Precision.BF16, Precision.FP16, Precision.INT8, Precision.INT4),
    "rocm": _FLOATS,
    "mps": _FLOATS,
    "xpu": _FLOATS,
}
"""What runs at all on each kind of device. On a device without a precision's instructions it is emulated, or refused
when the model is loaded."""

_DTYPE_NAMES = {
    Precision.FP32: "float32",
    Precision.TF32: "float32",
    Precision.BF16: "bfloat16",
    Precision.FP16: "float16",
}
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


def check_availability(label: str, kind: str) -> Unavailable | None:
    """Check for the package and for a build for this kind of device; the device itself is asked in a worker."""
    if importlib.util.find_spec("torch") is None:
        return Unavailable("PyTorch is not installed", INSTALL_HINT)
    if kind not in KINDS:
        return Unavailable(f"{label} has no device kind {kind!r}; it has {', '.join(KINDS)}")
    if kind != "cpu" and is_cpu_build():
        return Unavailable("this PyTorch is built for the CPU only", f"install a PyTorch built for {kind}")
    return None


def is_cpu_build() -> bool:
    """Tell by the version's local part, as the wheels are labelled (``2.13.0+cpu``); importing torch costs 1.5 s."""
    return (installed_version("torch") or "").endswith("+cpu")


def check_request(label: str, request: LoadRequest) -> None:
    """Refuse, without importing torch, what cannot be on this kind of device. Raises UnsupportedError."""
    refuse_format(request.workload, ("torch", "torch-export"), "torch")
    possible = PRECISIONS.get(device_kind(request.device), ())
    if possible and request.precision not in possible:
        raise UnsupportedError(
            f"{label} cannot load {request.workload.name} in {request.precision} on {request.device}.",
            hint=f"Expected one of: {', '.join(possible)}.",
        )
    check_quantization(request)


def import_family(workload: Workload) -> None:
    """Import torch and the modules of the family. Raises EngineError where a package is missing."""
    for package in workload.family.requires:
        if importlib.util.find_spec(package) is None:
            raise EngineError(f"{workload.name} needs the package {package!r}.", hint=INSTALL_HINT)
    torch_build.import_family(workload)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model on its device in the precision asked for, with the inputs of one call beside it.

    ``parameters`` is None for a user's plain function, which has none to count.
    """

    device: torch.device
    module: Any
    inputs: Any
    effective_precision: str
    parameters: int | None
    facts: Mapping[str, str] = field(default_factory=dict)


def load_model(label: str, request: LoadRequest) -> LoadedModel:
    """Build the model, compress it as asked, place it, make and place its inputs."""
    import torch

    from assay.workloads.torch_build import build_torch_model, place_inputs

    device = find_device(request.device)
    check_request(label, request)
    make_current(device)
    torch.set_num_threads(request.threads)
    set_arithmetic = functools.partial(set_fp32_arithmetic, device, is_tf32=request.precision is Precision.TF32)
    set_arithmetic()
    dtype_name = _base_dtype_name(request.precision, device)
    built = build_torch_model(
        request.workload,
        dtype=dtype_name,
        batch=request.batch,
        shape=request.shape,
        seed=request.seed,
        options=request.options,
    )
    inputs = place_inputs(built.inputs, device, getattr(torch, dtype_name))
    if not isinstance(built.module, torch.nn.Module):
        if request.precision in QUANTIZED:
            raise UnsupportedError(f"{request.workload.name} is a plain function: there are no weights to quantize.")
        return LoadedModel(device, PlainFunction(built.module), inputs, "unknown", None)
    module = built.module.to(device)
    first = next(iter(module.parameters()), None)
    parameters = sum(parameter.numel() for parameter in module.parameters()) if first is not None else None
    prune = request.options.get("prune")
    facts = dict(describe_pruned(module, str(prune))) if prune is not None else {}
    effective = _precision_of(first, request.precision)
    if request.precision in QUANTIZED:
        quantized = quantize_model(module, request)
        set_arithmetic()  # quantizing with torchao before 0.18 allows TF32 for the rest of the process
        effective, facts = quantized.effective_precision, {**facts, **quantized.facts}
    facts["model_bytes"] = str(count_model_bytes(module))
    return LoadedModel(device, module, inputs, effective, parameters, facts)


def open_session(
    loaded: LoadedModel,
    infer: Callable[[], Any],
    *,
    guard: contextlib.ExitStack,
    facts: Mapping[str, str] | None = None,
    costs_ns: Mapping[str, int] | None = None,
) -> Session:
    """Put a session around a model that is ready to be called. ``guard`` is closed when it is unloaded."""
    import torch

    device = loaded.device
    return Session(
        infer=infer,
        unload=guard.close,
        effective_precision=loaded.effective_precision,
        threads=torch.get_num_threads(),
        hardware=hardware_name(device),
        parameters=loaded.parameters,
        facts={**describe_build(device), **loaded.facts, **(facts or {})},
        synchronize=find_synchronizer(device),
        event_timer=CudaEvents() if device.type == "cuda" else None,
        reset_device_memory=find_memory_reset(device),
        device_memory=find_memory_reader(device),
        costs_ns=costs_ns or {},
        read_outputs=read_torch_outputs,
    )


def is_torch_out_of_memory(error: BaseException) -> bool:
    """Recognise torch's own class on accelerators, and a plain RuntimeError from the CPU allocator.

    A word like "memory" alone does not do: an illegal memory access is a fault of a kernel.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


class PlainFunction:
    """A user's plain function in the place of a module: it has no parameters and no device."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self._function(*args, **kwargs)

    @staticmethod
    def parameters() -> tuple[()]:
        """None."""
        return ()


def _base_dtype_name(precision: Precision, device: torch.device) -> str:
    """What the weights are built in. Quantized models compute the rest in fp32 on the CPU, in bf16 on accelerators.

    That is what torchao's kernels for each are written for.
    """
    if precision in QUANTIZED:
        return "float32" if device.type == "cpu" else "bfloat16"
    return _DTYPE_NAMES[precision]


def _precision_of(parameter: torch.Tensor | None, asked: Precision) -> str:
    """Read the precision back from a weight; whether fp32 products are TF32 is a setting that was just made."""
    if parameter is None:
        return "unknown"
    text = str(parameter.dtype).removeprefix("torch.")
    if asked is Precision.TF32 and text == "float32":
        return asked.value
    names = {name: precision.value for precision, name in _DTYPE_NAMES.items() if precision is not Precision.TF32}
    return names.get(text, text)
