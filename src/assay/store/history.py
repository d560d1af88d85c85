"""Typed reading: rows of the views as records. SQL stands beside the function that runs it, parameters bound.

May import: core and store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from assay.core.records import EnvironmentRecord, ImportRecord, LaunchRecord, RefusalRecord, RunRecord
from assay.store import schema
from assay.store.query import fetch_rows
from assay.store.rows import (
    environment_from_row,
    import_from_row,
    launch_from_row,
    refusal_from_row,
    run_from_row,
    sample_from_row,
    telemetry_from_row,
    utc,
)
from assay.store.tables import live_files

Series = TypeVar("Series")
Versions = Mapping[str, int]
"""An earlier state: the version of each table. None is the newest."""


def read_runs(
    location: str,
    *,
    limit: int | None = None,
    suite: str | None = None,
    since: datetime | None = None,
    versions: Versions | None = None,
) -> list[RunRecord]:
    """Return runs, newest first."""
    if versions is None and not live_files(location, schema.RUNS):
        return []  # a store that is yet to be filled needs no query engine, which takes long to import
    rows = fetch_rows(
        location,
        """
        SELECT * FROM runs
        WHERE suite = coalesce(?, suite) AND started_at >= coalesce(?::TIMESTAMP, started_at)
        ORDER BY started_at DESC, run_id DESC LIMIT ?
        """,
        [suite, _naive(since), limit],
        tables=(),
        versions=versions,
    )
    return [run_from_row(row) for row in rows]


def read_run(location: str, run_id: str, *, versions: Versions | None = None) -> RunRecord | None:
    """Return the run of a full id, or None."""
    if versions is None and not live_files(location, schema.RUNS):
        return None
    rows = fetch_rows(location, "SELECT * FROM runs WHERE run_id = ?", [run_id], tables=(), versions=versions)
    return run_from_row(rows[0]) if rows else None


def read_launches(
    location: str, run_id: str, *, with_samples: bool = False, versions: Versions | None = None
) -> list[LaunchRecord]:
    """Return the launches of a run in the order they began."""
    rows = fetch_rows(
        location,
        "SELECT * FROM launches WHERE run_id = ? ORDER BY started_at, result_id, ordinal, launch_id",
        [run_id],
        tables=[schema.LAUNCHES],
        versions=versions,
    )
    samples = _read_series(location, run_id, schema.SAMPLES, sample_from_row, versions) if with_samples else {}
    telemetry = _read_series(location, run_id, schema.TELEMETRY, telemetry_from_row, versions) if with_samples else {}
    return [
        launch_from_row(row, samples.get(row["launch_id"], ()), telemetry.get(row["launch_id"], ())) for row in rows
    ]


def read_environment(location: str, env_id: str, *, versions: Versions | None = None) -> EnvironmentRecord | None:
    """Return one environment, or None."""
    rows = fetch_rows(
        location,
        "SELECT * FROM environments WHERE env_id = ?",
        [env_id],
        tables=[schema.ENVIRONMENTS],
        versions=versions,
    )
    return environment_from_row(rows[0]) if rows else None


def read_imports(location: str, *, versions: Versions | None = None) -> list[ImportRecord]:
    """Return the files that were imported, newest first."""
    rows = fetch_rows(
        location, "SELECT * FROM imports ORDER BY imported_at DESC, source", tables=[schema.IMPORTS], versions=versions
    )
    return [import_from_row(row) for row in rows]


def read_refusals(location: str, import_id: str, *, versions: Versions | None = None) -> list[RefusalRecord]:
    """Return the rows of an imported file that were not taken, as they stood there."""
    rows = fetch_rows(
        location,
        "SELECT * FROM import_refusals WHERE import_id = ?",
        [import_id],
        tables=[schema.REFUSALS],
        versions=versions,
    )
    return [refusal_from_row(row) for row in rows]


def _read_series(
    location: str,
    run_id: str,
    table: str,
    read: Callable[[Mapping[str, Any]], Series],
    versions: Versions | None,
) -> dict[str, list[Series]]:
    """Read what launches of a run have many of, by launch."""
    rows = fetch_rows(
        location,
        f"SELECT * FROM {table} WHERE run_id = ? ORDER BY launch_id, ordinal",  # noqa: S608  (a table of ours)
        [run_id],
        tables=[table],
        versions=versions,
    )
    found: dict[str, list[Series]] = defaultdict(list)
    for row in rows:
        found[row["launch_id"]].append(read(row))
    return found


def _naive(time: datetime | None) -> datetime | None:
    """The instant as the views hold it: UTC without a zone."""
    return None if time is None else utc(time).astimezone(UTC).replace(tzinfo=None)
