"""Results as files for other programs: JSON, CSV and Parquet, the same rows and names in all three.

May import: core and store; pyarrow inside functions.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from assay import __version__
from assay.core.errors import StoreError, UsageError, join_or
from assay.core.words import ExportFormat as Format
from assay.core.words import ExportWhat as What
from assay.store.address import reason_of
from assay.store.query import reading
from assay.store.results import ResultSet
from assay.store.schema import LAUNCHES, SAMPLES, TABLES

_SUFFIXES = {".json": "json", ".csv": "csv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_ROWS_AT_ONCE = 50_000


def format_of(path: str) -> Format:
    """Return the format that a file's name asks for. Raises UsageError where it asks for none."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(f"{path!r} does not say a format.", hint=f"End it in {join_or(_SUFFIXES)}, or give --format.")
    return Format(_SUFFIXES[suffix])


def collect(results: ResultSet, what: What, location: str, versions: Mapping[str, int] | None = None) -> Any:
    """Return what is to be exported as a ``pyarrow.Table``. Raises StoreError."""
    if what in (What.RESULTS, What.NUMBERS):
        return results.arrow(long=what is What.NUMBERS)
    table = LAUNCHES if what is What.LAUNCHES else SAMPLES
    names = ", ".join(f'"{one.name}"' for one in TABLES[table] if one.name not in {"write_id", "schema_version"})
    chosen = results.arrow().column("result_id").to_pylist()
    order = "run_id, result_id, ordinal" if what is What.LAUNCHES else "run_id, result_id, launch_id, ordinal"
    with reading(location, [table], versions=versions) as connection:
        return connection.sql(
            f"SELECT {names} FROM {table} WHERE result_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY {order}",  # noqa: S608
            params=[chosen],
        ).to_arrow_table()


def write(content: Any, form: Format, target: Path) -> int:
    """Write a table to a file, whole or not at all, and return its bytes. Raises StoreError."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            write_to(content, form, file)
        size_bytes = draft.stat().st_size
        draft.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {reason_of(error)}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return size_bytes


def write_to(content: Any, form: Format, file: BinaryIO) -> None:
    """Write a table to an open file, piece by piece."""
    match form:
        case Format.PARQUET:
            _write_parquet(content, file)
        case Format.CSV:
            _write_csv(content, file)
        case Format.JSON | Format.NDJSON:
            _write_json(content, file, one_array=form is Format.JSON)


def _write_parquet(content: Any, file: BinaryIO) -> None:
    import pyarrow.parquet

    made_by = {b"made_by": f"assay {__version__}".encode(), b"times": b"UTC"}
    pyarrow.parquet.write_table(
        content.replace_schema_metadata({**(content.schema.metadata or {}), **made_by}), file, compression="zstd"
    )


def _write_csv(content: Any, file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(content.column_names)
    for batch in content.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            writer.writerow([_flat(value) for value in row.values()])
    text.detach()


def _write_json(content: Any, file: BinaryIO, *, one_array: bool) -> None:
    begin, between, end = ("[\n", ",\n", "\n]\n") if one_array else ("", "\n", "\n")
    first = True
    file.write(begin.encode())
    for batch in content.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            line = json.dumps(_jsonable(row), ensure_ascii=False, allow_nan=False)
            file.write(f"{'' if first else between}{line}".encode("utf-8", "backslashreplace"))
            first = False
    file.write((end if not first or one_array else "").encode())


def _jsonable(value: Any) -> Any:
    """Plain JSON: times as ISO 8601 in UTC, what no JSON number can say as null."""
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_jsonable(entry) for entry in value]
    return value


def _flat(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (Mapping, list)):
        return json.dumps(_jsonable(value), ensure_ascii=False)
    if isinstance(value, datetime):
        return _jsonable(value)
    return value
