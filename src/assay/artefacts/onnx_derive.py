"""What all recipes that start from the float32 ONNX graph share. May import: core, workloads, artefacts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assay.artefacts.base import ArtefactRequest, BuildRequest, StaticOnly
from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_export import ONNX
from assay.artefacts.onnx_files import read_model
from assay.core.errors import EngineError

if TYPE_CHECKING:
    import onnx

INSTALL_HINT = "pip install 'assay[onnx]'"
PACKAGES = ("onnx", "onnxruntime")
_OWN_OPTIONS = {"samples", "reduce_range"}
"""Options of quantizing, which do not change the graph that it starts from."""
_KEPT_FACTS = ("opset", "batch", "parameters", "torch", "inputs", "outputs")


def needs_onnx(request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    """Ask for the float32 graph of the same workload, batch, shape, seed and options that change the model."""
    kept = tuple(pair for pair in request.options if pair[0] not in _OWN_OPTIONS)
    return (replace(request, recipe=ONNX, options=kept),)


def read_base(wanted: BuildRequest) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Load the float32 graph, and the facts of it that stay true of what is made from it.

    Raises StaticOnly where that graph has one batch size, as then what is made from it does too.
    """
    artefact = read_artefact(wanted.needs[ONNX])
    if artefact is None:
        raise EngineError(
            f"The ONNX graph of {wanted.workload.name} vanished while it was used.", hint="Run the case again."
        )
    if artefact.facts["batch"] == "static" and not wanted.request.is_static:
        raise StaticOnly(f"The ONNX graph of {wanted.workload.name} has a fixed batch size.")
    kept = {name: artefact.facts[name] for name in _KEPT_FACTS if name in artefact.facts}
    return read_model(artefact.folder), kept | {"float32_bytes": artefact.facts["model_bytes"]}
