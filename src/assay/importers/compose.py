"""From an imported row to the records that are kept. Every id is a hash, so the same file makes the same ids.

May import: core, store, probes.software, importers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assay import __version__
from assay.core.case import series_id
from assay.core.ids import canonical_json, content_hash, write_uuid
from assay.core.records import (
    EnvironmentRecord,
    ImportRecord,
    LaunchRecord,
    RefusalRecord,
    ResultRecord,
    RunRecord,
)
from assay.core.words import Provenance, RunStatus, Status
from assay.importers.base import Conversion, Facts, ImportedRow, Refusal
from assay.importers.plain import plain
from assay.probes.software import source_hash

UNKNOWN = "unknown"
_LONGEST_RAW = 500
_VERSION_8 = 0x8


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What the records of one imported file share."""

    source: str
    format: str
    sha256: str
    size_bytes: int
    import_id: str
    run_id: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    hardware: str | None = None


def import_id(sha256: str, format_name: str, mapping_sha256: str | None = None) -> str:
    """Identify an import: this content, read as this format (and with this mapping). 16 hexadecimal digits."""
    return content_hash([sha256, format_name, *([mapping_sha256] if mapping_sha256 else [])])


def hashed_uuid(*parts: str | int) -> str:
    """Return a UUIDv8 (RFC 9562 section 5.8) of some parts: 122 bits of their SHA-256, always the same."""
    value = int.from_bytes(hashlib.sha256(canonical_json(parts).encode()).digest()[:16], "big")
    return write_uuid(value, version=_VERSION_8)


def merge_facts(found: list[Facts]) -> tuple[dict[str, Any], str | None]:
    """Return all that a file says of its machine, later words over earlier ones, and the first hardware it names."""
    values: dict[str, Any] = {}
    for one in found:
        values.update(plain(one.values))
    return values, next((one.hardware for one in found if one.hardware), None)


def environment_record(file: FileIdentity, now: datetime) -> EnvironmentRecord:
    """The machine behind a file, as far as the file tells."""
    hardware = file.hardware or UNKNOWN
    return EnvironmentRecord(
        env_id=content_hash(["imported", dict(file.facts), hardware]),
        host_id=UNKNOWN,
        hardware_class=hardware,
        facts=dict(file.facts),
        first_seen_at=now,
    )


def run_record(file: FileIdentity, env_id: str, rows: int, *, started_at: datetime, finished_at: datetime) -> RunRecord:
    """The import of one file as a run."""
    return RunRecord(
        run_id=file.run_id,
        suite=f"import {file.format}",
        status=RunStatus.OK,
        started_at=started_at,
        finished_at=finished_at,
        env_id=env_id,
        config={"source": file.source, "format": file.format, "sha256": file.sha256},
        cases_planned=rows,
        assay_version=__version__,
        source_hash=source_hash(),
        provenance=Provenance.IMPORTED,
        import_id=file.import_id,
    )


def import_record(
    file: FileIdentity, *, taken: int, refused: int, notes: tuple[str, ...], imported_at: datetime
) -> ImportRecord:
    """The row that says this file was imported."""
    return ImportRecord(
        import_id=file.import_id,
        run_id=file.run_id,
        source=file.source,
        format=file.format,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        imported_at=imported_at,
        assay_version=__version__,
        rows_seen=taken + refused,
        rows_taken=taken,
        rows_refused=refused,
        notes=notes,
    )


def refusal_record(file: FileIdentity, refusal: Refusal) -> RefusalRecord:
    """The row that says one row was not taken."""
    return RefusalRecord(file.import_id, file.run_id, refusal.place, refusal.error, cut(refusal.raw))


def result_record(file: FileIdentity, number: int, row: ImportedRow, fingerprint: str | None) -> ResultRecord:
    """One row of a source as a result; ``number`` is its position among the rows that were taken."""
    hardware = row.hardware or file.hardware
    launches = 1 if row.samples else 0
    return ResultRecord(
        result_id=hashed_uuid(file.import_id, "result", number),
        run_id=file.run_id,
        series_id=series_id(row.case.case_id, hardware or UNKNOWN),
        case=row.case,
        status=row.status,
        measured_at=row.measured_at,
        reason=row.reason,
        effective_precision=row.effective_precision,
        hardware=hardware,
        parameters=row.parameters,
        units_per_call=row.units_per_call,
        unit_of_work=row.unit_of_work,
        launches_planned=launches,
        launches_ok=launches if row.status is Status.OK else 0,
        metrics=row.metrics,
        provenance=Provenance.IMPORTED,
        source=file.source,
        source_place=row.place,
        source_fields=plain(row.fields),
        conversions={name: conversion_fields(one) for name, one in row.conversions.items()},
        simulated=row.simulated,
        marks=row.marks,
        fingerprint=fingerprint,
    )


def launch_record(file: FileIdentity, number: int, result: ResultRecord, row: ImportedRow) -> LaunchRecord:
    """The raw readings of a row. When they were taken, and how long all of it lasted, is not known."""
    return LaunchRecord(
        launch_id=hashed_uuid(file.import_id, "launch", number),
        run_id=file.run_id,
        result_id=result.result_id,
        origin_run_id=file.run_id,
        ordinal=0,
        status=row.status,
        started_at=None,
        wall_ns=None,
        reason=row.reason,
        effective_precision=row.effective_precision,
        samples=row.samples,
    )


def conversion_fields(conversion: Conversion) -> dict[str, Any]:
    """A conversion as plain data, without what is not said."""
    fields = {"field": conversion.field, "unit": conversion.unit, "factor": conversion.factor, "note": conversion.note}
    return {name: value for name, value in fields.items() if value is not None}


def cut(text: str) -> str:
    """Shorten what a refused row says."""
    return text if len(text) <= _LONGEST_RAW else f"{text[:_LONGEST_RAW]}... ({len(text)} characters)"
