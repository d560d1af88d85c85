"""Reading: an in-memory DuckDB over the files of a snapshot, with one view a table.

Nothing here holds a lock or writes a file. Each reading opens fresh snapshots, and **the snapshot of ``runs`` is
taken first**: a writer commits its ``runs`` row last, so whatever that snapshot shows was complete in the other
tables before their (later) snapshots were taken. The other way round, a run could become visible between the two
and show no results. May import: core and store; deltalake, duckdb and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.core.errors import StoreError
from assay.core.words import Fidelity, Mark, Status
from assay.store.schema import (
    DUCKDB_TYPES,
    ENVIRONMENTS,
    HEADLINE_PHASE,
    HEADLINES,
    RESULTS,
    RUNS,
    STAMPED,
    TABLES,
    arrow_schema,
    headline_columns,
)
from assay.store.tables import live_files

METRICS_VIEW = "metrics"
ALL_TABLES = tuple(TABLES)
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",  # else a large sort would leave a .tmp folder in the current one
}


@contextlib.contextmanager
def reading(
    location: str, tables: Sequence[str] = ALL_TABLES, *, versions: Mapping[str, int] | None = None
) -> Iterator[Any]:
    """Give a DuckDB connection with the views of these tables (``runs`` is always among them)."""
    connection = connect(location, tables, versions=versions)
    try:
        yield connection
    finally:
        connection.close()


def connect(
    location: str,
    tables: Sequence[str] = ALL_TABLES,
    *,
    through_arrow: bool = False,
    versions: Mapping[str, int] | None = None,
) -> Any:
    """Return a DuckDB connection with its views. The caller closes it.

    ``versions`` asks for an earlier state: the version of each table (-1: before its first write), as a snapshot holds.

    ``through_arrow`` lets Arrow read the files and DuckDB see only the batches, so that the connection needs no
    access to files (see ``sandbox``); otherwise DuckDB reads them itself, which is faster.
    """
    # RUNS leads, whatever the caller's order: see the module's docstring.
    wanted = [RUNS, *(table for table in ALL_TABLES if table in tables and table != RUNS)]
    files = {
        table: live_files(location, table, None if versions is None else versions.get(table, -1)) for table in wanted
    }
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("CREATE SCHEMA raw")
    for table in wanted:
        _add_raw(connection, table, files[table], through_arrow=through_arrow)
    _run(connection, _RUNS_VIEW, location)
    for table in wanted:
        if table == RESULTS:
            _run(connection, _results_view(), location)
        elif table in STAMPED:
            _run(connection, _visible_view(table), location)
        elif table == ENVIRONMENTS:
            _run(connection, _ENVIRONMENTS_VIEW, location)
        elif table != RUNS:
            _run(connection, f"CREATE VIEW {table} AS SELECT * FROM raw.{table}", location)  # noqa: S608
    if RESULTS in wanted:
        _run(connection, _metrics_view(), location)
    return connection


def fetch_rows(
    location: str, sql: str, parameters: Sequence[object] = (), *, tables: Sequence[str] = ALL_TABLES
) -> list[dict[str, Any]]:
    """Run a trusted query and return its rows as dicts. Spares the import of Arrow. Raises StoreError."""
    import duckdb

    with reading(location, tables) as connection:
        try:
            cursor = connection.cursor().execute(sql, list(parameters))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except duckdb.Error as error:
            raise read_failure(location, error) from error


def fetch_arrow(location: str, sql: str, parameters: Sequence[object] = ()) -> Any:
    """Run a trusted query over all views and return a ``pyarrow.Table``. Raises StoreError."""
    import duckdb

    with reading(location) as connection:
        try:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise read_failure(location, error) from error


def read_failure(location: str, error: BaseException) -> StoreError:
    """Turn DuckDB's error into ours. The SQL of this package is right, so mostly a file is damaged."""
    wrong_sql = type(error).__name__ in {"ParserException", "BinderException", "CatalogException"}
    hint = None if wrong_sql else "`assay store check` finds damaged files; `assay store repair` sets them aside."
    return StoreError(f"The store {location} could not be read: {' '.join(str(error).split())}", hint=hint)


