"""Engine `onnxruntime`, for real, on small graphs made here: what it plans, runs and refuses, and where it ran it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts.cache import make_artefact
from assay.artefacts.onnx_files import MODEL_FILE, write_inputs
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines import onnx_recipes, onnxruntime_providers
from assay.engines.base import LoadRequest, Session, engines
from assay.engines.onnxruntime_engine import OnnxRuntime
from assay.engines.onnxruntime_providers import count_nodes, find_package
from assay.stats.fidelity import compare_outputs
from assay.workloads.base import Workload, find_workload
from assay.workloads.inputs import make_inputs
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="this engine needs onnxruntime: pip install 'assay[onnx]'")

ENGINE = OnnxRuntime()
CPU = "CPUExecutionProvider"
WIDTH = 64
BARE_LOOP = Path(__file__).parents[2] / "benchmarks" / "bare_onnxruntime.py"


def make_graph(file: Path, *, batch: int | str = "batch", change: float = 0.0) -> Path:
    """Two layers on 64 features; ``change`` is added to one weight."""
    helper, kinds = onnx.helper, onnx.TensorProto
    random = np.random.default_rng(0)
    weights = [random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8 for _ in range(2)]
    weights[0][0, 0] += change
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["a"], name="first_product"),
            helper.make_node("Relu", ["a"], ["b"], name="relu"),
            helper.make_node("MatMul", ["b", "second"], ["y"], name="second_product"),
        ],
        "two_layers",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [batch, WIDTH])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [batch, WIDTH])],
        [onnx.numpy_helper.from_array(array, name) for array, name in zip(weights, ("first", "second"), strict=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_graph(tmp_path_factory.mktemp("graph") / "two_layers.onnx")


def request(workload: Workload, precision: str = "fp32", **changes: Any) -> LoadRequest:
    made = LoadRequest(workload, "cpu", Precision(precision), 2, workload.resolve_shape({}), threads=1, seed=7)
    return replace(made, **changes)


def ask(file: Path, precision: str = "fp32", **changes: Any) -> LoadRequest:
    return request(resolve_workload(str(file)), precision, **changes)


def expect(file: Path, feeds: Any) -> list[Any]:
    outputs: list[Any] = onnxruntime.InferenceSession(str(file), providers=[CPU]).run(None, dict(feeds))
    return outputs


def outputs_of(session: Session) -> list[Any]:
    assert session.read_outputs is not None
    return list(session.read_outputs(session.infer()))


def recipes_of(name: str, precision: str, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    wanted = ENGINE.plan_artefacts(request(find_workload(name), precision, options=options))
    return [(one.recipe, {key: value for key, value in one.options if key != "reduce_range"}) for one in wanted]


# -- planning ----------------------------------------------------------------------------------------------------


def test_each_precision_has_its_recipe() -> None:
    assert recipes_of("bert", "fp32") == [("onnx", {})]
    assert recipes_of("bert", "tf32") == [("onnx", {})]
    assert recipes_of("bert", "fp16") == [("onnx-fp16", {})]
    assert recipes_of("bert", "int8") == [("onnx-int8-dynamic", {})]
    assert recipes_of("xclip", "int8") == [("onnx-int8-dynamic", {})]
    assert recipes_of("resnet", "int8") == [("onnx-int8-static", {})]
    assert recipes_of("resnet", "int8", quantization="dynamic") == [("onnx-int8-dynamic", {})]
    assert recipes_of("bert", "int8", quantization="weight-only") == [("onnx-int8-weight", {})]
    assert recipes_of("resnet", "int4") == [("onnx-int4-weight", {})]


def test_only_options_that_change_the_model_reach_a_recipe() -> None:
    given = {"prune": "magnitude:0.5", "samples": 4, "threads": 2, "provider": CPU}
    assert recipes_of("resnet", "fp32", **given) == [("onnx", {"prune": "magnitude:0.5"})]
    assert recipes_of("resnet", "int8", **given) == [("onnx-int8-static", {"prune": "magnitude:0.5", "samples": 4})]
    assert recipes_of("bert", "int8", **given) == [("onnx-int8-dynamic", {"prune": "magnitude:0.5"})]


@pytest.mark.parametrize(("isa", "architecture", "reduced"), [
    (["avx2"], "x86_64", True),
    (["avx2", "avx512_vnni"], "x86_64", False),
    (["neon"], "aarch64", False),
])  # fmt: skip
def test_weights_get_seven_bits_where_eight_would_overflow(
    isa: list[str], architecture: str, *, reduced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.probes.cpu.collect_cpu", lambda: {"isa": isa, "architecture": architecture})
    onnx_recipes.lacks_vnni.cache_clear()
    try:
        (wanted,) = ENGINE.plan_artefacts(request(find_workload("bert"), "int8"))
    finally:
        onnx_recipes.lacks_vnni.cache_clear()
    assert dict(wanted.options).get("reduce_range", False) is reduced


@pytest.mark.parametrize(("precision", "options", "words"), [
    ("bf16", {}, "no bfloat16 kernels"),
    ("int4", {"quantization": "dynamic"}, "no dynamic int4"),
    ("fp32", {"quantization": "static"}, "quantization=static makes no fp32 model"),
])  # fmt: skip
def test_what_there_is_no_way_to_is_refused_before_anything_runs(
    precision: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnsupportedError, match=words):
        ENGINE.plan_artefacts(request(find_workload("bert"), precision, options=options))


def test_files(graph: Path) -> None:
    assert ENGINE.plan_artefacts(ask(graph)) == ()
    assert [one.recipe for one in ENGINE.plan_artefacts(ask(graph, "int8"))] == ["onnx-int8-static"]
    with pytest.raises(UnsupportedError, match="cannot be pruned"):
        ENGINE.plan_artefacts(ask(graph, options={"prune": "magnitude:0.5"}))
    workload = resolve_workload(str(graph))
    other = Workload(workload.name, replace(workload.family, format="openvino"), workload.size)
    with pytest.raises(UnsupportedError, match="cannot run an OpenVINO file"):
        ENGINE.plan_artefacts(request(other))


def test_a_file_with_a_fixed_batch_says_so(tmp_path: Path) -> None:
    file = make_graph(tmp_path / "fixed.onnx", batch=3)
    assert ENGINE.plan_artefacts(ask(file, batch=3)) == ()
    with pytest.raises(UnsupportedError, match="batch 3 alone"):
        ENGINE.plan_artefacts(ask(file, batch=2))


def test_planning_and_loading_never_import_torch_or_onnx(graph: Path) -> None:
    code = f"""
