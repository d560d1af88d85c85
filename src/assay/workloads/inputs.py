"""Make the inputs of a call: named numpy arrays from a seed.

numpy and not torch, so that every engine (ONNX Runtime, a browser) is fed the very same values. The arrays are
those of the ``InputSpec`` list, in order. May import: core, workloads.base, numpy.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core.errors import WorkloadError
from assay.workloads.base import Fill, InputSpec, Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray


def make_inputs(workload: Workload, *, batch: int, shape: Mapping[str, int], seed: int) -> dict[str, NDArray[Any]]:
    """Return one array an input, of the dtype its spec names; the same seed gives the same bytes everywhere."""
    names = {**workload.size.constants, **shape, "batch": batch}
    # A file is known by its last name, so that it is fed the same values wherever it lies.
    known_as = PurePath(workload.name).name if "file" in workload.size.config else workload.name
    return {spec.name: _make_one(spec, names, seed, known_as) for spec in workload.family.inputs}


def resolve_dims(spec: InputSpec, names: Mapping[str, int]) -> tuple[int, ...]:
    """Replace the names in ``dims`` by numbers."""
    return tuple(_resolve(dim, names, spec.name) for dim in spec.dims)


def _make_one(spec: InputSpec, names: Mapping[str, int], seed: int, workload: str) -> NDArray[Any]:
    dims = resolve_dims(spec, names)
    # A stream per input, so that adding an input to a family leaves the others' values as they were.
    random = np.random.default_rng([seed, zlib.crc32(f"{workload}:{spec.name}".encode())])
    match spec.fill:
        case Fill.TOKENS:
            low, high = _resolve(spec.low, names, spec.name), _resolve(spec.high, names, spec.name)
            values = random.integers(low, high, size=dims, dtype=np.int64)
            values[..., : _resolve(spec.lead, names, spec.name)] = _resolve(spec.lead_value, names, spec.name)
            return values.astype(spec.dtype, copy=False)
        case Fill.NORMAL:
            return random.standard_normal(dims, dtype=np.float32).astype(spec.dtype, copy=False)
        case Fill.UNIFORM:
            low, high = _resolve(spec.low, names, spec.name), _resolve(spec.high, names, spec.name)
            return (random.random(dims, dtype=np.float32) * (high - low) + low).astype(spec.dtype, copy=False)
        case Fill.ONES:
            return np.ones(dims, dtype=spec.dtype)
        case Fill.RANGE:
            return np.broadcast_to(np.arange(dims[-1], dtype=spec.dtype), dims).copy()


def _resolve(dim: int | str, names: Mapping[str, int], where: str) -> int:
    """Evaluate a sum of products of names and numbers: ``seconds*16000``, ``image_tokens+seq``."""
    if isinstance(dim, int):
        return dim
    total = 0
    for term in dim.split("+"):
        product = 1
        for factor in term.split("*"):
            name = factor.strip()
            if not name.isdecimal() and name not in names:
                raise WorkloadError(
                    f"Input {where!r} uses the dimension {name!r}; known here: {', '.join(sorted(names))}."
                )
            product *= int(name) if name.isdecimal() else names[name]
        total += product
    return total
