"""What tells the three web engines apart, as data. May import: core, engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import device_kind

_WEBNN_DEVICES = ("cpu", "gpu", "npu")


@dataclass(frozen=True, slots=True)
class Backend:
    """One way onnxruntime-web computes.

    ``name`` is its provider in JavaScript and ``provider`` the one in its logs; ``bundle`` is the script that has it.
    Below ``least_share`` of a graph's nodes on the provider a case counts as run elsewhere: a shape or two computed on
    the CPU is how such graphs are, most of the work there is another engine's number.
    """

    name: str
    title: str
    provider: str
    bundle: str
    precisions: Mapping[str, tuple[Precision, ...]]
    options: tuple[str, ...] = ()
    least_share: float = 0.5


_COMMON = ("browser", "visitor", "parallel_load", "sharded", "prune")

WASM = Backend(
    name="wasm",
    title="WebAssembly",
    provider="CPUExecutionProvider",
    bundle="ort.wasm.min.mjs",
    precisions={"cpu": (Precision.FP32, Precision.INT8, Precision.INT4)},
    options=(*_COMMON, "quantization", "samples"),
)
WEBGPU = Backend(
    name="webgpu",
    title="WebGPU",
    provider="WebGpuExecutionProvider",
    bundle="ort.webgpu.min.mjs",
    precisions={"webgpu": (Precision.FP32, Precision.FP16, Precision.INT4)},
    options=(*_COMMON, "quantization", "shader_cache"),
)
WEBNN = Backend(
    name="webnn",
    title="WebNN",
    provider="WebNNExecutionProvider",
    bundle="ort.webgpu.min.mjs",
    precisions={"cpu": (Precision.FP32, Precision.FP16), "webnn": (Precision.FP32, Precision.FP16)},
    options=_COMMON,
)


def webnn_device(device: str) -> str:
    """Return WebNN's word for a case's device: ``cpu``, ``webnn:gpu`` -> ``gpu``. Raises UnsupportedError."""
    suffix = device.partition(":")[2] if device_kind(device) == "webnn" else device
    if suffix not in _WEBNN_DEVICES:
        raise UnsupportedError(
            f"Device {device!r} does not say what WebNN is to compute on.", hint="Expected cpu, webnn:gpu or webnn:npu."
        )
    return suffix
