"""The DuckDB and Parquet files: the star schema, the flat tables, the web tables; zeros that stand for unknown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.words import Mark, Mode, Status
from assay.importers.base import Importer, ImportFileError, importers
from assay.importers.source import Limits, Source

Sort = Callable[[Importer, Source], Any]

_STAR = """
CREATE TABLE models (model_id INTEGER, model_name VARCHAR, model_family VARCHAR, parameters_million FLOAT);
CREATE TABLE hardware_platforms (hardware_id INTEGER, hardware_type VARCHAR, device_name VARCHAR, created_at TIMESTAMP);
CREATE TABLE test_runs (run_id INTEGER, test_name VARCHAR, success BOOLEAN);
CREATE TABLE performance_results (
  result_id INTEGER, run_id INTEGER, model_id INTEGER, hardware_id INTEGER, test_case VARCHAR, batch_size INTEGER,
  precision VARCHAR, total_time_seconds FLOAT, average_latency_ms DOUBLE, throughput_items_per_second DOUBLE,
  memory_peak_mb DOUBLE, iterations INTEGER, metrics JSON, created_at TIMESTAMP);
CREATE TABLE performance_batch_results (result_id INTEGER, batch_index INTEGER, latency_ms DOUBLE);
CREATE TABLE web_platform_results (
  result_id INTEGER, run_id INTEGER, model_id INTEGER, hardware_id INTEGER, platform VARCHAR, browser VARCHAR,
  success BOOLEAN, load_time_ms DOUBLE, inference_time_ms DOUBLE, shader_compilation_time_ms DOUBLE,
  error_message VARCHAR, created_at TIMESTAMP);
CREATE TABLE webgpu_advanced_features (result_id INTEGER, compute_shader_support BOOLEAN);
CREATE TABLE hardware_compatibility (
  model_id INTEGER, hardware_id INTEGER, is_compatible BOOLEAN, error_message VARCHAR);
CREATE TABLE integration_test_results (test_name VARCHAR, status VARCHAR, execution_time_seconds DOUBLE);
CREATE VIEW trap AS SELECT error('trap') AS a;
INSERT INTO models VALUES (1, 'org/a', 'text', 110), (2, 'unknown_model', NULL, NULL);
INSERT INTO hardware_platforms VALUES (1, 'cpu', 'A Processor', '2025-03-02 22:19:40');
INSERT INTO test_runs VALUES (1, 'nightly', true);
INSERT INTO performance_results VALUES
  (1, 1, 1, 1, 'embedding', 4, 'fp32', 1.5, 2.5, 1600, 100, 3, NULL, '2025-03-02 22:20:00'),
  (2, 1, 2, 1, NULL, 1, 'fp32', 0, 0, 0, 0, 0, NULL, '2025-03-02 22:20:00'),
  (3, 1, 1, 1, NULL, 1, 'fp32', NULL, -1, 5, NULL, 1, NULL, '2025-03-02 22:20:00'),
  (4, 1, 9, 9, NULL, 1, 'fp32', NULL, 3.5, 5, NULL, 1, '{"environment": "simulation"}', '2025-03-02 22:20:00');
INSERT INTO performance_batch_results VALUES (1, 2, 3.0), (1, 0, 2.0), (1, 1, 2.5);
INSERT INTO web_platform_results VALUES
  (1, 1, 1, 1, 'webgpu', 'firefox', true, 480.5, 80.5, 12.5, NULL, '2025-03-06 18:41:31'),
  (2, 1, 1, 1, 'webnn', 'chrome', false, NULL, NULL, NULL, 'WebNN is not available', '2025-03-06 18:41:31');
