"""Reading: an in-memory DuckDB over the files of a snapshot, with one view a table.

Nothing here holds a lock or writes a file. Each reading opens fresh snapshots, and **the snapshot of ``runs`` is
taken first**: a writer commits its ``runs`` row last, so whatever that snapshot shows was complete in the other
tables before their (later) snapshots were taken. The other way round, a run could become visible between the two
and show no results. May import: core and store; deltalake, duckdb and pyarrow inside functions.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.errors import StoreError
from assay.store import remote
from assay.store.address import is_remote
from assay.store.latest_cache import LatestCache, read_latest_cache
from assay.store.schema import (
    DUCKDB_TYPES,
    ENVIRONMENTS,
    OF_CATALOGUE,
    RESULTS,
    RUNS,
    STAMPED,
    TABLES,
    VISIBLE,
)
from assay.store.tables import arrow_dataset, live_files
from assay.store.view_sql import (
    ENVIRONMENTS_VIEW,
    OF_RUNS,
    RUNS_VIEW,
    catalogue_view,
    latest_of,
    metrics_view,
    quote,
    visible_results,
    visible_view,
)

METRICS_VIEW = "metrics"
LATEST_VIEW = "latest"
"""The newest visible result of each series. Made where it is asked for by name, or where every table is."""
ALL_TABLES = tuple(TABLES)
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",  # else a large sort would leave a .tmp folder in the current one
    "enable_external_file_cache": "false",  # the operating system keeps pages already, and gives them back
}


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a connection is made of: where equal, so is what it shows."""

    tables: tuple[str, ...]
    files: dict[str, list[str]]
    with_latest: bool
    cache: LatestCache | None


@contextlib.contextmanager
def reading(
    location: str, tables: Sequence[str] = ALL_TABLES, *, versions: Mapping[str, int] | None = None
) -> Iterator[Any]:
    """Give a DuckDB connection with the views of these tables (``runs`` is always among them).

    It shows the newest snapshots. Where nothing was written since this process last read the same tables, the views
    that were made then are used again: making them takes longer than a query over millions of rows. So nothing is to
    be created in it.
    """
    inputs = _take_snapshots(location, tables, versions)
    # An address is connected to anew, since credentials may change while a process lives.
    if is_remote(location):
        connection = _connect(location, inputs, through_arrow=True)
    else:
        connection = _prepared(location, inputs, is_newest=versions is None)
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
    """Return a DuckDB connection of its own with its views. The caller closes it.

    ``versions`` asks for an earlier state: the version of each table (-1: before its first write), as a snapshot holds.

    ``through_arrow`` lets Arrow read the files and DuckDB see only the batches, so that the connection needs no
    access to files (see ``sandbox``); otherwise DuckDB reads them itself, which is faster.
    """
    inputs = _take_snapshots(location, tables, versions)
    return _connect(location, inputs, through_arrow=through_arrow or is_remote(location))


def _take_snapshots(location: str, tables: Sequence[str], versions: Mapping[str, int] | None) -> _Inputs:
    # RUNS leads, whatever the caller's order: see the module's docstring.
    wanted = (RUNS, *(table for table in ALL_TABLES if table in tables and table != RUNS))
    files = {
        table: live_files(location, table, None if versions is None else versions.get(table, -1)) for table in wanted
    }
    with_latest = RESULTS in wanted and (LATEST_VIEW in tables or len(wanted) == len(ALL_TABLES))
    cache = read_latest_cache(location) if with_latest and versions is None else None
    return _Inputs(wanted, files, with_latest, cache)


_Place = tuple[str, tuple[str, ...], bool, bool]
"""Location, tables, with the view ``latest`` or not, of the newest state or of a pinned one."""
_PREPARED: OrderedDict[_Place, tuple[_Inputs, Any]] = OrderedDict()
_PREPARED_LOCK = threading.Lock()
_PREPARED_KEPT = 16
_MAKING: dict[_Place, threading.Lock] = {}
"""One makes a connection, the others who want the same wait for it: each has threads and buffers of its own."""
_OF_PARENT: list[object] = []


def _forget_after_fork() -> None:
    """A child has none of the threads of DuckDB: it must not use what its parent made, nor close it."""
    global _PREPARED_LOCK  # noqa: PLW0603  (another thread of the parent may have held it)
    _PREPARED_LOCK = threading.Lock()
    _MAKING.clear()
    _OF_PARENT.append(list(_PREPARED.values()))
    _PREPARED.clear()


def _close_prepared() -> None:
    """Let go while DuckDB still can; later it would complain of what was never given back."""
    with _PREPARED_LOCK:
        while _PREPARED:
            _PREPARED.popitem()[1][1].close()


