"""Copying runs from one store to another: a backup, its way back, a store moved to a bucket, two stores made one.

The target is a store like any other. Only runs that it has not are copied, group by group, each group visible whole or
not at all: what was interrupted is gone on with, and a second copy moves nothing. May import: core and store; pyarrow
inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.errors import StoreError, UsageError
from assay.store.append import Attempt
from assay.store.catalogue_columns import CATALOGUE_CELLS, PRICES
from assay.store.query import fetch_rows, reading
from assay.store.schema import (
    ANNOTATIONS,
    BASELINES,
    CALIBRATIONS,
    ENVIRONMENTS,
    FINDINGS,
    RUNS,
    STAMPED,
    TABLES,
)
from assay.store.snapshots import summarise
from assay.store.tables import append_arrow
from assay.store.versions import current_versions

RUNS_AT_ONCE = 200
_LONE_TABLES = (
    (ANNOTATIONS, "annotation_id"), (BASELINES, "baseline_id"), (FINDINGS, "finding_id"),
    (CALIBRATIONS, "calibration_id"), (CATALOGUE_CELLS, "cell_id"), (PRICES, "price_id"),
)  # fmt: skip
"""Rows that no run carries, and what tells them apart."""
ROWS_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. ``verified`` is how many runs were compared afterwards, row by row, through checksums."""

    source: str
    target: str
    runs_copied: int
    runs_there: int
    rows: dict[str, int]
    verified: int


def copy_runs(
    source: str,
    target: str,
    *,
    run_ids: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> CopyReport:
    """Copy what ``target`` has not, with annotations and baselines, and compare both sides. Raises StoreError.

    ``run_ids`` names the runs that are wanted; None is all. ``progress`` hears runs done and to do.
    """
    if source == target:
        raise UsageError(f"{source} cannot be copied to itself.", hint="Name another folder or address.")
    versions = current_versions(source)
    there = {row["run_id"] for row in fetch_rows(target, "SELECT run_id FROM runs", tables=())}
    with reading(source, versions=versions) as connection:
        wanted = [
            row[0] for row in connection.cursor().execute("SELECT run_id FROM runs ORDER BY started_at").fetchall()
        ]
        if run_ids is not None:
            named = set(run_ids)
            wanted = [run_id for run_id in wanted if run_id in named]
        missing = [run_id for run_id in wanted if run_id not in there]
        rows = dict.fromkeys((RUNS, *STAMPED), 0)
        _copy_rows_without_stamp(connection, target, ENVIRONMENTS, "env_id")
        for start in range(0, len(missing), RUNS_AT_ONCE):
            group = missing[start : start + RUNS_AT_ONCE]
            _copy_group(connection, target, group, rows)
            progress(start + len(group), len(missing))
        for table, key in _LONE_TABLES:
            _copy_rows_without_stamp(connection, target, table, key)
    _compare(source, target, wanted, versions)
    return CopyReport(source, target, len(missing), len(wanted) - len(missing), rows, len(wanted))


def _copy_group(connection: Any, target: str, run_ids: list[str], rows: dict[str, int]) -> None:
    with Attempt(target) as attempt:
        for table in STAMPED:
            for batch in _batches(connection, table, "run_id", run_ids):
                attempt.add_arrow(table, batch)
                rows[table] += batch.num_rows
        for batch in _batches(connection, RUNS, "run_id", run_ids):
            attempt.commit_copies(batch)
            rows[RUNS] += batch.num_rows


def _copy_rows_without_stamp(connection: Any, target: str, table: str, key: str) -> None:
    there = [row[key] for row in fetch_rows(target, f"SELECT {key} FROM {table}", tables=[table])]  # noqa: S608
    for batch in _batches(connection, table, key, there, negate=True):
        append_arrow(target, table, batch)


def _batches(connection: Any, table: str, key: str, values: list[str], *, negate: bool = False) -> Any:
    """Give the rows as ``pyarrow.Table`` pieces with the store's types, without the stamp of the attempt."""
    import pyarrow as pa

    from assay.store.schema import arrow_schema

    columns = [one for one in TABLES[table] if one.name != "write_id"]
    # The views have instants without a zone; they are UTC.
    listed = ", ".join(f'"{one.name}"' for one in columns)
    word = "NOT IN" if negate else "IN"
    relation = connection.sql(
        f"SELECT {listed} FROM {table} WHERE {key} {word} (SELECT unnest(?::VARCHAR[]))",  # noqa: S608  (names of ours)
        params=[values],
    )
    whole = arrow_schema(table)
    expected = pa.schema([whole.field(one.name) for one in columns])
    for batch in relation.to_arrow_reader(ROWS_AT_ONCE):
        if batch.num_rows:
            yield _with_zone(pa.Table.from_batches([batch]), expected)


def _with_zone(content: Any, expected: Any) -> Any:
    import pyarrow as pa

    arrays = []
    for field in expected:
        column = content.column(field.name)
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.timestamp("us")).cast(field.type)
        arrays.append(column.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=expected)


def _compare(source: str, target: str, run_ids: list[str], versions: dict[str, int]) -> None:
    """Raise StoreError where the copied runs differ on both sides."""
    ours, theirs = (summarise(place, state, run_ids=run_ids) for place, state in ((source, versions), (target, None)))
    for table in (RUNS, *STAMPED):
        if (ours[0][table], ours[1][table]) != (theirs[0][table], theirs[1][table]):
            raise StoreError(
                f"The copy of {table!r} in {target} differs from {source}: {theirs[0][table]} rows against "
                f"{ours[0][table]}" + ("." if ours[0][table] != theirs[0][table] else ", with other content."),
                hint="`assay store check` on both sides says more; a run that was changed there is not overwritten.",
            )
