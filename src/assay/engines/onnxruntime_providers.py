"""ONNX Runtime's execution providers: which one a device means, whether it is built in, and what it really executed.

May import: core, engines; onnxruntime inside functions.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.absence import Unavailable, is_installed
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import Placement

CPU_PROVIDER = "CPUExecutionProvider"
PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "cpu": (CPU_PROVIDER,),
    "cuda": ("CUDAExecutionProvider",),
    "rocm": ("MIGraphXExecutionProvider", "ROCMExecutionProvider"),
    "directml": ("DmlExecutionProvider",),
    "coreml": ("CoreMLExecutionProvider",),
    "openvino": ("OpenVINOExecutionProvider",),
}
"""Device kind -> its providers, the preferred one first."""

_PACKAGES = {
    "cuda": ("onnxruntime-gpu",),
    "rocm": ("onnxruntime-migraphx", "onnxruntime-rocm"),
    "directml": ("onnxruntime-directml",),
    "openvino": ("onnxruntime-openvino",),
}
"""Device kind -> packages that carry its provider. CoreML's is in the plain package for macOS."""

_MEMORY = {"CUDAExecutionProvider": "cuda", "ROCMExecutionProvider": "cuda", "DmlExecutionProvider": "dml"}
"""Providers with memory of their own -> onnxruntime's word for it. The others read and write the host's."""

_PROFILED_RUNS = 2


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as a session gets it. ``memory`` is None where inputs and outputs stay in the host's memory."""

    name: str
    options: Mapping[str, str]
    memory: str | None
    device_id: int


def find_package(device_kind: str) -> Unavailable | None:
    """Say which package is missing for a kind of device, by the names of what is installed alone."""
    if device_kind == "coreml" and sys.platform != "darwin":
        return Unavailable("CoreML is on macOS only")
    packages = _PACKAGES.get(device_kind)
    if packages is None or any(is_installed(name) for name in packages):
        return None
    if not is_installed("onnxruntime"):
        return None  # built by somebody else under another name: a worker asks it what it has
    return Unavailable(
        f"the installed ONNX Runtime is the plain package, which has no provider for {device_kind}",
        f"pip install {packages[0]} in its place",
    )


def choose_provider(device: str, precision: Precision, asked: str | None) -> Provider:
    """Return what a case's device, or its option ``provider``, means in this build of ONNX Runtime.

    Raises UnsupportedError, naming what is there, for a provider that is not built in.
    """
    import onnxruntime

    kind, _, suffix = device.partition(":")
    wanted = (asked,) if asked is not None else PROVIDERS[kind]
    present = onnxruntime.get_available_providers()
    name = next((one for one in wanted if one in present), None)
    if name is None:
        raise UnsupportedError(
            f"This ONNX Runtime ({onnxruntime.__version__}) has no {' or '.join(wanted)}; it has {', '.join(present)}."
        )
    device_id = int(suffix) if suffix.isdecimal() else 0
    if suffix and not suffix.isdecimal() and kind != "openvino":
        raise UnsupportedError(f"Device {device!r} has no number behind its colon.")
    return Provider(name, _provider_options(name, device_id, suffix, precision), _MEMORY.get(name), device_id)


def _provider_options(name: str, device_id: int, suffix: str, precision: Precision) -> dict[str, str]:
    if name == "CUDAExecutionProvider":
        # Its default is to use TF32 where the GPU has it; fp32 means IEEE float32 here.
        return {"device_id": str(device_id), "use_tf32": "1" if precision is Precision.TF32 else "0"}
    if name in {"ROCMExecutionProvider", "MIGraphXExecutionProvider", "DmlExecutionProvider"}:
        return {"device_id": str(device_id)}
    if name == "OpenVINOExecutionProvider" and suffix:
        return {"device_type": suffix.upper()}
    return {}


def create_session(file: Path, options: Any, provider: Provider) -> Any:
    """Load a model for one provider, with no silent move to another.

    Raises UnsupportedError where the provider is there but cannot be used (no device, no driver, no kernel), and
    EngineError for a model it cannot load. Memory that runs out is raised as it is.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=[(provider.name, dict(provider.options))], enable_fallback=0
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise
        line = first_line(error)
        if type(error).__name__ in {"NotImplemented", "EPFail", "NotFound"}:
            raise UnsupportedError(f"{provider.name} cannot run this model: {line}") from error
        raise EngineError(f"ONNX Runtime cannot load {file.name} with {provider.name}: {line}") from error
    session.disable_fallback()  # of single calls too
    active = session.get_providers()
    if active[:1] != [provider.name]:
        raise UnsupportedError(
            f"{provider.name} is built in but cannot be used on this machine: the session has {', '.join(active)}.",
            hint="Check the driver and libraries that it needs.",
        )
    return session


def profile_placement(
    file: Path, make_options: Callable[[], Any], provider: Provider, feeds: Mapping[str, Any]
) -> Placement:
    """Load the model once more with profiling on, run it, and count by which provider each node was executed."""
    with tempfile.TemporaryDirectory(prefix="assay-profile-") as folder:
        options = make_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = create_session(file, options, provider)
        for _ in range(_PROFILED_RUNS):
            session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return Placement(wanted=provider.name, nodes=count_nodes(events), source="onnxruntime's profile")


def count_nodes(events: list[dict[str, Any]]) -> dict[str, int]:
    """Count the distinct nodes of each provider in a profile; every run leaves an event for each node."""
    nodes = {
        (event["args"]["provider"], event["args"].get("node_index", event["name"]))
        for event in events
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    }
    return dict(Counter(provider for provider, _ in nodes))


_OUT_OF_MEMORY_WORDS = (
    "failed to allocate memory", "out of memory", "bad allocation", "bad_alloc", "available memory of",
    "cannot allocate memory",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise the arenas' and the CUDA driver's words; onnxruntime has no class of error for them."""
    if isinstance(error, MemoryError):
        return True
    comes_from_it = type(error).__module__.startswith("onnxruntime") or isinstance(error, RuntimeError)
    return comes_from_it and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


def first_line(error: BaseException) -> str:
    """Return the part of onnxruntime's message that a person can use, without its codes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.rpartition("] : ")[2] if text.startswith("[ONNXRuntimeError]") else text
