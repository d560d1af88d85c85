"""Records to table rows and back, exactly.

A row is a plain dict whose keys are the columns of ``schema.TABLES``. Reading what was written gives an equal
record: no number is stored twice, and none is lost. May import: core and store.schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from assay.core.case import AnyCase, Case, ForeignCase
from assay.core.errors import StoreError
from assay.core.records import (
    EnvironmentRecord,
    ImportRecord,
    LaunchRecord,
    MetricValue,
    RefusalRecord,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
    TelemetrySeries,
)
from assay.core.words import Fidelity, Mark, Mode, Precision, Provenance, RunStatus, Status, Verdict
from assay.store.headline import metric_columns, metrics_from_row
from assay.store.schema import LAUNCHES, METRIC_FIELDS, RESULTS, SAMPLES, TELEMETRY

Row = dict[str, Any]


def bundle_rows(bundle: RunBundle) -> dict[str, list[Row]]:
    """Return every row of a run but its own and the environment's, by table, without the stamp of an attempt."""
    return {
        RESULTS: [result_row(result) for result in bundle.results],
        LAUNCHES: [launch_row(launch) for launch in bundle.launches],
        SAMPLES: [row for launch in bundle.launches for row in sample_rows(launch)],
        TELEMETRY: [row for launch in bundle.launches for row in telemetry_rows(launch)],
    }


def import_row(record: ImportRecord) -> Row:
    """Return the columns of one imported file."""
    return {
        "import_id": record.import_id,
        "run_id": record.run_id,
        "source": record.source,
        "format": record.format,
        "sha256": record.sha256,
        "size_bytes": record.size_bytes,
        "imported_at": utc(record.imported_at),
        "assay_version": record.assay_version,
        "rows_seen": record.rows_seen,
        "rows_taken": record.rows_taken,
        "rows_refused": record.rows_refused,
        "notes": list(record.notes),
        "schema_version": record.schema_version,
    }


def import_from_row(row: Mapping[str, Any]) -> ImportRecord:
    """Read back one imported file."""
    values = {name: row[name] for name in ImportRecord.__dataclass_fields__}
    return ImportRecord(**{**values, "imported_at": aware(row["imported_at"]), "notes": tuple(row["notes"])})


def refusal_row(record: RefusalRecord) -> Row:
    """Return the columns of one row that was not taken."""
    return {name: getattr(record, name) for name in RefusalRecord.__dataclass_fields__}


def refusal_from_row(row: Mapping[str, Any]) -> RefusalRecord:
    """Read back one row that was not taken."""
    return RefusalRecord(**{name: row[name] for name in RefusalRecord.__dataclass_fields__})


def run_row(run: RunRecord) -> Row:
    """Return a run's columns, without the counts that only a bundle knows."""
    return {
        "run_id": run.run_id,
        "parent_id": run.parent_id,
        "suite": run.suite,
        "status": run.status.value,
        "started_at": utc(run.started_at),
        "finished_at": utc(run.finished_at),
        "env_id": run.env_id,
        "config": to_json(run.config),
        "cases_planned": run.cases_planned,
        "assay_version": run.assay_version,
        "source_hash": run.source_hash,
        "git_commit": run.git_commit,
        "git_branch": run.git_branch,
        "git_dirty": run.git_dirty,
        "tags": list(run.tags),
        "note": run.note,
        "provenance": run.provenance.value,
        "import_id": run.import_id,
        "schema_version": run.schema_version,
    }


def run_from_row(row: Mapping[str, Any]) -> RunRecord:
    """Read back a run."""
    return RunRecord(
        run_id=row["run_id"],
        suite=row["suite"],
        status=RunStatus(row["status"]),
        started_at=aware(row["started_at"]),
        finished_at=aware(row["finished_at"]),
        env_id=row["env_id"],
        config=json.loads(row["config"]),
        cases_planned=row["cases_planned"],
        assay_version=row["assay_version"],
        source_hash=row["source_hash"],
        parent_id=row["parent_id"],
        git_commit=row["git_commit"],
        git_branch=row["git_branch"],
        git_dirty=row["git_dirty"],
        tags=tuple(row["tags"]),
        note=row["note"],
        provenance=Provenance(row["provenance"]),
        import_id=row["import_id"],
        schema_version=row["schema_version"],
    )


def environment_row(environment: EnvironmentRecord, schema_version: int) -> Row:
    """Return an environment's columns."""
    return {
        "env_id": environment.env_id,
        "host_id": environment.host_id,
        "hardware_class": environment.hardware_class,
        "facts": to_json(environment.facts),
        "first_seen_at": utc(environment.first_seen_at),
        "schema_version": schema_version,
    }


def environment_from_row(row: Mapping[str, Any]) -> EnvironmentRecord:
    """Read back an environment."""
    return EnvironmentRecord(
        env_id=row["env_id"],
        host_id=row["host_id"],
        hardware_class=row["hardware_class"],
        facts=json.loads(row["facts"]),
        first_seen_at=aware(row["first_seen_at"]),
    )


