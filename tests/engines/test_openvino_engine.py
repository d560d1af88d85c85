"""Engine `openvino` on the CPU, for real: it says what ran and not what was asked, and never sees torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts.cache import make_artefact
from assay.artefacts.openvino_files import MODEL_FILE
from assay.artefacts.openvino_library import import_openvino
from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Placement, Session, device_kind, engines
from assay.engines.openvino_engine import OpenVino
from assay.engines.openvino_graph import ExecutedNode, count_words, describe_precision, find_placement
from assay.workloads.base import find_workload
from assay.workloads.inputs import make_inputs
from assay.workloads.outputs import read_torch_outputs
from assay.workloads.resolve import resolve_workload
from assay.workloads.torch_build import build_torch_model, import_family

ENGINE = OpenVino()
Load = Callable[..., Session]


def _request(name: str = "bert", precision: str = "fp32", **changes: Any) -> LoadRequest:
    workload = resolve_workload(name)
    request = LoadRequest(workload, "cpu", Precision(precision), 2, workload.resolve_shape({}), threads=1, seed=7)
    return replace(request, **changes)


def _artefacts(request: LoadRequest, cache: Path) -> dict[str, Path]:
    wanted = ENGINE.plan_artefacts(request)
    return {one.recipe: make_artefact(one, request.workload, cache, threads=1).folder for one in wanted}


@pytest.fixture(scope="module")
def cache(artefact_cache: Path) -> Path:
    """Shared with the tests of the recipes: a graph is converted once a session."""
    for package in ("openvino", "nncf", "torch", "transformers"):
        pytest.importorskip(package, reason=f"needs {package}: pip install 'assay[torch,openvino]'")
    return artefact_cache


@pytest.fixture
def load(cache: Path) -> Iterator[Load]:
    """Load a case with the artefacts it plans; whatever is still loaded at the end is unloaded."""
    sessions: list[Session] = []

    def begin(*arguments: Any, **changes: Any) -> Session:
        request = _request(*arguments, **changes)
        sessions.append(ENGINE.load(replace(request, artefacts=_artefacts(request, cache))))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.unload()


def _read(session: Session) -> list[Any]:
    assert session.read_outputs is not None
    return list(session.read_outputs(session.infer()))


def _eager() -> tuple[Any, ...]:
    import torch

    workload = find_workload("bert")
    import_family(workload)
    built = build_torch_model(workload, dtype="float32", batch=2, shape=workload.resolve_shape({}), seed=7)
    with torch.inference_mode():
        return read_torch_outputs(workload.family.forward(built.module, built.inputs))


# -- what runs -----------------------------------------------------------------------------------------------


def test_float32_answers_are_those_of_the_eager_model_in_its_order(load: Load) -> None:
    session = load()
    answers, expected = _read(session), _eager()
    assert [one.shape for one in answers] == [one.shape for one in expected]
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer.dtype == np.float32
        assert np.abs(answer - wanted).max() <= 2e-5 * np.abs(wanted).max()
    assert session.effective_precision == "fp32"
    assert session.parameters == find_workload("bert").size.parameters
    assert session.synchronize is None


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_precision_is_what_the_compiled_model_says_it_is(load: Load, precision: str) -> None:
    session = load("bert", precision)
    in_force = session.facts["inference_precision_hint"]
    words = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}
    assert session.effective_precision == words[in_force]
    core = import_openvino().Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}[precision] not in capabilities:
        assert session.effective_precision != precision
    if precision == "fp32":
        assert session.facts["products_by_arithmetic"] == "f32 13"


def test_int8_products_are_computed_in_8_bits_and_narrow_weights_are_not(load: Load) -> None:
    static, weights = load("bert", "int8"), load("bert", "int8", options={"quantization": "weight-only"})
    assert static.effective_precision.startswith("int8 static (")
    assert "i8" in static.facts["products_by_arithmetic"]
    assert weights.effective_precision.startswith("int8 weight-only (u8 13; computed in ")
    int4 = load("bert", "int4")
    assert int4.effective_precision.startswith("int4 weight-only (i4 12, u8 1; computed in ")
    expected = _eager()
    for session in (static, weights, int4):
        for answer, wanted in zip(_read(session), expected, strict=True):
            assert 0 < np.abs(answer - wanted).mean() < 0.5 * np.abs(wanted).mean()
        assert int(session.facts["model_bytes"]) < 0.3 * int(session.facts["float32_bytes"])
        assert session.facts["quantized_nodes"]


def test_a_session_says_how_it_was_compiled_and_where_its_nodes_ran(load: Load) -> None:
    session = load(threads=2)
    assert session.threads == 2
    assert session.facts["num_streams"] == session.facts["optimal_number_of_infer_requests"] == "1"
    assert session.facts["performance_hint"] == "LATENCY"
    assert session.facts["openvino"] == import_openvino().__version__
    assert {"enable_cpu_pinning", "device_capabilities", "model_bytes"} <= session.facts.keys()
    assert not session.facts.get("cache_dir")
    assert session.hardware == session.hardware.strip() != ""
    assert session.costs_ns.keys() == {"compile", "inspect"}
    assert all(value > 0 for value in session.costs_ns.values())
    assert session.find_placement is not None
    placement = session.find_placement()
    assert placement.wanted == "CPU"
    assert placement.nodes == {"CPU": int(session.facts["nodes"])}
    assert placement.share == 1.0
    assert placement.fallback is None


def test_the_hint_reaches_openvino(load: Load) -> None:
    session = load(options={"hint": "throughput"}, threads=2)
    assert session.facts["performance_hint"] == "THROUGHPUT"
    assert int(session.facts["optimal_number_of_infer_requests"]) >= int(session.facts["num_streams"]) >= 1


def test_inputs_stay_in_place_and_every_call_answers_the_same(load: Load) -> None:
    session = load()
    first = _read(session)
    for _ in range(3):
        for one, other in zip(first, _read(session), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_worker_imports_no_torch_and_writes_nothing_into_the_home_folder(cache: Path, tmp_path: Path) -> None:
    request = _request("bert", "int8")
    artefacts = {recipe: str(folder) for recipe, folder in _artefacts(request, cache).items()}
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from assay.engines.openvino_engine import OpenVino\n"
        "from assay.engines.base import LoadRequest\n"
        "from assay.core.words import Precision\n"
        "from assay.workloads.base import find_workload\n"
        "engine, workload = OpenVino(), find_workload('bert')\n"
        "engine.import_libraries(workload)\n"
        "artefacts = {name: Path(folder) for name, folder in json.loads(sys.argv[1]).items()}\n"
        "shape = workload.resolve_shape({})\n"
        "request = LoadRequest(workload, 'cpu', Precision('int8'), 2, shape, 1, 7, {}, artefacts)\n"
        "session = engine.load(request)\n"
        "outputs = session.read_outputs(session.infer())\n"
        "heavy = {'torch', 'transformers', 'nncf', 'onnx', 'pandas'} & set(sys.modules)\n"
        "print(json.dumps({'heavy': sorted(heavy), 'outputs': len(outputs)}))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(artefacts)],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"heavy": [], "outputs": 2}
    assert not list(home.rglob("*"))


def test_files_of_the_users_are_loaded_as_they_are(cache: Path) -> None:
    (folder,) = _artefacts(_request(), cache).values()
    request = _request(str(folder / MODEL_FILE), shape={"seq": 128})
    assert ENGINE.plan_artefacts(request) == ()
    session = ENGINE.load(request)
    inputs = make_inputs(request.workload, batch=2, shape={"seq": 128}, seed=7)
    # OpenVINO left alone computes in bf16 where the processor has units for it; assay asks for what the case says.
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    expected = import_openvino().compile_model(str(folder / MODEL_FILE), "CPU", hint)(inputs)
    for index, answer in enumerate(_read(session)):
        assert np.abs(answer - expected[index]).max() <= 2e-5 * np.abs(expected[index]).max()
    session.unload()
    with pytest.raises(UnsupportedError, match="cannot be pruned"):
        ENGINE.plan_artefacts(replace(request, options={"prune": "magnitude:0.5"}))


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["openvino:GPU", "openvino:NPU", "openvino:nonsense"])
def test_a_device_that_is_not_here_is_refused_naming_what_is(cache: Path, device: str) -> None:
    seen = import_openvino().Core().available_devices
    if any(name.partition(".")[0] == device.partition(":")[2] for name in seen):
        pytest.skip(f"this machine has {device}")
    request = _request(device=device)
    request = replace(request, artefacts=_artefacts(request, cache))
    with pytest.raises(UnsupportedError, match=f"Device {device!r} is not here: OpenVINO sees {', '.join(seen)}"):
        ENGINE.load(request)


def test_a_device_without_a_plugin_is_refused(cache: Path) -> None:
    with pytest.raises(UnsupportedError, match="has no device 'openvino'"):
        ENGINE.load(_request(device="openvino", artefacts=_artefacts(_request(), cache)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"precision": Precision.TF32}, "cannot run bert/tiny in tf32"),
        (
            {"precision": Precision.INT8, "options": {"quantization": "dynamic"}},
            "has no 'dynamic' quantization to int8",
        ),
        ({"precision": Precision.INT4, "options": {"quantization": "static"}}, "has no 'static' quantization to int4"),
        ({"options": {"quantization": "static"}}, "quantization=static makes no fp32 model"),
    ],
)
def test_what_openvino_has_not_is_refused_before_anything_is_made(changes: dict[str, Any], expected: str) -> None:
    pytest.importorskip("nncf", reason="quantizing needs nncf: pip install 'assay[openvino]'")
    with pytest.raises(UnsupportedError, match=expected):
        ENGINE.plan_artefacts(_request(**changes))


def test_loading_without_the_artefact_is_an_error() -> None:
    pytest.importorskip("openvino", reason="this engine needs openvino: pip install 'assay[openvino]'")
    with pytest.raises(EngineError, match="needs the artefact 'openvino'"):
        ENGINE.load(_request())


def test_artefacts_follow_from_precision_and_options() -> None:
    pytest.importorskip("nncf", reason="quantizing needs nncf: pip install 'assay[openvino]'")

    def plan(precision: str, **options: Any) -> tuple[str, dict[str, Any]]:
        (wanted,) = ENGINE.plan_artefacts(_request("bert", precision, options=options))
        return wanted.recipe, dict(wanted.options)

    assert plan("fp32", hint="throughput") == ("openvino", {})
    assert plan("bf16", prune="magnitude:0.5") == ("openvino", {"prune": "magnitude:0.5"})
    assert plan("int8", samples=4) == ("openvino-int8", {"samples": 4})
    assert plan("int8", quantization="weight-only", samples=4) == ("openvino-int8-weight", {})
    assert plan("int4") == ("openvino-int4-weight", {})


def test_availability_is_told_without_importing_anything() -> None:
    pytest.importorskip("openvino", reason="this engine needs openvino: pip install 'assay[openvino]'")
    assert ENGINE.availability(device_kind("openvino:GPU")) is None
    assert ENGINE.availability("cpu") is None
    assert "no device kind 'cuda'" in str(ENGINE.availability("cuda"))
    assert engines.get("openvino").name == "openvino"
    code = (
        "import sys\nfrom assay.engines.openvino_engine import OpenVino\nOpenVino().availability('cpu')\n"
        "assert not {'openvino', 'nncf', 'torch', 'onnx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_that_ran_out_is_recognised_by_its_words() -> None:
    assert ENGINE.is_out_of_memory(MemoryError())
    assert ENGINE.is_out_of_memory(RuntimeError("Exception from src/x.cpp:1:\nstd::bad_alloc"))
    assert ENGINE.is_out_of_memory(RuntimeError("[GPU] clEnqueueNDRangeKernel failed: CL_OUT_OF_RESOURCES"))
    assert not ENGINE.is_out_of_memory(RuntimeError("memory format is not supported"))
    assert not ENGINE.is_out_of_memory(ValueError("out of memory"))


# -- reading the executed graph ------------------------------------------------------------------------------


def _node(
    kind: str = "FullyConnected", stored: str = "f32", arithmetic: str = "f32", device: str = "CPU"
) -> ExecutedNode:
    return ExecutedNode(kind, stored, arithmetic, device)


def test_a_quantized_model_in_which_nothing_is_computed_in_8_bits_is_what_it_falls_back_to() -> None:
    nodes = [_node(), _node("Convolution"), _node("Gather", "u8", "i8")]
    assert describe_precision(Precision.INT8, "static", "f32", nodes) == "fp32"
    assert describe_precision(Precision.INT4, "weight-only", "f32", nodes) == "fp32"
    assert describe_precision(Precision.FP16, None, "bf16", nodes) == "bf16"
    assert describe_precision(Precision.FP16, None, "f64", nodes) == "f64"


def test_the_precision_counts_products_by_what_they_do() -> None:
    nodes = [_node(arithmetic="i8", stored="u8"), _node("fully_connected", "f16", "f16"), _node("Reorder", "i8", "i8")]
    assert describe_precision(Precision.INT8, "static", "f32", nodes) == (
        "int8 static (1 of 2 products; the rest fp16)"
    )
    assert describe_precision(Precision.FP32, None, "f32", nodes) == (
        "int8 as in the file (1 of 2 products; the rest fp16)"
    )
    narrow = [_node(stored="i4"), _node(stored="u8")]
    assert describe_precision(Precision.INT4, "weight-only", "f32", narrow) == (
        "int4 weight-only (i4 1, u8 1; computed in fp32)"
    )


def test_nodes_that_ran_elsewhere_are_a_fallback() -> None:
    nodes = [_node(device="CPU"), _node(device="CPU")]
    assert find_placement(nodes, "GPU").fallback == "no node ran on GPU: 2 on CPU (by OpenVINO's executed graph)"
    mixed = [_node(device="GPU.0"), _node(device="CPU")]
    assert find_placement(mixed, "GPU") == Placement("GPU", {"GPU": 1, "CPU": 1}, "OpenVINO's executed graph")
    assert find_placement(mixed, "GPU.1").fallback is not None


def test_words_are_counted_the_most_frequent_first() -> None:
    assert count_words(["i8", "f32", "f32", "bf16"]) == "f32 2, bf16 1, i8 1"
