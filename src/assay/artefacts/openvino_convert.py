"""Recipe ``openvino``: a workload's float32 graph as OpenVINO IR, by way of ``torch.export``.

Not by a TorchScript trace, which fails on Whisper. One graph serves every batch size where the model allows it.
May import: core, workloads, artefacts; torch and openvino inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, StaticOnly, recipes
from assay.artefacts.exportable import keep_brought_inputs, make_ready, open_batch
from assay.artefacts.openvino_files import MODEL_FILE, first_line, model_bytes, save_model
from assay.artefacts.openvino_library import import_openvino
from assay.core.errors import EngineError

if TYPE_CHECKING:
    from assay.workloads.export import Exportable

OPENVINO = "openvino"
INSTALL_HINT = "pip install 'assay[torch,openvino]'"


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    return _read_file(wanted) if wanted.workload.family.format in {"onnx", "openvino"} else _convert(wanted)


def _read_file(wanted: BuildRequest) -> Mapping[str, str]:
    """Bring a user's own file into the cache as IR, so that the recipes for precision can start from it."""
    openvino = import_openvino()
    workload = wanted.workload
    try:
        model = openvino.Core().read_model(str(workload.size.config["file"]))
    except RuntimeError as error:
        raise EngineError(f"{workload.name} cannot be read by OpenVINO: {first_line(error)}") from error
    is_dynamic = model.is_dynamic()
    if not is_dynamic and not wanted.request.is_static:
        raise StaticOnly(f"{workload.name} has fixed shapes.")
    return _keep(model, wanted, {"converter": "openvino.read_model", "batch": "dynamic" if is_dynamic else "static"})


def _convert(wanted: BuildRequest) -> Mapping[str, str]:
    import torch

    request, workload = wanted.request, wanted.workload
    exportable = make_ready(wanted)
    program = _export(workload.name, exportable, is_static=request.is_static)
    model = _translate(workload.name, program, is_static=request.is_static)
    _describe(model, exportable, is_static=request.is_static)
    keep_brought_inputs(wanted, exportable)
    return _keep(
        model,
        wanted,
        {
            "converter": "torch.export, openvino.convert_model",
            "torch": str(torch.__version__),
            "batch": "static" if request.is_static else "dynamic",
            "outputs": ", ".join(exportable.output_names),
            "parameters": str(sum(parameter.numel() for parameter in exportable.module.parameters())),
        },
    )


def _export(name: str, exportable: Exportable, *, is_static: bool) -> Any:
    """Trace the graph; without ``is_static`` for a batch of any size, which all inputs share, or else StaticOnly."""
    import torch

    shapes = None if is_static else open_batch(exportable)
    try:
        with torch.no_grad():
            return torch.export.export(exportable.module, exportable.inputs, dynamic_shapes=shapes, strict=False)
    except MemoryError:
        raise
    except Exception as error:  # the exporter raises whatever its many parts do
        if not is_static:
            raise StaticOnly(f"{name} has no graph for every batch size: {first_line(error)}") from error
        raise EngineError(
            f"{name} cannot be exported by torch.export: {first_line(error)}",
            hint="It may run on the engine torch.",
        ) from error


def _translate(name: str, program: Any, *, is_static: bool) -> Any:
    """Turn the graph into OpenVINO's. Arithmetic on an open batch size may be what it has no rule for: StaticOnly."""
    try:
        return import_openvino().convert_model(program)
    except MemoryError:
        raise
    except Exception as error:  # the converter raises whatever its many parts do
        if not is_static:
            raise StaticOnly(f"{name} has no OpenVINO graph for every batch size: {first_line(error)}") from error
        raise EngineError(
            f"{name} cannot be converted to OpenVINO: {first_line(error)}",
            hint="It may run on the engines torch and torch-compile.",
        ) from error


def _describe(model: Any, exportable: Exportable, *, is_static: bool) -> None:
    """Name inputs and outputs as the workload does, and keep every dimension fixed but the batch.

    The converter leaves dimensions open that the export had fixed, and names some inputs by a number.
    """
    openvino = import_openvino()
    ports = _ports_of(model, exportable)
    for index, port in ports.items():
        port.get_tensor().set_names({exportable.input_names[index]})
    shapes = {
        port: openvino.PartialShape([
            -1 if axis == exportable.batch_axes[index] and not is_static else size
            for axis, size in enumerate(exportable.inputs[index].shape)
        ])
        for index, port in ports.items()
    }  # fmt: skip
    model.reshape(shapes)
    if len(model.outputs) != len(exportable.output_names):
        raise EngineError(
            f"OpenVINO made {len(model.outputs)} outputs of the model's {len(exportable.output_names)}, so they cannot "
            "be told apart."
        )


def _ports_of(model: Any, exportable: Exportable) -> dict[int, Any]:
    """The model's ports by the number of the input; where one was left out as unused, by the exporter's names."""
    if len(model.inputs) == len(exportable.inputs):
        return dict(enumerate(model.inputs))
    by_name = {name: port for port in model.inputs for name in port.get_names()}
    found = {
        index: by_name[f"tensors_{index}"] for index in range(len(exportable.inputs)) if f"tensors_{index}" in by_name
    }
    if len(found) != len(model.inputs):
        raise EngineError(
            f"OpenVINO made {len(model.inputs)} inputs of the model's {len(exportable.inputs)}, and their names do not "
            "say which."
        )
    return found


def _keep(model: Any, wanted: BuildRequest, facts: Mapping[str, str]) -> Mapping[str, str]:
    save_model(model, wanted.folder)
    return {
        **facts,
        "openvino": str(import_openvino().__version__),
        "inputs": ", ".join(port.get_any_name() if port.get_names() else "unnamed" for port in model.inputs),
        "operations": str(len(model.get_ops())),
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


recipes.add(
    OPENVINO,
    Recipe(
        name=OPENVINO,
        version=1,
        description="float32 OpenVINO graph converted from PyTorch",
        build=_build,
        packages=("torch", "transformers", "openvino"),
        install_hint=INSTALL_HINT,
        serves_every_batch=True,
    ),
)
