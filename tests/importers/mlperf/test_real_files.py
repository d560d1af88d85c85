"""The published files as they are: how many rows, what is marked, and where two files say the same."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Refusal, importers
from assay.importers.mlperf import collected, summary, table
from assay.importers.source import Source

MODULES = (collected, summary, table)  # importing a module registers its importer
DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
SUMMARY = "mlperf_official/v4.1_summary_results.json"
TABLE = "kpi_sources/mlperf.csv"
INFERENCE = "mlperf_inference/mlperf_inference_v2.0-v4.1.parquet"
TRAINING = "mlperf_training/mlperf_training_v1.0-v5.0.parquet"


def find(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the published file {name} is not beside this checkout")
    return path


@functools.cache
def read(format_name: str, name: str) -> tuple[list[ImportedRow], list[Refusal]]:
    """Rows and refusals of a file; read once, since nothing changes them."""
    path = find(name)
    items = list(importers.get(format_name).read(Source(path, name, path.stat().st_size)))
    return (
        [item for item in items if isinstance(item, ImportedRow)],
        [item for item in items if isinstance(item, Refusal)],
    )


def count_marks(rows: list[ImportedRow]) -> dict[Mark, int]:
    return dict(Counter(mark for row in rows for mark in row.marks))


def value(row: ImportedRow, name: str) -> float | None:
    return next((one.value for one in row.metrics if one.name == name), None)


def system(row: ImportedRow) -> tuple[str, str]:
    return row.fields["Public ID"], row.fields["System Name (click + for details)"]


@pytest.mark.parametrize(
    ("name", "importer"),
    [
        (SUMMARY, "mlperf-summary"),
        (TABLE, "mlperf-table"),
        (INFERENCE, "mlperf-parquet"),
        (TRAINING, "mlperf-parquet"),
    ],
)
def test_each_file_is_for_one_importer(name: str, importer: str, recognised_by: Callable[[Path], list[str]]) -> None:
    assert recognised_by(find(name)) == [importer]


def test_the_summary_of_v4_1() -> None:
    rows, refusals = read("mlperf-summary", SUMMARY)
    assert (len(rows), len(refusals)) == (937, 0)
    assert count_marks(rows) == {Mark.DERIVED: 796, Mark.CORRECTED: 5}
    assert len({row.case.case_id for row in rows}) == 937
    metrics = Counter(one.name for row in rows for one in row.metrics if one.value is not None)
    assert metrics == {
        "accuracy": 529,
        "average_power_w": 29,
        "energy_j_per_call": 2,
        "latency_ns": 34,
        "serving_rate_per_s": 225,
        "throughput_per_accelerator_per_s": 796,
        "throughput_per_s": 678,
    }
    first = rows[0]
    assert (value(first, "throughput_per_s"), first.unit_of_work, first.case.precision) == (3062.72, "token", "fp8")
    assert first.case.device == "AMD Instinct MI300X-NPS1-SPX-192GB-750W"


def test_the_table_of_v5_0() -> None:
    rows, refusals = read("mlperf-table", TABLE)
    assert (len(rows), len(refusals)) == (861, 0)
    assert count_marks(rows) == {Mark.DERIVED: 812, Mark.CORRECTED: 108}
    assert len({row.case.case_id for row in rows}) == 861
    assert value(rows[0], "throughput_per_s") == 33928.1
    assert value(rows[0], "throughput_per_accelerator_per_s") == pytest.approx(33928.1 / 8)


def test_tokens_of_the_interactive_model_are_those_of_the_other() -> None:
    rows, _ = read("mlperf-table", TABLE)
    offline = [row for row in rows if dict(row.case.options)["scenario"] == "Offline"]
    tokens = {(*system(row), row.case.workload): value(row, "throughput_per_s") for row in offline}
    pairs = [
        (tokens[*of, "llama2-70b-interactive-99"], tokens[*of, "llama2-70b-99"])
        for of in dict.fromkeys(system(row) for row in offline)
        if tokens.keys() >= {(*of, "llama2-70b-interactive-99"), (*of, "llama2-70b-99")}
    ]
    assert len(pairs) == 20
    ratios = sorted(one / other for one, other in pairs if one is not None and other is not None)
    assert ratios[0] > 0.7  # a number of samples would be 300 times smaller
    assert ratios[len(ratios) // 2] == pytest.approx(1, rel=0.01)


def test_the_collection_of_inference() -> None:
    rows, refusals = read("mlperf-parquet", INFERENCE)
    assert (len(rows), len(refusals)) == (29246, 0)
    inferred = [row for row in rows if "inferred" in dict(row.case.options)]
    assert len(inferred) == 14963
    assert count_marks(rows) == {Mark.DERIVED: 19776, Mark.CORRECTED: 387}
    shares = [row for row in rows if value(row, "throughput_per_accelerator_per_s") is not None]
    assert len(shares) == 5555
    assert len({row.case.case_id for row in rows}) == 29246
    assert {row.status for row in rows} == {Status.OK}
    units = Counter(row.unit_of_work for row in rows if value(row, "latency_ns") is None)
    assert units == {"sample": 10748, "query": 1855, "token": 363}
    # What the collector's own correction has wrong: these are about 300 times smaller than the tokens of Offline.
    queries = [row for row in rows if "which is wrong" in row.marks.get(Mark.CORRECTED, "")]
    assert len(queries) == 24
    assert max(value(row, "serving_rate_per_s") or 0 for row in queries) < 101


def test_the_collection_of_training() -> None:
    rows, refusals = read("mlperf-parquet", TRAINING)
    assert (len(rows), len(refusals)) == (1216, 0)
    assert count_marks(rows) == {Mark.UNVERIFIED: 385}
    assert len({row.case.case_id for row in rows}) == 1216
    assert value(rows[0], "time_to_train_ns") == pytest.approx(20.979444444444443 * 60e9)


def test_two_files_agree_about_v4_1() -> None:
    published, _ = read("mlperf-summary", SUMMARY)
    collection, _ = read("mlperf-parquet", INFERENCE)

    def results(rows: list[ImportedRow], location: str) -> dict[object, tuple[float | None, str | None]]:
        names = ("throughput_per_s", "serving_rate_per_s", "latency_ns")
        return {
            str(row.fields[location]).casefold(): (
                next(found for name in names if (found := value(row, name)) is not None),
                row.unit_of_work,
            )
            for row in rows
            if dict(row.case.options)["round"] == "v4.1"
        }

    one, other = results(published, "Location"), results(collection, "location")
    assert len(one.keys() & other.keys()) == 937
    for key, (result, unit) in one.items():
        assert result == pytest.approx(other[key][0], rel=1e-4)
        assert unit == other[key][1]
