"""What a browser adds to an answer: its outputs beside those of the native runtime on the same file and inputs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, engines
from assay.engines.web.assets import find_runtime
from assay.engines.web.browsers import find_browser
from assay.engines.web.native import ERROR_VS_NATIVE, Answers, compare_with_native, native_facts
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="the native side needs it: pip install 'assay[onnx]'")

X = np.array([[-1.0, 2.0, 4.0]], dtype=np.float32)
Y = np.array([[0.0, 2.0, 4.0]], dtype=np.float32)


def save(file: Path, operator: str = "Relu", domain: str = "") -> Path:
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], domain=domain)],
        "one",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [1, 3])],
    )
    sets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=10), str(file))
    return file


def compare(file: Path, *outputs: Any, size: int = 100) -> tuple[float | None, str | None]:
    (found,) = compare_with_native(Answers(lambda: outputs), file, {"x": X}, size=size, threads=1)
    assert (found.name, found.unit) == (ERROR_VS_NATIVE, "1")
    return found.value, found.reason


def test_the_largest_difference_counts_relative_to_the_largest_output(tmp_path: Path) -> None:
    file = save(tmp_path / "one.onnx")
    assert compare(file, Y) == (0.0, None)
    assert compare(file, Y + np.array([[0.0, 0.1, 0.0]], dtype=np.float32))[0] == pytest.approx(0.025)
    assert compare(file, Y.astype(np.float16)) == (0.0, None)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([Y[:, :2]], "the native runtime did not run this file"),
        ([np.full((1, 3), np.nan, dtype=np.float32)], "hold NaN or infinities"),
    ],
)
def test_what_cannot_be_compared_has_a_reason(tmp_path: Path, outputs: Sequence[Any], said: str) -> None:
    value, reason = compare(save(tmp_path / "one.onnx"), *outputs)
    assert value is None
    assert said in str(reason)


def test_a_node_that_only_the_browser_has_makes_no_number(tmp_path: Path) -> None:
    value, reason = compare(save(tmp_path / "other.onnx", "Nowhere", "no.such.domain"), Y)
    assert value is None
    assert str(reason).startswith("the native runtime did not run this file: ")


def test_a_model_that_is_too_large_for_two_is_not_loaded_again(tmp_path: Path) -> None:
    value, reason = compare(save(tmp_path / "one.onnx"), Y, size=1 << 60)
    assert value is None
    assert "the native runtime needs" in str(reason)


def test_without_the_native_runtime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    assert compare(save(tmp_path / "one.onnx"), Y) == (
        None, "onnxruntime is not installed here, so there is no native answer: pip install 'assay[onnx]'"
    )  # fmt: skip


def test_the_page_is_asked_again_only_where_it_was_not_asked_before(tmp_path: Path) -> None:
    asked: list[int] = []

    def bring() -> tuple[Any, ...]:
        asked.append(1)
        return (Y,)

    answers = Answers(bring)
    answers.take()
    compare_with_native(answers, save(tmp_path / "one.onnx"), {"x": X}, size=1, threads=1)
    assert len(asked) == 1


def test_a_page_that_is_gone_is_no_missing_number(tmp_path: Path) -> None:
    def gone() -> tuple[Any, ...]:
        raise EngineError("the page went away")

    with pytest.raises(EngineError, match="went away"):
        compare_with_native(Answers(gone), tmp_path / "one.onnx", {"x": X}, size=1, threads=1)


def test_a_launch_says_how_far_its_browser_is_from_native(tmp_path: Path) -> None:
    for found in (find_runtime(), find_browser()):
        if isinstance(found, Unavailable):
            pytest.skip(f"no browser: {found}")
    workload = resolve_workload(str(save(tmp_path / "one.onnx")))
    engine = engines.get("web-wasm")
    engine.import_libraries(workload)
    session = engine.load(LoadRequest(workload, "cpu", Precision.FP32, 1, {}, threads=1, seed=3))
    try:
        session.infer()
        assert session.late_metrics is not None
        assert session.late_facts is not None
        (number,) = session.late_metrics()
        assert session.late_facts() == native_facts() == {"native_runtime": f"onnxruntime {onnxruntime.__version__}"}
    finally:
        session.unload()
    assert (number.name, number.value, number.unit) == (ERROR_VS_NATIVE, 0.0, "1")