import sys
from assay.core.words import Precision
from assay.engines.base import LoadRequest
from assay.engines.onnxruntime_engine import OnnxRuntime
from assay.workloads.base import find_workload
from assay.workloads.resolve import resolve_workload
engine, bert = OnnxRuntime(), find_workload("bert")
engine.availability("cpu")
engine.plan_artefacts(LoadRequest(bert, "cpu", Precision.INT8, 1, {{"seq": 8}}, 1, 0))
assert not {{"torch", "onnx", "onnxruntime", "numpy"}} & sys.modules.keys() - {{"numpy"}}, "planning"
file = resolve_workload({str(graph)!r})
engine.import_libraries(file)
session = engine.load(LoadRequest(file, "cpu", Precision.FP32, 2, {{}}, 1, 0))
session.read_outputs(session.infer())
assert not {{"torch", "onnx"}} & sys.modules.keys(), "loading"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- running -----------------------------------------------------------------------------------------------------


def test_it_answers_as_onnxruntime_itself_does_and_says_what_it_ran(graph: Path) -> None:
    session = ENGINE.load(ask(graph))
    feeds = make_inputs(resolve_workload(str(graph)), batch=2, shape={}, seed=7)
    np.testing.assert_array_equal(outputs_of(session)[0], expect(graph, feeds)[0])
    assert session.synchronize is None
    assert session.threads == 1
    assert session.effective_precision == "as in the file"
    assert session.costs_ns["compile"] > 0
    assert session.facts["provider"] == CPU
    assert session.facts["onnxruntime"] == onnxruntime.__version__
    assert session.facts["model_bytes"] == str(graph.stat().st_size)
    assert session.find_placement is not None
    placement = session.find_placement()
    assert placement.nodes.keys() == {CPU}
    assert placement.share == 1.0
    assert placement.fallback is None
    session.unload()
    with pytest.raises(ValueError, match="missing"):
        session.infer()


