"""Delta tables: create, append, list the files of a snapshot, compact.

Appends from any number of processes never lock each other: each writes its own Parquet file and then races for
the next number of the transaction log, retrying where another was first. Killed in between, a writer leaves a
file that no log entry names, which no reader sees. On object storage the number is won by a conditional put.
May import: core and store; deltalake and pyarrow inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assay.core.errors import StoreError
from assay.store import remote
from assay.store.address import file_system, is_remote, name_below, read_object, storage_options, table_uri
from assay.store.log import read_log
from assay.store.schema import TABLES, arrow_schema
from assay.store.spool import free_bytes, state_folder
from assay.store.writing import BULK_ROWS, append_bulk, writer_properties

# Fifteen retries, deltalake's default, were exceeded ten times in 800 appends by eight writers on two cores.
MAX_COMMIT_RETRIES = 400
COMPACT_AFTER_FILES = 200
_APPEND_ATTEMPTS = 5
# Opening a table reads what was committed since its last checkpoint, on object storage in two requests a commit.
_REMOTE_PROPERTIES: dict[str, str | None] = {"delta.checkpointInterval": "10"}
# A state can be read for as long as the log reaches back; the default is 30 days, which is little for a named one.
_PROPERTIES: dict[str, str | None] = {"delta.logRetentionDuration": "interval 3650 days"}
_OPENED: dict[tuple[str, str], Any] = {}
_LOG_BYTES = 1024 * 1024
_FREE_SPACE = "Free some space, then run `assay store recover`."
_FAILURES = (
    ("os error 28", "the disk is full", _FREE_SPACE),
    ("No space left", "the disk is full", _FREE_SPACE),
    ("os error 122", "the disk quota is used up", _FREE_SPACE),
    ("os error 30", "the file system is read-only", "Choose another folder with --store or ASSAY_STORE."),
    ("os error 13", "permission was denied", "Choose another folder with --store or ASSAY_STORE."),
)


def open_table(location: str, table: str) -> Any:
    """Return the newest ``deltalake.DeltaTable``, or None where nothing has been written yet."""
    if is_remote(location):
        return _open_remote(location, table)
    uri = table_uri(location, table)
    return _open(location, table) if (Path(uri) / "_delta_log").is_dir() else None


def _open_remote(location: str, table: str) -> Any:
    """Ask only for what was committed since this process last looked: opening afresh reads every commit again."""
    from deltalake.exceptions import DeltaError

    key = str(state_folder(location)), table
    known = _OPENED.get(key)
    if known is not None:
        try:
            known.update_incremental()
        except (DeltaError, OSError, ValueError):  # opening afresh meets it again, or not at all
            del _OPENED[key]
        else:
            return known
    opened = _open(location, table)
    if opened is not None:
        _OPENED[key] = opened
    return opened


def _open(location: str, table: str, version: int | None = None) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(table_uri(location, table), version=version, storage_options=storage_options(location))
    except TableNotFoundError:  # another process is creating it right now
        return None
    except Exception as error:
        named = "The table" if version is None else f"Version {version} of the table"
        raise failure(f"{named} {table!r} of the store {location} could not be read", error) from error


def ensure_table(location: str, table: str) -> Any:
    """Return the table, creating it where it is missing; any number of processes may do so at once."""
    from deltalake import CommitProperties, DeltaTable

    existing = open_table(location, table)
    if existing is not None:
        return existing
    uri = table_uri(location, table)
    try:
        if not is_remote(location):
            Path(uri).mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            uri,
            schema=arrow_schema(table),
            mode="error",
            name=f"assay.{table}",
            storage_options=storage_options(location),
            configuration=_PROPERTIES | (_REMOTE_PROPERTIES if is_remote(location) else {}),
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
    if not is_remote(location):
        _refuse_full_disk(location, table, content)
    for attempt in range(_APPEND_ATTEMPTS):
        try:
            opened = ensure_table(location, table)
            if count >= BULK_ROWS and not is_remote(location):
                folder = Path(table_uri(location, table))
                append_bulk(opened, folder, table, content, max_retries=MAX_COMMIT_RETRIES)
            else:
                write_deltalake(
                    opened,
                    content,
                    mode="append",
                    writer_properties=writer_properties(table),
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


def _refuse_full_disk(location: str, table: str, content: Any) -> None:
    """Refuse before it begins: a disk that fills up midway costs more than an error."""
    free, needed = free_bytes(location), content.nbytes + _LOG_BYTES
    if free < needed:
        raise StoreError(
            f"{content.num_rows} rows could not be added to {table!r} of the store {location}: the disk is full "
            f"({free} bytes are free, {needed} are needed).",
            hint=_FREE_SPACE,
        )


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

    On object storage they are URIs; ``arrow_dataset`` and ``address.name_below`` take both. Version -1 is the state
    before the first write. Raises StoreError where the version is gone.
    """
    if version is None and not is_remote(location):
        found = read_log(Path(table_uri(location, table)))
        if found is not None:
            return found
    elif version is not None and version < 0:
        return []
    opened = open_table(location, table)
    if opened is not None and version is not None:
        opened = _open(location, table, version)
    return [] if opened is None else file_paths(opened)


def file_paths(opened: Any) -> list[str]:
    """Return the paths, or URIs, of the files of an open table's snapshot."""
    # deltalake answers percent-encoded paths where the folder has spaces or letters beyond ASCII
    return [unquote(uri.removeprefix("file://")) for uri in opened.file_uris()]


def arrow_dataset(location: str, table: str, files: Sequence[str]) -> Any:
    """Return a ``pyarrow.dataset.Dataset`` of files that ``live_files`` named, with the table's schema.

    A column that a file of an older schema lacks is null. Works for a folder and for object storage, which DuckDB
    itself cannot read without an extension that would have to be downloaded.
    """
    import pyarrow.dataset

    return pyarrow.dataset.dataset(
        [name_below(location, path) for path in files],
        schema=arrow_schema(table),
        format="parquet",
        filesystem=file_system(location),
    )


def arrow_damage(location: str, path: str, expected: Sequence[str]) -> str | None:
    """Say why a file cannot be read to its end, or None where it can.

    It is fetched whole before it is decoded, so that a server that fails is an error and never a damaged file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_object(location, name_below(location, path))
    if content is None:
        return "the file is absent"
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        for _ in file.iter_batches():
            pass
        columns = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        return " ".join(str(error).split())
    return None if columns == list(expected) else f"its columns are {columns}, expected {list(expected)}"


def failure(what: str, error: BaseException) -> StoreError:
    """Turn what deltalake raised into one error that says why and what to do."""
    text = str(error)
    if known := remote.explain(text):
        return StoreError(f"{what}: {known[0]}.", hint=known[1])
    for sign, reason, hint in _FAILURES:
        if sign in text:
            return StoreError(f"{what}: {reason}.", hint=hint)
    return StoreError(f"{what}: {type(error).__name__}: {remote.plain(text) or repr(error)}.")


def _encodable(value: str | None) -> str | None:
    # A worker's broken output can carry lone surrogates, which are not UTF-8; keep them readable.
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()
