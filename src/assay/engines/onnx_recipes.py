"""Which ONNX artefact a precision means, for every engine that runs ONNX graphs: natively or in a browser.

They must agree, or a model in a browser and the same model natively would be two files, and no pair. May import: core,
workloads, artefacts, probes, engines.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.artefacts.onnx_export import ONNX
from assay.artefacts.onnx_files import MODEL_FILE, read_inputs
from assay.artefacts.onnx_precision import DYNAMIC, ONNX_FP16, QUANTIZED, STATIC
from assay.core.case import Scalar
from assay.core.errors import EngineError, UnsupportedError, join_or
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VNNI = {"avx_vnni", "avx512_vnni", "amx_int8"}


def choose_method(engine: str, precision: Precision, asked: str | None, modality: str) -> str:
    """Return the recipe of a quantized precision.

    Without ``quantization``, int8 means ``dynamic`` for models of text, alone or beside something else, and ``static``
    for the others: convolutions quantized dynamically are slower than in float32. Raises UnsupportedError.
    """
    methods = QUANTIZED[precision]
    if asked is None:
        default = DYNAMIC if modality == "text" or modality.endswith("-language") else STATIC
        asked = default if default in methods else next(iter(methods))
    if asked not in methods:
        raise UnsupportedError(f"{engine} has no {asked} {precision}.", hint=f"Expected {join_or(methods)}.")
    return methods[asked]


def choose_recipe(engine: str, request: LoadRequest) -> str:
    """Return the recipe of a case's precision and ``quantization``. Raises UnsupportedError for what has none."""
    precision, asked = request.precision, request.options.get("quantization")
    if precision in QUANTIZED:
        method = None if asked is None else str(asked)
        return choose_method(engine, precision, method, request.workload.family.modality)
    if asked is not None:
        raise UnsupportedError(f"quantization={asked} makes no {precision} model.", hint="Ask for int8 or int4.")
    return ONNX_FP16 if precision is Precision.FP16 else ONNX


def find_file(request: LoadRequest, recipe: str | None) -> tuple[Path, Path | None]:
    """Return the model's file, and the folder of its artefact.

    ``recipe`` None is a user's own file, which is read where it lies: there is no folder then. Raises EngineError.
    """
    if recipe is None:
        return Path(str(request.workload.size.config["file"])), None
    folder = request.artefacts.get(recipe)
    if folder is None:
        raise EngineError(f"The artefact {recipe!r} of {request.workload.name} was not prepared before loading.")
    return folder / MODEL_FILE, folder


def bring_inputs(request: LoadRequest, folder: Path | None) -> Mapping[str, NDArray[Any]]:
    """Return the inputs that the artefact in ``folder`` brings, or else those that are made for the workload."""
    arrays = read_inputs(folder) if folder is not None else None
    if arrays is None:
        arrays = make_inputs(request.workload, batch=request.batch, shape=request.shape, seed=request.seed)
    return arrays


def recipe_options(recipe: str, options: Mapping[str, Scalar], *, on_cpu: bool) -> dict[str, Scalar]:
    """Keep what changes the model or its quantization, and nothing of how it is run."""
    static = QUANTIZED[Precision.INT8][STATIC]
    kept: dict[str, Scalar] = {}
    if "prune" in options:
        kept["prune"] = options["prune"]
    if recipe == static and "samples" in options:
        kept["samples"] = options["samples"]
    if recipe in (static, QUANTIZED[Precision.INT8][DYNAMIC]) and on_cpu and lacks_vnni():
        kept["reduce_range"] = True
    return kept


@functools.cache
def lacks_vnni() -> bool:
    """Tell whether this is an x86 CPU that adds 8-bit products in 16 bits, where large weights overflow.

    onnxruntime's documentation of ``quantize_static`` advises 7 bits for weights there.
    """
    from assay.probes.cpu import collect_cpu

    cpu = collect_cpu()
    return cpu.get("architecture") in {"x86_64", "AMD64"} and not _VNNI.intersection(cpu.get("isa") or ())
