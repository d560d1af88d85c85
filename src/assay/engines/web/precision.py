"""Which artefact a case in a browser needs: its precision, and weights beside the graph where they are asked for.

The same artefacts as the native engine's, so that both read one file. May import: core, artefacts, engines.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.artefacts.base import ArtefactRequest, request_artefact
from assay.artefacts.onnx_export import ONNX
from assay.artefacts.onnx_sharded import OF, ONNX_SHARDED
from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines import onnx_recipes
from assay.engines.base import LoadRequest, device_kind
from assay.engines.onnx_recipes import recipe_options

SHARDED = "sharded"
_ON = "on"
_WHY_NOT: Mapping[Precision, str] = {
    Precision.BF16: "WebAssembly, WebGPU and WebNN have no bfloat16",
    Precision.TF32: "TF32 is a mode of NVIDIA's own libraries, which no browser offers",
}


def choose_recipe(request: LoadRequest, engine: str) -> str:
    """Return the recipe of a case's precision and ``quantization``. Raises UnsupportedError for what has none."""
    why_not = _WHY_NOT.get(request.precision)
    if why_not is not None:
        raise UnsupportedError(f"{why_not}, and {request.precision} was asked for.", hint="Use fp32, fp16 or int8.")
    return onnx_recipes.choose_recipe(engine, request)


def is_sharded(request: LoadRequest) -> bool:
    """Tell whether the weights are to come as files beside the graph."""
    return request.options.get(SHARDED) == _ON


def wanted_recipe(request: LoadRequest, engine: str) -> str | None:
    """Return the recipe whose folder holds the model; None for a user's own ONNX file that is read where it lies."""
    recipe = choose_recipe(request, engine)
    if is_sharded(request):
        return ONNX_SHARDED
    return None if request.workload.family.format == "onnx" and recipe == ONNX else recipe


def plan_model(request: LoadRequest, engine: str) -> tuple[ArtefactRequest, ...]:
    """Ask for the model's artefact. Raises UnsupportedError for options that a file cannot have."""
    workload = request.workload
    if workload.family.format == "onnx" and "prune" in request.options:
        raise UnsupportedError(f"{workload.name} is a file, whose weights cannot be pruned.")
    recipe, wanted = choose_recipe(request, engine), wanted_recipe(request, engine)
    if wanted is None:
        return ()
    options = recipe_options(recipe, request.options, on_cpu=device_kind(request.device) == "cpu")
    return (
        request_artefact(
            wanted,
            workload,
            batch=request.batch,
            shape=request.shape,
            seed=request.seed,
            options=options if wanted == recipe else {**options, OF: recipe},
        ),
    )