@pytest.mark.parametrize(("precision", "options", "effective", "tolerance"), [
    ("fp16", {}, "fp", 5e-3),
    ("int8", {}, r"int8 (static int8", 0.1),
    ("int8", {"quantization": "dynamic"}, "int8 (dynamic int8", 0.1),
    ("int8", {"quantization": "weight-only"}, "int8 (weight-only, 8 bits", 0.05),
    ("int4", {}, "int4 (weight-only, 4 bits", 0.4),
])  # fmt: skip
def test_every_way_of_making_a_graph_smaller_runs_and_is_close(
    precision: str, options: dict[str, Any], effective: str, tolerance: float, graph: Path, tmp_path: Path
) -> None:
    wanted = ask(graph, precision, options=options)
    made = {
        one.recipe: make_artefact(one, wanted.workload, tmp_path, threads=1) for one in ENGINE.plan_artefacts(wanted)
    }
    session = ENGINE.load(replace(wanted, artefacts={name: one.folder for name, one in made.items()}))
    outputs = outputs_of(session)
    assert outputs[0].dtype == np.float32
    assert session.effective_precision.startswith(effective)
    assert int(session.facts["model_bytes"]) < graph.stat().st_size
    if "quantization" in session.facts:
        assert session.facts["quantized_nodes"] == "2 of 2"
    feeds = make_inputs(wanted.workload, batch=2, shape={}, seed=7)
    compared = compare_outputs(expect(graph, feeds), outputs)
    assert 0 < compared.max_relative_error < tolerance


def test_one_changed_weight_shows_in_the_outputs(tmp_path: Path) -> None:
    feeds = {"x": np.random.default_rng(1).standard_normal((2, WIDTH), dtype=np.float32)}
    errors: dict[str, float] = {}
    reference: list[Any] = []
    for name, change in (("honest", 0.0), ("planted", 1.0)):
        folder = tmp_path / name
        folder.mkdir()
        file = make_graph(folder / MODEL_FILE, change=change)
        write_inputs(feeds, folder)
        reference = reference or expect(file, feeds)
        session = ENGINE.load(replace(request(find_workload("bert")), artefacts={"onnx": folder}))
        errors[name] = compare_outputs(reference, outputs_of(session)).max_relative_error
    assert errors["honest"] < 1e-6
    assert errors["planted"] > 1e-2


def test_binding_inputs_and_outputs_gives_the_same_answers(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of providers with memory of their own, here with the host's memory for theirs."""
    feeds = make_inputs(resolve_workload(str(graph)), batch=2, shape={}, seed=7)
    monkeypatch.setitem(onnxruntime_providers._MEMORY, CPU, "cpu")
    session = ENGINE.load(ask(graph))
    assert session.synchronize is not None
    session.infer()
    session.synchronize()
    np.testing.assert_array_equal(outputs_of(session)[0], expect(graph, feeds)[0])
    session.unload()


# -- providers ---------------------------------------------------------------------------------------------------


def test_a_provider_that_places_no_node_is_a_fallback(graph: Path) -> None:
    provider = "AzureExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has no provider that runs nothing here")
    session = ENGINE.load(ask(graph, options={"provider": provider}))
    assert session.facts["provider"] == provider
    assert session.find_placement is not None
    placement = session.find_placement()
    assert placement.wanted == provider
    assert placement.share == 0.0
    assert placement.fallback is not None
    assert "no node ran on AzureExecutionProvider" in placement.fallback
    assert CPU in placement.fallback


