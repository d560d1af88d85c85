"""``/sql``: one reading statement in a connection that can read this store and do nothing else.

May import: core, store, web.
"""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any

from fastapi import Request  # noqa: TC002  (FastAPI reads annotations)
from fastapi.responses import Response
from pydantic import Field

from assay.core.errors import UsageError
from assay.web.api.replies import Model, api_router, check_names, plain, settings_of, store_of
from assay.web.turns import take_turns

router = api_router("sql")

MOST_CHARACTERS = 50_000
MOST_BYTES = 32 * 1024 * 1024


class SqlRequest(Model):
    """One statement: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN."""

    sql: str = Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="DuckDB's SQL over the views of docs/store.md.",
        examples=["SELECT workload, count(*) AS n FROM results GROUP BY workload ORDER BY n DESC"],
    )
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="Most rows; the server has a limit of its own too.")


class ColumnModel(Model):
    """One column of an answer."""

    name: str
    type: str = Field(description="Arrow's name of it.", examples=["int64"])


class SqlModel(Model):
    """What a statement returned."""

    columns: list[ColumnModel]
    rows: list[list[Any]] = Field(
        description="Times are ISO 8601 in UTC, durations seconds, decimals and large integers text, bytes Base64."
    )
    truncated: bool = Field(description="There are more rows than were asked for, or than are given.")
    elapsed_ms: float


@router.post("/sql", operation_id="run_sql", summary="Ask with SQL", response_model=SqlModel)
def run_sql(request: Request, question: SqlRequest) -> Response:
    """No file, no network, no setting, nothing written: only this store's views, for a limited time.

    Names of views and columns are those of `assay sql`. What is predicted or imported stands in them beside what was
    measured: filter by `provenance`.
    """
    check_names(request)
    settings = settings_of(request)
    most = min(question.max_rows, settings.sql_rows)
    if not question.sql.isprintable() and "\0" in question.sql:
        raise UsageError("The statement has a character that SQL cannot have (NUL).")
    began = perf_counter()
    with take_turns(request, "sql"):
        table = store_of(request).query_readonly(question.sql, max_rows=most + 1, timeout_s=settings.sql_seconds)
        if table.nbytes > MOST_BYTES:
            raise UsageError(
                f"The answer has {table.nbytes} bytes; at most {MOST_BYTES} are given.", hint="Ask for fewer rows."
            )
        columns = [ColumnModel(name=plain(field.name), type=str(field.type)) for field in table.schema]
        shown = table.slice(0, most)
        found = [[_plain(value) for value in column.to_pylist()] for column in shown.columns]
        rows = [list(row) for row in zip(*found, strict=True)]
    content = SqlModel(
        columns=columns,
        rows=rows,
        truncated=table.num_rows > most,
        elapsed_ms=round((perf_counter() - began) * 1e3, 3),
    )
    return Response(content.model_dump_json().encode(), media_type="application/json")


def _plain(value: Any) -> Any:  # noqa: PLR0911  (a type a line)
    """A value of SQL as JSON can hold it, without losing a digit."""
    match value:
        case None | bool() | str():
            return plain(value)
        case int():
            # JavaScript, and whatever reads JSON numbers as doubles, keeps 53 bits of a whole number.
            return value if abs(value) < 2**53 else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return str(value)
        case datetime() | date() | time():
            return _moment(value)
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case dict():
            return {str(plain(str(key))): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _:
            return plain(str(value))


def _moment(value: datetime | date | time) -> str:
    text = value.isoformat()
    return f"{text}Z" if isinstance(value, datetime) and value.tzinfo is None else text
