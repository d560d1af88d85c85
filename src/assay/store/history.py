"""Typed reading: rows of the views as records. SQL stands beside the function that runs it, parameters bound.

May import: core and store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunRecord
from assay.store import schema
from assay.store.query import fetch_rows
from assay.store.rows import (
    environment_from_row,
    launch_from_row,
    result_from_row,
    run_from_row,
    sample_from_row,
    telemetry_from_row,
    utc,
)
from assay.store.tables import live_files

Series = TypeVar("Series")


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which results are wanted; None means any."""

    run_id: str | None = None
    case_id: str | None = None
    series_id: str | None = None
    env_id: str | None = None
    since: datetime | None = None
    include_superseded: bool = False


def read_runs(
    location: str, *, limit: int | None = None, suite: str | None = None, since: datetime | None = None
) -> list[RunRecord]:
    """Return runs, newest first."""
    if not live_files(location, schema.RUNS):
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
    )
    return [run_from_row(row) for row in rows]


def read_results(location: str, wanted: ResultFilter, *, limit: int | None = None) -> list[ResultRecord]:
    """Return results, oldest first; with ``limit`` the newest so many."""
    clauses: list[str] = ["TRUE"]
    parameters: list[object] = []
    for column, value in (
        ("run_id", wanted.run_id),
        ("case_id", wanted.case_id),
        ("series_id", wanted.series_id),
    ):
        if value is not None:
            clauses.append(f"{column} = ?")
            parameters.append(value)
    if wanted.env_id is not None:
        clauses.append("run_id IN (SELECT run_id FROM runs WHERE env_id = ?)")
        parameters.append(wanted.env_id)
    if wanted.since is not None:
        clauses.append("measured_at >= ?")
        parameters.append(_naive(wanted.since))
    if not wanted.include_superseded:
        clauses.append("run_id NOT IN (SELECT run_id FROM runs WHERE superseded)")
    rows = fetch_rows(
        location,
        f"SELECT * FROM results WHERE {' AND '.join(clauses)} "  # noqa: S608  (clauses are ours, values are bound)
        "ORDER BY measured_at DESC, result_id DESC LIMIT ?",
        [*parameters, limit],
        tables=[schema.RESULTS],
    )
    return [result_from_row(row) for row in reversed(rows)]


def read_launches(location: str, run_id: str, *, with_samples: bool = False) -> list[LaunchRecord]:
    """Return the launches of a run in the order they began."""
    rows = fetch_rows(
        location,
        "SELECT * FROM launches WHERE run_id = ? ORDER BY started_at, result_id, ordinal, launch_id",
        [run_id],
        tables=[schema.LAUNCHES],
    )
    samples = _read_series(location, run_id, schema.SAMPLES, sample_from_row) if with_samples else {}
    telemetry = _read_series(location, run_id, schema.TELEMETRY, telemetry_from_row) if with_samples else {}
    return [
        launch_from_row(row, samples.get(row["launch_id"], ()), telemetry.get(row["launch_id"], ())) for row in rows
    ]


def read_environment(location: str, env_id: str) -> EnvironmentRecord | None:
    """Return one environment, or None."""
    rows = fetch_rows(location, "SELECT * FROM environments WHERE env_id = ?", [env_id], tables=[schema.ENVIRONMENTS])
    return environment_from_row(rows[0]) if rows else None


def _read_series(
    location: str, run_id: str, table: str, read: Callable[[Mapping[str, Any]], Series]
) -> dict[str, list[Series]]:
    """Read what launches of a run have many of, by launch."""
    rows = fetch_rows(
        location,
        f"SELECT * FROM {table} WHERE run_id = ? ORDER BY launch_id, ordinal",  # noqa: S608  (a table of ours)
        [run_id],
        tables=[table],
    )
    found: dict[str, list[Series]] = defaultdict(list)
    for row in rows:
        found[row["launch_id"]].append(read(row))
    return found


def _naive(time: datetime | None) -> datetime | None:
    """The instant as the views hold it: UTC without a zone."""
    return None if time is None else utc(time).astimezone(UTC).replace(tzinfo=None)