def result_row(result: ResultRecord) -> Row:
    """Return a result's columns: the case flat, headline metrics wide, the others in the ``metrics`` list."""
    case = result.case
    return {
        "result_id": result.result_id,
        "run_id": result.run_id,
        "series_id": result.series_id,
        "case_id": case.case_id,
        "workload": case.workload,
        "family": case.family,
        "engine": case.engine,
        "device": case.device,
        "mode": case.mode.value,
        "precision": None if case.precision is None else str(case.precision),
        "batch": case.batch,
        "shape": dict(case.shape),
        "options": to_json(dict(case.options)),
        "status": result.status.value,
        "reason": result.reason,
        "verdict": _word(result.verdict),
        "verdict_reasons": list(result.verdict_reasons),
        "effective_precision": result.effective_precision,
        "fidelity": None if result.fidelity is None else result.fidelity.value,
        "fidelity_reason": result.fidelity_reason,
        "hardware": result.hardware,
        "parameters": result.parameters,
        "units_per_call": result.units_per_call,
        "unit_of_work": result.unit_of_work,
        "launches_planned": result.launches_planned,
        "launches_ok": result.launches_ok,
        "measured_at": optional_utc(result.measured_at),
        "provenance": result.provenance.value,
        "source": result.source,
        "source_place": result.source_place,
        "source_fields": to_json(result.source_fields) if result.source_fields else None,
        "conversions": to_json(result.conversions) if result.conversions else None,
        "simulated": result.simulated,
        "marks": {mark.value: reason for mark, reason in result.marks.items()},
        "fingerprint": result.fingerprint,
        "schema_version": result.schema_version,
        **metric_columns(result.metrics),
    }


def result_from_row(row: Mapping[str, Any]) -> ResultRecord:
    """Read back a result."""
    return ResultRecord(
        result_id=row["result_id"],
        run_id=row["run_id"],
        series_id=row["series_id"],
        case=case_from_row(row),
        status=Status(row["status"]),
        measured_at=optional_aware(row["measured_at"]),
        reason=row["reason"],
        verdict=_verdict(row["verdict"]),
        verdict_reasons=tuple(row["verdict_reasons"]),
        effective_precision=row["effective_precision"],
        fidelity=None if row["fidelity"] is None else Fidelity(row["fidelity"]),
        fidelity_reason=row["fidelity_reason"],
        hardware=row["hardware"],
        parameters=row["parameters"],
        units_per_call=row["units_per_call"],
        unit_of_work=row["unit_of_work"],
        launches_planned=row["launches_planned"],
        launches_ok=row["launches_ok"],
        metrics=metrics_from_row(row),
        provenance=Provenance(row["provenance"]),
        source=row["source"],
        source_place=row["source_place"],
        source_fields=json.loads(row["source_fields"]) if row["source_fields"] else {},
        conversions=json.loads(row["conversions"]) if row["conversions"] else {},
        simulated=row["simulated"],
        marks={Mark(word): reason for word, reason in row["marks"].items()},
        fingerprint=row["fingerprint"],
        schema_version=row["schema_version"],
    )


def case_from_row(row: Mapping[str, Any]) -> AnyCase:
    """Read back what a result is of: a case of ours where it was measured, else what its source says."""
    shape = tuple(sorted(row["shape"].items()))
    options = tuple(sorted(json.loads(row["options"]).items()))
    if row["provenance"] == Provenance.IMPORTED:
        return ForeignCase(
            workload=row["workload"],
            engine=row["engine"],
            device=row["device"],
            mode=Mode(row["mode"]),
            precision=row["precision"],
            batch=row["batch"],
            shape=shape,
            options=options,
        )
    return Case(
        workload=row["workload"],
        engine=row["engine"],
        device=row["device"],
        mode=Mode(row["mode"]),
        precision=Precision(row["precision"]),
        batch=row["batch"],
        shape=shape,
        options=options,
    )


def launch_row(launch: LaunchRecord) -> Row:
    """Return a launch's columns; its samples are rows of their own."""
    return {
        "launch_id": launch.launch_id,
        "run_id": launch.run_id,
        "result_id": launch.result_id,
        "origin_run_id": launch.origin_run_id,
        "ordinal": launch.ordinal,
        "status": launch.status.value,
        "reason": launch.reason,
        "started_at": optional_utc(launch.started_at),
        "wall_ns": launch.wall_ns,
        "verdict": _word(launch.verdict),
        "verdict_reasons": list(launch.verdict_reasons),
        "effective_precision": launch.effective_precision,
        "threads": launch.threads,
        "median_ns": launch.median_ns,
        "warmup_calls": launch.warmup_calls,
        "warmup_converged": launch.warmup_converged,
        "stop_reason": launch.stop_reason,
        "costs_ns": dict(launch.costs_ns),
        "memory_bytes": dict(launch.memory_bytes),
        "witnesses": dict(launch.witnesses),
        "engine_facts": dict(launch.engine_facts),
        "fidelity": dict(launch.fidelity),
        "fidelity_reason": launch.fidelity_reason,
        "placement": dict(launch.placement),
        "metrics": [{name: getattr(metric, name) for name in METRIC_FIELDS} for metric in launch.metrics],
        "schema_version": launch.schema_version,
    }


