"""What a page must be told of an ONNX graph before it loads it: inputs, symbolic dimensions, files of weights.

Weights beside the graph are not read. May import: core, engines.web; onnx and numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError, UnsupportedError
from assay.engines.web.limits import ModelSize

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

_MADE_IN_PAGES = {
    "float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
}  # fmt: skip
"""Types that a page has an array for; the same list is in ``page/runtime.js``."""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input: its name, its type by numpy's name, and its dimensions: a number, a symbol, or None for neither."""

    name: str
    dtype: str
    dims: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A model's file and those of its weights, by the names that the graph has for them."""

    file: Path
    weights: Mapping[str, Path]
    inputs: tuple[GraphInput, ...]
    size: ModelSize
    nodes: int


def read_graph(file: Path) -> Graph:
    """Read the graph. Raises EngineError where weights that it names are not there or lie elsewhere."""
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    weights = {name: _find_weights(file, name) for name in _locations(model)}
    return Graph(
        file=file,
        weights=weights,
        inputs=tuple(_read_input(one) for one in _inputs_of(model)),
        size=ModelSize(
            graph=file.stat().st_size,
            beside=tuple(path.stat().st_size for path in weights.values()),
            largest=max((_bytes_of(one) for one in model.graph.initializer), default=0),
        ),
        nodes=len(model.graph.node),
    )


def make_feeds(
    graph: Graph, arrays: Mapping[str, NDArray[Any]], name: str
) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    """Return the inputs in the graph's order and types, and the size of each of its symbolic dimensions.

    Every symbol is given its number (``freeDimensionOverrides``): a provider that compiles the graph takes no node
    whose shape it does not know, and the runtime would run them elsewhere without a word. Raises EngineError where
    inputs and graph do not fit.
    """
    wanted = {one.name for one in graph.inputs}
    if wanted != arrays.keys():
        raise EngineError(
            f"The ONNX graph of {name} has the inputs {', '.join(sorted(wanted))}, "
            f"but there are values for {', '.join(sorted(arrays)) or 'none'}."
        )
    feeds: dict[str, NDArray[Any]] = {}
    overrides: dict[str, int] = {}
    for one in graph.inputs:
        array = _cast(arrays[one.name], one)
        if len(one.dims) != array.ndim:
            raise EngineError(f"The input {one.name!r} of {name} has {len(one.dims)} dimensions, got {array.ndim}.")
        for dim, size in zip(one.dims, array.shape, strict=True):
            known = overrides.setdefault(dim, size) if isinstance(dim, str) else dim
            if known is not None and known != size:
                raise EngineError(
                    f"The input {one.name!r} of {name} has the shape {list(array.shape)}, and {known} is expected for "
                    f"its dimension {dim!r}."
                )
        feeds[one.name] = array
    return feeds, overrides


def _inputs_of(model: onnx.ModelProto) -> Sequence[onnx.ValueInfoProto]:
    from assay.artefacts.onnx_files import inputs_of

    return inputs_of(model)


def _read_input(value: onnx.ValueInfoProto) -> GraphInput:
    import numpy as np
    import onnx

    tensor = value.type.tensor_type
    if not tensor.elem_type:
        raise UnsupportedError(f"The input {value.name!r} is no tensor, which a page cannot make.")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    if dtype not in _MADE_IN_PAGES:
        raise UnsupportedError(f"The input {value.name!r} is a tensor of {dtype}, which a page cannot make.")
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim)
    return GraphInput(value.name, dtype, dims)


def _cast(array: NDArray[Any], wanted: GraphInput) -> NDArray[Any]:
    import numpy as np

    dtype = np.dtype(wanted.dtype)
    both_float = np.issubdtype(array.dtype, np.floating) and np.issubdtype(dtype, np.floating)
    if array.dtype != dtype and not both_float:
        raise EngineError(f"The input {wanted.name!r} is {array.dtype}, and the graph expects {dtype}.")
    return np.ascontiguousarray(array, dtype=dtype)


def _locations(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the files of weights, as the graph has them, each once."""
    entries = (entry.value for one in model.graph.initializer for entry in one.external_data if entry.key == "location")
    return tuple(dict.fromkeys(entries))


def _find_weights(file: Path, location: str) -> Path:
    """The file beside the graph; never one outside its folder, whatever the graph says."""
    path = (file.parent / location).resolve()
    if not path.is_relative_to(file.parent.resolve()):
        raise EngineError(f"{file.name} names weights outside its folder ({location!r}), which are not read.")
    if not path.is_file():
        raise EngineError(f"{file.name} has weights in {location!r}, which is not beside it.")
    return path


def _bytes_of(tensor: onnx.TensorProto) -> int:
    import onnx

    return int(math.prod(tensor.dims)) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
