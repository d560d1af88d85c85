"""SQL for people: a connection that reads this store and can do nothing else.

The fence is that DuckDB has no access to files at all: Arrow reads those of the snapshot and hands over batches,
external access is off, the configuration is locked, memory and time are limited. Letting DuckDB read the files
itself (``allowed_paths`` or ``allowed_directories``) is no fence: both allow writing too, and DuckDB 2.0 calls
``WITH x AS (COPY ... TO 'a-file-of-the-store') SELECT 1`` a SELECT and overwrites the file. Checking the kind of
statement is for clear messages. May import: core and store; duckdb inside functions.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from assay.core.errors import UsageError, nearest_names
from assay.store.query import connect

_EXPLAIN = re.compile(r"\s*EXPLAIN\b(?:\s+ANALYZE\b)?", re.IGNORECASE)
_EXPLAIN_OPTIONS = re.compile(r"\s*\([^()]*\)")
_UNKNOWN = re.compile(r'(Table|Column|column) (?:with name )?"?([\w.]+)"? (?:does not exist|not found)')
# Table functions inside a SELECT that do more than read: DuckDB 1.5 lets the first four change a locked
# configuration (a log file it may not write then aborts the process), the others run SQL that is hidden in a text.
_REFUSED_WORDS = frozenset(
    {
        "enable_logging",
        "disable_logging",
        "enable_profiling",
        "disable_profiling",
        "truncate_duckdb_logs",
        "checkpoint",
        "force_checkpoint",
        "query",
        "query_table",
        "json_execute_serialized_sql",
    }
)
_WORD = re.compile(r"\w+")
_MEMORY_LIMIT = "2GB"
_ACCEPTED = "SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN"
_SHOWN = 12


def query_readonly(
    location: str,
    sql: str,
    params: Sequence[object] = (),
    *,
    max_rows: int | None,
    timeout_s: float,
    versions: Mapping[str, int] | None = None,
) -> Any:
    """Run one reading statement; see ``Store.query_readonly``."""
    import duckdb

    connection = connect(location, through_arrow=True, versions=versions)
    out_of_time = threading.Event()

    def interrupt() -> None:
        out_of_time.set()
        connection.interrupt()

    timer = threading.Timer(timeout_s, interrupt)
    timer.daemon = True
    try:
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        _check_statement(connection, sql)
        timer.start()
        relation = connection.sql(sql, params=list(params) or None)
        if relation is None:
            raise UsageError("The statement returns no rows.", hint=f"Accepted are {_ACCEPTED}.")
        return (relation if max_rows is None else relation.limit(max_rows)).to_arrow_table()
    except duckdb.Error as error:
        if out_of_time.is_set():
            raise UsageError(
                f"The query was stopped after {timeout_s:g} s.", hint="Narrow it, or raise the time limit."
            ) from error
        raise UsageError(f"The query failed: {error}", hint=_nearest(connection, str(error))) from error
    finally:
        timer.cancel()
        connection.close()


def _check_statement(connection: Any, sql: str) -> None:
    """Refuse everything but one reading statement.

    The kind of EXPLAIN says nothing of what it explains, and EXPLAIN ANALYZE executes that; so what follows the
    word must itself be a reading statement.
    """
    refused = sorted(_REFUSED_WORDS.intersection(_WORD.findall(sql.lower())))
    if refused:  # wherever it stands, in a comment too: telling those apart would be one more thing to get wrong
        raise UsageError(f"The word {refused[0]!r} is not accepted: it names a function that does more than read.")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise UsageError(f"Expected one statement, got {len(statements)}.", hint=f"Accepted are {_ACCEPTED}.")
    kind = statements[0].type.name
    if kind == "SELECT" or (kind == "EXPLAIN" and _explains_reading(connection, sql)):
        return
    raise UsageError(
        f"A statement of kind {kind} is not accepted: this connection only reads.", hint=f"Accepted are {_ACCEPTED}."
    )


def _explains_reading(connection: Any, sql: str) -> bool:
    word = _EXPLAIN.match(sql)
    if word is None:  # a comment before it, say: refused rather than parsed here
        return False
    rest = sql[word.end() :]
    options = _EXPLAIN_OPTIONS.match(rest)
    return any(
        _is_select(connection, candidate) for candidate in ([rest, rest[options.end() :]] if options else [rest])
    )


def _is_select(connection: Any, sql: str) -> bool:
    import duckdb

    try:
        return [statement.type.name for statement in connection.extract_statements(sql)] == ["SELECT"]
    except duckdb.Error:
        return False


def _nearest(connection: Any, message: str) -> str | None:
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return None
    if unknown[1] == "Table":
        names = _names(connection, "SELECT DISTINCT table_name FROM information_schema.tables")
        kind = "views"
    else:
        names = _names(
            connection, "SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = 'main'"
        )
        kind = "columns"
    near = nearest_names(unknown[2], names)
    shown = near or tuple(sorted(names)[:_SHOWN])
    return f"The {'nearest' if near else 'known'} {kind} are {', '.join(shown)}."


def _names(connection: Any, sql: str) -> list[str]:
    return [row[0] for row in connection.cursor().execute(sql).fetchall()]
