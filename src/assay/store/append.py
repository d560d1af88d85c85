"""Appending a run: results, launches and samples first, the ``runs`` row last.

Every attempt stamps its rows with a fresh ``write_id``, and the ``runs`` row names the attempt that finished. So
an attempt that dies midway stays invisible for ever, even after the same run has been published by another one.
May import: core and store.
"""

from __future__ import annotations

from pathlib import Path

from assay.core.ids import new_id
from assay.core.records import RunBundle
from assay.store import schema
from assay.store.location import WRITING
from assay.store.locks import create_locked
from assay.store.query import fetch_rows
from assay.store.rows import bundle_rows, environment_row
from assay.store.tables import append_rows, compact_if_scattered


def append_bundle(location: str, bundle: RunBundle) -> None:
    """Keep a run. Idempotent for one run id. Raises StoreError; then nothing of the run is visible."""
    if has_run(location, bundle.run.run_id):
        return
    write_id = new_id()
    rows = bundle_rows(bundle, write_id)
    # Held while the attempt lasts, so that `repair` can tell it from one whose process died.
    writing = create_locked(Path(location) / WRITING / write_id)
    try:
        _append_environment(location, bundle)
        for table in (schema.RESULTS, schema.LAUNCHES, schema.SAMPLES, schema.TELEMETRY, schema.RUNS):
            append_rows(location, table, rows[table])
    finally:
        writing.remove()
    for table in (schema.RESULTS, schema.LAUNCHES, schema.SAMPLES, schema.TELEMETRY, schema.RUNS):
        compact_if_scattered(location, table)


def has_run(location: str, run_id: str) -> bool:
    """True where the run is visible."""
    found = fetch_rows(location, "SELECT 1 FROM runs WHERE run_id = ?", [run_id], tables=())
    return bool(found)


def _append_environment(location: str, bundle: RunBundle) -> None:
    environment = bundle.environment
    known = fetch_rows(
        location,
        "SELECT 1 FROM environments WHERE env_id = ?",
        [environment.env_id],
        tables=[schema.ENVIRONMENTS],
    )
    if not known:
        append_rows(location, schema.ENVIRONMENTS, [environment_row(environment, bundle.run.schema_version)])
