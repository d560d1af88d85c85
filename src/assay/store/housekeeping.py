"""What keeps a store fast by itself: after an append, few files, results of one series together, a fresh cache.

None of it changes a row, and none of it is needed for anything to be right: where it cannot be done (another process
is at it, the disk is full, the store is read-only, a server fails) it is left for the next append. May import: core
and store; deltalake inside functions.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable

from assay.core.errors import StoreError
from assay.store import tables
from assay.store.address import is_remote
from assay.store.cluster import cluster
from assay.store.kept import kept_versions
from assay.store.latest import refresh_if_stale
from assay.store.schema import RESULTS

REMOTE_LOOK_EVERY = 5
"""One in so many appends to object storage looks whether anything is due, in one of its tables; both are drawn. So an
append costs half a request more, and writers that end together seldom do the same work, all but one in vain."""


def tidy_after_append(location: str, written: Iterable[str]) -> None:
    """Do what is due in the tables that were written to."""
    names = tuple(written)
    if is_remote(location):
        if secrets.randbelow(REMOTE_LOOK_EVERY) == 0:  # not ``random``, which a program may seed, alike in each process
            with contextlib.suppress(StoreError):
                tidy_table(location, secrets.choice(names), brief=True)
        return
    for table in names:
        tidy_table(location, table)
    if RESULTS in names:
        refresh_if_stale(location)


def tidy_table(location: str, table: str, *, after_files: int | None = None, brief: bool = False) -> bool:
    """Rewrite a table of many small files into few, results sorted by series; True where something was done.

    Safe beside writers and readers: a reader keeps the snapshot it opened, as replaced files stay for seven days, and
    those of named snapshots for good; on object storage until :func:`assay.store.upkeep.vacuum`. ``brief`` does a part
    of it that takes seconds. Raises StoreError where object storage fails.
    """
    from deltalake.exceptions import DeltaError

    opened = tables.open_table(location, table)
    if opened is None:
        return False
    after_files = after_files or tables.COMPACT_AFTER_FILES
    try:
        replaced = cluster(location, table, opened, after_files=after_files, brief=brief)
    except (DeltaError, OSError) as error:
        raise tables.failure(f"The table {table!r} of {location} could not be compacted", error) from error
    if replaced and not is_remote(location):
        with contextlib.suppress(DeltaError, OSError):
            opened.update_incremental()
            opened.vacuum(dry_run=False, keep_versions=kept_versions(location, table) or None)
    return bool(replaced)
