"""What people may ask in SQL, and what they may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import UsageError
from assay.store import Store, sandbox
from assay.store.schema import TABLES


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, bundles: Any) -> Store:
    store = Store.open(tmp_path_factory.mktemp("sandbox") / "store")
    store.append(bundles.make_bundle())
    return store


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM results",
        "WITH r AS (SELECT * FROM runs) SELECT suite, count(*) FROM r GROUP BY ALL",
        "FROM metrics WHERE name = 'latency_ns'",
        "VALUES (1), (2)",
        "DESCRIBE launches",
        "SUMMARIZE results",
        "EXPLAIN SELECT * FROM runs",
        "EXPLAIN ANALYZE SELECT count(*) FROM samples",
        "EXPLAIN (FORMAT json) SELECT 1",
        "SELECT values, rank, unit FROM samples;",
        "SELECT shape['seq'], options, measured_at FROM results -- a comment",
    ],
)
def test_reading_is_accepted(filled: Store, sql: str) -> None:
    assert filled.query_readonly(sql).num_rows > 0


def test_question_marks_are_filled_as_in_trusted_sql(filled: Store) -> None:
    sql = "SELECT DISTINCT workload FROM results WHERE workload = ? OR batch < ? ORDER BY 1"
    for params in (["nothing", 1], ["nothing", 1_000]):
        assert filled.query_readonly(sql, params).to_pylist() == filled.query(sql, params).to_pylist()
    assert filled.query_readonly(sql, ["nothing", 1_000]).num_rows > 0
    with pytest.raises(UsageError, match="failed"):
        filled.query_readonly(sql, ["too few"])


def test_show_tables_lists_the_views_and_nothing_else(filled: Store) -> None:
    names = filled.query_readonly("SHOW TABLES").column(0).to_pylist()
    assert sorted(names) == sorted([*TABLES, "latest", "metrics"])


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "/* hi */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "WITH x AS (COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)) SELECT 1",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{file}''')",
        "COPY runs TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/new.db'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM duckdb_secrets()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET threads",
        "PRAGMA enable_profiling",
        "CALL enable_logging(storage='file', storage_config={{'path': '{folder}'}})",
        "SELECT * FROM enable_logging(storage='file', storage_config={{'path': '{folder}'}})",
        "SELECT * FROM system.main.\"Enable_Logging\"(storage='file', storage_path='{folder}')",
        "SELECT * FROM enable_profiling(save_location='{folder}/p.txt')",
        "SELECT * FROM query('SELECT * FROM enable' || '_logging()')",
        "CREATE TABLE t (i INTEGER)",
        "INSERT INTO raw.runs DEFAULT VALUES",
        "DROP VIEW runs",
        "DELETE FROM raw.runs",
        "SELECT 1; SELECT 2",
        "",
        "SELEC 1",
    ],
)
def test_everything_else_is_refused_and_changes_nothing(filled: Store, tmp_path: Path, sql: str) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    file = next((Path(filled.location) / "results").glob("*.parquet"))
    before = _contents(Path(filled.location))
    with pytest.raises(UsageError):
        filled.query_readonly(sql.format(file=file, folder=folder))
    assert _contents(Path(filled.location)) == before
    assert list(folder.iterdir()) == []


def test_an_unknown_view_or_column_names_the_nearest(filled: Store) -> None:
    with pytest.raises(UsageError, match="nearest views are results"):
        filled.query_readonly("SELECT * FROM result")
    with pytest.raises(UsageError, match="nearest columns are workload"):
        filled.query_readonly("SELECT wrkload FROM results")


def test_rows_are_limited(filled: Store) -> None:
    assert filled.query_readonly("SELECT * FROM range(1000000)", max_rows=11).num_rows == 11


def test_a_query_that_takes_too_long_is_stopped(filled: Store) -> None:
    endless = "SELECT count(*) FROM range(100000000000) AS a, range(1000) AS b"
    with pytest.raises(UsageError, match=r"stopped after 0\.3 s"):
        filled.query_readonly(endless, timeout_s=0.3)


def test_a_query_that_takes_too_much_memory_is_stopped(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_MEMORY_LIMIT", "60MB")
    with pytest.raises(UsageError, match="Out of Memory"):
        filled.query_readonly("SELECT list(repeat('x', 100000) || i) FROM range(5000) AS r (i)")


def test_both_ways_of_reading_agree(filled: Store) -> None:
    for view in ("runs", "results", "launches", "samples", "environments", "metrics"):
        sql = f"SELECT * FROM {view} ORDER BY ALL"  # noqa: S608
        assert filled.query_readonly(sql).to_pylist() == filled.query(sql).to_pylist()


def test_parameters_are_bound(filled: Store) -> None:
    sql = "SELECT count(*) AS n FROM results WHERE engine = ?"
    assert filled.query(sql, ["torch"]).to_pylist() == [{"n": 2}]
    assert filled.query(sql, ["' OR 1 = 1 --"]).to_pylist() == [{"n": 0}]


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
