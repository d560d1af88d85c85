"""Reports of published results: figures that were computed from the files themselves, by other means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.importers.pipeline import import_paths
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.values import Cell, Report, Table
from assay.store import Store

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
TRAINING = DATA / "mlperf_training" / "mlperf_training_v1.0-v5.0.parquet"
ROUND = DATA / "mlperf_official" / "v4.1_summary_results.json"
IMAGES = DATA / "timm_bench" / "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"

pytestmark = pytest.mark.skipif(
    not (TRAINING.exists() and ROUND.exists() and IMAGES.exists()),
    reason="the published result files are not beside this repository",
)


@pytest.fixture(scope="module")
def store(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Store:
    def fill(folder: Path) -> None:
        import_paths(Store.open(folder / "store"), [TRAINING, ROUND, IMAGES])

    return Store.open(make_once("published_results", fill) / "store")


def rows(report: Report, key: str) -> list[dict[str, Cell]]:
    found: Table = next(one for one in report.tables() if one.key == key)
    return [dict(zip([one.key for one in found.columns], row, strict=True)) for row in found.rows]


def test_training_efficiency_of_a_published_round(store: Store) -> None:
    report = build_report(store, "training", ReportRequest(where={"workload": "resnet"}))
    line = "NVIDIA A100 SXM4 80GB, v2.1 closed"
    found = {row["accelerators"].value: row for row in rows(report, "efficiency-time-1") if row["line"].value == line}
    seconds = {4: 3275.6, 8: 1711.3, 16: 952.4, 32: 774.4, 64: 276.4, 128: 169.2, 1024: 33.3, 4216: 19.2}
    assert {count: round(number(row["time_to_train_ns"]) / 1e9, 1) for count, row in found.items()} == seconds
    assert number(found[8]["efficiency"]) == pytest.approx(3275.6 * 4 / (1711.3 * 8), rel=1e-3)
    assert number(found[4216]["speedup"]) == pytest.approx(3275.6 / 19.2, rel=2e-3)


def test_devices_of_a_published_round(store: Store) -> None:
    request = ReportRequest(where={"workload": "bert-99"}, options={"reference": "nvidia-h100-sxm5-80gb"})
    report = build_report(store, "devices", request)
    closed = "v4.1 closed datacenter Offline"
    eight = {
        row["device"].value: row
        for row in rows(report, "devices-1")
        if row["conditions"].value == closed and str(row["device"].value).startswith("8 ×")
    }
    h200 = eight["8 × NVIDIA H200 SXM5 141GB"]
    assert h200["results"].value == 6
    assert [number(h200[key]) for key in ("throughput_per_s", "lowest", "highest")] == pytest.approx(
        [71839.65, 54063.2, 73791.0]
    )
    assert number(h200["ratio"]) == pytest.approx(71839.65 / 71683.25)
    assert h200["throughput_per_s"].unit == "samples/s"


def test_the_ranking_of_a_published_round(store: Store) -> None:
    request = ReportRequest(where={"workload": "bert-99"}, options={"scenario": "Offline", "accelerators": "8"})
    found = rows(build_report(store, "hardware", request), "ranking")
    assert [row["device"].value for row in found[:3]] == [
        "8 × NVIDIA H200 SXM5 141GB", "8 × NVIDIA H100 SXM5 80GB", "8 × NVIDIA H100 NVL 94GB",
    ]  # fmt: skip


def test_share_of_the_peak_of_published_image_models(store: Store) -> None:
    report = build_report(store, "kpi", ReportRequest(where={"mode": "inference"}))
    (share,) = rows(report, "shares-of-peak")
    assert share["device"].value == "NVIDIA GeForce RTX 5090"
    assert share["n"].value == 1627
    assert 0.1 < number(share["median"]) < 0.6


def number(cell: Cell) -> float:
    value: Any = cell.value
    return float(value)
