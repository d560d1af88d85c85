"""One launch in a browser: page, runtime, model and inputs in place, then a session whose calls the page makes.

May import: core, workloads, artefacts, engines; numpy and onnx inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_files import MODEL_FILE
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Placement, Session
from assay.engines.onnx_recipes import bring_inputs, find_file
from assay.engines.web.audio import preprocess_in_page
from assay.engines.web.backends import WEBGPU, WEBNN, Backend, webnn_device
from assay.engines.web.describe import describe_hardware, describe_precision, list_facts
from assay.engines.web.gone import PageError
from assay.engines.web.graph import Graph, make_feeds, read_graph
from assay.engines.web.launch import open_launch
from assay.engines.web.limits import check_adapter, check_model
from assay.engines.web.native import Answers, compare_with_native, native_facts
from assay.engines.web.page import Page
from assay.engines.web.precision import wanted_recipe
from assay.engines.web.stopwatch import PageStopwatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

INIT_LIMIT_S = 120.0
LOAD_LIMIT_S = 600.0
ANSWER_LIMIT_S = 600.0
RELEASE_LIMIT_S = 20.0
_NS_PER_MS = 1_000_000
_MOST_DEFAULT_THREADS = 4
_IMPOSSIBLE = {"NoDevice", "Unsupported"}
"""Names of errors by which the page says that this browser cannot do it, and not that it went wrong."""


@dataclass(frozen=True, slots=True)
class Model:
    """A graph with its inputs, the numbers of its symbolic dimensions, and the facts of its artefact."""

    name: str
    graph: Graph
    feeds: Mapping[str, NDArray[Any]]
    overrides: Mapping[str, int]
    kept: Mapping[str, str]

    @property
    def options(self) -> dict[str, Any]:
        """Every symbolic dimension gets its number, on every backend, so that all run the same graph."""
        return {"freeDimensionOverrides": dict(self.overrides), "graphOptimizationLevel": "all"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the page answered while the model was loaded. ``fetch`` are the arguments that fetch the model again."""

    fetch: Mapping[str, Any]
    runtime: Mapping[str, Any]
    adapter: Mapping[str, Any]
    costs_ns: Mapping[str, int]
    copies_ms: float | None
    sha256: str


def load_web(request: LoadRequest, backend: Backend, engine: str) -> Session:
    """Load a case into a page of a fresh browser. Raises UnsupportedError for what browser or page cannot do."""
    model = read_case(request, backend, engine)
    return load_into(open_launch(request, backend), request, backend, model)


def load_into(page: Page, request: LoadRequest, backend: Backend, model: Model) -> Session:
    """Load a case into a page that is open, which the session then owns, and which is closed where that fails."""
    try:
        return _make_session(page, request, backend, model, load_model(page, request, backend, model))
    except PageError as error:
        page.close()
        if error.name in _IMPOSSIBLE:
            raise UnsupportedError(f"In {page.facts['browser']}: {error.js_message}.") from error
        raise
    except BaseException:
        page.close()
        raise


def read_case(request: LoadRequest, backend: Backend, engine: str) -> Model:
    """Find the file, make its inputs, and refuse what no page can load."""
    name = request.workload.name
    file, folder = find_file(request, wanted_recipe(request, engine))
    graph = read_graph(file)
    check_model(name, graph.size, backend=backend.name)
    feeds, overrides = make_feeds(graph, bring_inputs(request, folder), name)
    made = read_artefact(folder) if folder is not None else None
    return Model(name, graph, feeds, overrides, made.facts if made is not None else {})


def load_model(page: Page, request: LoadRequest, backend: Backend, model: Model) -> Loaded:
    """Runtime, files, session and inputs, one after another; with ``parallel_load`` several copies at once."""
    threads = choose_threads(page, request)
    init = {
        "backend": backend.name,
        "ort": page.path(f"ort/{backend.bundle}"),
        "threads": threads,
        "device": webnn_device(request.device) if backend is WEBNN else None,
    }
    fetch = serve_model(page, model)
    copies = int(request.options.get("parallel_load", 1))
    copies_ms: float | None = None
    if copies > 1:
        steps = {"init": init, "fetch": {**fetch, "sha256": True}, "session": {"options": model.options}}
        answers = page.call("copies", {"copies": copies, **steps}, limit_s=LOAD_LIMIT_S)
        runtime, fetched, created = (answers[step] for step in steps)
        copies_ms = float(answers["took_ms"])
        adapter = _check_adapter(page, request, backend, model)
    else:
        runtime = page.call("init", init, limit_s=INIT_LIMIT_S)
        adapter = _check_adapter(page, request, backend, model)
        fetched = page.call("fetch", {**fetch, "sha256": True}, limit_s=LOAD_LIMIT_S)
        created = page.call("session", {"options": model.options}, limit_s=LOAD_LIMIT_S)
    if runtime["threads"] != threads:
        raise EngineError(f"The runtime took {runtime['threads']} threads, and {threads} were asked for.")
    sha256 = _check_same_file(model, fetched["sha256"])
    page.call("feeds", {"inputs": serve_inputs(page, model)}, limit_s=LOAD_LIMIT_S)
    costs = {"runtime_init": runtime, "fetch": fetched, "compile": created}
    costs_ns = {phase: round(float(answer["took_ms"]) * _NS_PER_MS) for phase, answer in costs.items()}
    return Loaded(fetch, runtime, adapter, costs_ns, copies_ms, sha256)


