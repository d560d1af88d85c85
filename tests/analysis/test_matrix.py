"""Workloads by devices: which number stands in a cell, and why another is empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.matrix import UNMEASURED, Matrix, MatrixCell, MatrixRequest, Pick, build_matrix
from assay.core.words import Provenance
from assay.store import Store

composed = load_module("analysis.ranked_results")
H100, A100, L4, CPU = composed.H100, composed.A100, composed.L4, composed.CPU


@pytest.fixture
def results(tmp_path: Path) -> Any:
    return composed.Results(Store.open(tmp_path / "store"))


def cell(matrix: Matrix, workload: str, device: str) -> MatrixCell:
    row = next(row for row in matrix.rows if row.workload == workload)
    place = next(place for place, one in enumerate(matrix.devices) if one.label == device)
    return row.cells[place]


@pytest.mark.parametrize(("pick", "value"), [(Pick.BEST, 30.0), (Pick.NEWEST, 20.0), (Pick.MEDIAN, 20.0)])
def test_of_several_results_the_cell_holds_the_one_asked_for(results: Any, pick: Pick, value: float) -> None:
    for batch, rate in ((1, 10.0), (8, 30.0), (32, 20.0)):
        results.measured("bert/base", batch=batch, throughput_per_s=rate)
    found = cell(build_matrix(results.keep(), MatrixRequest(pick=pick)), "bert/base", CPU)
    assert (found.value, found.results, found.provenance) == (value, 3, Provenance.MEASURED)


def test_the_middle_of_two_is_the_worse(results: Any) -> None:
    results.measured("bert/base", batch=1, latency_ns=1e6)
    results.measured("bert/base", batch=2, latency_ns=2e6)
    matrix = build_matrix(results.keep(), MatrixRequest(metric="latency_ns", pick=Pick.MEDIAN))
    assert cell(matrix, "bert/base", CPU).value == 2e6


def test_measured_stands_before_imported_before_predicted(results: Any) -> None:
    results.predicted("bert/base", hardware=L4, throughput_per_s=1.0)
    results.predicted("bert/base", hardware=H100, throughput_per_s=2.0)
    results.imported("bert/base", hardware=H100, throughput_per_s=3.0)
    results.imported("bert/base", hardware=A100, throughput_per_s=4.0)
    results.measured("bert/base", hardware=A100, throughput_per_s=5.0)
    matrix = build_matrix(results.keep(), MatrixRequest())
    assert {device.label: (found.value, found.provenance) for device, found in zip(
        matrix.devices, matrix.rows[0].cells, strict=True
    )} == {
        L4: (1.0, Provenance.PREDICTED), H100: (3.0, Provenance.IMPORTED), A100: (5.0, Provenance.MEASURED),
    }  # fmt: skip
    assert [matrix.count(word) for word in (*Provenance, None)] == [1, 1, 1, 0]


def test_a_share_is_of_the_best_of_the_row_and_of_its_own_provenance(results: Any) -> None:
    results.imported("bert/base", hardware=H100, throughput_per_s=400.0)
    results.imported("bert/base", hardware=A100, throughput_per_s=100.0)
    results.measured("bert/base", hardware=L4, throughput_per_s=50.0)
    results.imported("resnet/50", hardware=H100, throughput_per_s=9000.0)
    matrix = build_matrix(results.keep(), MatrixRequest())
    assert cell(matrix, "bert/base", H100).relative == 1.0
    assert cell(matrix, "bert/base", A100).relative == 0.25
    assert cell(matrix, "bert/base", L4).relative == 1.0
    assert cell(matrix, "resnet/50", H100).relative == 1.0


def test_an_empty_cell_says_why(results: Any) -> None:
    results.imported("bert/base", hardware=H100, throughput_per_s=400.0)
    results.imported("resnet/50", hardware=A100, throughput_per_s=400.0)
    results.imported("bert/base", hardware=A100, throughput_per_s=900.0, marks=composed.marked())
    matrix = build_matrix(results.keep(), MatrixRequest())
    assert cell(matrix, "resnet/50", H100).reason == UNMEASURED
    assert cell(matrix, "bert/base", A100).reason == "1 result that may not be ranked: simulated"


def test_a_row_holds_one_unit_the_one_that_most_devices_have(results: Any) -> None:
    results.mlperf("llama", hardware=H100, throughput_per_s=10.0, unit_of_work="token")
    results.mlperf("llama", hardware=A100, throughput_per_s=20.0, unit_of_work="token")
    results.mlperf("llama", hardware=L4, throughput_per_s=9999.0, unit_of_work="sample")
    matrix = build_matrix(results.keep(), MatrixRequest())
    (row,) = matrix.rows
    assert row.basis.unit_of_work == "token"
    assert {device.label for device in matrix.devices} == {f"8 × {H100}", f"8 × {A100}"}


def test_precision_and_batch_narrow_it_and_the_rest_is_counted(results: Any) -> None:
    results.measured("bert/base", precision="fp32", batch=1, throughput_per_s=1.0)
    results.measured("bert/base", precision="int8", batch=8, throughput_per_s=2.0)
    results.measured("vit/base", precision="int8", batch=8, throughput_per_s=3.0)
    matrix = build_matrix(results.keep(), MatrixRequest(where={"precision": "int8", "batch": 8}, workloads=1))
    assert [row.workload for row in matrix.rows] == ["bert/base"]
    assert matrix.rows[0].cells[0].value == 2.0
    assert (matrix.workloads_found, matrix.devices_found) == (2, 1)


def test_names_with_wildcards_are_taken_literally(results: Any) -> None:
    results.imported("model*", throughput_per_s=1.0)
    results.imported("model[1]", throughput_per_s=2.0)
    results.imported("model1", throughput_per_s=3.0)
    matrix = build_matrix(results.keep(), MatrixRequest(workloads=2))
    assert sorted(row.workload for row in matrix.rows) == ["model*", "model1"]


def test_an_empty_store_has_an_empty_matrix(results: Any) -> None:
    matrix = build_matrix(results.keep(), MatrixRequest())
    assert (matrix.rows, matrix.devices, matrix.workloads_found) == ((), (), 0)
