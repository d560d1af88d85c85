"""Recipe `openvino`, for real: the graph answers as the eager model does, for every batch, under the same names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts import openvino_convert
from assay.artefacts.base import StaticOnly, request_artefact
from assay.artefacts.cache import Artefact, make_artefact
from assay.artefacts.onnx_files import read_inputs
from assay.artefacts.openvino_convert import OPENVINO
from assay.artefacts.openvino_files import MODEL_FILE, find_inputs, first_line, fix_shapes
from assay.artefacts.openvino_library import import_openvino
from assay.core.errors import EngineError
from assay.workloads.base import Workload, find_workload
from assay.workloads.inputs import make_inputs
from assay.workloads.outputs import read_torch_outputs
from assay.workloads.resolve import resolve_workload
from assay.workloads.torch_build import build_torch_model, import_family

torch = pytest.importorskip("torch", reason="converting needs torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="building workloads needs transformers: pip install 'assay[torch]'")
pytest.importorskip("openvino", reason="this recipe needs openvino: pip install 'assay[openvino]'")

FACTORY = """
import torch

class Fixed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(32, 64)

    def forward(self, rows):
        return {"squared": self.layer(rows) ** 2, "sum": self.layer(rows).sum(1)}

def linear(batch):
    return Fixed(), {"rows": torch.linspace(-1, 1, batch * 32).reshape(batch, 32)}
"""


@pytest.fixture(scope="module")
def cache(artefact_cache: Path) -> Path:
    """Shared with the tests of the other recipes and of the engine: a graph is converted once a session."""
    return artefact_cache


@pytest.fixture(scope="module")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """A model of the user's own, which brings its inputs."""
    folder = tmp_path_factory.mktemp("factory")
    (folder / "openvino_factory.py").write_text(FACTORY)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield resolve_workload("openvino_factory:linear")
    sys.modules.pop("openvino_factory", None)


@pytest.fixture(scope="module")
def own_graph(own_model: Workload, cache: Path) -> Artefact:
    return _make(own_model, cache, batch=3)


def _make(workload: Workload, root: Path, **changes: Any) -> Artefact:
    wanted = {"batch": 2, "shape": workload.resolve_shape({}), "seed": 7, **changes}
    return make_artefact(request_artefact(OPENVINO, workload, **wanted), workload, root, threads=1)


