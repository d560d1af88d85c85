"""Recipe ``onnx``: a workload's float32 graph in ONNX, by way of ``torch.export``.

One graph serves every batch size where the model allows it. May import: core, workloads, artefacts; torch, onnx and
numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, StaticOnly, recipes
from assay.artefacts.exportable import keep_brought_inputs, make_ready, open_batch
from assay.artefacts.onnx_files import (
    MODEL_FILE,
    has_dynamic_batch,
    model_bytes,
    quiet_logging,
    write_model,
)
from assay.core.errors import EngineError, UnsupportedError

if TYPE_CHECKING:
    from assay.workloads.export import Exportable

ONNX = "onnx"
INSTALL_HINT = "pip install 'assay[torch,onnx]'"


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    kind = getattr(wanted.workload.family, "format", "torch")
    if kind == "onnx":
        return _copy_file(wanted)
    if kind != "torch":
        raise UnsupportedError(f"{wanted.workload.name} is a file in {kind} form, which cannot be turned into ONNX.")
    return _export(wanted)


def _export(wanted: BuildRequest) -> Mapping[str, str]:
    import onnx
    import torch

    request, workload = wanted.request, wanted.workload
    exportable = make_ready(wanted)
    program = _run_exporter(workload.name, exportable, is_static=request.is_static)
    program.save(wanted.folder / MODEL_FILE)
    keep_brought_inputs(wanted, exportable)
    return {
        "exporter": "torch.onnx (dynamo)",
        "torch": str(torch.__version__),
        "onnx": onnx.__version__,
        "opset": str(program.model.opset_imports[""]),
        "inputs": ", ".join(exportable.input_names),
        "outputs": ", ".join(exportable.output_names),
        "batch": "static" if request.is_static else "dynamic",
        "nodes": str(sum(1 for _ in program.model.graph.all_nodes())),
        "parameters": str(sum(parameter.numel() for parameter in exportable.module.parameters())),
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


def _run_exporter(name: str, exportable: Exportable, *, is_static: bool) -> Any:
    """Export; without ``is_static`` with a batch axis of any size in every input, or else StaticOnly."""
    import torch

    shapes = None if is_static else open_batch(exportable)
    try:
        with quiet_logging():
            program = torch.onnx.export(
                exportable.module,
                exportable.inputs,
                dynamo=True,
                input_names=exportable.input_names,
                output_names=exportable.output_names,
                dynamic_shapes=shapes,
                verbose=False,
            )
    except MemoryError:
        raise
    except Exception as error:  # the exporter raises whatever its many parts do
        reason = _first_reason(error)
        if not is_static:
            raise StaticOnly(f"{name} has no ONNX graph for every batch size: {reason}") from error
        raise EngineError(
            f"{name} cannot be exported to ONNX: {reason}", hint="It may run on the engines torch and torch-compile."
        ) from error
    if not is_static and _is_fixed(program, exportable):
        raise StaticOnly(f"{name} was exported for the batch size of the example only.")
    return program


def _is_fixed(program: Any, exportable: Exportable) -> bool:
    """Tell whether the exporter quietly took the example's batch size for a constant."""
    pairs = zip(program.model.graph.inputs, exportable.batch_axes, strict=True)
    return any(axis is not None and isinstance(value.shape[axis], int) for value, axis in pairs)


def _first_reason(error: BaseException) -> str:
    """Return what went wrong first: the exporter wraps it in instructions for its own bug reports."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _copy_file(wanted: BuildRequest) -> Mapping[str, str]:
    """Bring a user's own ONNX file into the cache, so that the recipes for precision can start from it."""
    import onnx

    model = onnx.load(str(wanted.workload.size.config["file"]))
    is_dynamic = has_dynamic_batch(model)
    if not is_dynamic and not wanted.request.is_static:
        raise StaticOnly(f"{wanted.workload.name} has a fixed batch size.")
    write_model(model, wanted.folder)
    return {
        "exporter": model.producer_name or "unknown",
        "onnx": onnx.__version__,
        "opset": ", ".join(str(one.version) for one in model.opset_import if one.domain in {"", "ai.onnx"}),
        "batch": "dynamic" if is_dynamic else "static",
        "nodes": str(len(model.graph.node)),
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


recipes.add(
    ONNX,
    Recipe(
        name=ONNX,
        version=1,
        description="float32 ONNX graph exported from PyTorch",
        build=_build,
        packages=("torch", "transformers", "onnx", "onnxscript"),
        install_hint=INSTALL_HINT,
        serves_every_batch=True,
    ),
)
