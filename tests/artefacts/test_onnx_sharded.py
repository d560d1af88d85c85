"""Recipe ``onnx-sharded``: weights in files beside the graph, the same numbers as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.artefacts.base import request_artefact
from assay.artefacts.cache import Artefact, make_artefact
from assay.artefacts.onnx_files import MODEL_FILE, model_bytes
from assay.artefacts.onnx_sharded import OF, ONNX_SHARDED, share_out
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="graphs are run with onnxruntime: pip install 'assay[onnx]'")

WIDTH = 64
LAYERS = 4


def make_graph(file: Path, batch: int | str = "batch") -> Path:
    """Four layers on 64 features, each of 16 KiB, and a shape that must stay in the graph."""
    helper, kinds = onnx.helper, onnx.TensorProto
    random = np.random.default_rng(0)
    weights = [random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8 for _ in range(LAYERS)]
    nodes = [helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"]) for n in range(LAYERS)]
    nodes.append(helper.make_node("Reshape", [f"x{LAYERS}", "shape"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x0", kinds.FLOAT, [batch, WIDTH])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
        [
            *(onnx.numpy_helper.from_array(array, f"w{n}") for n, array in enumerate(weights)),
            onnx.numpy_helper.from_array(np.array([-1, 8, 8]), "shape"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


def make(file: Path, root: Path, of: str = "onnx") -> Artefact:
    workload = resolve_workload(str(file))
    wanted = request_artefact(ONNX_SHARDED, workload, batch=2, shape={}, seed=0, options={OF: of})
    return make_artefact(wanted, workload, root, threads=1)


def run(file: Path) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    feeds = {"x0": np.random.default_rng(1).standard_normal((2, WIDTH)).astype(np.float32)}
    outputs: list[np.ndarray] = session.run(None, feeds)
    return outputs


@pytest.mark.parametrize("of", ["onnx", "onnx-int8-dynamic"])
def test_the_graph_computes_the_same_from_files_beside_it(tmp_path: Path, of: str) -> None:
    file = make_graph(tmp_path / "layers.onnx")
    made = make(file, tmp_path / "cache", of)
    shards = sorted(made.folder.glob("*.data"))
    assert len(shards) == int(made.facts["shards"]) >= 2
    assert (made.folder / MODEL_FILE).stat().st_size < sum(shard.stat().st_size for shard in shards)
    assert int(made.facts["model_bytes"]) == model_bytes(made.folder / MODEL_FILE)
    if of == "onnx":
        np.testing.assert_array_equal(run(made.folder / MODEL_FILE)[0], run(file)[0])
    else:
        assert made.facts["quantization"].startswith("dynamic int8")
        assert run(made.folder / MODEL_FILE)[0].shape == (2, 8, 8)


def test_a_graph_of_one_batch_size_is_made_for_that_size(tmp_path: Path) -> None:
    made = make(make_graph(tmp_path / "fixed.onnx", batch=2), tmp_path / "cache")
    assert (made.batch, made.facts["batch"]) == (2, "static")


@pytest.mark.parametrize(
    ("limit", "counts"),
    [(1 << 30, [2, 2]), (2 * WIDTH * WIDTH * 4, [2, 2]), (1, [1] * LAYERS), (1 << 14, [1] * LAYERS)],
)
def test_weights_are_shared_out_in_order_and_never_cut(tmp_path: Path, limit: int, counts: list[int]) -> None:
    model = onnx.load(str(make_graph(tmp_path / "layers.onnx")))
    shards = list(share_out(model, limit))
    assert [len(shard) for shard in shards] == counts
    assert [tensor.name for shard in shards for tensor in shard] == [f"w{n}" for n in range(LAYERS)]
