"""Keeping the files of a store few and the disk free: compacting, and removing what no state names.

May import: core and store; deltalake inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core.errors import StoreError, UsageError, join_or
from assay.store.address import delete_object, is_remote, list_objects, write_object
from assay.store.housekeeping import tidy_table
from assay.store.kept import kept_versions
from assay.store.query import ALL_TABLES
from assay.store.tables import failure, live_files, open_table
from assay.store.writing import writer_properties

DEFAULT_KEEP_HOURS = 168
_FEWEST_FILES = 2
_COMPACTING_FOR_AT_MOST = timedelta(hours=6)
_SHORTEST_KEEP_HOURS = 1
"""Readers keep the snapshot that they opened, and an append writes its file before it is named; both take minutes."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compacting did to one table."""

    table: str
    files_before: int
    files_after: int


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """The files of one table that no state of the last hours and no snapshot names."""

    table: str
    files: int


def compact(location: str, tables: Sequence[str] = ()) -> list[Compacted]:
    """Rewrite the files of each table into few large ones. Raises StoreError, UsageError for an unknown table.

    Safe beside readers and writers: rows are neither lost nor doubled whoever is killed, and old files stay until
    :func:`vacuum`. On object storage, where it never happens by itself, from one process at a time only.
    """
    done = []
    for table in _named(tables):
        opened = open_table(location, table)
        if opened is None:
            continue
        before = len(opened.file_uris())
        if is_remote(location):
            _compact_remote(location, table, opened)
        else:
            tidy_table(location, table, after_files=_FEWEST_FILES)
        done.append(Compacted(table, before, len(live_files(location, table))))
    return done


def _compact_remote(location: str, table: str, opened: Any) -> None:
    """Let deltalake rewrite a table of a remote store, if nobody else is at it.

    Two of its compactions at once both succeed and leave every row twice (deltalake 1.6.6), so a mark keeps a second
    one out. Object storage has no lock: two that begin within the same second are not kept apart.
    """
    mark = f"compacting-{table}"
    others = [one for one in list_objects(location) if one.name == mark]
    if others and datetime.now(UTC) - others[0].modified_at < _COMPACTING_FOR_AT_MOST:
        raise StoreError(
            f"The table {table!r} of {location} is being compacted, since {others[0].modified_at:%H:%M:%S} UTC.",
            hint=f"Wait until it has ended; the mark of a killed one counts for {_COMPACTING_FOR_AT_MOST}.",
        )
    write_object(location, mark, b"")
    try:
        opened.update_incremental()
        opened.optimize.compact(writer_properties=writer_properties(table))
    except Exception as error:
        raise failure(f"The table {table!r} of {location} could not be compacted", error) from error
    finally:
        delete_object(location, mark)


def vacuum(
    location: str,
    tables: Sequence[str] = (),
    *,
    keep_hours: float = DEFAULT_KEEP_HOURS,
    dry_run: bool = False,
) -> list[Vacuumed]:
    """Remove files that no state of the last ``keep_hours`` names, nor any snapshot; leavings of killed writers too.

    Raises StoreError, and UsageError for hours so few that a running reader or writer could lose its files.
    """
    if keep_hours < _SHORTEST_KEEP_HOURS:
        raise UsageError(
            f"Keeping {keep_hours:g} hours is too little: readers and writers at work could lose their files.",
            hint=f"Expected at least {_SHORTEST_KEEP_HOURS} h; {DEFAULT_KEEP_HOURS} is usual.",
        )
    done = []
    for table in _named(tables):
        opened = open_table(location, table)
        if opened is None:
            continue
        try:
            removed = opened.vacuum(
                retention_hours=round(keep_hours),
                dry_run=dry_run,
                enforce_retention_duration=False,
                full=True,
                keep_versions=kept_versions(location, table) or None,
            )
        except Exception as error:
            raise failure(f"The table {table!r} of {location} could not be vacuumed", error) from error
        done.append(Vacuumed(table, len(removed)))
    return done


def _named(tables: Sequence[str]) -> Sequence[str]:
    unknown = [table for table in tables if table not in ALL_TABLES]
    if unknown:
        raise UsageError(f"There is no table {unknown[0]!r}.", hint=f"Expected {join_or(ALL_TABLES)}.")
    return tables or ALL_TABLES