INSERT INTO webgpu_advanced_features VALUES (1, true);
INSERT INTO hardware_compatibility VALUES (1, 1, true, NULL), (2, 1, false, NULL), (2, 1, false, 'CUDA out of memory');
INSERT INTO integration_test_results VALUES ('test_x', 'passed', 1.25), ('test_y', 'failed', NULL);
CREATE TABLE extra (a INTEGER); INSERT INTO extra VALUES (1);
"""

_FLAT: dict[str, list[Any]] = {
    "model": ["unknown", "a"], "hardware": ["unknown", "cpu"], "device": ["unknown", "cpu"], "batch_size": [1, 2],
    "precision": ["fp32", "fp32"], "throughput": [0.0, 10.5], "latency_avg": [0.0, 12.5], "latency_p90": [0.0, 0.0],
    "memory_peak": [0.0, 100.5], "timestamp": [datetime(2025, 3, 1, 18, 38, 48), None],  # noqa: DTZ001  (as theirs)
    "source_file": ["x.json", "y.json"],
}  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Callable[[str], Source]:
    def make(sql: str) -> Source:
        path = tmp_path / "some.duckdb"
        connection = duckdb.connect(str(path))
        connection.execute(sql)
        connection.close()
        return Source(path, "some.duckdb", path.stat().st_size)

    return make


def _parquet(folder: Path, columns: dict[str, list[Any]], limits: Limits | None = None) -> Source:
    path = folder / "some.parquet"
    pq.write_table(pa.table(columns), path)
    return Source(path, "some.parquet", path.stat().st_size, limits or Limits())


def test_the_star_schema_is_read_with_what_its_rows_refer_to(
    database: Callable[[str], Source], sort: Sort, modules: dict[str, str]
) -> None:
    source = database(_STAR)
    before = source.path.read_bytes()
    assert [name for name in modules if importers.get(name).recognise(source)] == ["ipfs-duckdb"]
    taken = sort(importers.get("ipfs-duckdb"), source)
    rows = {row.place: row for row in taken.rows}
    first = rows["performance_results row 1"]
    assert (first.case.workload, first.case.device, first.case.batch) == ("org/a", "cpu", 4)
    assert (first.case.precision, first.hardware, first.parameters) == ("fp32", "A Processor", 110_000_000)
    assert dict(first.case.options) == {"model_family": "text", "test_case": "embedding"}
    assert first.samples[0].values == (2_000_000, 2_500_000, 3_000_000)
    assert {(metric.name, metric.stat): metric.value for metric in first.metrics} == {
        ("latency_ns", "mean"): 2.5e6, ("latency_ns", "median"): 2.5e6, ("wall_time_ns", "mean"): 1.5e9,
        ("throughput_per_s", "mean"): 1600.0, ("memory_used_bytes", "max"): 100e6,
    }  # fmt: skip
    assert first.measured_at == datetime(2025, 3, 2, 22, 20, tzinfo=UTC)
    assert source.path.read_bytes() == before


def test_zeros_of_the_star_schema_are_unknown(database: Callable[[str], Source], sort: Sort) -> None:
    taken = sort(importers.get("ipfs-duckdb"), database(_STAR))
    row = next(row for row in taken.rows if row.place == "performance_results row 2")
    assert row.case.workload == "unknown_model"
    assert [metric.value for metric in row.metrics] == [None] * 4
    assert all("stands for unknown" in str(metric.reason) for metric in row.metrics)
    assert row.status is Status.SKIPPED


def test_broken_and_simulated_rows_of_a_database(database: Callable[[str], Source], sort: Sort) -> None:
    taken = sort(importers.get("ipfs-duckdb"), database(_STAR))
    (refusal,) = taken.refusals
    assert (refusal.place, refusal.error) == ("performance_results row 3", "average_latency_ms: -1 ms is negative.")
    simulated = next(row for row in taken.rows if row.place == "performance_results row 4")
    assert simulated.case.workload == "model_id 9"
    assert simulated.simulated is True
    assert Mark.SIMULATED in simulated.marks


def test_web_tables_and_flags(database: Callable[[str], Source], sort: Sort) -> None:
    taken = sort(importers.get("ipfs-duckdb"), database(_STAR))
    rows = {row.place: row for row in taken.rows}
    web = rows["web_platform_results row 1"]
    assert {metric.name: metric.value for metric in web.metrics} == {
        "latency_ns": 80.5e6, "load_ns": 480.5e6, "compile_ns": 12.5e6,
    }  # fmt: skip
    assert web.fields["webgpu_advanced_features"] == {"result_id": 1, "compute_shader_support": True}
    assert dict(web.case.options)["browser"] == "firefox"
    absent = rows["web_platform_results row 2"]
    assert (absent.status, absent.reason) == (Status.UNSUPPORTED, "WebNN is not available")
    flags = [rows[f"hardware_compatibility row {number}"] for number in (1, 2, 3)]
    assert [row.status for row in flags] == [Status.OK, Status.UNSUPPORTED, Status.OOM]
    assert Mark.UNVERIFIED in flags[0].marks
    assert rows["integration_test_results row 2"].status is Status.FAILED
    assert rows["integration_test_results row 1"].metrics[0].value == 1.25e9


def test_what_is_not_a_result_is_told(database: Callable[[str], Source], sort: Sort) -> None:
    taken = sort(importers.get("ipfs-duckdb"), database(_STAR))
    assert taken.facts[0].values["models"][0]["model_name"] == "org/a"
    assert any("did not read: extra (1 rows)" in note for note in taken.notes)


def test_the_flat_tables_of_a_database(database: Callable[[str], Source], sort: Sort) -> None:
    source = database(
        "CREATE TABLE benchmark_performance AS SELECT 'a' AS model, 'cpu' AS hardware, 'x' AS device, 2 AS batch_size,"
        " 'fp16' AS precision, 3.5 AS throughput, 0.0 AS latency_avg, 0.0 AS memory_peak;"
        "CREATE TABLE benchmark_compatibility AS SELECT 'a' AS model, 'cuda' AS hardware_type, true AS is_compatible;"
    )
    performance, flag = sort(importers.get("ipfs-duckdb"), source).rows
    assert {metric.name: metric.value for metric in performance.metrics} == {
        "throughput_per_s": 3.5, "latency_ns": None, "memory_used_bytes": None,
    }  # fmt: skip
    assert (flag.case.device, dict(flag.case.options)) == ("cuda", {"check": "compatibility"})


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("CREATE TABLE other (a INTEGER)", "no table of the framework's results; its tables are other"),
        (
            "CREATE TABLE performance_results (model_id INTEGER)",
            "the table performance_results lacks average_latency_ms",
        ),
        ("CREATE VIEW performance_results AS SELECT 1 AS model_id", "its tables are none"),
    ],
)
def test_another_schema_is_refused_by_name(sql: str, error: str, database: Callable[[str], Source]) -> None:
    source = database(sql)
    with pytest.raises(ImportFileError, match=error):
        list(importers.get("ipfs-duckdb").read(source))


def test_a_torn_database_says_that_it_cannot_be_opened(database: Callable[[str], Source]) -> None:
    source = database("CREATE TABLE performance_results (a INTEGER)")
    source.path.write_bytes(source.path.read_bytes()[:5000])
    torn = Source(source.path, "torn.duckdb", 5000)
    assert not importers.get("ipfs-duckdb").recognise(torn)
    with pytest.raises(ImportFileError, match=r"torn\.duckdb cannot be opened as DuckDB"):
        importers.get("ipfs-duckdb").read(torn)


def test_a_database_cannot_reach_other_files(database: Callable[[str], Source], tmp_path: Path, sort: Sort) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    source = database(
        "CREATE TABLE benchmark_compatibility AS SELECT 'a' AS model, 'cpu' AS hardware_type, true AS is_compatible;"  # noqa: S608  (a path of this test)
        f"CREATE VIEW models AS SELECT * FROM read_csv('{secret}');"
    )
    taken = sort(importers.get("ipfs-duckdb"), source)
    assert len(taken.rows) == 1
    assert taken.facts == []


def test_the_flat_parquet_table(tmp_path: Path, sort: Sort, modules: dict[str, str]) -> None:
    source = _parquet(tmp_path, _FLAT)
    assert [name for name in modules if importers.get(name).recognise(source)] == ["ipfs-parquet"]
    empty, other = sort(importers.get("ipfs-parquet"), source).rows
    assert (empty.place, empty.status) == ("row 1", Status.SKIPPED)
    assert empty.reason == "nothing measured: every number of the row is 0 or missing"
    assert (empty.case.workload, empty.case.device) == ("unknown", "unknown")
    assert [metric.value for metric in empty.metrics] == [None] * 4
    # The table does not say in which unit a latency is, so it is no latency.
    assert {(metric.name, metric.phase): metric.value for metric in other.metrics} == {
        ("throughput_per_s", "steady"): 10.5, ("score", "latency_avg"): 12.5, ("score", "memory_peak"): 100.5,
        ("latency_ns", "steady"): None,
    }  # fmt: skip


def test_made_up_samples_are_simulated(tmp_path: Path, sort: Sort) -> None:
    columns: dict[str, list[Any]] = {
        "benchmark_id": ["x", "y", "z"], "timestamp": ["2025-03-02T20:57:47.433331"] * 3,
        "model_name": ["sample-model-3", "sample-model-4", None], "hardware_type": ["mps"] * 3,
        "hardware_name": ["sample-hardware-8"] * 3, "batch_size": [4, 8, 1], "sequence_length": [32, 64, 1],
        "precision": ["int8"] * 3, "test_type": ["inference", "training", "inference"],
        "benchmark_iterations": [99, 30, 1], "avg_latency": [0.25, 0.5, 0.5], "p50_latency": [0.5, 0.25, 0.5],
        "throughput": [639.8, 1.0, 1.0], "peak_memory_usage": [1000, 2000, 1],
        "status": ["completed", "timed_out", "completed"], "error": [None, "Sample error message", None],
        "metadata": [{"notes": "Sample benchmark data for testing", "tags": ["sample", "test"]}] * 3,
    }  # fmt: skip
    taken = sort(importers.get("ipfs-parquet"), _parquet(tmp_path, columns))
    first, second = taken.rows
    assert first.simulated is True
    assert "Sample benchmark data for testing" in first.marks[Mark.SIMULATED]
    assert {(metric.name, metric.stat): metric.value for metric in first.metrics} == {
        ("latency_ns", "mean"): 0.25e9, ("latency_ns", "median"): 0.5e9, ("throughput_per_s", "mean"): 639.8,
        ("memory_used_bytes", "max"): 1000.0,
    }  # fmt: skip
    assert dict(first.case.shape) == {"seq": 32}
    assert (second.status, second.reason, second.case.mode) == (Status.TIMEOUT, "Sample error message", Mode.TRAINING)
    assert [(refusal.place, refusal.error) for refusal in taken.refusals] == [("row 3", "It names no model.")]


def test_other_and_broken_parquet_files_are_refused(tmp_path: Path) -> None:
    other = _parquet(tmp_path, {"a": [1]})
    assert not importers.get("ipfs-parquet").recognise(other)
    with pytest.raises(ImportFileError, match="none of the framework's tables; its columns are a"):
        importers.get("ipfs-parquet").read(other)
    broken = _parquet(tmp_path, _FLAT)
    broken.path.write_bytes(broken.path.read_bytes()[:-30])
    broken = Source(broken.path, "some.parquet", 1)
    assert not importers.get("ipfs-parquet").recognise(broken)
    with pytest.raises(ImportFileError, match="cannot be read as Parquet"):
        importers.get("ipfs-parquet").read(broken)


def test_a_date_that_no_calendar_has_is_a_broken_file(tmp_path: Path, sort: Sort) -> None:
    beyond = pa.array([2**61, None], pa.int64()).cast(pa.timestamp("us"))
    source = _parquet(tmp_path, _FLAT | {"timestamp": beyond})
    with pytest.raises(ImportFileError, match="cannot be read beyond row 0: date value out of range"):
        sort(importers.get("ipfs-parquet"), source)


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    source = _parquet(tmp_path, _FLAT, Limits(unpacked_bytes=10))
    with pytest.raises(ImportFileError, match="10 are read at most"):
        importers.get("ipfs-parquet").read(source)
