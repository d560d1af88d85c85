"""Recipes that make an ONNX graph smaller, on graphs made here: what they convert, what they say, and no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts.base import BuildRequest, request_artefact
from assay.artefacts.cache import Artefact, make_artefact
from assay.artefacts.onnx_files import (
    MODEL_FILE,
    find_embeddings,
    find_products,
    has_dynamic_batch,
    inputs_of,
    model_bytes,
    read_model,
    write_inputs,
    write_model,
)
from assay.artefacts.onnx_int8 import _find_samples
from assay.core.errors import UnsupportedError, UsageError
from assay.workloads.base import find_workload
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="graphs are run by onnxruntime: pip install 'assay[onnx]'")
pytest.importorskip("onnx_ir", reason="weight-only quantization needs onnx_ir: pip install 'assay[onnx]'")

RECIPES = ("onnx-fp16", "onnx-int8-dynamic", "onnx-int8-static", "onnx-int8-weight", "onnx-int4-weight")
ROWS, WIDTH, LENGTH = 300, 64, 6
Make = Callable[..., Artefact]


def make_text_graph(file: Path, *, batch: int | str = "batch") -> Path:
    """Embedding, attention of a kind (two products of activations), layer with a bias (Gemm), layer (MatMul)."""
    helper, kinds = onnx.helper, onnx.TensorProto
    random = np.random.default_rng(0)
    shapes = {"table": (ROWS, WIDTH), "first": (WIDTH, WIDTH), "second": (WIDTH, WIDTH), "bias": (WIDTH,)}
    weights = {name: random.standard_normal(shape).astype(np.float32) / 8 for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Transpose", ["words"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["words", "turned"], ["scores"]),
        helper.make_node("MatMul", ["scores", "words"], ["mixed"]),
        helper.make_node("ReduceMean", ["mixed", "one"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "first", "bias"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "second"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "text",
        [helper.make_tensor_value_info("ids", kinds.INT64, [batch, LENGTH])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [batch, WIDTH])],
        [*(onnx.numpy_helper.from_array(array, name) for name, array in weights.items()),
         onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "one")],
    )  # fmt: skip
    return save_graph(graph, file)


def save_graph(graph: Any, file: Path) -> Path:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(file))
    return file


def run(file: Path, feeds: Mapping[str, Any]) -> Any:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, dict(feeds))[0]


@pytest.fixture(scope="module")
def text_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_graph(tmp_path_factory.mktemp("graph") / "text.onnx")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def begin(recipe: str, file: Path, *, batch: int = 1, **options: Any) -> Artefact:
        workload = resolve_workload(str(file))
        wanted = request_artefact(recipe, workload, batch=batch, shape={}, seed=0, options=options)
        return make_artefact(wanted, workload, tmp_path / "cache", threads=1)

    return begin


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_is_smaller_serves_every_batch_and_is_close(recipe: str, text_graph: Path, make: Make) -> None:
    made = make(recipe, text_graph)
    assert made.batch is None
    assert made.facts["batch"] == "dynamic"
    assert int(made.facts["model_bytes"]) == model_bytes(made.folder / MODEL_FILE) < int(made.facts["float32_bytes"])
    for batch in (1, 3):
        feeds = {"ids": np.random.default_rng(5).integers(0, 100, (batch, LENGTH))}
        expected, got = run(text_graph, feeds), run(made.folder / MODEL_FILE, feeds)
        assert got.shape == expected.shape == (batch, WIDTH)
        assert np.max(np.abs(got - expected)) < 0.5 * np.max(np.abs(expected))


@pytest.mark.parametrize(("recipe", "count"), [
    ("onnx-int8-dynamic", "2 of 2"), ("onnx-int8-static", "2 of 2"), ("onnx-int8-weight", "1 of 2"),
])  # fmt: skip
def test_it_says_how_many_products_were_quantized(recipe: str, count: str, text_graph: Path, make: Make) -> None:
    assert make(recipe, text_graph).facts["quantized_nodes"] == count


def test_products_of_activations_stay_in_float32(text_graph: Path, make: Make) -> None:
    dynamic = read_model(make("onnx-int8-dynamic", text_graph).folder).graph.node
    assert [node.op_type for node in dynamic].count("MatMulInteger") == 2
    assert [node.op_type for node in dynamic].count("MatMul") == 2


def test_embeddings_are_quantized_too(text_graph: Path, make: Make) -> None:
    for recipe in ("onnx-int8-dynamic", "onnx-int8-static"):
        weights = read_model(make(recipe, text_graph).folder).graph.initializer
        assert not [one.name for one in weights if list(one.dims) == [ROWS, WIDTH] and one.data_type == 1]


def test_a_static_quantization_says_what_it_was_calibrated_on(text_graph: Path, make: Make) -> None:
    assert make("onnx-int8-static", text_graph).facts["calibration"].startswith("8 samples of batch 1: random inputs")
    assert make("onnx-int8-static", text_graph, samples=3).facts["calibration"] == (
        "3 samples of batch 1: random inputs of seeds 1 to 3, by minimum and maximum"
    )
    with pytest.raises(UsageError, match=r"samples=0 is not"):
        make("onnx-int8-static", text_graph, samples=0)


def test_options_of_quantizing_do_not_make_another_float_graph(text_graph: Path, make: Make, tmp_path: Path) -> None:
    make("onnx-int8-static", text_graph, samples=2)
    make("onnx-int8-static", text_graph, samples=3, reduce_range=True)
    recipes = [one.name for one in (tmp_path / "cache").glob("*/assay-artefact.json")]
    assert len(recipes) == 3


def test_seven_bits_are_seven_bits(text_graph: Path, make: Make) -> None:
    for recipe in ("onnx-int8-dynamic", "onnx-int8-static"):
        made = make(recipe, text_graph, reduce_range=True)
        assert "7 bits" in made.facts["quantization"]
        weights = [onnx.numpy_helper.to_array(one) for one in read_model(made.folder).graph.initializer]
        largest = max(
            int(np.abs(array.astype(int)).max()) for array in weights if array.dtype == np.int8 and array.size > 1
        )
        assert largest <= 64


def test_a_graph_with_one_batch_size_gives_one_with_that_size(make: Make, tmp_path: Path) -> None:
    file = make_text_graph(tmp_path / "fixed.onnx", batch=3)
    made = make("onnx-int8-static", file, batch=3)
    assert made.batch == 3
    assert made.facts["batch"] == "static"
    assert "samples of batch 3" in made.facts["calibration"]


def test_a_users_own_model_is_calibrated_with_the_inputs_it_brings(tmp_path: Path) -> None:
    workload = find_workload("bert")
    write_inputs({"x": np.ones((1, 4), dtype=np.float32)}, tmp_path)
    request = request_artefact("onnx-int8-static", workload, batch=1, shape={}, seed=0)
    samples, words = _find_samples(BuildRequest(request, workload, tmp_path, {"onnx": tmp_path}), is_dynamic=False)
    assert [list(one) for one in samples] == [["x"]]
    assert "the model's own inputs" in words


@pytest.mark.parametrize("recipe", ["onnx-int8-weight", "onnx-int4-weight"])
def test_convolutions_have_no_weight_only_form(recipe: str, make: Make, tmp_path: Path) -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernel"], ["y"])], "conv",
        [helper.make_tensor_value_info("x", kinds.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, ["batch", 8, 6, 6])],
        [onnx.numpy_helper.from_array(kernel, "kernel")],
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match="has no matrix product whose weights could be stored"):
        make(recipe, save_graph(graph, tmp_path / "conv.onnx"))


def test_one_cast_serves_all_readers_that_float16_leaves_in_float32(make: Make, tmp_path: Path) -> None:
    # As DETR has it: two running sums over one mask. onnxruntime's converter writes the same cast twice.
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "scale"], ["mask"], name="mul"),
            helper.make_node("CumSum", ["mask", "axis"], ["one"], name="sum_one"),
            helper.make_node("CumSum", ["mask", "axis"], ["two"], name="sum_two"),
            helper.make_node("Add", ["one", "two"], ["y"], name="add"),
        ],
        "sums",
        [helper.make_tensor_value_info("x", kinds.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, ["batch", 4])],
        [
            onnx.numpy_helper.from_array(np.array([2.0], dtype=np.float32), "scale"),
            onnx.numpy_helper.from_array(np.array(1, dtype=np.int64), "axis"),
        ],
    )
    made = make("onnx-fp16", save_graph(graph, tmp_path / "sums.onnx"))
    got = run(made.folder / MODEL_FILE, {"x": np.ones((2, 4), dtype=np.float16)})
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, [[4, 8, 12, 16]] * 2)


def test_nodes_without_names_are_found_and_named(text_graph: Path) -> None:
    graph = onnx.load(str(text_graph)).graph
    assert find_products(graph) == ["assay_5_Gemm", "assay_6_MatMul"]
    assert find_embeddings(graph) == ["assay_0_Gather"]


def test_large_weights_go_beside_the_graph(text_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.artefacts.onnx_files._INLINE_LIMIT_BYTES", 1000)
    model = onnx.load(str(text_graph))
    before = {one.name: onnx.numpy_helper.to_array(one).copy() for one in model.graph.initializer}
    write_model(model, tmp_path)
    assert (tmp_path / MODEL_FILE).stat().st_size < 10_000 < model_bytes(tmp_path / MODEL_FILE)
    for one in read_model(tmp_path).graph.initializer:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(one), before[one.name])


def test_large_models_stay_beside_their_graph_through_quantization(
    text_graph: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.artefacts.onnx_files._INLINE_LIMIT_BYTES", 1000)
    feeds = {"ids": np.arange(LENGTH)[None]}
    expected = run(text_graph, feeds)
    for recipe in RECIPES:
        made = make(recipe, text_graph)
        assert (made.folder / MODEL_FILE).stat().st_size < int(made.facts["model_bytes"])
        assert np.max(np.abs(run(made.folder / MODEL_FILE, feeds) - expected)) < 0.5 * np.max(np.abs(expected))


def test_inputs_and_batch_are_read_from_the_graph(text_graph: Path, tmp_path: Path) -> None:
    model = onnx.load(str(text_graph))
    assert has_dynamic_batch(model)
    assert not has_dynamic_batch(onnx.load(str(make_text_graph(tmp_path / "fixed.onnx", batch=2))))
    model.graph.input.append(onnx.helper.make_tensor_value_info("table", onnx.TensorProto.FLOAT, [ROWS, WIDTH]))
    assert [one.name for one in inputs_of(model)] == ["ids"]


def test_quantizing_never_imports_torch(text_graph: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from assay.artefacts.base import request_artefact
from assay.artefacts.cache import make_artefact
from assay.workloads.resolve import resolve_workload
import assay.artefacts.onnx_precision
workload = resolve_workload({str(text_graph)!r})
for recipe in {RECIPES!r}:
    wanted = request_artefact(recipe, workload, batch=1, shape={{}}, seed=0)
    make_artefact(wanted, workload, Path({str(tmp_path)!r}), threads=1)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout
