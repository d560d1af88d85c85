"""Bring a store that an older assay wrote to the schema of this one, once, when it is first opened.

Columns that are new get nulls (maps: empty ones), because nobody knows what they would have held. Each table is
replaced in one commit, so a process killed midway leaves old or new, never half. May import: core and store;
deltalake and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.core.errors import StoreError
from assay.core.records import SCHEMA_VERSION
from assay.store.location import MARKER, reason_of, write_marker
from assay.store.schema import TABLES, arrow_schema
from assay.store.tables import failure, open_table

_LOCK = ".upgrade.lock"


def upgrade_if_older(location: str) -> bool:
    """Upgrade where needed; True where something was done. Raises StoreError where it cannot be written."""
    folder = Path(location)
    if _version_of(folder) >= SCHEMA_VERSION:
        return False
    try:
        with _alone(folder):
            if _version_of(folder) >= SCHEMA_VERSION:
                return False
            for table in TABLES:
                _add_missing_columns(location, table)
            write_marker(folder)
    except OSError as error:
        raise StoreError(
            f"The store {folder} was written by an older assay (schema {_version_of(folder)}, this is "
            f"{SCHEMA_VERSION}) and cannot be upgraded: {reason_of(error)}.",
            hint="Open it once where it can be written, or copy it.",
        ) from error
    return True


def _version_of(folder: Path) -> int:
    return int(json.loads((folder / MARKER).read_text(encoding="utf-8"))["schema_version"])


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process upgrades, others wait. Without flock the last to commit wins, with the same content."""
    with (folder / _LOCK).open("wb") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except ImportError:
            pass
        yield


def _add_missing_columns(location: str, table: str) -> None:
    opened = open_table(location, table)
    if opened is None:
        return
    have = {field.name: field.nullable for field in opened.schema().fields}
    missing = [column for column in TABLES[table] if column.name not in have]
    relaxed = [column for column in TABLES[table] if not column.required and not have.get(column.name, True)]
    if not missing and not relaxed:
        return
    from deltalake import write_deltalake

    content = opened.to_pyarrow_table()
    schema = arrow_schema(table)
    for column in missing:
        content = content.append_column(schema.field(column.name), _filled(schema.field(column.name), len(content)))
    try:
        write_deltalake(
            opened,
            content.select([field.name for field in schema]).cast(schema),
            mode="overwrite",
            schema_mode="overwrite",
        )
    except Exception as error:
        raise failure(f"The table {table!r} of {location} could not be upgraded", error) from error


def _filled(field: Any, count: int) -> Any:
    """Empty maps and lists where a value is required, else nulls."""
    import pyarrow as pa

    is_container = pa.types.is_map(field.type) or pa.types.is_list(field.type)
    return pa.array([[] if is_container and not field.nullable else None] * count, type=field.type)
