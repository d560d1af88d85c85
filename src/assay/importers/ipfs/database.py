"""The framework's DuckDB files: its star schema (results beside tables of models and hardware) and its flat tables.

Files are opened read-only, without extensions and without access to any other file; only tables are read, never views,
whose text could do anything. May import: core, importers.base, importers.ipfs; duckdb inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.importers.base import Facts, ImportFileError, Item, Note, importers
from assay.importers.ipfs.common import CLOCK, cut, guarded
from assay.importers.ipfs.records import FLAT, result_row
from assay.importers.plain import plain
from assay.importers.source import Source

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "temp_directory": "",
}
_BATCH_ROWS = 2048
_CATALOGUE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of results: by which columns it is known, what its rows refer to, what they check (None: timings)."""

    columns: frozenset[str]
    check: str | None = None


_STAR = frozenset({"model_id", "hardware_id"})
_RESULTS = {
    "performance_results": _Table(_STAR | {"batch_size", "average_latency_ms", "throughput_items_per_second"}),
    "web_platform_results": _Table(_STAR | {"platform", "success", "inference_time_ms"}),
    "hardware_compatibility": _Table(_STAR | {"is_compatible"}, "compatibility"),
    "integration_test_results": _Table(frozenset({"test_name", "status"}), "integration test"),
    "benchmark_performance": _Table(FLAT),
    "benchmark_compatibility": _Table(frozenset({"model", "hardware_type", "is_compatible"}), "compatibility"),
}
_CATALOGUES = ("models", "hardware_platforms", "test_runs", "benchmark_hardware")
"""What results refer to, and what is known of machines: kept as facts of the file."""
_OWN = ("metadata", "created_at", "platform")
"""Columns that mean another thing in a row than in what it refers to."""
_DETAILS = ("performance_batch_results", "webgpu_advanced_features")
_REFERENCES = (("models", "model_id"), ("hardware_platforms", "hardware_id"), ("test_runs", "run_id"))
_FEATURES = ("webgpu_advanced_features", "result_id")


class DuckdbImporter:
    """Every table of results in one of the framework's databases."""

    name = "ipfs-duckdb"
    title = "ipfs_accelerate_py DuckDB database"

    def recognise(self, source: Source) -> bool:
        """Tell by the names of the tables."""
        if not source.is_duckdb:
            return False
        try:
            with _reading(source) as connection:
                return not _RESULTS.keys().isdisjoint(_tables(connection))
        except ImportFileError:
            return False

    def read(self, source: Source) -> Iterator[Item]:
        """Give the rows, table by table. Raises ImportFileError for a file that cannot be opened or is another's."""
        if not source.is_duckdb:
            raise ImportFileError(f"{source.name} is no DuckDB database.")
        with _reading(source) as connection:
            tables = _tables(connection)
        _check_schema(source, tables)
        return _items(source, tables)


def _check_schema(source: Source, tables: Mapping[str, frozenset[str]]) -> None:
    known = [name for name in _RESULTS if name in tables]
    if not known:
        found = ", ".join(sorted(tables)[:12]) or "none"
        raise ImportFileError(
            f"{source.name} has no table of the framework's results; its tables are {found}.",
            hint=f"Expected one of: {', '.join(_RESULTS)}.",
        )
    for name in known:
        missing = _RESULTS[name].columns - tables[name]
        if missing:
            raise ImportFileError(f"{source.name}: the table {name} lacks {', '.join(sorted(missing))}.")


def _items(source: Source, tables: Mapping[str, frozenset[str]]) -> Iterator[Item]:
    import duckdb

    yield CLOCK
    with _reading(source) as connection:
        try:
            counts = {name: _count(connection, name) for name in sorted(tables)}
            catalogues = {name: _catalogue(connection, name) for name in _CATALOGUES if counts.get(name)}
            if catalogues:
                yield Facts(catalogues)
            yield from _notes(counts)
            for name, table in _RESULTS.items():
                if counts.get(name):
                    yield from _rows(connection, name, tables, table.check)
        except duckdb.Error as error:
            raise ImportFileError(f"{source.name} cannot be read: {cut(str(error), 300)}") from None


