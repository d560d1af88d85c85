"""What is read of a graph for a page: inputs, symbols and their numbers, files of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import EngineError, UnsupportedError
from assay.engines.web.graph import make_feeds, read_graph

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")


def save(file: Path, dims: dict[str, list[Any]], kind: int | None = None, weight: Any = None) -> Path:
    """Inputs of these dimensions, each passed on as it is, and one weight of 4 KiB."""
    helper = onnx.helper
    kind = onnx.TensorProto.FLOAT if kind is None else kind
    weight = onnx.numpy_helper.from_array(np.ones(1024, dtype=np.float32), "w") if weight is None else weight
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in (*dims, "w")],
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in dims.items()],
        [helper.make_tensor_value_info(f"{name}_out", kind, None) for name in (*dims, "w")],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


def test_every_symbol_gets_its_number(tmp_path: Path) -> None:
    graph = read_graph(save(tmp_path / "m.onnx", {"a": ["batch", "seq"], "b": ["batch", 3, None]}))
    feeds, overrides = make_feeds(graph, {"b": np.zeros((2, 3, 5)), "a": np.zeros((2, 7), dtype=np.float32)}, "model")
    assert overrides == {"batch": 2, "seq": 7}
    assert list(feeds) == ["a", "b"]
    assert feeds["b"].dtype == np.float32
    assert graph.size.largest == 4096
    assert graph.size.total == (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros((2, 7))}, "has the inputs a, b, but there are values for a"),
        ({"a": np.zeros((2, 7)), "b": np.zeros((4, 3, 5))}, "'b' of model has the shape .4, 3, 5., and 2 is expected"),
        ({"a": np.zeros((2, 7)), "b": np.zeros((2, 4, 5))}, "and 3 is expected for its dimension 3"),
        ({"a": np.zeros((2, 7)), "b": np.zeros((2, 3))}, "'b' of model has 3 dimensions, got 2"),
        (
            {"a": np.zeros((2, 7)), "b": np.zeros((2, 3, 5), dtype=np.int64)},
            "'b' is int64, and the graph expects float32",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    graph = read_graph(save(tmp_path / "m.onnx", {"a": ["batch", "seq"], "b": ["batch", 3, None]}))
    with pytest.raises(EngineError, match=said):
        make_feeds(graph, arrays, "model")


def test_weights_beside_the_graph_are_found_and_nothing_outside_is_read(tmp_path: Path) -> None:
    from onnx.external_data_helper import set_external_data

    def weight(location: str) -> Any:
        tensor = onnx.numpy_helper.from_array(np.ones(1024, dtype=np.float32), "w")
        set_external_data(tensor, location, offset=0, length=4096)
        tensor.ClearField("raw_data")
        return tensor

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.data").write_bytes(bytes(4096))
    (tmp_path / "secret").write_bytes(bytes(4096))
    graph = read_graph(save(folder / "m.onnx", {"a": [1]}, weight=weight("w.data")))
    assert graph.weights == {"w.data": folder / "w.data"}
    assert graph.size.beside == (4096,)
    with pytest.raises(EngineError, match="outside its folder"):
        read_graph(save(folder / "out.onnx", {"a": [1]}, weight=weight("../secret")))
    with pytest.raises(EngineError, match=r"weights in 'gone', which is not beside it"):
        read_graph(save(folder / "gone.onnx", {"a": [1]}, weight=weight("gone")))


@pytest.mark.parametrize(("kind", "said"), [(8, "a tensor of object"), (16, "a tensor of bfloat16")])
def test_inputs_that_a_page_cannot_make_are_refused(tmp_path: Path, kind: int, said: str) -> None:
    file = save(tmp_path / "m.onnx", {"a": [1]}, kind=kind)
    with pytest.raises(UnsupportedError, match=f"The input 'a' is {said}, which a page cannot make"):
        read_graph(file)
