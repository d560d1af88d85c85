"""Build a workload as a torch module with its inputs: what the torch engines run and what every exporter exports.

May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.case import Scalar
from assay.workloads.base import Tier, Workload
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class TorchModel:
    """A module (or the user's plain function) in evaluation mode, on the host, and the inputs of one call.

    ``inputs`` is a mapping of named tensors for a family; a model of the user's own may bring a tensor or a tuple.
    Floating inputs are still as they were made: an engine casts them.
    """

    module: Any
    inputs: Any


def build_torch_model(
    workload: Workload,
    *,
    dtype: str,
    batch: int,
    shape: Mapping[str, int],
    seed: int,
    options: Mapping[str, Scalar] | None = None,
) -> TorchModel:
    """Build the workload with seeded weights in ``dtype`` (torch's name), and make its inputs.

    ``options`` may hold ``prune`` (see `assay.workloads.prune`). Raises WorkloadError.
    """
    import torch

    from assay.workloads.weights import build_seeded

    kind = getattr(torch, dtype)
    if workload.family.bring is not None:
        module, inputs = workload.family.bring(workload.size, batch, shape, dtype)
        if isinstance(module, torch.nn.Module):
            module = module.eval().to(dtype=kind)
    else:
        module = build_seeded(functools.partial(workload.family.build, workload.size), dtype=kind, seed=seed)
        arrays = make_inputs(workload, batch=batch, shape=shape, seed=seed)
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    prune = (options or {}).get("prune")
    if prune is not None:
        from assay.workloads.prune import prune_model

        ready = place_inputs(inputs, torch.device("cpu"), kind)
        prune_model(module, str(prune), lambda: workload.family.forward(module, ready))
    return TorchModel(module, inputs)


def import_family(workload: Workload) -> None:
    """Import a family's modules, by building its tiny size on the meta device; that allocates nothing.

    Must come before weights are built: modules that are imported meanwhile would initialise them.
    """
    import torch

    if workload.family.bring is None:
        tiny = next(size for size in workload.family.sizes.values() if size.tier is Tier.TINY)
        with torch.device("meta"):
            workload.family.build(tiny)


def place_inputs(inputs: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Move every tensor to the device, floating ones in ``dtype``."""
    import torch

    if isinstance(inputs, torch.Tensor):
        return inputs.to(device, dtype) if inputs.is_floating_point() else inputs.to(device)
    if isinstance(inputs, Mapping):
        return {name: place_inputs(value, device, dtype) for name, value in inputs.items()}
    if isinstance(inputs, (list, tuple)):
        return tuple(place_inputs(value, device, dtype) for value in inputs)
    return inputs
