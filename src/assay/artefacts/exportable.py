"""A workload made ready to be exported, alike for every recipe that goes by way of ``torch.export``.

May import: core, workloads, artefacts; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, StaticOnly
from assay.artefacts.onnx_files import write_inputs

if TYPE_CHECKING:
    from assay.workloads.export import Exportable

_EXAMPLE_BATCH = 2
"""Examples of a dynamic batch have this size, whatever batch was asked for: one graph, one content. Not 0 or 1, which
``torch.export`` takes for constants."""


def make_ready(wanted: BuildRequest) -> Exportable:
    """Build the float32 model and its examples. Raises StaticOnly for one that is of one batch size, WorkloadError."""
    import torch

    from assay.workloads.export import make_exportable
    from assay.workloads.torch_build import build_torch_model, import_family

    request, workload = wanted.request, wanted.workload
    if workload.family.bring is not None and not request.is_static:
        raise StaticOnly(f"{workload.name} brings inputs of its own, which are for one batch size.")
    torch.set_num_threads(wanted.threads)
    import_family(workload)
    batch = request.batch if request.is_static else _EXAMPLE_BATCH
    built = build_torch_model(
        workload,
        dtype="float32",
        batch=batch,
        shape=dict(request.shape),
        seed=request.seed,
        options=dict(request.options),
    )
    return make_exportable(workload, built, batch=batch)


def keep_brought_inputs(wanted: BuildRequest, exportable: Exportable) -> None:
    """Keep the inputs that a workload brings itself beside the model; others are made from the seed."""
    from assay.workloads.outputs import to_array

    if wanted.workload.family.bring is not None:
        named = zip(exportable.input_names, exportable.inputs, strict=True)
        write_inputs({name: to_array(tensor) for name, tensor in named}, wanted.folder)


def open_batch(exportable: Exportable) -> tuple[tuple[Mapping[int, Any], ...]]:
    """Return ``dynamic_shapes`` for ``torch.export``: one batch of any size, which every input that has it shares."""
    import torch

    batch = torch.export.Dim("batch")
    return (tuple({} if axis is None else {axis: batch} for axis in exportable.batch_axes),)
