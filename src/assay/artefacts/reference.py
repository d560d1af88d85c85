"""Recipe ``reference``: the outputs of the float32 eager model on the CPU, which every other way is held against.

May import: core, workloads, artefacts; torch and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, recipes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

REFERENCE = "reference"
_FILE = "outputs.npz"


def read_reference(folder: Path) -> tuple[NDArray[Any], ...]:
    """Return the reference outputs, in order: floating ones as float32."""
    import numpy as np

    with np.load(folder / _FILE, allow_pickle=False) as content:
        return tuple(content[str(index)] for index in range(len(content.files)))


def write_reference(folder: Path, outputs: Sequence[NDArray[Any]]) -> None:
    """Keep outputs, in order: floating ones as float32."""
    import numpy as np

    arrays = {
        str(index): output.astype(np.float32, copy=False) if np.issubdtype(output.dtype, np.floating) else output
        for index, output in enumerate(outputs)
    }
    with (folder / _FILE).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def build_eager(wanted: BuildRequest) -> tuple[nn.Module, Any]:
    """Build the float32 model on the CPU, with its inputs in place, as every reference is computed."""
    import torch

    from assay.workloads.torch_build import build_torch_model, import_family, place_inputs

    request, workload = wanted.request, wanted.workload
    torch.set_num_threads(wanted.threads)
    import_family(workload)
    built = build_torch_model(
        workload, dtype="float32", batch=request.batch, shape=dict(request.shape), seed=request.seed
    )
    return built.module, place_inputs(built.inputs, torch.device("cpu"), torch.float32)


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    import torch

    from assay.workloads.outputs import flatten_tensors, to_array

    module, inputs = build_eager(wanted)
    with torch.inference_mode():
        outputs = flatten_tensors(wanted.workload.family.forward(module, inputs))
    write_reference(wanted.folder, [to_array(tensor) for _, tensor in outputs])
    return {"outputs": ", ".join(name for name, _ in outputs), "torch": str(torch.__version__)}


recipes.add(
    REFERENCE,
    Recipe(
        name=REFERENCE,
        version=1,
        description="outputs of the float32 eager model on the CPU",
        build=_build,
        packages=("torch", "transformers"),
        install_hint="pip install 'assay[torch]'",
    ),
)
