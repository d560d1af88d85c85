"""Engine ``onnxruntime``: ONNX Runtime on its CPU, CUDA, ROCm, DirectML, CoreML and OpenVINO providers.

Its workers never import torch: graphs, quantized or not, are artefacts. May import: core, workloads, probes,
artefacts, engines; onnxruntime and numpy inside functions.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import ArtefactRequest, request_artefact
from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_export import ONNX
from assay.artefacts.onnx_files import model_bytes
from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Mode, Precision
from assay.engines.base import Capabilities, LoadRequest, Session, device_kind, engines
from assay.engines.onnx_recipes import bring_inputs, choose_recipe, find_file, recipe_options
from assay.engines.onnxruntime_providers import (
    CPU_PROVIDER,
    PROVIDERS,
    Provider,
    choose_provider,
    create_session,
    find_package,
    is_out_of_memory,
    profile_placement,
)
from assay.workloads.base import Workload
from assay.workloads.files import refuse_batch, refuse_format

if TYPE_CHECKING:
    from numpy.typing import NDArray

INSTALL_HINT = "pip install 'assay[onnx]'"
_FLOATS = (Precision.FP32, Precision.FP16)
_ALL = (*_FLOATS, Precision.INT8, Precision.INT4)
_KEPT_FACTS = (
    "opset", "batch", "nodes", "quantization", "quantized_nodes", "weights_converted", "calibration", "float32_bytes",
)  # fmt: skip
_OWN_ARITHMETIC = {"CoreMLExecutionProvider", "OpenVINOExecutionProvider"}
"""Compilers of their own, which may use half precision for a float32 graph."""
_LOG_ERRORS_ONLY = 3


class OnnxRuntime:
    """One session, one call after another, on inputs that stay in place.

    int8 without ``quantization`` means ``dynamic`` for models of text, alone or beside images, video or sound, whose
    work is linear layers, and ``static`` for the others: convolutions quantized dynamically are slower than in float32.
    ``provider`` chooses an execution provider by its own name instead of the one that the device means.
    """

    name = "onnxruntime"
    capabilities = Capabilities(
        precisions={
            "cpu": _ALL,
            "cuda": (Precision.FP32, Precision.TF32, Precision.FP16, Precision.INT8, Precision.INT4),
            "rocm": (*_FLOATS, Precision.INT8),
            "directml": _ALL,
            "coreml": _FLOATS,
            "openvino": (*_FLOATS, Precision.INT8),
        },
        packages=("onnxruntime",),
        install_hint=INSTALL_HINT,
        options=("provider", "prune", "quantization", "samples"),
        modes=(Mode.INFERENCE, Mode.SERVING),
        reads_outputs=True,
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for packages only; which providers a build has is asked in a worker."""
        if importlib.util.find_spec("onnxruntime") is None:
            return Unavailable("ONNX Runtime is not installed", INSTALL_HINT)
        if device_kind not in PROVIDERS:
            return Unavailable(f"ONNX Runtime has no device kind {device_kind!r}; it has {', '.join(PROVIDERS)}")
        return find_package(device_kind)

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Ask for the graph in the precision wanted; a user's own ONNX file is read as it is in fp32."""
        workload = request.workload
        refuse_format(workload, ("torch", "onnx"), self.name)
        refuse_batch(workload, request.batch)
        recipe = _find_recipe(request)
        if workload.family.format == "onnx":
            if "prune" in request.options:
                raise UnsupportedError(f"{workload.name} is a file, whose weights cannot be pruned.")
            if recipe == ONNX:
                return ()
        return (
            request_artefact(
                recipe,
                workload,
                batch=request.batch,
                shape=request.shape,
                seed=request.seed,
                options=recipe_options(recipe, request.options, on_cpu=device_kind(request.device) == "cpu"),
            ),
        )

    def import_libraries(self, workload: Workload) -> None:
        """Import onnxruntime."""
        del workload
        if importlib.util.find_spec("onnxruntime") is None:
            raise EngineError("ONNX Runtime is not installed.", hint=INSTALL_HINT)
        import onnxruntime  # noqa: F401

    def load(self, request: LoadRequest) -> Session:
        """Load the graph for the provider wanted, and place the inputs."""
        import onnxruntime

        asked = request.options.get("provider")
        provider = choose_provider(request.device, request.precision, None if asked is None else str(asked))
        recipe = _find_recipe(request)
        is_own_file = request.workload.family.format == "onnx" and recipe == ONNX
        file, folder = find_file(request, None if is_own_file else recipe)
        make_options = functools.partial(_make_options, request.threads)
        begin = time.perf_counter_ns()
        session = create_session(file, make_options(), provider)
        compile_ns = time.perf_counter_ns() - begin
        feeds = _make_feeds(session, request, folder)
        made = read_artefact(folder) if folder is not None else None
        kept = made.facts if made is not None else {}
        call = _DeviceCall(session, feeds, provider) if provider.memory is not None else _HostCall(session, feeds)
        return Session(
            infer=call.infer,
            unload=call.unload,
            effective_precision=_describe_precision(request, provider, kept),
            threads=request.threads,
            hardware="",
            parameters=int(kept["parameters"]) if "parameters" in kept else request.workload.size.parameters,
            facts={
                "onnxruntime": onnxruntime.__version__,
                "provider": provider.name,
                "providers": ", ".join(session.get_providers()),
                "provider_options": ", ".join(f"{name}={value}" for name, value in provider.options.items()),
                "intra_op_threads": str(request.threads),
                "inter_op_threads": "1",
                "spinning": "onnxruntime's default",
                "graph_optimization": "all",
                **{name: kept[name] for name in _KEPT_FACTS if name in kept},
                "model_bytes": str(model_bytes(file)),
            },
            synchronize=call.synchronize,
            # Reading the file, optimising the graph and choosing kernels are one step of onnxruntime's.
            costs_ns={"compile": compile_ns},
            read_outputs=call.read_outputs,
            find_placement=functools.partial(profile_placement, file, make_options, provider, feeds),
            late_facts=functools.partial(_identify_model, file),
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise the allocators' words."""
        return is_out_of_memory(error)


engines.add("onnxruntime", OnnxRuntime())


class _HostCall:
    """Calls for providers that read and write the host's memory.

    Through ``run``, as a user's own loop would: it takes numpy arrays without copying them. IOBinding, measured beside
    it on tiny models, was no faster (bert 0.84 against 0.87 ms, resnet 25 against 22 ms, within noise).
    """

    synchronize = None

    def __init__(self, session: Any, feeds: dict[str, NDArray[Any]]) -> None:
        self._feeds = feeds
        self.infer = functools.partial(session.run, None, feeds)

    def read_outputs(self, outputs: Any) -> Sequence[NDArray[Any]]:
        return tuple(_to_float32(array) for array in outputs)

    def unload(self) -> None:
        self._feeds.clear()


class _DeviceCall:
    """Calls for providers with memory of their own: inputs are placed there once, outputs stay there."""

    def __init__(self, session: Any, feeds: Mapping[str, NDArray[Any]], provider: Provider) -> None:
        import onnxruntime

        self._binding: Any = session.io_binding()
        for name, array in feeds.items():
            placed = onnxruntime.OrtValue.ortvalue_from_numpy(array, provider.memory, provider.device_id)
            self._binding.bind_ortvalue_input(name, placed)
        for output in session.get_outputs():
            self._binding.bind_output(output.name, provider.memory, provider.device_id)
        self.infer = functools.partial(session.run_with_iobinding, self._binding)
        self.synchronize = self._binding.synchronize_outputs

    def read_outputs(self, _outputs: Any) -> Sequence[NDArray[Any]]:
        return tuple(_to_float32(value.numpy()) for value in self._binding.get_outputs())

    def unload(self) -> None:
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()


def _find_recipe(request: LoadRequest) -> str:
    """Map precision and ``quantization`` to a recipe. Raises UnsupportedError for what there is no way to."""
    if request.precision is Precision.BF16:
        raise UnsupportedError(
            "ONNX Runtime has no bfloat16 kernels for the products that models are made of (no MatMul on its CPU).",
            hint="Use fp16 or int8, or the engines torch and openvino for bf16.",
        )
    return choose_recipe("ONNX Runtime", request)


def _identify_model(file: Path) -> dict[str, str]:
    """The digest by which a browser's result is known to be of the very same model."""
    with file.open("rb") as stream:
        return {"model_sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _make_options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _LOG_ERRORS_ONLY
    return options


def _make_feeds(session: Any, request: LoadRequest, folder: Path | None) -> dict[str, NDArray[Any]]:
    """Return the inputs by the graph's names; floating ones in the type that the graph expects."""
    arrays = bring_inputs(request, folder)
    wanted = {one.name: one.type for one in session.get_inputs()}
    if wanted.keys() != arrays.keys():
        raise EngineError(
            f"The ONNX graph of {request.workload.name} has the inputs {', '.join(sorted(wanted))}, "
            f"but there are values for {', '.join(sorted(arrays)) or 'none'}."
        )
    return {name: _cast(arrays[name], kind, name) for name, kind in wanted.items()}


_DTYPES = {"float": "float32", "double": "float64"}
"""onnxruntime's words for types where they are not numpy's."""


def _cast(array: NDArray[Any], kind: str, name: str) -> NDArray[Any]:
    import numpy as np

    word = kind.removeprefix("tensor(").removesuffix(")")
    try:
        dtype = np.dtype(_DTYPES.get(word, word))
    except TypeError as error:
        raise UnsupportedError(f"The input {name!r} is a {kind}, which cannot be made.") from error
    both_float = np.issubdtype(array.dtype, np.floating) and np.issubdtype(dtype, np.floating)
    if array.dtype != dtype and not both_float:
        raise EngineError(f"The input {name!r} is {array.dtype}, and the graph expects {dtype}.")
    return np.ascontiguousarray(array, dtype=dtype)


def _describe_precision(request: LoadRequest, provider: Provider, facts: Mapping[str, str]) -> str:
    precision = request.precision
    if request.workload.family.format == "onnx" and precision is Precision.FP32:
        return "as in the file"
    if precision is Precision.FP16 and provider.name == CPU_PROVIDER and platform.machine() in {"x86_64", "AMD64"}:
        # Its profile shows casts around every product: there are no float16 kernels for x86.
        return "fp32 (weights and activations kept in fp16)"
    if provider.name in _OWN_ARITHMETIC:
        return f"{precision} (asked for: {provider.name} computes as it sees fit and does not say)"
    if "quantization" not in facts:
        return precision.value
    return f"{precision} ({facts['quantization']}; {facts['quantized_nodes']} products, the rest fp32)"


def _to_float32(array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return array.astype(np.float32, copy=False) if np.issubdtype(array.dtype, np.floating) else array