def _answers(folder: Path, arrays: dict[str, Any]) -> list[Any]:
    core = import_openvino().Core()
    model = core.read_model(str(folder / MODEL_FILE))
    fix_shapes(model, {name: array.shape for name, array in arrays.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"})
    given = {place: arrays[name] for name, place in find_inputs(model, arrays).items()}
    results = compiled(given)
    return [results[index] for index in range(len(compiled.outputs))]


def _eager(workload: Workload, batch: int) -> tuple[Any, ...]:
    import_family(workload)
    shape = workload.resolve_shape({})
    built = build_torch_model(workload, dtype="float32", batch=batch, shape=shape, seed=7)
    with torch.inference_mode():
        return read_torch_outputs(workload.family.forward(built.module, built.inputs))


def _check_equal(answers: list[Any], expected: tuple[Any, ...]) -> None:
    assert [one.shape for one in answers] == [one.shape for one in expected]
    for answer, wanted in zip(answers, expected, strict=True):
        assert np.abs(answer - wanted).max() <= 2e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["bert", pytest.param("wav2vec2", marks=pytest.mark.slow)])
def test_one_graph_answers_as_the_eager_model_does_for_every_batch(name: str, cache: Path) -> None:
    workload = find_workload(name)
    artefact = _make(workload, cache)
    assert artefact.batch is None
    assert artefact.facts["batch"] == "dynamic"
    assert int(artefact.facts["parameters"]) == workload.size.parameters
    assert artefact.facts["inputs"] == ", ".join(spec.name for spec in workload.family.inputs)
    for batch in (1, 3):
        arrays = make_inputs(workload, batch=batch, shape=workload.resolve_shape({}), seed=7)
        _check_equal(_answers(artefact.folder, arrays), _eager(workload, batch))
    assert not [file for file in artefact.folder.iterdir() if file.suffix == ".npz"]
    again = _make(workload, cache, batch=5)
    assert again.was_cached
    assert again.folder == artefact.folder


def _shallow(config: Any) -> Any:
    """One layer of each kind: a second one is exported as the first is, and takes as long again."""
    if isinstance(config, dict):
        return {name: 1 if name.endswith("_layers") else _shallow(value) for name, value in config.items()}
    return config


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t5", "xclip"])
def test_several_outputs_keep_their_order(name: str, cache: Path) -> None:
    workload = find_workload(name)
    workload = replace(workload, size=replace(workload.size, config=_shallow(workload.size.config)))
    artefact = _make(workload, cache)
    arrays = make_inputs(workload, batch=2, shape=workload.resolve_shape({}), seed=7)
    expected = _eager(workload, 2)
    assert len(expected) > 1
    _check_equal(_answers(artefact.folder, arrays), expected)


def test_weights_stay_float32(own_graph: Artefact) -> None:
    weights = (own_graph.folder / MODEL_FILE).with_suffix(".bin").stat().st_size
    assert weights >= 4 * (32 * 64 + 64)
    assert int(own_graph.facts["model_bytes"]) > weights


def test_a_model_that_brings_its_inputs_is_for_one_batch_and_keeps_them(
    own_model: Workload, own_graph: Artefact
) -> None:
    assert own_graph.batch == 3
    assert own_graph.facts["batch"] == "static"
    inputs = read_inputs(own_graph.folder)
    assert inputs is not None
    assert {name: array.shape for name, array in inputs.items()} == {"rows": (3, 32)}
    assert own_model.family.bring is not None
    module, given = own_model.family.bring(own_model.size, 3, {}, "float32")
    with torch.inference_mode():
        expected = read_torch_outputs(module(**given))
    _check_equal(_answers(own_graph.folder, inputs), expected)


def test_what_has_no_rule_for_an_open_batch_is_asked_again_for_this_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        @staticmethod
        def convert_model(_program: Any) -> Any:
            raise RuntimeError("Check 'false' failed at here.cpp:1:\nSummary:\n-- No conversion rule for pow")

    monkeypatch.setattr(openvino_convert, "import_openvino", Failing)
    with pytest.raises(StaticOnly, match="No conversion rule for pow"):
        openvino_convert._translate("some/model", None, is_static=False)
    with pytest.raises(EngineError, match="cannot be converted to OpenVINO: No conversion rule for pow"):
        openvino_convert._translate("some/model", None, is_static=True)


def test_a_graph_that_openvino_wrote_can_be_read_as_a_file_of_the_users(own_graph: Artefact, tmp_path: Path) -> None:
    from_file = resolve_workload(str(own_graph.folder / MODEL_FILE))
    again = _make(from_file, tmp_path, batch=3)
    assert again.facts["converter"] == "openvino.read_model"
    assert again.facts["batch"] == "static"
    inputs = read_inputs(own_graph.folder)
    assert inputs is not None
    for one, other in zip(_answers(own_graph.folder, inputs), _answers(again.folder, inputs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_onnx_file_is_read_as_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="writing an ONNX file needs onnx: pip install 'assay[onnx]'")
    rows = onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["batch", 4])
    doubled = onnx.helper.make_tensor_value_info("doubled", onnx.TensorProto.FLOAT, ["batch", 4])
    node = onnx.helper.make_node("Add", ["rows", "rows"], ["doubled"])
    graph = onnx.helper.make_graph([node], "twice", [rows], [doubled])
    file = tmp_path / "twice.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), file)
    artefact = _make(resolve_workload(str(file)), tmp_path / "cache")
    assert artefact.facts["batch"] == "dynamic"
    given = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(_answers(artefact.folder, {"rows": given})[0], 2 * given)


def test_shapes_that_do_not_fit_and_inputs_that_are_missing_are_refused(own_graph: Artefact) -> None:
    model = import_openvino().Core().read_model(str(own_graph.folder / MODEL_FILE))
    with pytest.raises(EngineError, match="asks for the input 'rows'"):
        fix_shapes(model, {"columns": (2, 32)})
    with pytest.raises(EngineError, match=r"cannot take inputs of the shapes \[2, 31\]"):
        fix_shapes(model, {"rows": (2, 31)})


def test_the_telling_line_of_a_message_is_found() -> None:
    assert first_line(ValueError("\n")) == "ValueError"
    assert first_line(RuntimeError("Exception from src/a.cpp:1:\nCheck 'x' failed at b.cpp:2:\nno such device")) == (
        "no such device"
    )


def test_importing_openvino_writes_nothing_into_the_home_folder_and_starts_no_thread(tmp_path: Path) -> None:
    code = (
        "import threading, sys\n"
        "from assay.artefacts.openvino_library import import_openvino, quiet_nncf\n"
        "openvino = import_openvino()\n"
        "assert callable(openvino.convert_model)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(home.rglob("*"))