atexit.register(_close_prepared)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _prepared(location: str, inputs: _Inputs, *, is_newest: bool) -> Any:
    """Return a cursor on a connection that shows these inputs, made now or earlier; it may show other tables too."""
    place = (location, inputs.tables, inputs.with_latest, is_newest)
    with _PREPARED_LOCK:
        found = _find_prepared(location, inputs)
        making = _MAKING.setdefault(place, threading.Lock())
    if found is not None:
        return found
    with making:
        with _PREPARED_LOCK:
            found = _find_prepared(location, inputs)
        if found is not None:
            return found
        connection = _connect(location, inputs, through_arrow=False)
        with _PREPARED_LOCK:
            _drop_outdone(location, inputs, is_newest=is_newest)
            _PREPARED[place] = (inputs, connection)
            _PREPARED.move_to_end(place)
            while len(_PREPARED) > _PREPARED_KEPT:
                _MAKING.pop(_PREPARED.popitem(last=False)[0], None)  # closed once its last cursor is
            return connection.cursor()


def _find_prepared(location: str, inputs: _Inputs) -> Any | None:
    for place, (known, connection) in _PREPARED.items():
        if place[0] == location and _shows(known, inputs):
            _PREPARED.move_to_end(place)
            return connection.cursor()
    return None


def _drop_outdone(location: str, inputs: _Inputs, *, is_newest: bool) -> None:
    """Let go of what new inputs make useless: what they show as well, and of the newest state what is not that now.

    A connection keeps the threads and the buffers of a whole database: a server whose store grows would have one of an
    old state for each set of tables that was ever asked for. States that somebody pinned are asked for again.
    """
    for place, (known, _) in list(_PREPARED.items()):
        if place[0] == location and (
            _shows(inputs, known) or (is_newest and place[3] and not _is_of_one_state(known, inputs))
        ):
            del _PREPARED[place]  # closed once its last cursor is


def _is_of_one_state(one: _Inputs, other: _Inputs) -> bool:
    return all(one.files[table] == files for table, files in other.files.items() if table in one.files)


def _shows(known: _Inputs, wanted: _Inputs) -> bool:
    """True where what was made of some inputs shows all that is wanted, in the same state."""
    if wanted.with_latest and (not known.with_latest or known.cache != wanted.cache):
        return False
    return all(known.files.get(table) == files for table, files in wanted.files.items())


def _connect(location: str, inputs: _Inputs, *, through_arrow: bool) -> Any:
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG | _few_threads(duckdb.__version__))
    connection.execute("SET GLOBAL parquet_metadata_cache = true")
    connection.execute("CREATE SCHEMA raw")
    for table in inputs.tables:
        _add_raw(connection, location, table, inputs.files[table], through_arrow=through_arrow)
    _run(connection, RUNS_VIEW, location)
    if any(table in STAMPED for table in inputs.tables):
        # A table and no view: every query of results asks for it, and the runs are in many small files.
        _run(connection, f"CREATE TABLE {VISIBLE} AS SELECT {OF_RUNS} FROM runs", location)  # noqa: S608  (names of ours)
    for table in inputs.tables:
        if table == RESULTS:
            # Asking once whether any attempt is unfinished costs less than asking each row, in every query.
            is_whole = not through_arrow and not _has_hidden(connection, location)
            sql = visible_results(f"raw.{RESULTS}", is_whole=is_whole)
            _run(connection, f"CREATE VIEW {RESULTS} AS {sql}", location)
        elif table != RUNS:
            _run(connection, _view_of(table), location)
    if RESULTS in inputs.tables:
        _run(connection, metrics_view(), location)
    if inputs.with_latest:
        _add_latest(connection, location, inputs.cache, through_arrow=through_arrow)
    return connection


def _few_threads(version: str) -> dict[str, str | bool | int | float | list[str]]:
    """Of DuckDB 2 and later: one thread for reading ahead and not eight, since files of a store are local and small."""
    return {"async_threads": "1"} if int(version.partition(".")[0]) >= 2 else {}  # noqa: PLR2004  (the setting's first)


def _view_of(table: str) -> str:
    """The SQL that makes the view of a table but runs and results."""
    if table in STAMPED:
        return visible_view(table)
    if table == ENVIRONMENTS:
        return ENVIRONMENTS_VIEW
    return catalogue_view(table) if table in OF_CATALOGUE else f"CREATE VIEW {table} AS SELECT * FROM raw.{table}"  # noqa: S608