def quote(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _run(connection: Any, sql: str, location: str) -> None:
    import duckdb

    try:
        connection.execute(sql)
    except duckdb.Error as error:
        raise read_failure(location, error) from error


def _add_raw(connection: Any, table: str, files: Sequence[str], *, through_arrow: bool) -> None:
    if not files:
        columns = ", ".join(f'"{each.name}" {DUCKDB_TYPES[each.type]}' for each in TABLES[table])
        connection.execute(f"CREATE TABLE raw.{table} ({columns})")
        return
    import duckdb

    # Instants become plain UTC timestamps: with a zone, fetching would need pytz.
    columns = ", ".join(
        f'make_timestamp(epoch_us("{each.name}")) AS "{each.name}"' if each.type == "time" else f'"{each.name}"'
        for each in TABLES[table]
    )
    if through_arrow:
        import pyarrow.dataset

        source = f"files.{table}"
        dataset = pyarrow.dataset.dataset(list(files), schema=arrow_schema(table), format="parquet")
        # A view of its own schema rather than connection.register(), whose names SHOW TABLES would list.
        connection.execute("CREATE SCHEMA IF NOT EXISTS files")
        connection.execute("USE files")
        connection.from_arrow(dataset).create_view(table)
        connection.execute("USE main")
    else:
        source = f"read_parquet([{', '.join(quote(path) for path in files)}])"
    try:
        connection.execute(f"CREATE VIEW raw.{table} AS SELECT {columns} FROM {source}")  # noqa: S608
    except duckdb.Error as error:
        raise read_failure(table, error) from error


# Should one run ever be appended twice, the earliest attempt counts (write ids sort by time). A run is superseded
# once a run that resumed it is visible.
_RUNS_VIEW = """
CREATE VIEW runs AS
WITH counted AS (
  SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY write_id) AS attempt FROM raw.runs
), visible AS (
  SELECT * EXCLUDE (attempt) FROM counted WHERE attempt = 1
)
SELECT *, run_id IN (SELECT parent_id FROM visible WHERE parent_id IS NOT NULL) AS superseded FROM visible
"""

_ENVIRONMENTS_VIEW = """
CREATE VIEW environments AS
SELECT * FROM raw.environments QUALIFY row_number() OVER (PARTITION BY env_id ORDER BY first_seen_at) = 1
"""


def _visible_view(table: str) -> str:
    return f"CREATE VIEW {table} AS SELECT * FROM raw.{table} WHERE write_id IN (SELECT write_id FROM runs)"  # noqa: S608


def _results_view() -> str:
    """``usable`` is ``ResultRecord.is_usable``."""
    excluding = ", ".join(quote(mark.value) for mark in Mark if mark.excludes)
    return f"""
    CREATE VIEW {RESULTS} AS
    SELECT *, status = {quote(Status.OK.value)} AND fidelity IS DISTINCT FROM {quote(Fidelity.FAILED.value)}
              AND NOT list_has_any(map_keys(marks), [{excluding}]) AS usable
    FROM raw.{RESULTS} WHERE write_id IN (SELECT write_id FROM runs)
    """  # noqa: S608  (words of ours)


def _metrics_view() -> str:
    keys = "run_id, result_id, series_id, case_id, measured_at, provenance"
    parts = []
    for name, (stat, unit) in HEADLINES.items():
        value, low, high, count = headline_columns(name)
        parts.append(
            f"SELECT {keys}, {quote(name)} AS name, {quote(HEADLINE_PHASE)} AS phase, {quote(stat)} AS stat, "  # noqa: S608
            f"{value} AS value, {quote(unit)} AS unit, {low} AS ci_lo, {high} AS ci_hi, {count} AS n, "
            f"NULL::VARCHAR AS reason FROM results WHERE {value} IS NOT NULL"
        )
    parts.append(f"SELECT {keys}, unnest(metrics, recursive := true) FROM results")  # noqa: S608
    return f"CREATE VIEW {METRICS_VIEW} AS {' UNION ALL BY NAME '.join(parts)}"
