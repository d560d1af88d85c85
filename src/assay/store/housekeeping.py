"""What keeps a store fast by itself: after an append, few files, results of one series together, a fresh cache.

None of it changes a row, and none of it is needed for anything to be right: where it cannot be done (another process
is at it, the disk is full, the store is read-only) it is left for the next append. May import: core and store;
deltalake inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable

from assay.store import tables
from assay.store.address import is_remote
from assay.store.cluster import cluster
from assay.store.kept import kept_versions
from assay.store.latest import refresh_if_stale
from assay.store.schema import RESULTS


def tidy_after_append(location: str, written: Iterable[str]) -> None:
    """Do what is due in the tables that were written to."""
    names = tuple(written)
    for table in names:
        tidy_table(location, table)
    if RESULTS in names:
        refresh_if_stale(location)


def tidy_table(location: str, table: str, *, after_files: int | None = None) -> bool:
    """Rewrite a table of many small files into few, results sorted by series; True where something was done.

    Safe beside writers and readers: a reader keeps the snapshot it opened, as replaced files stay for seven days, and
    those of named snapshots for good.
    """
    from deltalake.exceptions import DeltaError

    after_files = after_files or tables.COMPACT_AFTER_FILES
    if is_remote(location):  # deltalake's own compaction doubles rows where two machines run it at once
        return False
    opened = tables.open_table(location, table)
    if opened is None:
        return False
    replaced = cluster(location, table, opened, after_files=after_files)
    if replaced:
        try:
            opened.vacuum(dry_run=False, keep_versions=kept_versions(location, table) or None)
        except (DeltaError, OSError):
            return True
    return bool(replaced)
