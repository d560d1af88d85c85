"""Bring a store that an older assay wrote to the schema of this one, once, when it is first opened.

Columns that are new get nulls (maps: empty ones), because nobody knows what they would have held; rows keep the
schema version they were written by. A table is copied batch by batch and replaced in one commit, so a process killed
midway leaves old or new, never half. May import: core and store; deltalake and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from assay.core.errors import StoreError
from assay.core.records import SCHEMA_VERSION
from assay.store.address import reason_of
from assay.store.location import read_version, write_marker
from assay.store.schema import TABLES, arrow_schema
from assay.store.spool import ensure_state_folder
from assay.store.tables import arrow_dataset, failure, file_paths, open_table

_LOCK = ".upgrade.lock"
_ATTEMPTS = 10
BATCH_ROWS = 16_384
"""Rows held at once while a table is copied; a row of ``samples`` can hold thousands of readings."""


def upgrade_if_older(location: str) -> bool:
    """Upgrade where needed; True where something was done. Raises StoreError where it cannot be written."""
    version = read_version(location)
    if version >= SCHEMA_VERSION:
        return False
    try:
        with _alone(location):
            if read_version(location) >= SCHEMA_VERSION:
                return False
            for table in TABLES:
                _upgrade_table(location, table)
            write_marker(location)
    except (OSError, StoreError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error.message.rstrip(".")
        raise StoreError(
            f"The store {location} was written by an older assay (schema {version}, this is {SCHEMA_VERSION}) and "
            f"cannot be upgraded: {reason}.",
            hint="Open it once where it can be written, or copy it.",
        ) from error
    return True


@contextlib.contextmanager
def _alone(location: str) -> Iterator[None]:
    """One process of this machine upgrades, others wait. Those of other machines lose the race for a commit."""
    with (ensure_state_folder(location) / _LOCK).open("wb") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:  # Windows: as between machines
            pass
        yield


def _upgrade_table(location: str, table: str) -> None:
    """Replace the table by one of the new columns. Where others wrote meanwhile, do it again with their rows."""
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import CommitFailedError

    again = False
    for attempt in range(_ATTEMPTS):
        opened = open_table(location, table)
        if opened is None or not (again or _is_older(opened, table)):
            return
        before = opened.version()
        try:
            write_deltalake(
                opened,
                _batches(location, table, opened),
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except CommitFailedError as error:
            if attempt == _ATTEMPTS - 1:
                raise failure(f"The table {table!r} of {location} could not be upgraded", error) from error
            again = True
        except Exception as error:
            raise failure(f"The table {table!r} of {location} could not be upgraded", error) from error
        else:
            if opened.version() == before + 1:
                return
            again = True  # rows of the old columns were appended meanwhile, and stand beside the new ones


def _is_older(opened: Any, table: str) -> bool:
    """True where a column is missing, or is required there and no longer here."""
    have = {field.name: field.nullable for field in opened.schema().fields}
    return any(column.name not in have or (not column.required and not have[column.name]) for column in TABLES[table])


def _batches(location: str, table: str, opened: Any) -> Any:
    """Return a reader of the table's rows with the new columns, which holds a few batches at a time."""
    import pyarrow as pa

    schema = arrow_schema(table)
    batches = arrow_dataset(location, table, file_paths(opened)).to_batches(batch_size=BATCH_ROWS)
    return pa.RecordBatchReader.from_batches(schema, (_fitted(batch, schema) for batch in batches))


def _fitted(batch: Any, schema: Any) -> Any:
    """Put empty maps and lists where a value is required and none was written."""
    import pyarrow as pa

    columns = []
    for field in schema:
        column = batch.column(field.name)
        is_container = pa.types.is_map(field.type) or pa.types.is_list(field.type)
        if is_container and not field.nullable and column.null_count:
            column = pa.array([[] if value is None else value for value in column.to_pylist()], type=field.type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