def fetch_rows(
    location: str,
    sql: str,
    parameters: Sequence[object] = (),
    *,
    tables: Sequence[str] = ALL_TABLES,
    versions: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Run a trusted query and return its rows as dicts. Spares the import of Arrow. Raises StoreError."""
    import duckdb

    with reading(location, tables, versions=versions) as connection:
        try:
            return read_dicts(connection, sql, parameters)
        except duckdb.Error as error:
            raise read_failure(location, error) from error


def read_dicts(connection: Any, sql: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
    """Run a query on an open connection and return its rows as dicts. Raises what DuckDB raises."""
    cursor = connection.cursor().execute(sql, list(parameters))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def fetch_arrow(
    location: str, sql: str, parameters: Sequence[object] = (), *, versions: Mapping[str, int] | None = None
) -> Any:
    """Run a trusted query over all views and return a ``pyarrow.Table``. Raises StoreError."""
    import duckdb

    with reading(location, versions=versions) as connection:
        try:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise read_failure(location, error) from error


def read_failure(location: str, error: BaseException) -> StoreError:
    """Turn DuckDB's error into ours. The SQL of this package is right, so mostly a file is damaged."""
    if known := remote.explain(str(error)):
        return StoreError(f"The store {location} could not be read: {known[0]}.", hint=known[1])
    wrong_sql = type(error).__name__ in {"ParserException", "BinderException", "CatalogException"}
    hint = None if wrong_sql else "`assay store check` finds damaged files; `assay store repair` sets them aside."
    return StoreError(f"The store {location} could not be read: {' '.join(str(error).split())}", hint=hint)


def _run(connection: Any, sql: str, location: str) -> None:
    import duckdb

    try:
        connection.execute(sql)
    except duckdb.Error as error:
        raise read_failure(location, error) from error


def _add_latest(connection: Any, location: str, cache: LatestCache | None, *, through_arrow: bool) -> None:
    """Make the view ``latest``: from the table alone, or from a cache that holds and what came after it."""
    if cache is None or _count_repeated_runs(connection) != cache.repeated_runs:
        _run(connection, f"CREATE VIEW {LATEST_VIEW} AS {latest_of(RESULTS, is_distinct=True)}", location)
        return
    if through_arrow:
        import pyarrow.dataset

        cached = "files.latest_cached"
        _add_arrow(connection, "latest_cached", pyarrow.dataset.dataset([cache.file], format="parquet"))
    else:
        cached = f"read_parquet([{quote(cache.file)}])"
    fresh = []
    connection.execute("CREATE SCHEMA IF NOT EXISTS files")
    if cache.added:
        _add_raw(connection, location, RESULTS, cache.added, through_arrow=through_arrow, name="files.latest_added")
        fresh.append(visible_results("files.latest_added"))
    finished = _finished(connection, cache.pending)
    if finished:
        fresh.append(f"SELECT * FROM {RESULTS} WHERE write_id IN ({', '.join(map(quote, finished))})")  # noqa: S608
    sql = f"SELECT * FROM {cached}"  # noqa: S608  (a path of ours, quoted)
    if fresh:
        _run(connection, f"CREATE VIEW files.latest_fresh AS {' UNION ALL '.join(fresh)}", location)
        # What has a newer row, or the same one again, is looked at; the rest of the cache is not.
        touched = "series_id IN (SELECT series_id FROM files.latest_fresh)"
        together = f"({sql} WHERE {touched} UNION ALL SELECT * FROM files.latest_fresh)"  # noqa: S608  (names of ours)
        sql = f"{sql} WHERE NOT {touched} UNION ALL {latest_of(together)}"
    _run(connection, f"CREATE VIEW {LATEST_VIEW} AS {sql}", location)


def _count_repeated_runs(connection: Any) -> int:
    rows = connection.execute("SELECT count(*) - count(DISTINCT run_id) FROM raw.runs").fetchall()
    return int(rows[0][0])


def _finished(connection: Any, write_ids: Sequence[str]) -> list[str]:
    """Return those of some attempts that a visible run names by now."""
    if not write_ids:
        return []
    listed = ", ".join(map(quote, write_ids))
    rows = connection.execute(f"SELECT write_id FROM {VISIBLE} WHERE write_id IN ({listed}) ORDER BY ALL").fetchall()  # noqa: S608
    return [row[0] for row in rows]


def _add_arrow(connection: Any, name: str, dataset: Any) -> None:
    """Make a view in a schema of its own, where connection.register() would give a name that SHOW TABLES lists."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS files")
    connection.execute("USE files")
    connection.from_arrow(dataset).create_view(name)
    connection.execute("USE main")


def _add_raw(
    connection: Any,
    location: str,
    table: str,
    files: Sequence[str],
    *,
    through_arrow: bool,
    name: str | None = None,
) -> None:
    """Make a view of some files of a table as stored, called ``raw.<table>`` unless named."""
    name = name or f"raw.{table}"
    if not files:
        columns = ", ".join(f'"{each.name}" {DUCKDB_TYPES[each.type]}' for each in TABLES[table])
        connection.execute(f"CREATE TABLE {name} ({columns})")
        return
    import duckdb

    # Instants become plain UTC timestamps: with a zone, fetching would need pytz.
    columns = ", ".join(
        f'make_timestamp(epoch_us("{each.name}")) AS "{each.name}"' if each.type == "time" else f'"{each.name}"'
        for each in TABLES[table]
    )
    if through_arrow:
        source = f"files.{name.replace('.', '_')}"
        _add_arrow(connection, name.replace(".", "_"), arrow_dataset(location, table, files))
    else:
        source = f"read_parquet([{', '.join(quote(path) for path in files)}])"
    try:
        connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {source}")  # noqa: S608
    except duckdb.Error as error:
        raise read_failure(table, error) from error


def _has_hidden(connection: Any, location: str) -> bool:
    """Return whether the table holds rows of attempts that no visible run names."""
    import duckdb

    try:
        rows = connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT write_id FROM raw.{RESULTS}) "  # noqa: S608  (names of ours)
            f"WHERE write_id NOT IN (SELECT write_id FROM {VISIBLE})"
        ).fetchall()
    except duckdb.Error as error:
        raise read_failure(location, error) from error
    return bool(rows[0][0])
