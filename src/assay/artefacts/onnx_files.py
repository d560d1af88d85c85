"""ONNX models in folders of the cache: where they lie, how big they are, reading and writing them whole.

A model above protobuf's limit of 2 GB keeps its weights in a file beside it. May import: core; onnx inside functions.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

MODEL_FILE = "model.onnx"
INPUTS_FILE = "inputs.npz"
_WEIGHTS_FILE = "model.onnx.data"
_INLINE_LIMIT_BYTES = 1_500_000_000
"""Weights above this go beside the graph; protobuf refuses 2 GB, and graph and names need some of that."""


def read_model(folder: Path) -> onnx.ModelProto:
    """Load the graph with all its weights into memory, those beside it included."""
    import onnx

    return onnx.load(str(folder / MODEL_FILE))


def write_model(model: onnx.ModelProto, folder: Path) -> None:
    """Write the graph into the folder, with its weights inside where they fit."""
    import onnx

    beside = is_large(model)
    onnx.save(model, str(folder / MODEL_FILE), save_as_external_data=beside, location=_WEIGHTS_FILE if beside else None)


def is_large(model: onnx.ModelProto) -> bool:
    """Tell whether the weights are too big to lie in one file with the graph."""
    return sum(len(one.raw_data) for one in model.graph.initializer) > _INLINE_LIMIT_BYTES


def model_bytes(file: Path) -> int:
    """Bytes of a model: the graph's file and the weights that lie beside it under its name."""
    return sum(one.stat().st_size for one in {file, *file.parent.glob(f"{file.name}*data")})


def has_dynamic_batch(model: onnx.ModelProto) -> bool:
    """Tell whether some input's first dimension is a name and not a number."""
    shapes = (one.type.tensor_type.shape.dim for one in inputs_of(model))
    return any(len(dims) and dims[0].dim_param for dims in shapes)


def find_products(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes that multiply with weights: what quantizing is about. Nameless ones get one."""
    return _find_nodes(graph, ("MatMul", "Gemm", "Conv", "ConvTranspose"), weights_at=1)


def find_embeddings(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the nodes that look rows up in weights. Nameless ones get one."""
    return _find_nodes(graph, ("Gather",), weights_at=0)


def _find_nodes(graph: onnx.GraphProto, types: tuple[str, ...], *, weights_at: int) -> list[str]:
    import onnx

    matrices = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) > 1}
    found = []
    for index, node in enumerate(graph.node):
        if node.op_type in types and node.input[weights_at] in matrices:
            node.name = node.name or f"assay_{index}_{node.op_type}"
            found.append(node.name)
    return found


def inputs_of(model: onnx.ModelProto) -> tuple[onnx.ValueInfoProto, ...]:
    """Return the inputs that a caller must give; old models list their weights among the inputs too."""
    weights = {one.name for one in model.graph.initializer}
    return tuple(one for one in model.graph.input if one.name not in weights)


def read_inputs(folder: Path) -> dict[str, NDArray[Any]] | None:
    """Return the inputs that came with a user's own model, by name; None for a family, whose inputs are made."""
    import numpy as np

    file = folder / INPUTS_FILE
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def write_inputs(arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Keep inputs beside the model, so that its workers need no torch to make them."""
    import numpy as np

    named: Any = arrays  # its stub takes any names for its own flags
    np.savez(folder / INPUTS_FILE, **named)


@contextlib.contextmanager
def quiet_logging() -> Iterator[None]:
    """Keep the line that exporters and quantizers log for every node out of what a person sees; errors are raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