def launch_from_row(
    row: Mapping[str, Any], samples: Sequence[SampleSeries] = (), telemetry: Sequence[TelemetrySeries] = ()
) -> LaunchRecord:
    """Read back a launch, with the series read for it (none unless asked for)."""
    return LaunchRecord(
        launch_id=row["launch_id"],
        run_id=row["run_id"],
        result_id=row["result_id"],
        origin_run_id=row["origin_run_id"],
        ordinal=row["ordinal"],
        status=Status(row["status"]),
        started_at=optional_aware(row["started_at"]),
        wall_ns=row["wall_ns"],
        reason=row["reason"],
        verdict=_verdict(row["verdict"]),
        verdict_reasons=tuple(row["verdict_reasons"]),
        effective_precision=row["effective_precision"],
        threads=row["threads"],
        median_ns=row["median_ns"],
        warmup_calls=row["warmup_calls"],
        warmup_converged=row["warmup_converged"],
        stop_reason=row["stop_reason"],
        costs_ns=dict(row["costs_ns"]),
        memory_bytes=dict(row["memory_bytes"]),
        witnesses=dict(row["witnesses"]),
        engine_facts=dict(row["engine_facts"]),
        fidelity=dict(row["fidelity"]),
        fidelity_reason=row["fidelity_reason"],
        placement=dict(row["placement"]),
        metrics=tuple(MetricValue(**metric) for metric in row["metrics"]),
        telemetry=tuple(telemetry),
        samples=tuple(samples),
        schema_version=row["schema_version"],
    )


def sample_rows(launch: LaunchRecord) -> list[Row]:
    """Return one row for each sample series of a launch, in order."""
    return [
        {
            "run_id": launch.run_id,
            "result_id": launch.result_id,
            "launch_id": launch.launch_id,
            "ordinal": ordinal,
            "name": series.name,
            "unit": series.unit,
            "calls_per_sample": series.calls_per_sample,
            "rank": series.rank,
            "values": series.values,
            "schema_version": launch.schema_version,
        }
        for ordinal, series in enumerate(launch.samples)
    ]


def telemetry_rows(launch: LaunchRecord) -> list[Row]:
    """Return one row for each sensor read beside a launch, in order."""
    return [
        {
            "run_id": launch.run_id,
            "result_id": launch.result_id,
            "launch_id": launch.launch_id,
            "ordinal": ordinal,
            **{name: getattr(series, name) for name in TelemetrySeries.__dataclass_fields__},
            "schema_version": launch.schema_version,
        }
        for ordinal, series in enumerate(launch.telemetry)
    ]


def telemetry_from_row(row: Mapping[str, Any]) -> TelemetrySeries:
    """Read back one sensor's readings."""
    fields = {name: row[name] for name in TelemetrySeries.__dataclass_fields__}
    return TelemetrySeries(**{**fields, "dt_ns": tuple(row["dt_ns"]), "values": tuple(row["values"])})


def sample_from_row(row: Mapping[str, Any]) -> SampleSeries:
    """Read back one sample series."""
    return SampleSeries(
        name=row["name"],
        unit=row["unit"],
        values=tuple(row["values"]),
        calls_per_sample=row["calls_per_sample"],
        rank=row["rank"],
    )


def utc(time: datetime) -> datetime:
    """Return the instant in UTC. Raises StoreError for a time without a zone, which could mean any instant."""
    if time.tzinfo is None:
        raise StoreError(
            f"The time {time.isoformat()} has no time zone; the store keeps UTC.", hint="Use datetime.UTC."
        )
    return time.astimezone(UTC)


def aware(time: datetime) -> datetime:
    """Mark a time read from DuckDB, which is UTC without saying so."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def optional_utc(time: datetime | None) -> datetime | None:
    """As :func:`utc`, where the time may not be known."""
    return None if time is None else utc(time)


def optional_aware(time: datetime | None) -> datetime | None:
    """As :func:`aware`, where the time may not be known."""
    return None if time is None else aware(time)


def to_json(content: Any) -> str:
    """Plain data as compact JSON text, keeping the order of keys; numpy scalars become Python's."""
    return json.dumps(content, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain data; expected text, numbers, lists or mappings.")


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.value


def _verdict(word: str | None) -> Verdict | None:
    return None if word is None else Verdict(word)
