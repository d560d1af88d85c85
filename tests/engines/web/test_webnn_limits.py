"""What WebNN says that it takes and does not: nodes that are kept from it, and a graph that it refuses unseen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.absence import Unavailable
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.web.assets import find_runtime
from assay.engines.web.backends import WEBNN
from assay.engines.web.browsers import find_browser
from assay.engines.web.gone import PageError
from assay.engines.web.graph import read_graph
from assay.engines.web.launch import choose_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.session import Model, load_model
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")

LIMIT_S = 60.0
CPU, WEBNN_PROVIDER = "CPUExecutionProvider", "WebNNExecutionProvider"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    for found in (find_runtime(), find_browser("sparticuz")):
        if isinstance(found, Unavailable):
            pytest.skip(f"sparticuz: {found}")
    with open_page(PageRequest(browser=choose_browser({"browser": "sparticuz"}, WEBNN, "cpu"))) as opened:
        yield opened


def save(file: Path, nodes: list[Any], inputs: list[Any], output: list[int], constants: list[Any]) -> Path:
    float32 = onnx.TensorProto.FLOAT
    outputs = [onnx.helper.make_tensor_value_info("y", float32, output)]
    made = onnx.helper.make_graph(nodes, "kept", inputs, outputs, constants)
    onnx.save(onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


def run(page: Page, file: Path, feeds: dict[str, Any]) -> tuple[Any, dict[str, int], str]:
    """Load and call a graph on WebNN: its output, its nodes by provider, and what was kept from it."""
    page.call("restart_worker", limit_s=LIMIT_S)
    workload = resolve_workload(str(file))
    request = LoadRequest(workload, "cpu", Precision.FP32, 1, workload.resolve_shape({}), threads=1, seed=0)
    loaded = load_model(page, request, WEBNN, Model("kept", read_graph(file), feeds, {}, {}))
    answer = page.call("outputs", limit_s=LIMIT_S)
    output = np.frombuffer(page.blob(answer["outputs"][0]["blob"]), dtype=np.float32)
    nodes = page.call("placement", {**loaded.fetch, "options": {}}, limit_s=LIMIT_S)["nodes"]
    return output, nodes, loaded.runtime["narrowed"]


def test_indices_of_rank_five_that_end_its_process(page: Page, tmp_path: Path) -> None:
    """Chromium 147 says that its CPU takes them, and aborts."""
    helper = onnx.helper
    file = save(
        tmp_path / "mask.onnx",
        [helper.make_node("GatherND", ["x", "indices"], ["a"]), helper.make_node("Relu", ["a"], ["y"])],
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8])],
        [1, 1, 2, 2],
        [onnx.numpy_helper.from_array(np.zeros((1, 1, 2, 2, 2), dtype=np.int64), "indices")],
    )
    output, nodes, narrowed = run(page, file, {"x": np.full((1, 8), 3, dtype=np.float32)})
    np.testing.assert_array_equal(output, [3] * 4)
    assert nodes == {WEBNN_PROVIDER: 1, CPU: 1}
    assert "gatherND to indices of rank 4" in narrowed


def test_computed_indices_of_elements_for_which_it_refuses_the_graph(page: Page, tmp_path: Path) -> None:
    """Chromium 147 says that its CPU takes it, and builds it for constant indices only: CLAP waited for ever."""
    helper, kinds = onnx.helper, onnx.TensorProto
    file = save(
        tmp_path / "pool.onnx",
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Abs", ["at"], ["indices"]),
            helper.make_node("GatherElements", ["a", "indices"], ["b"], axis=1),
            helper.make_node("Relu", ["b"], ["y"]),
        ],
        [
            helper.make_tensor_value_info("x", kinds.FLOAT, [1, 8]),
            helper.make_tensor_value_info("at", kinds.INT32, [1, 2]),
        ],
        [1, 2],
        [],
    )
    feeds = {"x": np.arange(8, dtype=np.float32)[None], "at": np.array([[-6, 1]], dtype=np.int32)}
    output, nodes, narrowed = run(page, file, feeds)
    np.testing.assert_array_equal(output, [6, 1])
    assert nodes[CPU] == 1
    assert "gatherElements to no type" in narrowed


REFUSING = """
const session = { inputMetadata: [], outputMetadata: [], release: async () => {} };
let made = 0;
export const env = { wasm: {}, versions: { web: 'fake' } };
export const InferenceSession = {
  create: async () => {
    made += 1;
    if (made === 1) return session;
    Promise.reject(new TypeError('this graph has a node that nobody builds'));
    return new Promise(() => {});
  },
};
"""
"""A runtime that waits for ever for a graph whose refusal it does not hear."""


def test_a_refusal_that_the_runtime_does_not_hear_ends_the_launch(page: Page) -> None:
    page.call("restart_worker", limit_s=LIMIT_S)
    bundle = page.add_file("refusing.mjs", REFUSING.encode())
    page.call("init", {"backend": "wasm", "ort": bundle, "threads": 1}, limit_s=LIMIT_S)
    page.call("fetch", {"model": page.add_file("model.onnx", b"model")}, limit_s=LIMIT_S)
    with pytest.raises(PageError, match="compile: TypeError: this graph has a node that nobody builds"):
        page.call("session", {}, limit_s=LIMIT_S)
    assert page.call("release", limit_s=LIMIT_S) == {}, "and what still has to be done is done"
