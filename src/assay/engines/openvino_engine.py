"""Engine ``openvino``: OpenVINO's runtime on the CPU, and on whatever else its plugins find (GPU, NPU).

Its workers never import torch: graphs, quantized or not, are artefacts. May import: core, workloads, artefacts,
engines; openvino and numpy inside functions.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import ArtefactRequest, request_artefact
from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_files import read_inputs
from assay.artefacts.openvino_convert import OPENVINO
from assay.artefacts.openvino_files import MODEL_FILE, find_inputs, first_line, fix_shapes, model_bytes
from assay.artefacts.openvino_library import import_openvino
from assay.artefacts.openvino_precision import OPENVINO_INT4_WEIGHT, OPENVINO_INT8, OPENVINO_INT8_WEIGHT
from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError, join_or
from assay.core.words import Mode, Precision
from assay.engines.base import Capabilities, LoadRequest, Session, engines
from assay.engines.openvino_graph import (
    PRECISION_HINTS,
    WEIGHT_ONLY,
    describe_graph,
    describe_precision,
    find_placement,
    read_nodes,
)
from assay.workloads.base import Workload
from assay.workloads.files import refuse_batch, refuse_format
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

INSTALL_HINT = "pip install 'assay[openvino]'"
STATIC = "static"
_PRECISIONS = (Precision.FP32, Precision.BF16, Precision.FP16, Precision.INT8, Precision.INT4)
_QUANTIZED: Mapping[Precision, Mapping[str, str]] = {
    Precision.INT8: {STATIC: OPENVINO_INT8, WEIGHT_ONLY: OPENVINO_INT8_WEIGHT},
    Precision.INT4: {WEIGHT_ONLY: OPENVINO_INT4_WEIGHT},
}
"""The recipe of each precision and method, the default method first."""
_PERFORMANCE = {"latency": "LATENCY", "throughput": "THROUGHPUT"}
_FORMATS = ("torch", "torch-export", "onnx", "openvino")
_READ_DIRECTLY = frozenset({"onnx", "openvino"})
_KEPT_FACTS = (
    "quantization",
    "quantized_nodes",
    "weights_by_type",
    "activation_quantizers",
    "calibration_samples",
    "float32_bytes",
)
_OUT_OF_MEMORY_WORDS = (
    "out of memory", "bad_alloc", "can't allocate memory", "cannot allocate memory", "not enough memory",
    "cl_out_of_resources", "cl_mem_object_allocation_failure", "exceeded max size of memory object allocation",
)  # fmt: skip


class OpenVino:
    """OpenVINO's compiled model, called through one infer request whose inputs stay in place.

    ``options["hint"]`` sets OpenVINO's performance hint, which decides how many streams the threads are shared out
    to. A call is one request on the whole batch with either hint: with ``throughput`` it runs on one stream of several
    and leaves the others idle, so what the hint is for shows only where requests overlap.
    """

    name = "openvino"
    capabilities = Capabilities(
        precisions={"cpu": _PRECISIONS, "openvino": _PRECISIONS},
        packages=("openvino",),
        install_hint=INSTALL_HINT,
        options=("hint", "prune", "quantization", "samples"),
        modes=(Mode.INFERENCE, Mode.SERVING),
        reads_outputs=True,
    )

    def availability(self, device_kind: str) -> Unavailable | None:
        """Check for the package; which plugins find a device is asked in a worker, as that means to load them all."""
        if device_kind not in self.capabilities.precisions:
            return Unavailable(
                f"OpenVINO has no device kind {device_kind!r} here; it has cpu, openvino:GPU, openvino:NPU"
            )
        if importlib.util.find_spec("openvino") is None:
            return Unavailable("OpenVINO is not installed", INSTALL_HINT)
        return None

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Ask for the graph in the precision wanted; a user's own file is read as it is, unless it is quantized."""
        workload = request.workload
        refuse_format(workload, _FORMATS, self.name)
        refuse_batch(workload, request.batch)
        recipe = _find_recipe(request)
        is_file = workload.family.format in _READ_DIRECTLY
        prune = {"prune": request.options["prune"]} if "prune" in request.options else {}
        if is_file and prune:
            raise UnsupportedError(f"{workload.name} is a file, whose weights cannot be pruned.")
        if recipe == OPENVINO and is_file:
            return ()
        samples = (
            {"samples": request.options["samples"]} if recipe == OPENVINO_INT8 and "samples" in request.options else {}
        )
        return (
            request_artefact(
                recipe,
                workload,
                batch=request.batch,
                shape=request.shape,
                seed=request.seed,
                options={**prune, **samples},
            ),
        )

    def import_libraries(self, workload: Workload) -> None:
        """Import openvino, without its telemetry."""
        del workload
        import_openvino()

    def load(self, request: LoadRequest) -> Session:
        """Read the graph, fix its shapes, compile it, and put the inputs into a request of it."""
        openvino = import_openvino()
        core = openvino.Core()
        plugin = _find_plugin(core, request.device)
        file, folder = _find_file(request)
        try:
            model = core.read_model(str(file))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot read {file.name}: {first_line(error)}") from error
        arrays = _make_arrays(request, folder)
        fix_shapes(model, {name: array.shape for name, array in arrays.items()})
        begin = time.perf_counter_ns()
        compiled = core.compile_model(model, plugin, _settings(request, plugin))
        compiled_at = time.perf_counter_ns()
        nodes = read_nodes(compiled)
        facts = describe_graph(compiled, nodes)
        costs = {"compile": compiled_at - begin, "inspect": time.perf_counter_ns() - compiled_at}
        call = compiled.create_infer_request()
        tensors = _set_inputs(openvino, call, model, arrays)
        made = read_artefact(folder) if folder is not None else None
        kept = made.facts if made is not None else {}
        return Session(
            # Views of the output tensors: by default each call would copy them into arrays.
            infer=functools.partial(call.infer, share_outputs=True),
            unload=tensors.clear,
            effective_precision=describe_precision(
                request.precision, _method(request), facts["inference_precision_hint"], nodes
            ),
            threads=int(facts.get("inference_num_threads", request.threads)),
            hardware=str(core.get_property(plugin, "FULL_DEVICE_NAME")).strip(),
            parameters=int(kept["parameters"]) if "parameters" in kept else request.workload.size.parameters,
            facts={
                "openvino": str(openvino.__version__),
                "device_capabilities": ", ".join(core.get_property(plugin, "OPTIMIZATION_CAPABILITIES")),
                **facts,
                **{name: kept[name] for name in _KEPT_FACTS if name in kept},
                "model_bytes": str(model_bytes(file)),
            },
            costs_ns=costs,
            read_outputs=_read_outputs,
            find_placement=functools.partial(find_placement, nodes, plugin),
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Recognise the allocators' words in OpenVINO's plain RuntimeError; its classes do not tell."""
        if isinstance(error, MemoryError):
            return True
        return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


engines.add("openvino", OpenVino())


def _method(request: LoadRequest) -> str | None:
    """How the precision is come by, None for a floating one. Raises UnsupportedError for what OpenVINO has not."""
    methods = _QUANTIZED.get(request.precision)
    asked = request.options.get("quantization")
    if methods is None:
        if asked is not None:
            raise UnsupportedError(
                f"quantization={asked} makes no {request.precision} model.", hint="Ask for precision int8 or int4."
            )
        return None
    method = str(asked) if asked is not None else next(iter(methods))
    if method not in methods:
        raise UnsupportedError(
            f"OpenVINO has no {method!r} quantization to {request.precision}.", hint=f"Expected {join_or(methods)}."
        )
    return method


def _find_recipe(request: LoadRequest) -> str:
    if request.precision not in _PRECISIONS:
        raise UnsupportedError(
            f"OpenVINO cannot run {request.workload.name} in {request.precision}.",
            hint=f"Expected one of: {', '.join(_PRECISIONS)}.",
        )
    method = _method(request)
    if method is None:
        return OPENVINO
    if importlib.util.find_spec("nncf") is None:
        raise UnsupportedError(
            f"OpenVINO models are quantized to {request.precision} by NNCF, which is not installed.", hint=INSTALL_HINT
        )
    return _QUANTIZED[request.precision][method]


def _find_plugin(core: Any, device: str) -> str:
    """``cpu`` -> CPU, ``openvino:GPU`` -> GPU, where OpenVINO sees one. Raises UnsupportedError saying what it sees."""
    kind, _, ordinal = device.partition(":")
    wanted = "CPU" if kind == "cpu" else ordinal.upper()
    if kind not in {"cpu", "openvino"} or not wanted:
        raise UnsupportedError(
            f"OpenVINO has no device {device!r}.", hint="Expected cpu, openvino:GPU or openvino:NPU."
        )
    seen = [str(name) for name in core.available_devices]
    # Of several GPUs OpenVINO lists GPU.0 and GPU.1, and takes GPU for the first.
    if wanted in seen or any(name.partition(".")[0] == wanted for name in seen):
        return wanted
    raise UnsupportedError(
        f"Device {device!r} is not here: OpenVINO sees {', '.join(seen) or 'no device'}.",
        hint="A plugin needs the device's driver (for GPU and NPU, Intel's compute runtime) to see it.",
    )


def _find_file(request: LoadRequest) -> tuple[Path, Path | None]:
    """The file to load, and the folder of the artefact that it is in; a user's own file is in none."""
    recipe = _find_recipe(request)
    if recipe == OPENVINO and request.workload.family.format in _READ_DIRECTLY:
        return Path(str(request.workload.size.config["file"])), None
    folder = request.artefacts.get(recipe)
    if folder is None:
        raise EngineError(f"{request.workload.name} needs the artefact {recipe!r}, which was not made before loading.")
    return folder / MODEL_FILE, folder


def _make_arrays(request: LoadRequest, folder: Path | None) -> dict[str, NDArray[Any]]:
    """The inputs by name: those that came with a user's own model, or seeded ones."""
    own = read_inputs(folder) if folder is not None else None
    if own is not None:
        return own
    return make_inputs(request.workload, batch=request.batch, shape=request.shape, seed=request.seed)


def _settings(request: LoadRequest, plugin: str) -> dict[str, str]:
    """What the model is compiled for. Nothing is left to a default that differs from one machine to the next."""
    hint = str(request.options.get("hint", "latency"))
    if hint not in _PERFORMANCE:
        raise UnsupportedError(f"OpenVINO has no hint {hint!r}.", hint=f"Expected {join_or(_PERFORMANCE)}.")
    settings = {
        "PERFORMANCE_HINT": _PERFORMANCE[hint],
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[request.precision],
    }
    if plugin == "CPU":
        settings["INFERENCE_NUM_THREADS"] = str(request.threads)
    return settings


def _set_inputs(openvino: Any, call: Any, model: Any, arrays: Mapping[str, NDArray[Any]]) -> list[Any]:
    """Hand the arrays over as they lie in memory, once. What is returned must live as long as calls are made."""
    tensors = []
    for name, place in find_inputs(model, arrays).items():
        tensor = openvino.Tensor(arrays[name], shared_memory=True)
        call.set_input_tensor(place, tensor)
        tensors.append((tensor, arrays[name]))
    return tensors


def _read_outputs(outputs: Any) -> Sequence[NDArray[Any]]:
    """Copy the outputs of the last call, in the model's order, which is the reference's."""
    import numpy as np

    return [
        np.array(values, dtype=np.float32 if np.issubdtype(values.dtype, np.floating) else values.dtype)
        for values in (outputs[index] for index in range(len(outputs)))
    ]
