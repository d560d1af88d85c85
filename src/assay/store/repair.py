"""Mending a store: set damaged files aside, publish orphans, remove what unfinished writes left.

Nothing that a person measured is deleted: rows are removed only where their write never finished (the journal
has them, or the writer was told of the failure), and damaged files are moved to ``quarantine``. May import: core
and store; deltalake inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from assay.core.errors import StoreError
from assay.store import schema
from assay.store.location import QUARANTINE, check_writable
from assay.store.maintenance import (
    CheckReport,
    check,
    damaged_files,
    leftover_files,
    repeated_runs,
    unfinished_writes,
)
from assay.store.query import ALL_TABLES, quote
from assay.store.recovery import recover
from assay.store.tables import MAX_COMMIT_RETRIES, failure, open_table

_DELETE_ATTEMPTS = 20


def repair(location: str) -> CheckReport:
    """Mend what ``check`` finds and can be mended; return a fresh report with what was done. Raises StoreError."""
    check_writable(location)
    done = list(_set_damaged_aside(location))
    done += [f"journal of run {run.run_id}: {run.outcome}" for run in recover(location)]
    repeated = repeated_runs(location)
    if repeated:
        _delete_writes(location, schema.RUNS, (write_id for _, write_id in repeated))
        done.append(f"{schema.RUNS}: {len(repeated)} repeated rows removed")
    unfinished, _ = unfinished_writes(location)
    for table, write_ids in unfinished.items():
        _delete_writes(location, table, write_ids)
        done.append(f"{table}: rows of {len(write_ids)} unfinished writes removed")
    for path in leftover_files(location):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            done.append(f"{path.name}: leftover file removed")
    _sweep(location)
    return replace(check(location), repaired=tuple(done))


def _set_damaged_aside(location: str) -> Iterable[str]:
    damaged = damaged_files(location)
    for table, path, _ in damaged:
        source = Path(path)
        folder = Path(location) / QUARANTINE / table
        folder.mkdir(parents=True, exist_ok=True)
        if source.exists():
            source.replace(folder / source.name)
        yield f"{table}: {source.name} set aside in {QUARANTINE}"
    for table in sorted({table for table, _, _ in damaged}):
        opened = open_table(location, table)
        if opened is not None:
            opened.repair()  # Delta's word for: take files that are gone out of the snapshot


def _delete_writes(location: str, table: str, write_ids: Iterable[str]) -> None:
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError, DeltaError

    listed = ", ".join(quote(write_id) for write_id in write_ids)
    for attempt in range(_DELETE_ATTEMPTS):
        opened = open_table(location, table)
        if opened is None:
            return
        try:
            opened.delete(
                f"write_id IN ({listed})", commit_properties=CommitProperties(max_commit_retries=MAX_COMMIT_RETRIES)
            )
        except CommitFailedError as error:  # someone compacted the same files: look again
            if attempt == _DELETE_ATTEMPTS - 1:
                raise failure(f"Unfinished rows of {table!r} could not be removed", error) from error
        except (DeltaError, OSError) as error:
            raise failure(f"Unfinished rows of {table!r} could not be removed", error) from error
        else:
            return


def _sweep(location: str) -> None:
    """Remove files that no snapshot of the last seven days names (killed writers leave such)."""
    from deltalake.exceptions import DeltaError

    for table in ALL_TABLES:
        with contextlib.suppress(DeltaError, OSError, StoreError):
            opened = open_table(location, table)
            if opened is not None:
                opened.vacuum(dry_run=False, full=True)
