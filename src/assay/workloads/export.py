"""A workload's module in the form exporters want: positional tensors in, a flat tuple of tensors out.

Every exporter goes through here, so that graphs of all formats have the same inputs and outputs in the same order as
the reference (`assay.workloads.outputs`). May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.workloads.base import Workload
from assay.workloads.outputs import flatten_tensors
from assay.workloads.torch_build import TorchModel

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Exportable:
    """``module(*inputs)`` returns a tuple of tensors; ``input_names`` and ``output_names`` are theirs, in order.

    ``batch_axes`` holds, for each input, the axis that is the batch, or None where it has none.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    batch_axes: tuple[int | None, ...]


def make_exportable(workload: Workload, built: TorchModel, *, batch: int) -> Exportable:
    """Wrap a built model; calls it once to learn the names of its outputs."""
    import torch

    names, tensors = _flatten_inputs(built.inputs)
    module = _positional(workload, built, names)
    # No gradients: PyTorch chooses another attention for a mask that needs one, and exporters trip over the switch.
    module.requires_grad_(requires_grad=False)
    with torch.no_grad():  # tensors that inference mode makes, and a model keeps, could not be traced later
        outputs = flatten_tensors(workload.family.forward(built.module, built.inputs))
    return Exportable(
        module=module,
        inputs=tensors,
        input_names=names,
        output_names=tuple(f"output_{index}_{_word(name)}" for index, (name, _) in enumerate(outputs)),
        batch_axes=tuple(0 if tensor.ndim and tensor.shape[0] == batch else None for tensor in tensors),
    )


def _flatten_inputs(inputs: Any) -> tuple[tuple[str, ...], tuple[Tensor, ...]]:
    import torch

    if isinstance(inputs, torch.Tensor):
        return ("input",), (inputs,)
    pairs = inputs.items() if isinstance(inputs, Mapping) else ((f"input_{i}", one) for i, one in enumerate(inputs))
    named = {str(name): value for name, value in pairs}
    return tuple(named), tuple(named.values())


def _positional(workload: Workload, built: TorchModel, names: tuple[str, ...]) -> nn.Module:
    import torch

    forward, inner, given = workload.family.forward, built.module, built.inputs

    class Positional(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        """Feeds positional tensors to the family's forward under their names."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
            if isinstance(given, torch.Tensor):
                inputs: Any = tensors[0]
            elif isinstance(given, Mapping):
                inputs = dict(zip(names, tensors, strict=True))
            else:
                inputs = tensors
            return tuple(tensor for _, tensor in flatten_tensors(forward(self.inner, inputs)))

    return Positional().eval()


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
