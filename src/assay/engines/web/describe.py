"""What a launch in a browser says of itself: precision, hardware and facts. May import: core, engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.web.backends import WEBGPU, WEBNN, Backend

SOFTWARE = "software"
KEPT_FACTS = (
    "opset", "batch", "nodes", "quantization", "quantized_nodes", "weights_converted", "calibration", "float32_bytes",
    "shards",
)  # fmt: skip
"""Facts of an artefact that say what the model is."""


def describe_precision(request: LoadRequest, backend: Backend, kept: Mapping[str, str]) -> str:
    """What the arithmetic was, as far as anybody says."""
    precision = request.precision
    if "quantization" in kept:
        return f"{precision} ({kept['quantization']}; {kept['quantized_nodes']} products, the rest fp32)"
    if request.workload.family.format == "onnx" and precision is Precision.FP32:
        return "as in the file"
    if backend is WEBNN:
        return f"{precision} (asked for: WebNN's backend computes as it sees fit and does not say)"
    return precision.value


def describe_hardware(request: LoadRequest, adapter: Mapping[str, Any]) -> str:
    """The adapter, labelled where it is a program; empty where the machine's CPU computes."""
    if request.device == "webnn:npu":
        return "NPU behind WebNN"
    if not adapter:
        return ""
    name = str(adapter.get("description") or "unnamed adapter")
    return f"{name} (software adapter)" if adapter.get("kind") == SOFTWARE else name


def list_facts(
    *,
    request: LoadRequest,
    backend: Backend,
    kept: Mapping[str, str],
    runtime: Mapping[str, Any],
    adapter: Mapping[str, Any],
    model_bytes: int,
    model_sha256: str,
    copies_ms: float | None,
) -> dict[str, str]:
    """Everything of the launch that a reader may ask for, as text; the browser's own facts are the page's."""
    facts = {
        "onnxruntime_web": str(runtime["version"]),
        "backend": backend.name,
        "provider": backend.provider,
        "threads_used": str(runtime["threads"]),
        "simd": "on",  # this build has no other, and does not start without
        "clock_resolution_ns": str(runtime["clock_resolution_ns"]),
        "graph_optimization": "all",
        "outputs": "in the page's memory when a call ends",
        "model_bytes": str(model_bytes),
        "model_sha256": model_sha256,
        **{name: kept[name] for name in KEPT_FACTS if name in kept},
    }
    if adapter:
        facts |= {
            "adapter": str(adapter.get("description") or "unnamed adapter"),
            "adapter_kind": str(adapter.get("kind") or "unknown"),
            "adapter_features": ", ".join(str(one) for one in adapter.get("features") or ()),
        }
    if backend is WEBNN:
        facts |= {"webnn_device": request.device.partition(":")[2] or request.device}
        facts |= {"webnn_threads": "the browser's own choice"}
        if runtime.get("narrowed"):
            facts["webnn_narrowed"] = str(runtime["narrowed"])
    if backend is WEBGPU:
        facts["shader_cache"] = str(request.options.get("shader_cache", "cold"))
    if copies_ms is not None:
        facts |= {"parallel_load": str(request.options["parallel_load"]), "parallel_load_ms": f"{copies_ms:.1f}"}
    return facts
