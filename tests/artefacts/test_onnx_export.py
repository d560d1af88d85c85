"""Recipe `onnx`, for real: graphs that answer as the eager model does, at every batch size, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.artefacts.base import request_artefact
from assay.artefacts.cache import Artefact, make_artefact
from assay.artefacts.onnx_files import INPUTS_FILE, MODEL_FILE, read_inputs
from assay.core.errors import EngineError, UnsupportedError
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, Workload, find_workload, per_sample
from assay.workloads.inputs import make_inputs
from assay.workloads.outputs import read_torch_outputs
from assay.workloads.torch_build import TorchModel, build_torch_model, import_family

torch = pytest.importorskip("torch", reason="exporting needs torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="families need transformers: pip install 'assay[torch]'")
pytest.importorskip("onnxscript", reason="exporting needs onnxscript: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="graphs are run by onnxruntime: pip install 'assay[onnx]'")

SHAPES = {"bert": {"seq": 16}, "t5": {"seq": 16, "target": 8}, "llava_next": {"seq": 8}, "unet": {"image": 32}}
Make = Callable[..., Artefact]


@pytest.fixture(scope="module")
def make(artefact_cache: Path) -> Make:
    def begin(workload: Workload, *, batch: int = 1, **more: Any) -> Artefact:
        request = request_artefact("onnx", workload, batch=batch, shape=shape_of(workload), seed=7)
        return make_artefact(replace(request, **more), workload, artefact_cache, threads=1)

    return begin


def shape_of(workload: Workload) -> dict[str, int]:
    return workload.resolve_shape(SHAPES.get(workload.family.name, {}))


def build(workload: Workload, *, batch: int) -> TorchModel:
    import_family(workload)
    return build_torch_model(workload, dtype="float32", batch=batch, shape=shape_of(workload), seed=7)


def run_eager(workload: Workload, *, batch: int) -> tuple[Any, ...]:
    built = build(workload, batch=batch)
    with torch.inference_mode():
        return read_torch_outputs(workload.family.forward(built.module, built.inputs))


def run_graph(artefact: Artefact, feeds: Mapping[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(str(artefact.folder / MODEL_FILE), providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, dict(feeds))
    return outputs


def assert_close(outputs: Any, reference: Any) -> None:
    assert len(outputs) == len(reference)
    for output, expected in zip(outputs, reference, strict=True):
        assert output.shape == expected.shape
        assert np.max(np.abs(output - expected)) <= 1e-4 * np.max(np.abs(expected))


def own_workload(name: str, module: Any, *, bring: bool = False) -> Workload:
    """A workload of one float input of shape (batch, 4), built by a test's own module."""
    spec = InputSpec("x", ("batch", 4), "float32", Fill.NORMAL)
    family = Family(
        name=name, task="", modality="any", unit=UnitOfWork.SAMPLE, units_per_call=per_sample,
        sizes={"own": Size(tier=Tier.TINY, config={"name": name}, parameters=None, source="")}, inputs=(spec,),
        default_shape={}, default_batches=(1,), build=lambda _size: module(),
        forward=lambda model, inputs: model(**inputs), reference="",
        bring=(lambda _size, batch, _shape, _dtype: (module(), {"x": torch.full((batch, 4), 0.5)})) if bring else None,
    )  # fmt: skip
    return Workload(name, family, family.sizes["own"])


class Linear(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is not followed by mypy (pyproject)
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x)


class PairsOnly(Linear):
    def forward(self, x: Any) -> Any:
        return self.layer(x) * (2.0 if x.shape[0] == 2 else 3.0)


class DependsOnData(Linear):
    def forward(self, x: Any) -> Any:
        return self.layer(x) if float(x.sum()) > 0 else x


@pytest.mark.parametrize("name", ["bert", "resnet", "t5", "llava_next"])
def test_one_graph_answers_as_the_eager_model_at_every_batch_size(name: str, make: Make) -> None:
    workload = find_workload(name)
    artefact = make(workload, batch=5)
    assert artefact.batch is None
    assert artefact.facts["batch"] == "dynamic"
    assert artefact.facts["inputs"] == ", ".join(spec.name for spec in workload.family.inputs)
    assert int(artefact.facts["parameters"]) == workload.size.parameters
    assert int(artefact.facts["nodes"]) > 10
    assert int(artefact.facts["model_bytes"]) >= (artefact.folder / MODEL_FILE).stat().st_size
    for batch in (1, 2, 3):
        feeds = make_inputs(workload, batch=batch, shape=shape_of(workload), seed=7)
        assert_close(run_graph(artefact, feeds), run_eager(workload, batch=batch))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["llava", "llava_next"])
def test_what_is_traced_instead_of_the_data_dependent_parts_is_equal_bit_for_bit(
    name: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = find_workload(name)
    built = build(workload, batch=batch)
    with torch.inference_mode():
        expected = read_torch_outputs(workload.family.forward(built.module, built.inputs))
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        spliced = read_torch_outputs(workload.family.forward(built.module, built.inputs))
    assert len(spliced) == len(expected) == 2
    for one, other in zip(spliced, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_graph_that_fits_one_batch_size_is_kept_for_that_one(make: Make) -> None:
    workload = own_workload("pairs-only", PairsOnly)
    for batch in (2, 3):
        artefact = make(workload, batch=batch)
        assert artefact.batch == batch
        assert artefact.facts["batch"] == "static"
        feeds = make_inputs(workload, batch=batch, shape={}, seed=7)
        assert_close(run_graph(artefact, feeds), run_eager(workload, batch=batch))


def test_a_model_of_the_users_own_keeps_its_inputs_beside_it(make: Make) -> None:
    artefact = make(own_workload("brought", Linear, bring=True), batch=3)
    assert artefact.batch == 3
    inputs = read_inputs(artefact.folder)
    assert inputs is not None
    np.testing.assert_array_equal(inputs["x"], np.full((3, 4), 0.5, dtype=np.float32))
    assert run_graph(artefact, inputs)[0].shape == (3, 4)


def test_families_keep_no_inputs(make: Make) -> None:
    artefact = make(own_workload("linear", Linear), batch=1)
    assert not (artefact.folder / INPUTS_FILE).exists()
    assert read_inputs(artefact.folder) is None


def test_what_cannot_be_exported_says_why(make: Make) -> None:
    with pytest.raises(EngineError, match=r"depends cannot be exported to ONNX: \w+: .*It may run on the engines"):
        make(own_workload("depends", DependsOnData), batch=1)


def test_files_in_other_forms_are_refused(make: Make) -> None:
    workload = own_workload("file", Linear)
    other = Workload(workload.name, replace(workload.family, format="openvino"), workload.size)
    with pytest.raises(UnsupportedError, match="openvino form"):
        make(other, batch=1)


def test_exporting_leaves_the_eager_model_as_it_was(make: Make) -> None:
    workload = own_workload("linear", Linear)
    before = run_eager(workload, batch=2)
    make(workload, batch=2)
    for one, other in zip(run_eager(workload, batch=2), before, strict=True):
        np.testing.assert_array_equal(one, other)
