"""The gate from end to end: a wrong kernel fails it, a provider that runs nothing is a failure, in real workers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import pytest

from assay.artefacts.base import request_artefact
from assay.artefacts.cache import make_artefact
from assay.artefacts.onnx_export import ONNX
from assay.artefacts.reference import REFERENCE
from assay.core.case import Case
from assay.core.words import Precision, Status
from assay.runner.protocol import Failed, Job, Measured
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing
from assay.stats.fidelity import judge_fidelity
from assay.workloads.base import find_workload

SHORT = Timing(min_time_s=0.05, max_time_s=0.1, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.1)
UNET = find_workload("unet/tiny")
SHAPE = {"image": 32}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The exported graph and the reference of one small model."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs {package}: pip install 'assay[torch,onnx]'")
    root = tmp_path_factory.mktemp("cache")
    return {
        recipe: make_artefact(
            request_artefact(recipe, UNET, batch=1, shape=SHAPE, seed=0), UNET, root, threads=1
        ).folder
        for recipe in (ONNX, REFERENCE)
    }


def launch(graph: Path, reference: Path, environ: Mapping[str, str], **options: str) -> Measured | Failed:
    case = Case.make(workload="unet/tiny", engine="onnxruntime", device="cpu", shape=SHAPE, options=options)
    job = Job(
        case, SHAPE, threads=1, seed=0, timing=SHORT, spawned_ns=perf_counter_ns(),
        artefacts={ONNX: str(graph)}, reference=str(reference),
    )  # fmt: skip
    outcome = run_launch(job, limit_s=120, environ=environ).outcome
    assert isinstance(outcome, (Measured, Failed))
    return outcome


def change_one_weight(folder: Path) -> None:
    import onnx
    from onnx import numpy_helper

    file = folder / "model.onnx"
    model: Any = onnx.load(file)
    weight = max(model.graph.initializer, key=lambda one: len(one.dims) * 10**9 - len(one.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += 10.0
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, file)


def test_the_exported_graph_answers_as_the_reference_does(
    made: dict[str, Path], worker_environ: dict[str, str]
) -> None:
    told = launch(made[ONNX], made[REFERENCE], worker_environ)
    assert isinstance(told, Measured), told
    assert judge_fidelity(told.fidelity, Precision.FP32) == (True, None)
    assert told.fidelity["max_relative_error"] < 1e-4
    assert set(told.placement) == {"CPUExecutionProvider"}


def test_a_wrong_kernel_keeps_its_timing_and_fails(
    made: dict[str, Path], worker_environ: dict[str, str], tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    shutil.copytree(made[ONNX], planted)
    change_one_weight(planted)
    told = launch(planted, made[REFERENCE], worker_environ)
    assert isinstance(told, Measured), told
    assert len(told.values) >= 5
    passed, reason = judge_fidelity(told.fidelity, Precision.FP32)
    assert not passed
    assert reason is not None
    assert "is above the fp32 tolerance of 0.001" in reason


def test_a_provider_that_places_no_node_is_a_failure(made: dict[str, Path], worker_environ: dict[str, str]) -> None:
    told = launch(made[ONNX], made[REFERENCE], worker_environ, provider="AzureExecutionProvider")
    assert isinstance(told, Failed), told
    assert told.status is Status.FAILED
    assert told.reason.startswith("silent fallback: no node ran on AzureExecutionProvider: ")
    assert "on CPUExecutionProvider" in told.reason


def test_a_provider_that_is_not_there_is_unsupported(made: dict[str, Path], worker_environ: dict[str, str]) -> None:
    told = launch(made[ONNX], made[REFERENCE], worker_environ, provider="CUDAExecutionProvider")
    assert isinstance(told, Failed), told
    assert told.status is Status.UNSUPPORTED
    assert "CPUExecutionProvider" in told.reason
