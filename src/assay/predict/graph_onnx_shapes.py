"""Find the size of every tensor of an ONNX file: shape inference, and arithmetic of shapes carried out in between.

Exporters compute shapes in the graph (Shape, Gather, Concat, Range, ...), which ONNX' inference follows a little way
only. What follows from known sizes alone is computed with ONNX' own reference and put in as a constant, and inference
starts again. May import: core, workloads; onnx and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.core.errors import UnsupportedError
from assay.workloads.base import Workload

_MOST_ROUNDS = 8
_LARGEST = 1 << 16
"""Elements of a tensor up to which arithmetic of shapes is carried out (a mask of 256 positions)."""
_CHANCE = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")


def infer_shapes(workload: Workload, path: Path, batch: int, shape: Mapping[str, int]) -> tuple[Any, frozenset[str]]:
    """Return the model (an onnx.ModelProto) with every size that follows from its inputs', and its weights' names.

    Weights are not read. Constants that are found on the way are initializers of the model, but none of its weights.

    Raises UnsupportedError where it cannot be read, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UnsupportedError(
            f"{workload.name} cannot be counted without the package onnx.", hint="pip install 'assay[onnx]'"
        ) from error
    from assay.workloads.inputs import resolve_dims

    names = {**workload.size.constants, **shape, "batch": batch}
    wanted = {spec.name: resolve_dims(spec, names) for spec in workload.family.inputs}
    try:
        model = onnx.load(str(path), load_external_data=False)
        for one in model.graph.input:
            for dim, size in zip(one.type.tensor_type.shape.dim, wanted.get(one.name, ()), strict=False):
                dim.dim_value = size
        for one in model.graph.output:
            one.type.tensor_type.ClearField("shape")
        return _infer(model), frozenset(one.name for one in model.graph.initializer)
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise UnsupportedError(f"The graph of {workload.name} cannot be read: {first}") from error


def _infer(model: Any) -> Any:
    import onnx

    for _ in range(_MOST_ROUNDS):
        del model.graph.value_info[:]  # what an exporter wrote names symbols that now have numbers
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        if not _fold(model):
            break
    return model


def _fold(model: Any) -> bool:
    """Replace nodes that depend on known values and sizes alone by constants. True where there were any."""
    import onnx

    known = {one.name: value for one in model.graph.initializer if (value := _read(one)) is not None}
    shapes = _known_shapes(model)
    left, made = [], []
    for node in model.graph.node:
        values = _evaluate(model, node, known, shapes)
        if values is None:
            left.append(node)
            continue
        for name, value in zip(node.output, values, strict=False):
            if name:
                known[name] = value
                made.append(onnx.numpy_helper.from_array(value, name))
    if not made:
        return False
    del model.graph.node[:]
    model.graph.node.extend(left)
    model.graph.initializer.extend(made)
    return True


def _evaluate(model: Any, node: Any, known: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """Return the values of a node's outputs, None where they are not to be had."""
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        size = shapes[node.input[0]]
        if node.op_type == "Size":
            return [np.asarray(np.prod(size), dtype=np.int64)]
        attributes = {one.name: one.i for one in node.attribute}
        return [np.asarray(size[attributes.get("start", 0) : attributes.get("end")], dtype=np.int64)]
    given = [name for name in node.input if name]
    if node.op_type in _CHANCE or node.domain not in ("", "ai.onnx") or any(name not in known for name in given):
        return None
    if node.op_type == "ConstantOfShape" and given and np.prod(known[given[0]]) > _LARGEST:
        return None
    try:
        graph = onnx.helper.make_graph(
            [node],
            "one",
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in given],
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in node.output],
        )
        single = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        values = ReferenceEvaluator(single).run(None, {name: known[name] for name in given})
    except Exception:  # noqa: BLE001  (an operation that the reference lacks is left in the graph)
        return None
    arrays = [np.asarray(one) for one in values]
    return arrays if all(one.size <= _LARGEST for one in arrays) else None


def _known_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    found = {one.name: tuple(one.dims) for one in model.graph.initializer}
    for one in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        kind = one.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            found[one.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return found


def _read(tensor: Any) -> Any:
    """The value of a small initializer that lies in the file itself, None for any other."""
    import numpy as np
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or np.prod(tensor.dims) > _LARGEST:
        return None
    return onnx.numpy_helper.to_array(tensor)
