"""What checks found and calibrations showed: rows like any other, added and never changed.

May import: core and store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from assay.core.records import CalibrationRecord, FindingRecord
from assay.core.words import Change
from assay.store.query import fetch_rows
from assay.store.rows import aware, utc
from assay.store.schema import CALIBRATIONS, FINDINGS
from assay.store.tables import append_arrow, arrow_table, live_files

Record = TypeVar("Record", FindingRecord, CalibrationRecord)


def append_findings(location: str, findings: Sequence[FindingRecord]) -> None:
    """Keep what one check said, all of it in one commit. Raises StoreError."""
    _append(location, FINDINGS, findings)


def read_findings(
    location: str,
    *,
    check_id: str | None = None,
    run_id: str | None = None,
    series_id: str | None = None,
    versions: Mapping[str, int] | None = None,
) -> list[FindingRecord]:
    """Return findings, oldest first: of one check, one judged run, one series, or all."""
    rows = fetch_rows(
        location,
        """
        SELECT * FROM findings
        WHERE check_id = coalesce(?, check_id) AND run_id = coalesce(?, run_id) AND series_id = coalesce(?, series_id)
        ORDER BY created_at, finding_id
        """,
        [check_id, run_id, series_id],
        tables=[FINDINGS],
        versions=versions,
    )
    return [_finding(row) for row in rows]


def append_calibrations(location: str, calibrations: Sequence[CalibrationRecord]) -> None:
    """Keep what one calibration showed. Raises StoreError."""
    _append(location, CALIBRATIONS, calibrations)


def read_calibrations(
    location: str, *, series_id: str | None = None, versions: Mapping[str, int] | None = None
) -> list[CalibrationRecord]:
    """Return calibrations, oldest first. A later one of the same series, metric and environment replaces earlier."""
    if versions is None and not live_files(location, CALIBRATIONS):
        return []  # nothing was calibrated yet, which takes no query engine to see
    rows = fetch_rows(
        location,
        "SELECT * FROM calibrations WHERE series_id = coalesce(?, series_id) ORDER BY created_at, calibration_id",
        [series_id],
        tables=[CALIBRATIONS],
        versions=versions,
    )
    return [_record(CalibrationRecord, row, ("run_ids",)) for row in rows]


def _finding(row: Mapping[str, Any]) -> FindingRecord:
    return _record(FindingRecord, {**row, "change": Change(row["change"])}, ("confirmed_by", "reasons"))


def _record(kind: type[Record], row: Mapping[str, Any], lists: Iterable[str]) -> Record:
    values = {field.name: row[field.name] for field in fields(kind)}
    values |= {name: tuple(values[name]) for name in lists}
    return kind(**{**values, "created_at": aware(values["created_at"])})


def _append(location: str, table: str, records: Sequence[FindingRecord] | Sequence[CalibrationRecord]) -> None:
    if records:
        append_arrow(location, table, arrow_table(table, [_row(record) for record in records]))


def _row(record: FindingRecord | CalibrationRecord) -> dict[str, Any]:
    row = {field.name: getattr(record, field.name) for field in fields(record)}
    row["created_at"] = utc(row["created_at"])
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