def test_a_provider_that_is_not_built_in_is_unsupported(graph: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"has no NowhereExecutionProvider; it has .*CPUExecutionProvider"):
        ENGINE.load(ask(graph, options={"provider": "NowhereExecutionProvider"}))


def test_a_device_without_its_provider_is_unsupported(graph: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has the CUDA provider")
    with pytest.raises(UnsupportedError, match="has no CUDAExecutionProvider; it has"):
        ENGINE.load(ask(graph, device="cuda:0"))


def test_availability_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENGINE.availability("cpu") is None
    assert "no device kind 'tpu'" in str(ENGINE.availability("tpu"))
    monkeypatch.setattr(onnxruntime_providers, "is_installed", lambda name: name == "onnxruntime")
    assert "onnxruntime-gpu" in str(find_package("cuda"))
    monkeypatch.setattr(onnxruntime_providers, "is_installed", lambda name: name == "onnxruntime-gpu")
    assert find_package("cuda") is None
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "not installed" in str(ENGINE.availability("cpu"))


def test_nodes_are_counted_once_however_often_they_ran() -> None:
    def event(provider: str, index: str) -> dict[str, Any]:
        return {"cat": "Node", "name": f"n{index}_kernel_time", "args": {"provider": provider, "node_index": index}}

    session_event = {"cat": "Session", "name": "model_run", "args": {}}
    events = [session_event, event("A", "0"), event("A", "1"), event("B", "2"), event("A", "0"), event("A", "1")]
    assert count_nodes(events) == {"A": 2, "B": 1}


# -- failures ----------------------------------------------------------------------------------------------------


def test_inputs_that_do_not_fit_the_graph_are_named(graph: Path, tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(graph.read_bytes())
    wanted = replace(request(find_workload("bert")), artefacts={"onnx": tmp_path})
    with pytest.raises(EngineError, match="has the inputs x, but there are values for attention_mask, input_ids"):
        ENGINE.load(wanted)
    write_inputs({"x": np.zeros((2, WIDTH), dtype=np.int64)}, tmp_path)
    with pytest.raises(EngineError, match="'x' is int64, and the graph expects float32"):
        ENGINE.load(wanted)


def test_a_file_that_is_no_graph_is_an_error(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"nothing of the kind")
    with pytest.raises(EngineError, match=r"cannot load model\.onnx with CPUExecutionProvider"):
        ENGINE.load(replace(request(find_workload("bert")), artefacts={"onnx": tmp_path}))


def test_a_graph_that_was_not_prepared_is_an_error() -> None:
    with pytest.raises(EngineError, match="was not prepared"):
        ENGINE.load(request(find_workload("bert")))


def test_memory_that_runs_out_is_recognised(tmp_path: Path) -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["shape"], ["y"], name="huge")],
        "huge",
        [helper.make_tensor_value_info("shape", kinds.INT64, [1])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
    )
    file = tmp_path / "huge.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(file), options, providers=[CPU])
    with pytest.raises(Exception, match="allocate") as raised:
        session.run(None, {"shape": np.array([1 << 46], dtype=np.int64)})
    assert ENGINE.is_out_of_memory(raised.value)
    assert ENGINE.is_out_of_memory(MemoryError())
    assert not ENGINE.is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(Exception, match="rank") as other:
        session.run(None, {"shape": np.zeros((2, 2), dtype=np.int64)})
    assert not ENGINE.is_out_of_memory(other.value)


def test_it_is_registered() -> None:
    assert isinstance(engines.get("onnxruntime"), OnnxRuntime)


def test_the_bare_loop_prints_one_median(graph: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.ones((2, WIDTH), dtype=np.float32))
    command = [sys.executable, str(BARE_LOOP), str(graph), str(tmp_path / "inputs.npz")]
    flags = ["--threads", "1", "--seconds", "0.05", "--warmup-seconds", "0.01"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) > 0