def choose_threads(page: Page, request: LoadRequest) -> int:
    """The case's threads; without the option a visitor's own number, as this machine's cores are not the visitor's.

    That number is onnxruntime-web's default: half of the cores, four at most, one where the page is not isolated.
    """
    if page.process is not None or "threads" in request.options:
        return request.threads
    cores = page.hello.hardware_concurrency or 1
    return min(_MOST_DEFAULT_THREADS, -(-cores // 2)) if page.hello.is_isolated else 1


def serve_model(page: Page, model: Model) -> dict[str, Any]:
    """Serve the graph and its weights; return the arguments of the verbs that fetch them."""
    weights = [
        {"path": location, "url": page.add_file(f"weights-{index}.bin", path)}
        for index, (location, path) in enumerate(model.graph.weights.items())
    ]
    return {"model": page.add_file(MODEL_FILE, model.graph.file), "external": weights}


def serve_inputs(page: Page, model: Model) -> list[dict[str, Any]]:
    """Serve the inputs; return the arguments of the verb that makes tensors of them."""
    return [
        {
            "name": name,
            "type": array.dtype.name,
            "dims": list(array.shape),
            "url": page.add_file(f"input-{index}.bin", array.tobytes()),
        }
        for index, (name, array) in enumerate(model.feeds.items())
    ]


def _check_adapter(page: Page, request: LoadRequest, backend: Backend, model: Model) -> Mapping[str, Any]:
    """Return what WebGPU computes on, nothing for others. Raises UnsupportedError where it cannot hold the model."""
    if backend is not WEBGPU and request.device != "webnn:gpu":
        return {}
    adapter: Mapping[str, Any] = page.call("adapter", limit_s=INIT_LIMIT_S)
    if backend is WEBGPU:
        if request.precision is Precision.FP16 and "shader-f16" not in adapter["features"]:
            raise UnsupportedError(
                f"The GPU that the browser offers ({adapter['description']}) has no half precision (shader-f16).",
                hint="Use fp32.",
            )
        check_adapter(model.name, model.graph.size.largest, adapter["limits"])
    return adapter


def _check_same_file(model: Model, sha256: str | None) -> str:
    """Hold the page's digest to the file's; a page that is no secure context has none."""
    with model.graph.file.open("rb") as stream:
        own = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 not in (None, own):
        raise EngineError(
            f"The page got another model than {model.graph.file.name}: its SHA-256 is {sha256}, expected {own}.",
            hint="Something between the page and this process changes what it carries: an extension, or a proxy.",
        )
    return own


def _make_session(page: Page, request: LoadRequest, backend: Backend, model: Model, loaded: Loaded) -> Session:
    resolution_ns = int(loaded.runtime["clock_resolution_ns"])
    facts = list_facts(
        request=request,
        backend=backend,
        kept=model.kept,
        runtime=loaded.runtime,
        adapter=loaded.adapter,
        model_bytes=model.graph.size.total,
        model_sha256=loaded.sha256,
        copies_ms=loaded.copies_ms,
    )
    answers = Answers(functools.partial(_bring_outputs, page))
    compare = functools.partial(
        compare_with_native,
        answers,
        model.graph.file,
        model.feeds,
        size=model.graph.size.total,
        threads=request.threads,
    )
    return Session(
        infer=answers.take,
        unload=functools.partial(_unload, page),
        effective_precision=describe_precision(request, backend, model.kept),
        threads=int(loaded.runtime["threads"]),
        hardware=describe_hardware(request, loaded.adapter),
        parameters=int(model.kept["parameters"]) if "parameters" in model.kept else request.workload.size.parameters,
        facts={**page.facts, **facts},
        costs_ns={**page.costs_ns, **loaded.costs_ns},
        read_outputs=_to_float32,
        find_placement=functools.partial(_find_placement, page, backend, model, loaded.fetch),
        stopwatch=PageStopwatch(page, resolution_ns),
        processes=page.pids,
        process_memory=None if page.process is None else page.memory_by_kind,
        late_facts=native_facts,
        late_metrics=compare,
        preprocess=functools.partial(preprocess_in_page, page, page.add_file, resolution_ns),
    )


def _bring_outputs(page: Page) -> tuple[NDArray[Any], ...]:
    """Let the page make one call, and bring its outputs in the graph's order."""
    import numpy as np

    answer = page.call("outputs", limit_s=ANSWER_LIMIT_S)
    return tuple(
        np.frombuffer(page.blob(one["blob"]), dtype=np.dtype(one["type"])).reshape(one["dims"])
        for one in answer["outputs"]
    )


def _to_float32(outputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
    import numpy as np

    return tuple(
        array.astype(np.float32, copy=False) if np.issubdtype(array.dtype, np.floating) else array for array in outputs
    )


def _find_placement(page: Page, backend: Backend, model: Model, fetch: Mapping[str, Any]) -> Placement:
    answer = page.call("placement", {**fetch, "options": model.options}, limit_s=LOAD_LIMIT_S)
    return Placement(
        wanted=backend.provider,
        nodes={str(name): int(count) for name, count in answer["nodes"].items()},
        source="onnxruntime-web's own log",
        least_share=backend.least_share,
    )


def _unload(page: Page) -> None:
    """Let the model go as a page would, then end the browser whatever came of it."""
    try:
        with contextlib.suppress(EngineError):
            page.call("release", limit_s=RELEASE_LIMIT_S)
    finally:
        page.close()
