"""Keeping the files of a store few and the disk free: compacting, and removing what no state names.

May import: core and store; deltalake inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.errors import UsageError, join_or
from assay.store.housekeeping import tidy_table
from assay.store.kept import kept_versions
from assay.store.query import ALL_TABLES
from assay.store.tables import failure, live_files, open_table

DEFAULT_KEEP_HOURS = 168
_FEWEST_FILES = 2
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

    Safe beside readers, writers and others that do the same, on object storage too: rows are neither lost nor doubled
    whoever is killed, and old files stay until :func:`vacuum`.
    """
    done = []
    for table in _named(tables):
        opened = open_table(location, table)
        if opened is None:
            continue
        before = len(opened.file_uris())
        tidy_table(location, table, after_files=_FEWEST_FILES)
        done.append(Compacted(table, before, len(live_files(location, table))))
    return done


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