def _notes(counts: Mapping[str, int]) -> Iterator[Item]:
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        yield Note(f"Empty tables: {', '.join(empty)}.")
    catalogues = [f"{name} ({counts[name]} rows)" for name in _CATALOGUES if counts.get(name)]
    if catalogues:
        yield Note(f"Kept as facts of the file, since nothing was measured in them: {', '.join(catalogues)}.")
    cut_short = [name for name in _CATALOGUES if counts.get(name, 0) > _CATALOGUE_ROWS]
    if cut_short:
        yield Note(f"Of {', '.join(cut_short)} only the first {_CATALOGUE_ROWS} rows are kept as facts.")
    others = [
        f"{name} ({count} rows)"
        for name, count in counts.items()
        if count and name not in _RESULTS and name not in _CATALOGUES and name not in _DETAILS
    ]
    if others:
        yield Note(f"Tables that this importer does not know, and did not read: {', '.join(others)}.")
    if not any(counts.get(name) for name in _RESULTS):
        yield Note("The database has no result at all.")


def _rows(connection: Any, name: str, tables: Mapping[str, frozenset[str]], check: str | None) -> Iterator[Item]:
    cursor = connection.cursor().execute(_query(name, tables))
    columns = [column[0] for column in cursor.description]
    number = 0
    while rows := cursor.fetchmany(_BATCH_ROWS):
        for values in rows:
            number += 1
            record = _joined(dict(zip(columns, values, strict=True)))
            place = f"{name} row {number}"
            yield guarded(place, record, lambda: result_row(record, place, check=check))  # noqa: B023


def _query(name: str, tables: Mapping[str, frozenset[str]]) -> str:
    """Write the query for one table with what it refers to, each as one struct (never more rows than the table has)."""
    parts = ["r.*"]
    for other, key in (*_REFERENCES, *([_FEATURES] if name == "web_platform_results" else [])):
        if key in tables.get(other, ()) and key in tables[name]:
            parts.append(f'(SELECT any_value(o) FROM "{other}" o WHERE o.{key} = r.{key}) AS "{other}"')  # noqa: S608  (same)
    readings = tables.get("performance_batch_results", frozenset())
    if (
        name == "performance_results"
        and {"result_id", "latency_ms", "batch_index"} <= readings
        and "result_id" in tables[name]
    ):
        parts.append(
            "(SELECT list(b.latency_ms ORDER BY b.batch_index) FROM performance_batch_results b"
            " WHERE b.result_id = r.result_id) AS batch_latencies_ms"
        )
    return f'SELECT {", ".join(parts)} FROM "{name}" r ORDER BY r.rowid'  # noqa: S608  (names of ours)


def _joined(record: dict[str, Any]) -> dict[str, Any]:
    """Add what a row refers to under its own names, where the row has none of that name."""
    for other in ("models", "hardware_platforms"):
        inner = record.get(other)
        for key, value in inner.items() if isinstance(inner, dict) else ():
            if key not in _OWN:
                record.setdefault(key, value)
    return record


def _catalogue(connection: Any, name: str) -> list[Any]:
    cursor = connection.cursor().execute(f'SELECT * FROM "{name}" LIMIT {_CATALOGUE_ROWS}')  # noqa: S608  (names of ours)
    columns = [column[0] for column in cursor.description]
    return [plain(dict(zip(columns, values, strict=True))) for values in cursor.fetchall()]


def _count(connection: Any, name: str) -> int:
    quoted = name.replace('"', '""')
    return int(connection.cursor().execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608  (quoted)


def _tables(connection: Any) -> dict[str, frozenset[str]]:
    found = connection.cursor().execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal AND database_name = current_database()"
        " AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main') GROUP BY table_name"
    )
    return {name: frozenset(columns) for name, columns in found.fetchall()}


@contextlib.contextmanager
def _reading(source: Source) -> Iterator[Any]:
    import duckdb

    try:
        connection = duckdb.connect(str(source.path), read_only=True, config=_CONFIG)
    except (duckdb.Error, OSError, ValueError) as error:
        raise ImportFileError(f"{source.name} cannot be opened as DuckDB: {cut(str(error), 300)}") from None
    try:
        yield connection
    finally:
        connection.close()


importers.add("ipfs-duckdb", DuckdbImporter())
