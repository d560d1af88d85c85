"""Delta tables: create, append, list the files of a snapshot, compact.

Appends from any number of processes never lock each other: each writes its own Parquet file and then races for
the next number of the transaction log, retrying where another was first. Killed in between, a writer leaves a
file that no log entry names, which no reader sees. May import: core and store; deltalake and pyarrow inside
functions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assay.core.errors import StoreError
from assay.store.location import free_bytes
from assay.store.log import read_log
from assay.store.schema import TABLES, arrow_schema

# Fifteen retries, deltalake's default, were exceeded ten times in 800 appends by eight writers on two cores.
MAX_COMMIT_RETRIES = 400
COMPACT_AFTER_FILES = 200
_APPEND_ATTEMPTS = 5
_LOG_BYTES = 1024 * 1024
_FREE_SPACE = "Free some space, then run `assay store recover`."
_FAILURES = (
    ("os error 28", "the disk is full", _FREE_SPACE),
    ("No space left", "the disk is full", _FREE_SPACE),
    ("os error 122", "the disk quota is used up", _FREE_SPACE),
    ("os error 30", "the file system is read-only", "Choose another folder with --store or ASSAY_STORE."),
    ("os error 13", "permission was denied", "Choose another folder with --store or ASSAY_STORE."),
)


def table_path(location: str, table: str) -> Path:
    """Return the folder of a table."""
    return Path(location) / table


def open_table(location: str, table: str) -> Any:
    """Return the newest ``deltalake.DeltaTable``, or None where nothing has been written yet."""
    path = table_path(location, table)
    if not (path / "_delta_log").is_dir():
        return None
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(str(path))
    except TableNotFoundError:  # another process is creating it right now
        return None
    except Exception as error:
        raise failure(f"The table {table!r} of the store {location} could not be opened", error) from error


def ensure_table(location: str, table: str) -> Any:
    """Return the table, creating it where it is missing; any number of processes may do so at once."""
    from deltalake import CommitProperties, DeltaTable

    existing = open_table(location, table)
    if existing is not None:
        return existing
    path = table_path(location, table)
    try:
        path.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            str(path),
            schema=arrow_schema(table),
            mode="error",
            name=f"assay.{table}",
            # Without this the loser of a race retries as version 1, and the change of metadata breaks others' appends.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except Exception as error:
        winner = open_table(location, table)
        if winner is None:
            raise failure(f"The table {table!r} could not be created in {location}", error) from error
        return winner


def append_arrow(location: str, table: str, content: Any) -> None:
    """Append a ``pyarrow.Table`` of the table's schema in one commit: all of it is there afterwards, or nothing.

    Raises StoreError.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import CommitFailedError

    count = content.num_rows
    free, needed = free_bytes(location), content.nbytes + _LOG_BYTES
    if free < needed:  # refused before it begins: a disk that fills up midway costs more than an error
        raise StoreError(
            f"{count} rows could not be added to {table!r} of the store {location}: the disk is full "
            f"({free} bytes are free, {needed} are needed).",
            hint=_FREE_SPACE,
        )
    for attempt in range(_APPEND_ATTEMPTS):
        try:
            write_deltalake(
                ensure_table(location, table),
                content,
                mode="append",
                commit_properties=CommitProperties(max_commit_retries=MAX_COMMIT_RETRIES),
            )
        except StoreError:
            raise
        except CommitFailedError as error:  # a conflict, so nothing was committed: look again
            if attempt == _APPEND_ATTEMPTS - 1:
                raise failure(f"{count} rows could not be added to {table!r} of {location}", error) from error
        except Exception as error:
            raise failure(f"{count} rows could not be added to {table!r} of {location}", error) from error
        else:
            return


def arrow_table(table: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Build the ``pyarrow.Table`` of some rows, with the table's one schema. Raises StoreError naming the column."""
    import pyarrow as pa

    schema = arrow_schema(table)
    arrays = []
    for column, field in zip(TABLES[table], schema, strict=True):
        values = [row[column.name] for row in rows]
        if column.type.endswith(" map"):
            values = [list(value.items()) for value in values]
        elif column.type == "text":
            values = [_encodable(value) for value in values]
        try:
            arrays.append(pa.array(values, type=field.type))
        except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError) as error:
            raise StoreError(f"A value of {table}.{column.name} cannot be stored as {column.type}: {error}.") from error
    return pa.Table.from_arrays(arrays, schema=schema)


def live_files(location: str, table: str, version: int | None = None) -> list[str]:
    """Return the paths of the files that make up a table's newest snapshot, or that of an earlier ``version``.

    Version -1 is the state before the first write. Raises StoreError where the version is gone.
    """
    if version is None:
        found = read_log(table_path(location, table))
        if found is not None:
            return found
    elif version < 0:
        return []
    opened = open_table(location, table)
    if opened is not None and version is not None:
        try:
            opened.load_as_version(version)
        except Exception as error:
            raise failure(f"Version {version} of the table {table!r} of {location} could not be read", error) from error
    # deltalake answers percent-encoded paths where the folder has spaces or letters beyond ASCII
    return [] if opened is None else [unquote(uri.removeprefix("file://")) for uri in opened.file_uris()]


def compact_if_scattered(location: str, table: str, *, after_files: int | None = None) -> bool:
    """Rewrite a table of many small files into few; True where that was done.

    Safe beside writers and readers: an append never conflicts with it, a reader keeps the snapshot it opened (the
    replaced files stay for seven days), and where two processes compact at once one of them gives up.
    """
    opened = open_table(location, table)
    if opened is None or len(opened.file_uris()) < (after_files or COMPACT_AFTER_FILES):
        return False
    from deltalake.exceptions import DeltaError

    try:
        opened.optimize.compact()
        opened.vacuum(dry_run=False)
    except (DeltaError, OSError):  # housekeeping: someone else did it, or the disk is full; the rows are safe
        return False
    return True


def failure(what: str, error: BaseException) -> StoreError:
    """Turn what deltalake raised into one error that says why and what to do."""
    text = str(error)
    for sign, reason, hint in _FAILURES:
        if sign in text:
            return StoreError(f"{what}: {reason}.", hint=hint)
    return StoreError(f"{what}: {type(error).__name__}: {text.strip().splitlines()[0] if text.strip() else error!r}.")


def folder_bytes(path: Path) -> int:
    """Return the size of every file below a folder, in bytes."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:  # removed while we looked
                continue
    return total


def _encodable(value: str | None) -> str | None:
    # A worker's broken output can carry lone surrogates, which are not UTF-8; keep them readable.
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()
