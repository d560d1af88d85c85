"""Mending a store: set damaged files aside, publish orphans, remove what unfinished writes left.

Nothing that a person measured is deleted: rows are removed only where their write never finished (the journal
has them, or the writer was told of the failure), and damaged files are moved to ``quarantine``. May import: core
and store; deltalake inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from assay.core.errors import StoreError
from assay.store import schema
from assay.store.address import delete_object, has_object, move_object, name_below
from assay.store.kept import kept_versions
from assay.store.location import QUARANTINE, check_writable
from assay.store.maintenance import (
    CheckReport,
    check,
    damaged_files,
    leftover_files,
    repeated_runs,
    unfinished_writes,
)
from assay.store.marks import dead_writers, remove_mark
from assay.store.query import ALL_TABLES
from assay.store.recovery import recover
from assay.store.spool import state_folder
from assay.store.tables import open_table
from assay.store.writes import delete_rows


def repair(location: str) -> CheckReport:
    """Mend what ``check`` finds and can be mended; return a fresh report with what was done. Raises StoreError."""
    check_writable(location)
    done = list(_set_damaged_aside(location))
    done += [f"journal of run {run.run_id}: {run.outcome}" for run in recover(location)]
    repeated = repeated_runs(location)
    if repeated:
        delete_rows(location, schema.RUNS, "write_id", (write_id for _, write_id in repeated))
        done.append(f"{schema.RUNS}: {len(repeated)} repeated rows removed")
    unfinished, _ = unfinished_writes(location)
    for table, write_ids in unfinished.items():
        delete_rows(location, table, "write_id", write_ids)
        done.append(f"{table}: rows of {len(write_ids)} unfinished writes removed")
    for write_id in dead_writers(location):
        with contextlib.suppress(OSError, StoreError):
            remove_mark(location, write_id)
            done.append(f"{write_id}: mark of a killed process removed")
    for name in leftover_files(location):
        with contextlib.suppress(OSError, StoreError):
            for place in {location, str(state_folder(location))}:
                delete_object(place, name)
            done.append(f"{name}: leftover file removed")
    _sweep(location)
    return replace(check(location), repaired=tuple(done))


def _set_damaged_aside(location: str) -> Iterable[str]:
    damaged = damaged_files(location)
    for table, path, _ in damaged:
        name = name_below(location, path)
        aside = f"{QUARANTINE}/{table}/{name.rpartition('/')[2]}"
        if has_object(location, name):
            move_object(location, name, aside)
        yield f"{table}: {name.rpartition('/')[2]} set aside in {QUARANTINE}"
    for table in sorted({table for table, _, _ in damaged}):
        opened = open_table(location, table)
        if opened is not None:
            opened.repair()  # Delta's word for: take files that are gone out of the snapshot


def _sweep(location: str) -> None:
    """Remove files that no snapshot of the last seven days names (killed writers leave such)."""
    from deltalake.exceptions import DeltaError

    for table in ALL_TABLES:
        with contextlib.suppress(DeltaError, OSError, StoreError):
            opened = open_table(location, table)
            if opened is not None:
                opened.vacuum(dry_run=False, full=True, keep_versions=kept_versions(location, table) or None)
