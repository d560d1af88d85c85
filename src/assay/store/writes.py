"""Changing rows that are there: deleting and, for one column, setting; safe beside appends and compactions.

Two processes that rewrite the same files conflict, and the one that loses looks again. May import: core and store;
deltalake inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from assay.store.tables import MAX_COMMIT_RETRIES, failure, open_table
from assay.store.view_sql import quote

_ATTEMPTS = 20
_AT_ONCE = 2000
"""Values in one condition: a longer one takes deltalake's parser very long."""


def delete_rows(location: str, table: str, column: str, values: Iterable[str]) -> None:
    """Delete the rows whose column has one of the values. Raises StoreError."""
    for condition in _conditions(column, values):
        _retry(location, table, lambda opened, properties, where=condition: opened.delete(where, **properties))


def set_rows(location: str, table: str, column: str, values: Iterable[str], *, to: dict[str, str]) -> None:
    """Set columns, to SQL expressions, in the rows whose column has one of the values. Raises StoreError."""
    for condition in _conditions(column, values):
        _retry(
            location,
            table,
            lambda opened, properties, where=condition: opened.update(updates=to, predicate=where, **properties),
        )


def _conditions(column: str, values: Iterable[str]) -> list[str]:
    listed = [quote(value) for value in values]
    return [f"{column} IN ({', '.join(listed[start : start + _AT_ONCE])})" for start in range(0, len(listed), _AT_ONCE)]


def _retry(location: str, table: str, change: Callable[..., object]) -> None:
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError, DeltaError

    properties: dict[str, Any] = {"commit_properties": CommitProperties(max_commit_retries=MAX_COMMIT_RETRIES)}
    for attempt in range(_ATTEMPTS):
        opened = open_table(location, table)
        if opened is None:
            return
        try:
            change(opened, properties)
        except CommitFailedError as error:  # someone rewrote the same files: look again
            if attempt == _ATTEMPTS - 1:
                raise failure(f"Rows of {table!r} of {location} could not be changed", error) from error
        except (DeltaError, OSError) as error:
            raise failure(f"Rows of {table!r} of {location} could not be changed", error) from error
        else:
            return
