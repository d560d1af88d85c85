"""Graphs of ONNX files: contractions, attention that is written out, sizes that the file computes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assay.core.errors import UnsupportedError
from assay.predict.graphs import profile_workload
from assay.predict.values import OpWork

HEADS, LENGTH, WIDTH = 2, 6, 8


def save(
    folder: Path, nodes: list[Any], inputs: dict[str, list[Any]], weights: dict[str, Any], output: str = "y"
) -> str:
    """Write a model of one output whose shape it does not say."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    file = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(file))
    return str(file)


def floats(*dims: int) -> Any:
    return np.zeros(dims, dtype=np.float32)


@pytest.mark.parametrize(
    ("weight", "groups", "name"),
    [((16, 8, 3, 3), 1, "conv"), ((16, 8, 1, 1), 1, "pointwise_conv"), ((16, 4, 3, 3), 2, "grouped_conv"),
     ((8, 1, 3, 3), 8, "depthwise_conv")],
)  # fmt: skip
def test_convolutions(tmp_path: Path, weight: tuple[int, ...], groups: int, name: str) -> None:
    pads = [weight[2] // 2] * 4
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, pads=pads)
    found = profile_workload(save(tmp_path, [node], {"x": ["batch", 8, 10, 10]}, {"w": floats(*weight)}), batch=4)
    weights = int(np.prod(weight))
    assert found.work == {
        name: OpWork(
            count=1,
            flops=2 * 4 * weight[0] * 100 * int(np.prod(weight[1:])),
            elements=4 * 100 * (8 + weight[0]) + weights,
            weight_elements=weights,
        )
    }
    assert (found.parameters, found.weight_elements, found.source) == (weights, weights, "onnx")
    assert found.activation_peak_elements == 4 * 100 * (8 + weight[0])


def test_attention_that_is_written_out_is_one_operation(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"]),
        helper.make_node("Div", ["scores", "root"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "v"], ["y"]),
    ]
    dims: list[Any] = ["batch", HEADS, LENGTH, WIDTH]
    weights = {"root": floats(1), "mask": floats(1, 1, 1, LENGTH)}
    found = profile_workload(save(tmp_path, nodes, {"q": dims, "k": dims, "v": dims}, weights))
    tensor = HEADS * LENGTH * WIDTH
    assert found.work["attention"] == OpWork(1, 2 * 2 * HEADS * LENGTH * LENGTH * WIDTH, 4 * tensor)
    assert found.work.keys() == {"attention", "copy"}


def test_sizes_that_the_file_computes_are_computed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["length"], axis=0),
        helper.make_node("Range", ["zero", "length", "one"], ["places"]),
        helper.make_node("Gather", ["table", "places"], ["rows"]),
        helper.make_node("Add", ["x", "rows"], ["moved"]),
        helper.make_node("MatMul", ["moved", "w"], ["y"]),
    ]
    weights = {
        "second": np.asarray(1), "zero": np.asarray(0), "one": np.asarray(1), "table": floats(50, 8), "w": floats(8, 4),
    }  # fmt: skip
    found = profile_workload(save(tmp_path, nodes, {"x": ["batch", "seq", 8]}, weights), shape={"seq": 12}, batch=2)
    assert found.work["matmul"] == OpWork(1, 2 * 2 * 12 * 8 * 4, 2 * 12 * (8 + 4) + 32, weight_elements=32)
    assert found.work["elementwise"].count == 1
    assert found.notes == ()


def test_what_runtimes_fold_is_not_counted_apart(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["a"]),
        helper.make_node("Div", ["a", "root"], ["b"]),
        helper.make_node("Erf", ["b"], ["c"]),
        helper.make_node("Add", ["c", "one"], ["d"]),
        helper.make_node("Mul", ["a", "d"], ["e"]),
        helper.make_node("Mul", ["e", "half"], ["y"]),
    ]
    weights = {"w": floats(8, 4), "bias": floats(4), "root": floats(1), "one": floats(1), "half": floats(1)}
    found = profile_workload(save(tmp_path, nodes, {"x": ["batch", 8]}, weights))
    assert {name: one.count for name, one in found.work.items()} == {"matmul": 1, "elementwise": 1}


def test_a_file_that_branches_is_refused(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])],
        "body",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("If", ["which"], ["y"], then_branch=body, else_branch=body)]
    file = save(tmp_path, nodes, {"x": ["batch", 4]}, {"which": np.asarray(True)})  # noqa: FBT003  (a value of the file)
    with pytest.raises(UnsupportedError, match="depends on values"):
        profile_workload(file)


def test_a_file_whose_sizes_cannot_be_told_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["found"]), helper.make_node("Cast", ["found"], ["y"], to=1)]
    with pytest.raises(UnsupportedError, match="cannot be told"):
        profile_workload(save(tmp_path, nodes, {"x": ["batch", 100]}, {}))
