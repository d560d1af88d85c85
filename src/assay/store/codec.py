"""Records as JSON values, for the journal: every field by its name, nothing left out.

May import: core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any

from assay.core.case import Case
from assay.core.errors import StoreError
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunRecord,
    SampleSeries,
    TelemetrySeries,
)
from assay.core.words import Fidelity, Provenance, RunStatus, Status, Verdict

Record = RunRecord | EnvironmentRecord | LaunchRecord | ResultRecord

KINDS: dict[type[Any], str] = {
    RunRecord: "run",
    EnvironmentRecord: "environment",
    LaunchRecord: "launch",
    ResultRecord: "result",
}
"""The word each record has in a journal."""

_TYPES = {kind: record for record, kind in KINDS.items()}


def record_to_json(record: Record) -> dict[str, Any]:
    """Return a record as values that ``json.dumps`` takes."""
    return {field.name: _plain(getattr(record, field.name)) for field in fields(record)}


def record_from_json(kind: str, content: Mapping[str, Any]) -> Record:
    """Read back what :func:`record_to_json` wrote; fields this version does not know are left aside.

    Raises StoreError for content that is no record of this kind.
    """
    record_type = _TYPES.get(kind)
    if record_type is None:
        raise StoreError(f"A journal line of kind {kind!r} holds no record; expected one of {sorted(_TYPES)}.")
    known = {field.name for field in fields(record_type)}
    try:
        values = {name: _READ.get(name, _as_is)(value) for name, value in content.items() if name in known}
        if "status" in values:
            values["status"] = (RunStatus if kind == "run" else Status)(values["status"])
        record: Record = record_type(**values)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(f"A journal line of kind {kind!r} could not be read: {error}.") from error
    return record


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            plain: Any = value.value
        case datetime():
            plain = value.isoformat()
        case Case():
            plain = value.to_dict()
        case MetricValue() | SampleSeries() | TelemetrySeries():
            plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case Mapping():
            plain = {key: _plain(entry) for key, entry in value.items()}
        case tuple() | list():
            plain = [_plain(entry) for entry in value]
        case _:
            plain = value
    return plain


def _as_is(value: Any) -> Any:
    return value


def _optional_verdict(word: str | None) -> Verdict | None:
    return None if word is None else Verdict(word)


def _fidelity(value: str | dict[str, float] | None) -> Fidelity | dict[str, float] | None:
    """A word of a result, numbers of a launch."""
    return Fidelity(value) if isinstance(value, str) else value


def _samples(entries: list[dict[str, Any]]) -> tuple[SampleSeries, ...]:
    return tuple(SampleSeries(**{**entry, "values": tuple(entry["values"])}) for entry in entries)


def _telemetry(entries: list[dict[str, Any]]) -> tuple[TelemetrySeries, ...]:
    return tuple(
        TelemetrySeries(**{**entry, "dt_ns": tuple(entry["dt_ns"]), "values": tuple(entry["values"])})
        for entry in entries
    )


def _metrics(entries: list[dict[str, Any]]) -> tuple[MetricValue, ...]:
    return tuple(MetricValue(**entry) for entry in entries)


_READ: dict[str, Callable[[Any], Any]] = {
    "started_at": datetime.fromisoformat,
    "finished_at": datetime.fromisoformat,
    "measured_at": datetime.fromisoformat,
    "first_seen_at": datetime.fromisoformat,
    "case": Case.from_dict,
    "verdict": _optional_verdict,
    "fidelity": _fidelity,
    "verdict_reasons": tuple,
    "tags": tuple,
    "provenance": Provenance,
    "samples": _samples,
    "telemetry": _telemetry,
    "metrics": _metrics,
}
