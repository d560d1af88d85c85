"""Named states of a store: make one, list them, compare two, go back to one.

A snapshot costs a row: the versions of the tables, with counts and checksums to prove later that they still say the
same. Its files are kept from ``vacuum`` for as long as the name exists. May import: core and store; deltalake inside
functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.core.errors import NotFoundError, StoreError, UsageError
from assay.core.records import SnapshotRecord
from assay.store.maintenance import unfinished_writes
from assay.store.query import fetch_rows, reading
from assay.store.rows import aware, utc
from assay.store.schema import RUNS, SNAPSHOTS, STAMPED, TABLES
from assay.store.tables import append_arrow, arrow_table, failure, open_table
from assay.store.versions import DATA_TABLES, Versions, current_versions
from assay.store.writes import delete_rows

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STAMPS = frozenset({"write_id"})


@dataclass(frozen=True, slots=True)
class StateDiff:
    """What is in one state and not in the other, by run, and the rows of each table in both."""

    only_in_first: tuple[str, ...]
    only_in_second: tuple[str, ...]
    in_both: int
    rows: Mapping[str, tuple[int, int]]


def make_snapshot(location: str, name: str, *, note: str | None = None) -> SnapshotRecord:
    """Name the present state. Raises UsageError for a name that is taken or is none."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} is no name of a snapshot.", hint="Expected letters, digits, '.', '_' and '-', at most 64."
        )
    if any(one.name == name for one in list_snapshots(location)):
        raise UsageError(f"There is a snapshot {name!r} already.", hint=f"`assay store snapshot rm {name}` ends it.")
    versions = current_versions(location)
    rows, checksums = summarise(location, versions)
    record = SnapshotRecord(name, datetime.now(UTC), versions, rows, checksums, note)
    append_arrow(location, SNAPSHOTS, arrow_table(SNAPSHOTS, [_row(record)]))
    return record


def list_snapshots(location: str) -> list[SnapshotRecord]:
    """Return every snapshot, newest first."""
    rows = fetch_rows(location, "SELECT * FROM snapshots ORDER BY created_at DESC, name", tables=[SNAPSHOTS])
    return [_record(row) for row in rows]


def find_snapshot(location: str, name: str) -> SnapshotRecord:
    """Return one. Raises NotFoundError listing those there are."""
    found = {one.name: one for one in reversed(list_snapshots(location))}
    if name not in found:
        known = ", ".join(found) or "none"
        raise NotFoundError(f"There is no snapshot {name!r}.", hint=f"There are: {known}.")
    return found[name]


def remove_snapshot(location: str, name: str) -> None:
    """End a name; its files fall to the next ``vacuum``. Raises NotFoundError."""
    find_snapshot(location, name)
    delete_rows(location, SNAPSHOTS, "name", [name])


def verify_snapshot(location: str, name: str) -> list[str]:
    """Read a snapshot again and return what differs from what was noted when it was made; nothing is good."""
    record = find_snapshot(location, name)
    rows, checksums = summarise(location, record.versions)
    return [
        f"{table}: {rows[table]} rows, {record.rows[table]} were noted"
        if rows[table] != record.rows[table]
        else f"{table}: the rows have another checksum"
        for table in record.rows
        if (rows[table], checksums[table]) != (record.rows[table], record.checksums[table])
    ]


def summarise(
    location: str, versions: Versions | None, *, run_ids: list[str] | None = None
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the rows of each table and a checksum of their content, whatever their order and files.

    The checksum is the sum of the lower halves of the MD5 of each row as text, without the stamp of the attempt that
    wrote it: equal for a copy, other for a row that is changed, lost or doubled. ``run_ids`` narrows the tables that
    belong to runs.
    """
    rows: dict[str, int] = {}
    checksums: dict[str, str] = {}
    with reading(location, DATA_TABLES, versions=versions) as connection:
        for table in DATA_TABLES:
            columns = ", ".join(f'"{one.name}"' for one in TABLES[table] if one.name not in _STAMPS)
            narrowed = run_ids is not None and (table in STAMPED or table == RUNS)
            where = "WHERE run_id IN (SELECT unnest(?::VARCHAR[]))" if narrowed else ""
            cursor = connection.cursor().execute(
                f"SELECT count(*), sum(md5_number_lower(entry::VARCHAR)) FROM (SELECT {columns} FROM {table} {where}) AS entry",  # noqa: S608, E501
                [run_ids] if narrowed else [],
            )
            ((count, total),) = cursor.fetchall()
            rows[table], checksums[table] = int(count), str(total or 0)
    return rows, checksums


def diff_states(location: str, first: Versions | None, second: Versions | None) -> StateDiff:
    """Compare two states; None is now."""
    runs = [_run_ids(location, state) for state in (first, second)]
    counts = [_count_rows(location, state) for state in (first, second)]
    return StateDiff(
        tuple(sorted(runs[0] - runs[1])),
        tuple(sorted(runs[1] - runs[0])),
        len(runs[0] & runs[1]),
        {table: (counts[0][table], counts[1][table]) for table in DATA_TABLES},
    )


def restore(location: str, versions: Versions) -> SnapshotRecord:
    """Bring every table back to an earlier state, and return the snapshot of what was there before.

    Runs that the state does not have vanish first, then the other tables change, then runs that it has come back: a
    process killed midway leaves some runs missing and none half there, and restoring again completes it. Raises
    StoreError while others write, or where files of that state are gone.
    """
    _, being_written = unfinished_writes(location)
    if being_written:
        raise StoreError(
            f"{being_written} runs are being written to {location}; their rows would be lost.",
            hint="Wait until they have ended.",
        )
    before = make_snapshot(location, f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}", note="made by restore")
    gone = _run_ids(location, None) - _run_ids(location, versions)
    delete_rows(location, RUNS, "run_id", sorted(gone))
    for table in (*DATA_TABLES[1:], RUNS):
        _restore_table(location, table, versions.get(table, -1))
    return before


def _restore_table(location: str, table: str, version: int) -> None:
    opened = open_table(location, table)
    if opened is None or opened.version() == version:
        return
    try:
        if version < 0:
            opened.delete("true")  # without a condition, a rewriting in between would make it delete nothing
        else:
            opened.restore(version)
    except Exception as error:
        raise failure(
            f"The table {table!r} of {location} could not be brought back to version {version}", error
        ) from error


def _run_ids(location: str, versions: Versions | None) -> set[str]:
    with reading(location, (), versions=versions) as connection:
        return {row[0] for row in connection.cursor().execute("SELECT run_id FROM runs").fetchall()}


def _count_rows(location: str, versions: Versions | None) -> dict[str, int]:
    with reading(location, DATA_TABLES, versions=versions) as connection:
        return {
            table: int(connection.cursor().execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608
            for table in DATA_TABLES
        }


def _row(record: SnapshotRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "created_at": utc(record.created_at),
        "versions": dict(record.versions),
        "rows": dict(record.rows),
        "checksums": dict(record.checksums),
        "note": record.note,
        "schema_version": record.schema_version,
    }


def _record(row: Mapping[str, Any]) -> SnapshotRecord:
    maps = {name: dict(row[name]) for name in ("versions", "rows", "checksums")}
    return SnapshotRecord(
        name=row["name"],
        created_at=aware(row["created_at"]),
        note=row["note"],
        schema_version=row["schema_version"],
        **maps,
    )
